"""What is known of a tensor before there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class TensorSpec:
    """Shape, names of the dimensions and dtype of a tensor that flows in a network.

    Parameters
    ----------
    shape : tuple of int or None
        Sizes; None is unknown. The first dimension is the batch.
    names : tuple of str or None, default=()
        What the dimensions are: "batch", "feature", "token", "channel", "height",
        "width", or any other word. An empty tuple names the batch only.
    dtype : torch.dtype, default=torch.float32
    cardinalities : tuple of int, default=()
        Numbers of levels, where each column holds codes of categories.

    Examples
    --------
    >>> from torchlearners.graph import TensorSpec
    >>> print(TensorSpec((None, 3, 32), names=("batch", "channel", "width")))
    (batch, channel=3, width=32)
    """

    shape: Shape
    names: tuple[str | None, ...] = ()
    dtype: torch.dtype = torch.float32
    cardinalities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(None if n is None else int(n) for n in self.shape)
        names = self.names or ("batch", *[None] * (len(shape) - 1))
        if len(names) != len(shape):
            raise ValueError(
                f"names={self.names!r} must hold one name for each dimension of "
                f"{shape!r}."
            )
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "names", tuple(names))

    def named(self, *names: str | None) -> TensorSpec:
        """Return the same with other names of the dimensions."""
        return replace(self, names=names)

    def filled(self, size: int, device: Any) -> torch.Tensor:
        """Return a tensor of zeros in which every unknown dimension has a size."""
        shape = [size if n is None else n for n in self.shape]
        return torch.zeros(shape, dtype=self.dtype, device=device)

    def __str__(self) -> str:
        parts = [_dimension(n, s) for n, s in zip(self.names, self.shape, strict=True)]
        kind = (
            ""
            if self.dtype == torch.float32
            else f" {self.dtype}".replace("torch.", "")
        )
        return f"({', '.join(parts)}){kind}"


def _dimension(name: str | None, size: int | None) -> str:
    if name is None:
        return "?" if size is None else str(size)
    return name if size is None else f"{name}={size}"
