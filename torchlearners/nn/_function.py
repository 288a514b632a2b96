"""A function as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Function(nn.Module):
    """Call a function of tensors.

    Parameters
    ----------
    function : callable
        Of one tensor for each input.
    kwargs : dict or None, default=None
        Further arguments.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Function
    >>> Function(torch.clamp, {"max": 1.0})(torch.tensor([0.5, 2.0]))
    tensor([0.5000, 1.0000])
    """

    def __init__(
        self, function: Callable[..., Any], kwargs: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.function = function
        self.kwargs = dict(kwargs or {})

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the function returns."""
        return self.function(*inputs, **self.kwargs)

    def extra_repr(self) -> str:
        """Return the function's name."""
        return getattr(self.function, "__name__", repr(self.function))
