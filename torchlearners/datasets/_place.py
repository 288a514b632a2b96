"""Where a data set is kept, and how what is missing there is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from torchlearners.datasets._download import RemoteFile, download
from torchlearners.datasets._extract import extract, is_extracted
from torchlearners.datasets._home import LOCK_NAME
from torchlearners.datasets._sources import Source
from torchlearners.exceptions import DatasetError
from torchlearners.storage import locked


@dataclass(frozen=True)
class Place:
    """The folder of a data set, and how to get what is missing in it.

    Parameters
    ----------
    source : Source
    folder : Path
    download_if_missing : bool
        Otherwise what is missing is an error.
    n_retries : int
    delay : float
        See `download`.
    """

    source: Source
    folder: Path
    download_if_missing: bool
    n_retries: int
    delay: float

    def files(self, wanted: Iterable[RemoteFile]) -> list[Path]:
        """Return the paths of files, which are whole.

        Parameters
        ----------
        wanted : iterable of RemoteFile

        Returns
        -------
        list of Path
        """
        wanted = list(wanted)
        paths = [self.folder / file.name for file in wanted]
        whole = [f.is_whole(p) for f, p in zip(wanted, paths, strict=True)]
        # Without the lock, so that the folder may be one that others wrote.
        if not all(whole):
            self._check_allowed()
            with self._lock():
                for file in wanted:
                    self._download(file)
        return paths

    def extracted(self) -> Path:
        """Return the folder with the content of the archive, which is then removed.

        Returns
        -------
        Path
        """
        (archive,) = self.source.files
        folder = self.folder / "extracted"
        if not is_extracted(folder, archive.sha256):
            if not archive.is_whole(self.folder / archive.name):
                self._check_allowed()
            with self._lock():
                # Another process may have done it while this one waited.
                if not is_extracted(folder, archive.sha256):
                    path = self._download(archive)
                    extract(path, folder, archive.sha256, self.source.left_out)
                    path.unlink()
        return folder

    def _download(self, file: RemoteFile) -> Path:
        return download(file, self.folder, n_retries=self.n_retries, delay=self.delay)

    def _lock(self) -> AbstractContextManager[None]:
        self.folder.mkdir(exist_ok=True)
        return locked(self.folder / LOCK_NAME)

    def _check_allowed(self) -> None:
        if not self.download_if_missing:
            raise DatasetError(
                f"{self.source.title} is not, or not whole, in {self.folder}, and "
                "download_if_missing=False. Set it to True to download "
                f"{self.source.n_bytes / 1e6:.0f} MB, or data_home to a folder that "
                "has it."
            )
