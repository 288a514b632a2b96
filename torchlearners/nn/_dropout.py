"""Dropout that draws from an explicit generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zero each value with probability `p` while training [1]_.

    Like `torch.nn.Dropout`, except that the mask comes from `generator`, so that two
    fits in two threads do not disturb each other.

    Parameters
    ----------
    p : float, default=0.5
        Probability of zeroing a value, in [0, 1).

    References
    ----------
    .. [1] Srivastava et al. (2014). Dropout: a simple way to prevent neural networks
       from overfitting. JMLR 15.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Dropout
    >>> layer = Dropout(0.5)
    >>> layer.generator = torch.Generator().manual_seed(0)
    >>> layer(torch.ones(1, 4))
    tensor([[0., 0., 2., 0.]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p must be in [0, 1), got {p!r}.")
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (any shape), masked and rescaled while training."""
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        mask = torch.empty_like(x).bernoulli_(keep, generator=self.generator)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr."""
        return f"p={self.p}"

    def __getstate__(self) -> dict[str, Any]:
        # A copied module must not share, nor carry along, the generator of a fit.
        return {**self.__dict__, "generator": None}
