"""The state of a fitted learner as plain data."""

from __future__ import annotations

from typing import Any

import torch

from torchlearners.base._callbacks import fresh_callbacks
from torchlearners.data import restore_target
from torchlearners.training import net_state, resolve_device, torch_defaults


class PlainState:
    """How a learner is stored: the skorch net is dropped, and built again."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())  # type: ignore[call-overload]
        # What callbacks remember is of a training, and may refer to its net.
        state["callbacks"] = fresh_callbacks(state["callbacks"])
        if "net_" in state:
            state["_net_state"] = net_state(state.pop("net_"))
            for name in ("_spec", "_columns", "_schema", "_target"):
                state[name] = state[name].state()
        return state

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_net_state", None)
        super().__setstate__(state)  # type: ignore[misc]
        if saved is None:
            return
        as_fitted = type(self)(**state["_fitted_params"])
        self._columns = type(as_fitted.encoder())(**state["_columns"])
        self._schema = type(as_fitted.schema())(**state["_schema"])
        spec = state["_spec"]
        self._spec = self._columns.spec(
            spec["n_outputs"], spec["target"], spec["n_rows"]
        )
        self._target = restore_target(state["_target"])
        try:
            device = resolve_device(state["device_"])
        except ValueError:  # trained on an accelerator that this machine lacks
            device = torch.device("cpu")
        # A module may have drawn more than weights; the seed draws that again.
        generator = torch.Generator().manual_seed(state["seed_"])
        with torch_defaults():
            self.net_ = as_fitted._build_net(
                self._spec, self._target, generator, device, 1, [], saved
            )
