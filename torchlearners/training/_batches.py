"""Rows held as tensors, and the batches they are cut into."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from skorch.dataset import Dataset
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor | None]

# Of the data and the generator of the fit; returns the row numbers of an epoch.
RowOrder = Callable[["TensorData", torch.Generator], Tensor]

# A gather of this many bytes still fits a core's cache when its batches are used.
_GATHER_BYTES = 2**19
FULL_BATCH_ROWS = 256


def automatic_batch_size(n_rows: int, most: int = 1024) -> int:
    """Return the batch size that ``batch_size="auto"`` stands for.

    All rows up to 256; then the power of two nearest to a fortieth of the rows,
    between 32 and `most`.

    Parameters
    ----------
    n_rows : int
        Number of training rows.
    most : int, default=1024

    Returns
    -------
    int

    Examples
    --------
    >>> from torchlearners.training import automatic_batch_size
    >>> [automatic_batch_size(n) for n in (150, 1000, 10_000, 1_000_000)]
    [150, 32, 256, 1024]
    """
    if n_rows <= FULL_BATCH_ROWS:
        return n_rows
    return min(max(2 ** round(math.log2(n_rows / 40)), 32), most)


class TensorData(Dataset):
    """Features, encoded targets and row weights as tensors.

    Parameters
    ----------
    X : torch.Tensor of shape (n_rows, ...)
        Or an object that has length, `to` and ``batches(lists of row numbers)``, which
        yields a tensor for each list: rows that are read when they are needed.
    y : torch.Tensor of shape (n_rows, ...)
    weight : torch.Tensor of shape (n_rows,) or None, default=None
        What each row counts in the loss.
    given_weight : torch.Tensor of shape (n_rows,) or None, default=None
        The weights as the user gave them, which measures use: in float64 and without
        those of classes.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import TensorData
    >>> len(TensorData(torch.zeros(5, 2), torch.zeros(5)))
    5
    """

    def __init__(
        self,
        X: Any,
        y: Tensor,
        weight: Tensor | None = None,
        given_weight: Tensor | None = None,
    ) -> None:
        self.X = X
        self.y = y
        self.weight = weight
        self.given_weight = given_weight

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.X[index], self.y[index]

    def to(self, device: torch.device) -> TensorData:
        """Return the same rows on a device."""
        weight = None if self.weight is None else self.weight.to(device)
        return TensorData(
            self.X.to(device), self.y.to(device), weight, self.given_weight
        )


def batch_sizes(n_rows: int, batch_size: int, drop_last: bool = False) -> list[int]:
    """Return the numbers of rows in the batches of an epoch.

    A last batch of one row is merged into the one before it, because batch
    normalization cannot train on one row.

    Parameters
    ----------
    n_rows : int
        Rows in the epoch.
    batch_size : int
        Rows in a full batch.
    drop_last : bool, default=False
        Leave out a last batch that is not full, unless it is the only one.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from torchlearners.training import batch_sizes
    >>> batch_sizes(7, 3), batch_sizes(8, 3), batch_sizes(8, 3, drop_last=True)
    ([3, 4], [3, 3, 2], [3, 3])
    """
    sizes = [batch_size] * (n_rows // batch_size)
    rest = n_rows % batch_size
    if not sizes:
        return [n_rows]
    if drop_last or rest == 0:
        return sizes
    if rest == 1:
        return [*sizes[:-1], sizes[-1] + 1]
    return [*sizes, rest]


def balanced_order(data: TensorData, generator: torch.Generator) -> Tensor:
    """Draw rows with replacement so that each class is equally likely.

    Parameters
    ----------
    data : TensorData
        Rows with class codes as targets.
    generator : torch.Generator

    Returns
    -------
    torch.Tensor of shape (n_rows,)
        Row numbers.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import TensorData, balanced_order
    >>> data = TensorData(torch.zeros(9, 1), torch.tensor([0] * 8 + [1]))
    >>> len(balanced_order(data, torch.Generator().manual_seed(0)))
    9
    """
    codes = data.y.cpu()
    share = 1 / torch.bincount(codes).double().clamp(min=1)
    return torch.multinomial(
        share[codes], len(codes), replacement=True, generator=generator
    )


class Batches:
    """Iterate over the batches of an epoch; each iteration is one epoch.

    Parameters
    ----------
    data : TensorData
        The rows.
    batch_size : int
        Rows in a batch; see `batch_sizes`.
    generator : torch.Generator or None, default=None
        Source of a new order for each epoch; None keeps the order of the rows.
    row_order : callable or None, default=None
        Of data and generator; returns the row numbers of an epoch. None is a random
        permutation where there is a generator.
    drop_last : bool, default=False
        Leave out a last batch that is not full.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Batches, TensorData
    >>> data = TensorData(torch.zeros(7, 2), torch.zeros(7))
    >>> [len(y) for x, y, weight in Batches(data, batch_size=3)]
    [3, 4]
    """

    def __init__(
        self,
        data: TensorData,
        batch_size: int,
        generator: torch.Generator | None = None,
        row_order: RowOrder | None = None,
        drop_last: bool = False,
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.generator = generator
        self.row_order = row_order
        self.drop_last = drop_last
        self.sizes = batch_sizes(len(data), batch_size, drop_last)

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        data, sizes = self.data, self.sizes
        whole = self.row_order is None and len(sizes) == 1 and sizes[0] == len(data)
        if whole and isinstance(data.X, Tensor):
            yield data.X, data.y, data.weight
            return
        order = None if whole else self._order()
        if order is not None and len(order) != len(data):
            sizes = batch_sizes(len(order), self.batch_size, self.drop_last)
        if not isinstance(data.X, Tensor):
            yield from self._read(order, sizes)
            return
        # One gather serves several batches: the same rows for fewer calls.
        row_bytes = data.X[0].numel() * data.X.element_size()
        per_gather = max(1, _GATHER_BYTES // max(1, row_bytes * self.batch_size))
        start = 0
        for i in range(0, len(sizes), per_gather):
            group = sizes[i : i + per_gather]
            stop = start + sum(group)
            rows = slice(start, stop) if order is None else order[start:stop]
            weights = [None] * len(group)
            if data.weight is not None:
                weights = data.weight[rows].split(group)
            yield from zip(
                data.X[rows].split(group),
                data.y[rows].split(group),
                weights,
                strict=True,
            )
            start = stop

    def _read(self, order: Tensor | None, sizes: list[int]) -> Iterator[Batch]:
        """Yield batches of rows that are read as they are needed."""
        data = self.data
        if order is None:
            order = torch.arange(sum(sizes), device=data.y.device)
        lists = order[: sum(sizes)].split(sizes)
        pixels = data.X.batches([rows.numpy(force=True) for rows in lists])
        for x, rows in zip(pixels, lists, strict=True):
            yield x, data.y[rows], None if data.weight is None else data.weight[rows]

    def _order(self) -> Tensor | None:
        if self.generator is None:
            return None
        if self.row_order is None:
            order = torch.randperm(len(self.data), generator=self.generator)
        else:
            order = self.row_order(self.data, self.generator)
        return order.to(self.data.y.device)


def split_batch(batch: Batch, n_pieces: int, least: int) -> Iterator[Batch]:
    """Cut a batch into pieces, of no fewer rows than `least` where that can be."""
    x, y, weight = batch
    sizes = batch_sizes(len(y), max(least, -(-len(y) // n_pieces)))
    weights = [None] * len(sizes) if weight is None else weight.split(sizes)
    return zip(x.split(sizes), y.split(sizes), weights, strict=True)


def total_weight(batch: Batch) -> int | Tensor:
    """Return what a batch counts: its rows, or the sum of their weights."""
    return len(batch[1]) if batch[2] is None else batch[2].sum()
