"""torch's optimizers with their whole step in one fused kernel call.

Each class is torch's own, with the same parameter groups, state and results; only the
route to the kernel is shorter: no import of ``torch._dynamo``, no grouping of tensors
by device, and lists of state tensors that are kept between steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torchlearners._compat import WithoutDynamo, foreach_add_, fused_kernel

Lists = dict[str, list[Tensor]]


class _Fused(WithoutDynamo, torch.optim.Optimizer):
    """Gather what a kernel takes; subclasses call it."""

    def __init__(self, parameters: Any, **settings: Any) -> None:
        super().__init__(parameters, fused=True, **settings)  # type: ignore[call-arg]
        self._gathered: dict[int, tuple[list[int], list[Tensor], Lists]] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            active = [id(p) for p in group["params"] if p.grad is not None]
            known = self._gathered.get(index)
            if known is None or known[0] != active:
                known = self._gathered[index] = (active, *self._gather(group))
            _, parameters, lists = known
            if parameters:
                self.update(group, parameters, [p.grad for p in parameters], lists)
        return loss

    def initial_state(self, group: dict[str, Any], p: Tensor) -> dict[str, Tensor]:
        """Return the state of a parameter before its first step."""
        raise NotImplementedError

    def update(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        grads: list[Tensor | None],
        lists: Lists,
    ) -> None:
        """Call the kernel for one parameter group."""
        raise NotImplementedError

    def _gather(self, group: dict[str, Any]) -> tuple[list[Tensor], Lists]:
        parameters = [p for p in group["params"] if p.grad is not None]
        for p in parameters:
            if not self.state[p]:
                self.state[p] = self.initial_state(group, p)
        names = list(self.state[parameters[0]]) if parameters else []
        return parameters, {n: [self.state[p][n] for p in parameters] for n in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state made by `state_dict`."""
        super().load_state_dict(state_dict)
        self._gathered.clear()


class FusedAdam(_Fused, torch.optim.Adam):
    """`torch.optim.Adam`."""

    kernel = staticmethod(fused_kernel("adam"))

    def initial_state(self, group: dict[str, Any], p: Tensor) -> dict[str, Tensor]:
        """Return the state torch gives a parameter before its first step."""
        state = {
            "step": torch.zeros((), dtype=torch.float32, device=p.device),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = torch.zeros_like(p)
        return state

    def update(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        grads: list[Tensor | None],
        lists: Lists,
    ) -> None:
        """Call the kernel for one parameter group."""
        foreach_add_(lists["step"], 1)
        beta1, beta2 = group["betas"]
        self.kernel(
            parameters,
            grads,
            lists["exp_avg"],
            lists["exp_avg_sq"],
            lists.get("max_exp_avg_sq", []),
            lists["step"],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=False,
        )


class FusedAdamW(FusedAdam, torch.optim.AdamW):
    """`torch.optim.AdamW`."""

    kernel = staticmethod(fused_kernel("adamw"))


class FusedSGD(_Fused, torch.optim.SGD):
    """`torch.optim.SGD` without dampening."""

    kernel = staticmethod(fused_kernel("sgd"))

    def initial_state(self, group: dict[str, Any], p: Tensor) -> dict[str, Tensor]:
        """Return a momentum of zero, which makes the first step torch's first step."""
        return {"momentum_buffer": torch.zeros_like(p)} if group["momentum"] else {}

    def update(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        grads: list[Tensor | None],
        lists: Lists,
    ) -> None:
        """Call the kernel for one parameter group."""
        self.kernel(
            parameters,
            grads,
            lists.get("momentum_buffer", []),
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=False,
        )
