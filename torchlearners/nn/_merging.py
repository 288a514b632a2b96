"""Modules that merge the outputs of several branches into one tensor."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments, checked
from torchlearners.nn._shapes import counted_from_front, not_batch
from torchlearners.params import positive_int

Shape = tuple[int, ...]


def _shapes(module: ShowsArguments, inputs: tuple[Tensor, ...]) -> list[Shape]:
    """Return the shapes of inputs that have the batch and the rank in common."""
    shapes = [tuple(x.shape) for x in inputs]
    if not shapes:
        raise ArchitectureError(
            f"{module.in_words()} merges at least one tensor, got none."
        )
    # Torch would align tensors of different rank at their last dimensions, and so
    # take the batch of one for a dimension of the other.
    first = shapes[0]
    if any(len(s) != len(first) or s[:1] != first[:1] for s in shapes):
        raise _misfit(
            module, shapes, "equally many rows and dimensions (Unsqueeze adds one)"
        )
    return shapes


def _misfit(module: ShowsArguments, shapes: list[Shape], rule: str) -> ValueError:
    listed = ", ".join(map(str, shapes))
    return ArchitectureError(
        f"{module.in_words()} merges tensors with {rule}, got shapes {listed}."
    )


def _check_broadcast(module: ShowsArguments, inputs: tuple[Tensor, ...]) -> None:
    shapes = _shapes(module, inputs)
    for sizes in zip(*shapes, strict=True):
        wide = [size for size in sizes if size != 1]
        if any(size != wide[0] for size in wide):
            raise _misfit(module, shapes, "equal sizes, or sizes of 1")


def _check_equal(module: ShowsArguments, inputs: tuple[Tensor, ...]) -> None:
    shapes = _shapes(module, inputs)
    if any(shape != shapes[0] for shape in shapes):
        raise _misfit(module, shapes, "equal shapes")


class Sum(ShowsArguments):
    """Add the outputs of branches.

    A dimension of size 1 is repeated to fit the others, but not the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Sum
    >>> Sum()(torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0]]))
    tensor([[11., 12.]])
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the sum of tensors (batch, ...)."""
        _check_broadcast(self, inputs)
        return reduce(torch.add, inputs)


class Product(ShowsArguments):
    """Multiply the outputs of branches, value by value.

    A dimension of size 1 is repeated to fit the others, but not the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Product
    >>> Product()(torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0]]))
    tensor([[10., 20.]])
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the product of tensors (batch, ...)."""
        _check_broadcast(self, inputs)
        return reduce(torch.mul, inputs)


class Mean(ShowsArguments):
    """Average the outputs of branches.

    A dimension of size 1 is repeated to fit the others, but not the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Mean
    >>> Mean()(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[2., 3.]])
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the mean of tensors (batch, ...)."""
        _check_broadcast(self, inputs)
        return reduce(torch.add, inputs) / len(inputs)


class Concat(ShowsArguments):
    """Join the outputs of branches along a dimension they have.

    Parameters
    ----------
    dim : int, default=-1
        Dimension that grows, the only one in which the branches may differ; negative
        numbers count from the end. It cannot be the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Concat
    >>> Concat()(torch.zeros(5, 3), torch.zeros(5, 4)).shape
    torch.Size([5, 7])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = not_batch(dim)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the tensors (batch, ...) one after the other."""
        shapes = _shapes(self, inputs)
        dim = counted_from_front(self, self.dim, len(shapes[0]), shapes[0])
        others = [shape[:dim] + shape[dim + 1 :] for shape in shapes]
        if any(other != others[0] for other in others):
            raise _misfit(self, shapes, f"equal sizes outside of dimension {dim}")
        return torch.cat(inputs, dim)


class Stack(ShowsArguments):
    """Join the outputs of branches along a new dimension.

    Parameters
    ----------
    dim : int, default=1
        Where the new dimension stands in the output; negative numbers count from the
        end. It cannot stand before the batch.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Stack
    >>> Stack()(torch.zeros(5, 3), torch.zeros(5, 3)).shape
    torch.Size([5, 2, 3])
    """

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = not_batch(dim)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the tensors (batch, ...) side by side."""
        _check_equal(self, inputs)
        shape = tuple(inputs[0].shape)
        return torch.stack(
            inputs, counted_from_front(self, self.dim, len(shape) + 1, shape)
        )


class Attend(ShowsArguments):
    """Average the outputs of branches with weights that depend on them [1]_ [2]_.

    One linear layer without bias (which the softmax would cancel) scores each branch;
    the softmax of the scores over the branches weighs them.

    Parameters
    ----------
    in_features : int
        Size of the last dimension of every branch.

    References
    ----------
    .. [1] Bahdanau, Cho and Bengio (2015). Neural machine translation by jointly
       learning to align and translate. ICLR.
    .. [2] Yang et al. (2016). Hierarchical attention networks for document
       classification. NAACL.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Attend
    >>> Attend(3)(torch.zeros(5, 3), torch.ones(5, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.score = nn.Linear(in_features, 1, bias=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the weighted mean of tensors (batch, ..., in_features)."""
        _check_equal(self, inputs)
        if inputs[0].shape[-1] != self.in_features:
            raise _misfit(
                self, [tuple(x.shape) for x in inputs], "in_features as last size"
            )
        branches = torch.stack(inputs, -2)
        weights = self.score(branches).softmax(-2)
        return (weights * branches).sum(-2)
