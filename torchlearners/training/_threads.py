"""How many threads torch uses, while one call lasts."""

from __future__ import annotations

import os
from types import TracebackType

import torch

# Multiplications in one step below which a second thread costs more than it gives.
_SMALL_WORK = 2**27
_PROCESS = os.getpid()


def resolve_threads(n_threads: int | None, work: int) -> int | None:
    """Return the number of threads for a call, None to leave torch's setting alone.

    The number changes the order of sums, and with it the last bits of the result, so
    it depends on the work alone and not on the environment, with one exception: a
    forked child uses one thread, because torch's thread pool does not survive a fork.

    Parameters
    ----------
    n_threads : int or None
        What the user asked for.
    work : int
        Rows in a step times weights in the network.

    Returns
    -------
    int or None

    Examples
    --------
    >>> from torchlearners.training import resolve_threads
    >>> resolve_threads(None, work=32 * 20_000)
    1
    >>> resolve_threads(4, work=32 * 20_000)
    4
    """
    if n_threads is not None:
        return n_threads
    return 1 if work <= _SMALL_WORK or os.getpid() != _PROCESS else None


class torch_threads:  # noqa: N801
    """Context in which torch uses a number of threads; restored at its end.

    Parameters
    ----------
    n : int or None
        Number of threads; None changes nothing.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import torch_threads
    >>> with torch_threads(1):
    ...     torch.get_num_threads()
    1
    """

    def __init__(self, n: int | None) -> None:
        self.n = n

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        if self.n is not None and self.n != self.before:
            torch.set_num_threads(self.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.n is not None and self.n != self.before:
            torch.set_num_threads(self.before)
