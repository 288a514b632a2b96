"""The state of a fitted learner as plain data."""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Any

import torch

from torchlearners.base._callbacks import fresh_callbacks
from torchlearners.data import restore_target
from torchlearners.exceptions import StorageError
from torchlearners.storage import restoring
from torchlearners.training import net_state, resolve_device, torch_defaults

# The number of the form that a state has here, and of the newest that can be read.
# States without a number come from before; they have an optimizer's state too.
_FORMAT = 1


class PlainState:
    """How a learner is stored: the skorch net is dropped, and built again.

    The optimizer is not stored, as it would take twice the weights, and predictions do
    without: training goes on with a new one. A `Checkpoint` stores it.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())  # type: ignore[call-overload]
        # What callbacks remember is of a training, and may refer to its net.
        state["callbacks"] = fresh_callbacks(state["callbacks"])
        if "net_" in state:
            state["_net_state"] = net_state(state.pop("net_"), optimizer=False)
            for name in ("_spec", "_columns", "_schema", "_target"):
                state[name] = state[name].state()
            state["_stored_by"] = stored_by()
        return state

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        name = f"the {type(self).__name__}"
        with restoring(name):
            state = dict(state)
            check_format(name, state.pop("_stored_by", None))
            saved = state.pop("_net_state", None)
            super().__setstate__(state)  # type: ignore[misc]
            if saved is not None:
                self._restore(state, saved)
            elif "_fitted_params" in state:
                raise KeyError("_net_state")

    def _restore(self: Any, state: dict[str, Any], saved: dict[str, Any]) -> None:
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


@functools.cache
def _version() -> str:
    return version("torchlearners")


def stored_by() -> dict[str, Any]:
    """Return what a state tells of its own form."""
    return {"torchlearners": _version(), "format": _FORMAT}


def check_format(name: str, written: dict[str, Any] | None) -> None:
    """Raise where a state is of a form that is not known yet."""
    if written is not None and written["format"] > _FORMAT:
        raise StorageError(
            f"The state of {name} was written by torchlearners "
            f"{written['torchlearners']} (format {written['format']}); this is "
            f"{_version()}, which reads formats up to {_FORMAT}. Update torchlearners."
        )
