"""Activations whose strength each unit learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, checked
from torchlearners.params import one_of, positive_int

_FUNCTIONS: dict[str, Any] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
    "relu": F.relu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class ParametricActivation(ShowsArguments):
    """Apply ``x + a (f(x) - x)`` with a learned number a for each unit [1]_.

    At the start a is 1, which is f; at 0 a unit is linear.

    Parameters
    ----------
    n_features : int
        Number of units, the last dimension of the input.
    activation : str, default="selu"
        The function f: "elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid",
        "silu" or "tanh".

    References
    ----------
    .. [1] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ParametricActivation
    >>> layer = ParametricActivation(2, "relu")
    >>> _ = torch.nn.init.constant_(layer.weight, 0.5)
    >>> layer(torch.tensor([[-1.0, 1.0]]))
    tensor([[-0.5000,  1.0000]], grad_fn=<AddcmulBackward0>)
    """

    def __init__(self, n_features: int, activation: str = "selu") -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.activation = checked("activation", activation, one_of(*_FUNCTIONS))
        self.weight = nn.Parameter(torch.ones(n_features))

    @property
    def function(self) -> Any:
        """The function f, of a tensor."""
        return _FUNCTIONS[self.activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x` (batch, ..., n_features)."""
        return torch.addcmul(x, self.weight, self.function(x) - x)
