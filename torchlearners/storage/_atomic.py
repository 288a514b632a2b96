"""Files that are replaced whole or not at all."""

from __future__ import annotations

import errno
import itertools
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

# A process that gets the pid of one that was killed still has another token.
_TOKEN = secrets.token_hex(4)
_TEMPORARY = re.compile(r"\.torchlearners-(\d+)-([0-9a-f]{8})-\d+\.tmp")
_serial = itertools.count()

_NO_SPACE = "Free some space or write to another disk"
_NO_ACCESS = "Choose a folder that you may write to"
_REMEDIES = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NO_ACCESS,
    errno.EPERM: _NO_ACCESS,
    errno.EROFS: _NO_ACCESS,
    errno.ENOENT: "Make its folder first",
}


def replace_file(path: Path, chunks: list[memoryview]) -> None:
    """Write the chunks, one after the other, as the new content of a file.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    chunks : list of memoryview
        Its bytes.

    Raises
    ------
    OSError
        If that cannot be done. What was there before is unchanged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from torchlearners.storage._atomic import replace_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "greeting"
    ...     replace_file(path, [memoryview(b"Hello "), memoryview(b"world")])
    ...     path.read_text()
    'Hello world'
    """
    name = f".torchlearners-{os.getpid()}-{_TOKEN}-{next(_serial)}.tmp"
    temporary = path.parent / name
    try:
        with open(temporary, "xb", buffering=0) as file:
            for chunk in chunks:
                while chunk:  # the OS may take less than all at once
                    chunk = chunk[os.write(file.fileno(), chunk) :]
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        remedy = _REMEDIES.get(error.errno or 0, "Write to another folder")
        # Becomes the subclass that belongs to the number.
        raise OSError(
            error.errno,
            f"{error.strerror}. {remedy}; what was there before is unchanged",
            str(path),
        ) from error
    # Makes the new name outlast a power cut, where the OS can do it for a folder.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporary files that killed processes left in a folder.

    For folders in which the processes of one machine write: of those of another one
    it cannot be told whether they still run.

    Parameters
    ----------
    folder : str or path-like
        The folder; those inside of it are not looked at.

    Returns
    -------
    removed : list of Path
        The files that were removed.

    Examples
    --------
    >>> import tempfile
    >>> from torchlearners.storage import sweep
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sweep(folder)
    []
    """
    removed = []
    for path in sorted(Path(folder).glob(".torchlearners-*.tmp")):
        match = _TEMPORARY.fullmatch(path.name)
        if match and not _in_use(int(match[1]), match[2]):
            with suppress(OSError):  # another process swept it first
                path.unlink()
                removed.append(path)
    return removed


def _in_use(pid: int, token: str) -> bool:
    if pid == os.getpid():
        return token == _TOKEN
    if os.name == "nt":  # no way to ask, but Windows keeps open files from removal
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs, under another user
        return True
    return True
