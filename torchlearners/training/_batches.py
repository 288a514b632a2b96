"""Rows held as tensors, and the batches they are cut into."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from skorch.dataset import Dataset
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor | None]

# A gather of this many bytes still fits a core's cache when its batches are used.
_GATHER_BYTES = 2**19
FULL_BATCH_ROWS = 256


def automatic_batch_size(n_rows: int) -> int:
    """Return the batch size that ``batch_size="auto"`` stands for.

    All rows up to 256; then the power of two nearest to a fortieth of the rows,
    between 32 and 1024.

    Parameters
    ----------
    n_rows : int
        Number of training rows.

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
    return min(max(2 ** round(math.log2(n_rows / 40)), 32), 1024)


class TensorData(Dataset):
    """Features, encoded targets and row weights as tensors.

    Parameters
    ----------
    X : torch.Tensor of shape (n_rows, ...)
    y : torch.Tensor of shape (n_rows, ...)
    weight : torch.Tensor of shape (n_rows,) or None, default=None

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import TensorData
    >>> len(TensorData(torch.zeros(5, 2), torch.zeros(5)))
    5
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None = None) -> None:
        self.X = X
        self.y = y
        self.weight = weight

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.X[index], self.y[index]

    def to(self, device: torch.device) -> TensorData:
        """Return the same rows on a device."""
        weight = None if self.weight is None else self.weight.to(device)
        return TensorData(self.X.to(device), self.y.to(device), weight)


class Batches:
    """Iterate over the batches of an epoch; each iteration is one epoch.

    A last batch of one row is merged into the one before it, because batch
    normalization cannot train on one row.

    Parameters
    ----------
    data : TensorData
        The rows.
    batch_size : int
        Rows in a batch.
    generator : torch.Generator or None, default=None
        Source of a new order for each epoch; None keeps the order of the rows.

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
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.generator = generator
        n_rows = len(data)
        sizes = [batch_size] * (n_rows // batch_size)
        rest = n_rows % batch_size
        if rest == 1 and sizes:
            sizes[-1] += 1
        elif rest:
            sizes.append(rest)
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        data = self.data
        if len(self.sizes) == 1:
            yield data.X, data.y, data.weight
            return
        order = None
        if self.generator is not None:
            order = torch.randperm(len(data), generator=self.generator)
            order = order.to(data.X.device)
        # One gather serves several batches: the same rows for fewer calls.
        row_bytes = data.X[0].numel() * data.X.element_size()
        per_gather = max(1, _GATHER_BYTES // max(1, row_bytes * self.batch_size))
        start = 0
        for i in range(0, len(self.sizes), per_gather):
            sizes = self.sizes[i : i + per_gather]
            stop = start + sum(sizes)
            rows = slice(start, stop) if order is None else order[start:stop]
            weights = [None] * len(sizes)
            if data.weight is not None:
                weights = data.weight[rows].split(sizes)
            yield from zip(
                data.X[rows].split(sizes),
                data.y[rows].split(sizes),
                weights,
                strict=True,
            )
            start = stop
