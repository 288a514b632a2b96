"""Files from the web: whole and as they were published, or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchlearners.exceptions import DatasetError

TIMEOUT = 30.0  # seconds without a byte, after which a connection counts as broken
_PIECE = 1 << 16  # bytes
# Of a status below 500, only these pass: timeout, too early, too many requests.
_PASSING = {408, 425, 429}

_log = logging.getLogger("torchlearners")


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web.

    Parameters
    ----------
    name : str
        What it is called on the disk.
    urls : tuple of str
        Where it is; those after the first one are tried where that fails.
    sha256 : str
        Its digest, as 64 hexadecimal digits.
    n_bytes : int
        Its size.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    n_bytes: int

    def is_whole(self, path: Path) -> bool:
        """Tell whether a path holds this file, by its size and digest.

        Parameters
        ----------
        path : Path
            It may be missing.

        Returns
        -------
        bool
        """
        try:
            if path.stat().st_size != self.n_bytes:
                return False
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


class _PassingError(Exception):
    """What may not happen again."""


class _LastingError(Exception):
    """What would happen again."""


def download(
    remote: RemoteFile, folder: Path, *, n_retries: int = 3, delay: float = 1.0
) -> Path:
    """Return the path of a file from the web, and download it where it is missing.

    The file grows under another name. It gets its own when it is on the disk and its
    digest is right, so what has that name is whole; all the same this is checked again
    in every call. A download that broke off goes on where it stopped, also in another
    process, where the server says that the file has not changed.

    Only one process may call this for a folder at a time.

    Parameters
    ----------
    remote : RemoteFile
    folder : Path
        Where the file is kept.
    n_retries : int, default=3
        How often to try again, for each of the file's addresses.
    delay : float, default=1.0
        Seconds to wait before the first retry; before each further one, twice as long.

    Returns
    -------
    path : Path

    Raises
    ------
    DatasetError
        If no address gives the file, or the disk does not take it.
    """
    path = folder / remote.name
    if remote.is_whole(path):
        return path
    if path.exists():
        _log.warning("%s is damaged; it is downloaded again.", path)
        path.unlink()
    part = folder / f"{remote.name}.part"
    _log.info("Downloading %s, %.1f MB.", path, remote.n_bytes / 1e6)
    failures = []
    for url in remote.urls:
        for attempt in range(n_retries + 1):
            if attempt:
                time.sleep(delay * 2 ** (attempt - 1))
            try:
                _bring(url, remote, part)
            except _PassingError as failure:
                _log.info("%s: %s.", url, failure)
                failures.append(f"{url}: {failure}")
            except _LastingError as failure:
                failures.append(f"{url}: {failure}")
                break
            except OSError as error:
                raise DatasetError(
                    f"{part} cannot be written: {error.strerror}. Free some space, or "
                    "choose another folder by data_home."
                ) from error
            else:
                os.replace(part, path)
                _forget(part)
                _to_disk(folder)
                return path
    tried = "\n  ".join(dict.fromkeys(failures))
    raise DatasetError(
        f"{remote.name} could not be downloaded:\n  {tried}\nTry again later (what has "
        f"arrived is kept), raise n_retries, or save {remote.urls[0]} as {path} by "
        "other means."
    )


def _bring(url: str, remote: RemoteFile, part: Path) -> None:
    """Make `part` the whole file, going on with what is there."""
    resumed = _receive(url, remote, part)
    if remote.is_whole(part):
        return
    _forget(part)
    if resumed:  # the first half may have been of another version
        _receive(url, remote, part)
        if remote.is_whole(part):
            return
        _forget(part)
    raise _PassingError(
        "what arrived is garbled: its SHA-256 digest is not that of the published "
        f"file, {remote.sha256}"
    )


def _receive(url: str, remote: RemoteFile, part: Path) -> bool:
    """Append to `part` until it has its size; tell whether an earlier part was used."""
    n_before, validator = _usable(url, part)
    if n_before >= remote.n_bytes:
        return True
    headers = {"User-Agent": "torchlearners"}
    if n_before:
        headers |= {"Range": f"bytes={n_before}-", "If-Range": validator}
    with _open(urllib.request.Request(url, headers=headers), part) as response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        if resumed:
            given = response.headers.get("Content-Range", "")
            if not given.startswith(f"bytes {n_before}-"):
                _forget(part)
                raise _PassingError(f"the server sent another part, {given!r}")
        else:
            n_before = 0
        _check_size(response, remote, n_before)
        with open(part, "ab" if resumed else "wb") as file:
            if not resumed:
                _note(url, response, part)
            n = n_before
            for piece in _pieces(response):
                n += len(piece)
                if n > remote.n_bytes:
                    _forget(part)
                    raise _PassingError(f"more than {remote.n_bytes} bytes arrived")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    if n < remote.n_bytes:
        raise _PassingError(f"the connection ended after {n} of {remote.n_bytes} bytes")
    return resumed


def _open(request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        text = f"HTTP status {error.code} ({error.reason})"
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            _forget(part)
            raise _PassingError(text) from None
        if error.code >= 500 or error.code in _PASSING:
            raise _PassingError(text) from None
        raise _LastingError(text) from None
    except urllib.error.URLError as error:
        raise _PassingError(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _PassingError(f"no answer ({error!r})") from error


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read1(_PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(f"the connection broke ({error!r})") from error
        if not piece:
            return
        yield piece


def _check_size(
    response: http.client.HTTPResponse, remote: RemoteFile, n_before: int
) -> None:
    length = response.headers.get("Content-Length", "")
    n_bytes = n_before + int(length) if length.isdigit() else remote.n_bytes
    if n_bytes != remote.n_bytes:
        kind = response.headers.get("Content-Type", "unknown")
        raise _PassingError(
            f"the server offers {n_bytes} bytes of type {kind} instead of "
            f"{remote.n_bytes} bytes; a proxy or a login page may stand between"
        )


# Which address and which version a part is of, in a file beside it.


def _note(url: str, response: http.client.HTTPResponse, part: Path) -> None:
    tag = response.headers.get("ETag", "")
    # A weak tag (W/) does not promise the same bytes.
    strong = tag if tag.startswith('"') else ""
    validator = strong or response.headers.get("Last-Modified", "")
    _note_of(part).write_text(f"{url}\n{validator}", encoding="utf-8")


def _usable(url: str, part: Path) -> tuple[int, str]:
    """Return how many bytes of `part` can be used, and which version they are of."""
    with suppress(FileNotFoundError):
        noted, _, validator = _note_of(part).read_text(encoding="utf-8").partition("\n")
        if noted == url and validator:
            return part.stat().st_size, validator
    return 0, ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}-of")


def _to_disk(folder: Path) -> None:
    """Make new names outlast a power cut, where the OS can do it for a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
