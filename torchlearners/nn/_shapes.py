"""Modules that change the shape of a row; the batch dimension stays what it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from numbers import Integral

from torch import Tensor

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments, checked


def not_batch(dim: int) -> int:
    """Return the argument `dim` if it is a dimension other than the batch's."""
    if not isinstance(dim, Integral) or dim == 0:
        raise ValueError(
            f"dim must be an int other than 0, which is the batch, got {dim!r}."
        )
    return int(dim)


def counted_from_front(
    module: ShowsArguments, dim: int, n_dims: int, shape: tuple[int, ...]
) -> int:
    """Return `dim` as a number from 1 to `n_dims` - 1, or say why it is none."""
    position = dim + n_dims if dim < 0 else dim
    if not 0 < position < n_dims:
        why = "is the batch" if position == 0 else "does not exist"
        raise ArchitectureError(
            f"{module.in_words()}: dimension {dim} {why}, for an input of shape "
            f"{shape}; choose from 1 to {n_dims - 1}."
        )
    return position


class Reshape(ShowsArguments):
    """Give each row another shape.

    Parameters
    ----------
    shape : int or sequence of int
        Shape after the batch dimension. One size may be -1 and follows from the others.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Reshape
    >>> Reshape((2, -1))(torch.zeros(5, 6)).shape
    torch.Size([5, 2, 3])
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        super().__init__()
        sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
        valid = all(isinstance(s, Integral) and (int(s) > 0 or s == -1) for s in sizes)
        if not valid or sizes.count(-1) > 1:
            raise ValueError(
                "shape must hold sizes of at least 1, without the batch, of which one "
                f"may be -1, got {shape!r}."
            )
        self.shape = tuple(int(size) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, ...) as ``(batch, *shape)``."""
        n_values = prod(x.shape[1:])
        n_known = prod(size for size in self.shape if size != -1)
        # Not left to torch, which cannot tell what -1 is in a batch without rows.
        free, rest = divmod(n_values, n_known)
        if rest or (free != 1 and -1 not in self.shape):
            raise ArchitectureError(
                f"{self} cannot hold the {n_values} values of a row, for an input of "
                f"shape {tuple(x.shape)}."
            )
        return x.reshape(x.shape[0], *(free if s == -1 else s for s in self.shape))


class Squeeze(ShowsArguments):
    """Remove a dimension of size 1.

    Unlike `torch.squeeze`, a dimension of another size is an error.

    Parameters
    ----------
    dim : int
        Dimension to remove; negative numbers count from the end. The batch, dimension
        0, cannot be removed.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Squeeze
    >>> Squeeze(1)(torch.zeros(5, 1, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = not_batch(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, ...) without the dimension."""
        dim = counted_from_front(self, self.dim, x.ndim, tuple(x.shape))
        if x.shape[dim] != 1:
            raise ArchitectureError(
                f"{self} removes a dimension of size 1, but it has size "
                f"{x.shape[dim]}, for an input of shape {tuple(x.shape)}."
            )
        return x.squeeze(dim)


class Unsqueeze(ShowsArguments):
    """Insert a dimension of size 1.

    Parameters
    ----------
    dim : int
        Where the new dimension stands in the output; negative numbers count from the
        end. It cannot stand before the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Unsqueeze
    >>> Unsqueeze(-1)(torch.zeros(5, 3)).shape
    torch.Size([5, 3, 1])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = not_batch(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, ...) with the new dimension."""
        dim = counted_from_front(self, self.dim, x.ndim + 1, tuple(x.shape))
        return x.unsqueeze(dim)


class Permute(ShowsArguments):
    """Reorder the dimensions.

    Parameters
    ----------
    dims : sequence of int
        All dimensions in their new order. The first must be 0, the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Permute
    >>> Permute((0, 2, 1))(torch.zeros(5, 3, 4)).shape
    torch.Size([5, 4, 3])
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        given, n_dims = tuple(dims), len(tuple(dims))
        counted = [
            int(d) + n_dims * (d < 0) if isinstance(d, Integral) else -1 for d in given
        ]
        if n_dims == 0 or sorted(counted) != list(range(n_dims)):
            raise ValueError(f"dims must name each dimension once, got {dims!r}.")
        if counted[0] != 0:
            raise ValueError(f"dims must start with 0, the batch, got {dims!r}.")
        self.dims = tuple(counted)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, ...) with its dimensions reordered."""
        if x.ndim != len(self.dims):
            raise ArchitectureError(
                f"{self} takes a tensor of {len(self.dims)} dimensions, got shape "
                f"{tuple(x.shape)}."
            )
        return x.permute(self.dims)


class Select(ShowsArguments):
    """Take one slice along a dimension, as the first token of each row.

    Parameters
    ----------
    dim : int
        Dimension to take from, and to remove; negative numbers count from the end. It
        cannot be the batch.
    index : int
        Which slice; negative numbers count from the end.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Select
    >>> Select(1, 0)(torch.zeros(5, 3, 8)).shape
    torch.Size([5, 8])
    """

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim = not_batch(dim)
        self.index: int = checked("index", index, [Integral])

    def forward(self, x: Tensor) -> Tensor:
        """Return the slice of `x` (batch, ...)."""
        dim = counted_from_front(self, self.dim, x.ndim, tuple(x.shape))
        if not -x.shape[dim] <= self.index < x.shape[dim]:
            raise ArchitectureError(
                f"{self}: there is no slice {self.index} among {x.shape[dim]}, for an "
                f"input of shape {tuple(x.shape)}."
            )
        return x.select(dim, self.index)
