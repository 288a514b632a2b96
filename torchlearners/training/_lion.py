"""Lion: steps of one length in every weight, from the sign of a running mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from torchlearners._compat import WithoutDynamo
from torchlearners.training._optimizer import Optimizer, declared_betas


class LionSteps(WithoutDynamo, torch.optim.Optimizer):
    """The steps of `Lion`, as a class of torch."""

    def __init__(
        self,
        parameters: Any,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if not self.state[p]:
                    self.state[p] = {"exp_avg": torch.zeros_like(p)}
                mean = self.state[p]["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.lerp(p.grad, mean, beta1).sign_(), alpha=-group["lr"])
                mean.lerp_(p.grad, 1 - beta2)
        return loss


class Lion(Optimizer):
    """Steps of length lr in every weight, by the sign of a running mean [1]_.

    Half of Adam's memory. Steps are longer than Adam's, so the paper recommends an `lr`
    3 to 10 times smaller than for AdamW, and a `weight_decay` as many times larger.

    {parameters}

    References
    ----------
    .. [1] Chen et al. (2023). Symbolic discovery of optimization algorithms. NeurIPS.

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.training import Lion
    >>> MLPClassifier(optimizer=Lion(betas=(0.95, 0.98)), lr=1e-4).optimizer
    Lion(betas=(0.95, 0.98))
    """

    betas: tuple[float, float] = declared_betas(
        (0.9, 0.99),
        doc="Share of the running mean in a step, the rest being the gradient; and "
        "decay rate of that mean.",
    )

    torch_class: ClassVar[Any] = LionSteps

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return {"betas": tuple(map(float, self.betas))}
