"""Terms that a module inside a network adds to the loss it is trained with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

_collecting = threading.local()


def add_penalty(penalty: Tensor) -> None:
    """Add a term of each row to the loss of the training step in progress.

    Called in the forward pass of a module, once or more often. Outside of a training
    step it does nothing.

    Parameters
    ----------
    penalty : torch.Tensor of shape (n_rows,)
        Weighted by row like the loss itself.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from torchlearners.nn import add_penalty
    >>> class SmallActivity(nn.Module):
    ...     def forward(self, x):
    ...         add_penalty(0.01 * x.abs().sum(1))
    ...         return x
    >>> SmallActivity()(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    open_lists = getattr(_collecting, "lists", None)
    if open_lists:
        open_lists[-1].append(penalty)


@contextmanager
def collect_penalties() -> Iterator[list[Tensor]]:
    """Collect the penalties that this thread adds inside the block.

    Yields
    ------
    list of torch.Tensor
        Filled by `add_penalty`.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import add_penalty, collect_penalties
    >>> with collect_penalties() as penalties:
    ...     add_penalty(torch.ones(2))
    >>> penalties
    [tensor([1., 1.])]
    """
    lists = _collecting.__dict__.setdefault("lists", [])
    penalties: list[Tensor] = []
    lists.append(penalties)
    try:
        yield penalties
    finally:
        lists.pop()
