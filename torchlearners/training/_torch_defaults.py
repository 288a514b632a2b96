"""torch's own defaults, whatever the caller has set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from torchlearners._compat import n_function_modes

_CPU = torch.device("cpu")
_NOTHING = nullcontext()


class _Float32:
    """A scope in which torch's default dtype is float32, in the whole process.

    torch has one default for all threads. The first fit that comes puts float32 there,
    and the last one that goes puts back what the caller had set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._before = torch.float32

    def needed(self) -> bool:
        return self._n_inside > 0 or torch.get_default_dtype() != torch.float32

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)
            self._n_inside += 1

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                torch.set_default_dtype(self._before)


_float32 = _Float32()


def torch_defaults() -> AbstractContextManager[Any]:
    """Return a context in which new tensors are float32 and on the CPU.

    As they are without `torch.set_default_dtype` and `torch.set_default_device`: under
    these, initial weights would be others, and the network where the caller's tensors
    are. The default device is one of the thread; the default dtype is one of the
    process, so that other threads see float32 while the context lasts.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import torch_defaults
    >>> with torch.device("meta"), torch_defaults():
    ...     torch.zeros(1).device
    device(type='cpu')
    """
    return _both() if defaults_changed() else _NOTHING


def defaults_changed() -> bool:
    """Tell whether new tensors would be others than float32 ones on the CPU."""
    if _float32.needed():
        return True
    # A default device is such a mode; asking for it by itself takes ten microseconds.
    return n_function_modes() > 0 and torch.get_default_device() != _CPU


@contextmanager
def _both() -> Iterator[None]:
    with _CPU, _float32:
        yield
