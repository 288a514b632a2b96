"""Archives that are extracted once, whole or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from torchlearners.exceptions import DatasetError

_MARKER = ".complete"
_UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
)
# What the file system counts as no ordinary file: the bits of its type, and a file's.
_TYPE_BITS, _FILE_TYPE = 0o170000, 0o100000


def is_extracted(folder: Path, digest: str) -> bool:
    """Tell whether `extract` made a folder, from the archive with this digest.

    Parameters
    ----------
    folder : Path
        It may be missing.
    digest : str
        Of the archive.

    Returns
    -------
    bool
    """
    with suppress(OSError):
        return (folder / _MARKER).read_text(encoding="utf-8") == digest
    return False


def extract(archive: Path, folder: Path, digest: str, skip: str | None = None) -> None:
    """Make a folder of what is in an archive, in place of one that was there.

    Members are written to a temporary folder beside it, which is renamed at the end, so
    that a folder of that name is whole. What an extraction that was killed has left is
    removed first. Only one process may call this for a folder at a time. The archive is
    taken to be the published one: a tar file may be garbled without it being noticed.

    Parameters
    ----------
    archive : Path
        A zip or tar file, the latter with any compression that Python knows.
    folder : Path
        What to make.
    digest : str
        Of the archive; `is_extracted` asks for it.
    skip : str or None, default=None
        Members whose name starts with this are left out.

    Raises
    ------
    DatasetError
        If the archive cannot be read, or if a member is something else than a file or a
        folder inside of it. No member is used then.
    """
    temporary = folder.with_name(f".{folder.name}.extracting")
    for leftover in (temporary, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    temporary.mkdir()
    try:
        for name, file in _members(archive):
            if skip is None or not name.startswith(skip):
                _write(file, temporary / _safe(name, archive))
        # One call instead of one for each file, of which there may be 100,000.
        if hasattr(os, "sync"):
            os.sync()
        (temporary / _MARKER).write_text(digest, encoding="utf-8")
        temporary.rename(folder)
    except BaseException as error:
        shutil.rmtree(temporary)
        if isinstance(error, _UNREADABLE):
            raise DatasetError(
                f"{archive} cannot be read ({error}). Remove it, and fetch it again."
            ) from error
        if isinstance(error, OSError) and not isinstance(error, DatasetError):
            raise DatasetError(
                f"{archive} cannot be extracted: {error.strerror}. Free some space, or "
                "choose another folder by data_home."
            ) from error
        raise


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and content of each file; refuse what is no file and no folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                kind = (info.external_attr >> 16) & _TYPE_BITS
                if not info.is_dir():
                    # Archives that were not made on Unix say no type.
                    if kind not in (0, _FILE_TYPE):
                        raise _refusal(info.filename, archive)
                    with opened.open(info) as file:
                        yield info.filename, file
        return
    with tarfile.open(archive) as opened_tar:
        for member in opened_tar:
            if member.isdir():
                continue
            content: Any = opened_tar.extractfile(member) if member.isreg() else None
            if content is None:  # a link, a device, a pipe
                raise _refusal(member.name, archive)
            with content as file:
                yield member.name, file


def _safe(name: str, archive: Path) -> PurePosixPath:
    """Return the path of a member, which is inside of any folder it is put into."""
    path = PurePosixPath(name)
    # Windows also knows drives, and another slash.
    foreign = PureWindowsPath(name)
    outside = ".." in foreign.parts or path.is_absolute() or foreign.anchor
    if outside or not path.parts or "\0" in name:
        raise _refusal(name, archive)
    return path


def _write(file: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as out:
        shutil.copyfileobj(file, out)


def _refusal(name: str, archive: Path) -> DatasetError:
    return DatasetError(
        f"{archive} has the member {name!r}, which is not a file inside of the folder "
        "that is extracted to. The archive is not the published one: remove it."
    )
