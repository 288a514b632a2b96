"""Gated linear units: one half of the features opens or closes the other."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments


class _Gated(ShowsArguments):
    """Halve the last dimension: values times a function of their gates."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, ..., n) for `x` (batch, ..., 2 n)."""
        if x.shape[-1] % 2:
            raise ArchitectureError(
                f"{self} halves the last dimension, which must be even, got shape "
                f"{tuple(x.shape)}."
            )
        values, gates = x.chunk(2, -1)
        return values * self.opened(gates)

    def opened(self, gates: Tensor) -> Tensor:
        """Return how far each gate is open."""
        raise NotImplementedError


class ReGLU(_Gated):
    """Multiply half of the features with the ReLU of the other half [1]_.

    As in `torch.nn.GLU`, the second half of the last dimension are the gates.

    References
    ----------
    .. [1] Shazeer (2020). GLU variants improve transformer. arXiv:2002.05202.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ReGLU
    >>> ReGLU()(torch.tensor([[2.0, 3.0, -1.0, 5.0]]))
    tensor([[ 0., 15.]])
    """

    def opened(self, gates: Tensor) -> Tensor:
        """Return the ReLU of `gates`."""
        return F.relu(gates)


class GEGLU(_Gated):
    """Multiply half of the features with the GELU of the other half [1]_.

    As in `torch.nn.GLU`, the second half of the last dimension are the gates.

    References
    ----------
    .. [1] Shazeer (2020). GLU variants improve transformer. arXiv:2002.05202.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import GEGLU
    >>> GEGLU()(torch.tensor([[2.0, 3.0, 0.0, 10.0]]))
    tensor([[ 0., 30.]])
    """

    def opened(self, gates: Tensor) -> Tensor:
        """Return the GELU of `gates`."""
        return F.gelu(gates)


class SwiGLU(_Gated):
    """Multiply half of the features with the SiLU (Swish) of the other half [1]_.

    As in `torch.nn.GLU`, the second half of the last dimension are the gates.

    References
    ----------
    .. [1] Shazeer (2020). GLU variants improve transformer. arXiv:2002.05202.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import SwiGLU
    >>> SwiGLU()(torch.tensor([[2.0, 3.0, 0.0, 100.0]]))
    tensor([[  0., 300.]])
    """

    def opened(self, gates: Tensor) -> Tensor:
        """Return the SiLU of `gates`."""
        return F.silu(gates)
