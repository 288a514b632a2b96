"""A store of images that stumbles as stores do, by a seed."""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np

from torchlearners.data import ImageColumn

_TRANSIENT = (TimeoutError, ConnectionResetError, OSError)


class FlakyStore(ImageColumn):
    """A column of images of which some cannot be read, now or ever.

    Give it to a learner in place of X. Which rows fail depends on the seed alone.

    Parameters
    ----------
    X : ImageColumn, or its sources
        Images that can be read.
    p_transient : float, default=0.0
        Share of rows that fail one to three times whenever they are read, by an
        OSError, a TimeoutError or a ConnectionResetError; the next attempt gives the
        image.
    p_corrupt : float, default=0.0
        Share of rows that give damaged bytes: cut in half, or without their beginning.
    p_missing : float, default=0.0
        Share of rows for which there is no file.
    seed : int, default=0
    **options
        Those of `ImageColumn`, where X is not one yet.

    Attributes
    ----------
    faults : ndarray of str of shape (n_images,)
        "", "transient", "corrupt" or "missing".

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ImageColumn
    >>> from torchlearners.testing import FlakyStore
    >>> X = FlakyStore(ImageColumn([np.zeros((2, 2))] * 4), p_missing=0.5, seed=1)
    >>> X.faults
    array(['', '', 'missing', ''], dtype='<U9')
    >>> X.read(2).reason
    'FileNotFoundError: No such file or directory.'
    """

    def __init__(
        self,
        X: Any,
        p_transient: float = 0.0,
        p_corrupt: float = 0.0,
        p_missing: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        shares = [p_transient, p_corrupt, p_missing]
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(
                f"Shares of rows must be at least 0 and at most 1 in all. Got {shares}."
            )
        column = X if isinstance(X, ImageColumn) else ImageColumn(X, **options)
        rng = np.random.default_rng(seed)
        names = np.array(["transient", "corrupt", "missing", ""])
        drawn = np.searchsorted(np.cumsum(shares), rng.random(len(column)), "right")
        times = rng.integers(1, 4, size=len(column))
        super().__init__(
            [
                _FlakySource(source, fault, int(n), column.path(row))
                for row, (source, fault, n) in enumerate(
                    zip(column.sources, names[drawn].tolist(), times, strict=True)
                )
            ],
            channels=column.channels,
            background=column.background,
            transform=column.transform,
            cache=column.cache,
            cache_limit=column.cache_limit,
        )

    @property
    def faults(self) -> np.ndarray:
        """What is wrong with each row."""
        return np.array([source.fault for source in self.sources], dtype="<U9")


class _FlakySource:
    """One image in a flaky store, fetched when it is called."""

    def __init__(self, source: Any, fault: str, times: int, path: str) -> None:
        self.source = source
        self.fault = fault
        self.times = times
        self.path = path
        self.failed = 0

    def __call__(self) -> Any:
        if self.fault == "missing":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        if self.fault == "transient":
            if self.failed < self.times:
                self.failed += 1
                raise _TRANSIENT[self.times - 1]("the store does not answer")
            self.failed = 0
        return self._damaged() if self.fault == "corrupt" else self._given()

    def _given(self) -> Any:
        return self.source() if callable(self.source) else self.source

    def _damaged(self) -> bytes:
        data = self._given()
        if isinstance(data, str | os.PathLike):
            with open(data, "rb") as file:
                data = file.read()
        if not isinstance(data, bytes):
            return b"no image"
        if self.times == 1:
            return data[: len(data) // 2]
        return b"\0" * 64 + data[64:]
