"""Muon: orthogonal steps for the hidden matrices, AdamW for all other weights."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from torchlearners._compat import foreach_add_
from torchlearners.params import boolean, fraction, param, positive_int
from torchlearners.training._fused import FusedAdamW, Lists
from torchlearners.training._optimizer import Optimizer, declared_betas, declared_eps

# Of the quintic iteration a x + b x^3 + c x^5, chosen by Jordan et al. for a slope at
# zero as steep as possible; singular values end between about 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrix: Tensor, n_steps: int) -> Tensor:
    """Return about U V^T of a matrix U S V^T, by Newton-Schulz steps.

    Parameters
    ----------
    matrix : Tensor of shape (n_rows, n_columns)
    n_steps : int

    Returns
    -------
    Tensor of shape (n_rows, n_columns)
        All singular values are near 1; those of a zero matrix are 0.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(n_steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def hidden_matrices(module: nn.Module) -> list[str]:
    """Return the names of the weights that Muon takes: those of hidden layers.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    list of str
        Weights of linear layers and convolutions, but for the first weight of the
        network (the input layer, or embeddings) and the last one (the output layer).
    """
    owners = dict(module.named_modules())
    weights = [
        (name, p, owners[name.rpartition(".")[0]])
        for name, p in module.named_parameters()
        if p.ndim >= 2 and name.endswith("weight")
    ]
    return [name for name, p, owner in weights[1:-1] if _maps_linearly(owner, p)]


def _maps_linearly(owner: nn.Module, weight: Tensor) -> bool:
    if isinstance(owner, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return True
    sizes = getattr(owner, "out_features", None), getattr(owner, "in_features", None)
    return tuple(weight.shape) == sizes


class MuonSteps(FusedAdamW):
    """The steps of `Muon`, as a class of torch; its groups say which they are."""

    def __init__(
        self,
        parameters: Any,
        *,
        momentum: float,
        nesterov: bool,
        ns_steps: int,
        **of_adam: Any,
    ) -> None:
        super().__init__(parameters, **of_adam)
        own = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
        for group in self.param_groups:
            group.update({"orthogonal": False} | own | group)

    def initial_state(self, group: dict[str, Any], p: Tensor) -> dict[str, Tensor]:
        """Return the state of a parameter before its first step."""
        if group["orthogonal"]:
            step = torch.zeros((), device=p.device)  # which torch's Adam looks for
            return {"step": step, "momentum_buffer": torch.zeros_like(p)}
        return super().initial_state(group, p)

    def update(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        grads: list[Any],
        lists: Lists,
    ) -> None:
        """Take a step with one parameter group."""
        if not group["orthogonal"]:
            super().update(group, parameters, grads, lists)
            return
        foreach_add_(lists["step"], 1)
        buffers = lists["momentum_buffer"]
        for p, grad, buffer in zip(parameters, grads, buffers, strict=True):
            buffer.lerp_(grad, 1 - group["momentum"])
            step = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
            step = orthogonalized(step.flatten(1), group["ns_steps"]).view_as(p)
            p.mul_(1 - group["lr"] * group["weight_decay"])
            # So that a step is as long as one of AdamW, whose root mean square is
            # about 0.2, and one lr serves both.
            length = 0.2 * max(len(p), p[0].numel()) ** 0.5
            p.add_(step, alpha=-group["lr"] * length)


class Muon(Optimizer):
    """Orthogonal steps for hidden matrices, AdamW for all other weights [1]_ [2]_.

    A step changes all directions of a hidden layer's matrix alike: it is the momentum
    with its singular values set to about 1. As in [1]_, only the matrices of hidden
    layers (of convolutions too, flattened) are stepped so; the input and output layer,
    embeddings, gains and biases are trained by AdamW. Steps have the length of AdamW's
    as in [2]_, so `lr` and `weight_decay` mean what they mean there. A network with no
    hidden matrix is trained by AdamW alone. A step costs `ns_steps` times three
    products of each matrix with its transpose.

    {parameters}

    References
    ----------
    .. [1] Jordan et al. (2024). Muon: an optimizer for hidden layers in neural
       networks. https://kellerjordan.github.io/posts/muon.
    .. [2] Liu et al. (2025). Muon is scalable for LLM training. arXiv:2502.16982.

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.training import Muon
    >>> MLPClassifier(optimizer=Muon(momentum=0.9)).optimizer
    Muon(momentum=0.9)
    """

    momentum: float = param(
        default=0.95,
        check=fraction,
        doc="Share of the running mean of gradients that is kept.",
    )
    nesterov: bool = param(
        default=True, check=boolean, doc="Look ahead along the momentum."
    )
    ns_steps: int = param(
        default=5,
        check=positive_int,
        doc="Number of Newton-Schulz steps towards an orthogonal matrix.",
    )
    betas: tuple[float, float] = declared_betas((0.9, 0.999))
    eps: float = declared_eps(1e-8)

    torch_class: ClassVar[Any] = MuonSteps

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return {**super().settings(), "betas": tuple(map(float, self.betas))}

    def group_options(self, module: nn.Module) -> dict[str, dict[str, Any]]:
        """Mark the hidden matrices; see `Optimizer.group_options`."""
        return {name: {"orthogonal": True} for name in hidden_matrices(module)}
