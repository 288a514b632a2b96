"""One process at a time."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log = logging.getLogger("torchlearners")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock, and hold it.

    The operating system gives it back when the process ends, however it ends. The file
    stays: removing it would let two others lock files of the same name.

    Parameters
    ----------
    path : Path
        The file that stands for the lock; made where it is missing.

    Examples
    --------
    >>> import tempfile
    >>> from torchlearners.storage._lock import locked
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(Path(folder) / "lock"):
    ...         "alone"
    'alone'
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _take(descriptor, wait=False):
            _log.info("Waiting for another process that prepares %s.", path.parent)
            _take(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def take_folder(folder: Path) -> int | None:
    """Take the lock of a folder without waiting; nothing is written into it.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    int or None
        The open file to give to `os.close` in the end; None where another holds the
        lock. On Windows, where a folder cannot be locked, it is a file beside it.

    Examples
    --------
    >>> import os, tempfile
    >>> from pathlib import Path
    >>> from torchlearners.storage import take_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     held = take_folder(Path(folder))
    ...     take_folder(Path(folder)) is None
    ...     os.close(held)
    True
    """
    if sys.platform == "win32":
        beside = folder.with_name(f".{folder.name}.lock")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    else:
        descriptor = os.open(folder, os.O_RDONLY)
    if _take(descriptor, wait=False):
        return descriptor
    os.close(descriptor)
    return None


def _take(descriptor: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(0.1)
            else:
                return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
