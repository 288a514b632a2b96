"""Batches of images that are read while a network trains, here or by workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from torchlearners.data._image_batches import ImageReader, LoadedImages
from torchlearners.data._image_errors import UnreadableRows

LOADER_PARAMS = (
    "multiprocessing_context",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "timeout",
)


class ImageLoader:
    """Read lists of rows one after the other, here or in worker processes.

    A worker reads whole batches, and hands their uint8 pixels over in shared memory.
    What is read does not depend on the number of workers, nor does it draw any random
    numbers.

    Parameters
    ----------
    reader : ImageReader
    params : dict or None, default=None
        For `torch.utils.data.DataLoader`: any of ``num_workers``, ``prefetch_factor``,
        ``persistent_workers`` (True by default), ``pin_memory``, ``timeout`` (seconds)
        and ``multiprocessing_context``. None reads in this process, in as many threads
        as a `joblib.parallel_config` says, else in one.

    Raises
    ------
    ValueError
        For other parameters, and for values that the DataLoader refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ImageColumn, ImageLoader, ImageReader
    >>> X = ImageColumn([np.zeros((2, 3)), np.ones((4, 4)), np.ones((5, 5))])
    >>> loader = ImageLoader(ImageReader(X, size=2))
    >>> [batch.rows.tolist() for batch in loader.batches([[2, 0], [1]])]
    [[2, 0], [1]]
    """

    def __init__(
        self, reader: ImageReader, params: dict[str, Any] | None = None
    ) -> None:
        self.reader = reader
        self.params = checked_loader_params(params)
        self._order = _RowLists()
        self._loader: DataLoader[LoadedImages] | None = None
        self._in_use = False
        if self.params:
            self._make_loader()  # raises where a value is wrong

    def _make_loader(self) -> DataLoader[LoadedImages]:
        if self._loader is None:
            many = self.params.get("num_workers", 0) > 0
            self._loader = DataLoader(
                self.reader,  # type: ignore[arg-type]
                batch_size=None,
                sampler=self._order,
                collate_fn=_as_they_are,  # type: ignore[arg-type]
                # It draws a seed for its workers, which read without any.
                generator=torch.Generator(),
                **({"persistent_workers": True} if many else {}) | self.params,
            )
        return self._loader

    def batches(self, lists: Iterable[Any]) -> Iterator[LoadedImages]:
        """Yield what is read of each list of rows, in the order of the lists.

        Parameters
        ----------
        lists : iterable of array-like of int
            Row numbers.

        Yields
        ------
        LoadedImages
        """
        # While workers serve one loop, another one inside of it reads by itself.
        if not self.params or self._in_use:
            yield from map(self.reader.read, lists)
            return
        self._order.lists = [np.asarray(rows, dtype=np.int64) for rows in lists]
        self._in_use = True
        try:
            yield from self._make_loader()
        finally:
            self._in_use = False

    def close(self) -> None:
        """End the worker processes; they start again where more is to be read."""
        self._loader = None


class StreamedImages:
    """Rows of pixels that are read when they are asked for, and not kept.

    They stand where a matrix of pixels would stand: ``images[rows]`` chooses rows and
    reads nothing; `batches` reads them; ``numpy.asarray(images)`` reads all.

    Parameters
    ----------
    loader : ImageLoader
        Of a reader with a size.
    rows : ndarray of int of shape (n_rows,)
        Which rows of the reader's column.
    stored : tuple of int
        Shape of one image as it is laid out in a row.
    channels_last : bool, default=False
        Whether the channels of a pixel stand side by side in a row.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import (
    ...     ImageColumn,
    ...     ImageLoader,
    ...     ImageReader,
    ...     StreamedImages,
    ... )
    >>> X = ImageColumn([np.full((4, 4), i / 5) for i in range(5)], channels=1)
    >>> loader = ImageLoader(ImageReader(X, size=2))
    >>> images = StreamedImages(loader, np.arange(5), stored=(2, 2))
    >>> images.shape
    (5, 4)
    >>> [rows.tolist() for rows in images[[4, 0]].split(1)]
    [[[204, 204, 204, 204]], [[0, 0, 0, 0]]]
    """

    ndim = 2
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        loader: ImageLoader,
        rows: np.ndarray,
        stored: tuple[int, ...],
        channels_last: bool = False,
    ) -> None:
        self.loader = loader
        self.rows = rows
        self.stored = stored
        self.channels_last = channels_last
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows, and of values in each."""
        return len(self), math.prod(self.stored)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn's way to say "rows"
        if isinstance(key, Integral):
            return next(self.batches([[int(key)]]))[0]
        if not isinstance(key, slice):
            key = np.asarray(key)
        return self._like(rows=self.rows[key])

    def to(self, device: Any) -> StreamedImages:
        """Return the same rows, of which batches come on a device.

        Parameters
        ----------
        device : torch.device or str

        Returns
        -------
        StreamedImages
        """
        return self._like(device=torch.device(device))

    def _like(self, **changed: Any) -> StreamedImages:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changed)
        return other

    def batches(self, lists: Iterable[Any]) -> Iterator[torch.Tensor]:
        """Yield the pixels of each list of rows.

        Parameters
        ----------
        lists : iterable of array-like of int
            Places among these rows.

        Yields
        ------
        torch.Tensor of uint8 of shape (n_list, n_values)

        Raises
        ------
        UnreadableImageError
            For a row that cannot be read.
        """
        unreadable = UnreadableRows(self.loader.reader.X)
        for batch in self.loader.batches([self.rows[np.asarray(x)] for x in lists]):
            unreadable.add(batch.failures)
            images = batch.images
            if self.channels_last:
                images = images.permute(0, 2, 3, 1)
            yield images.flatten(1).to(self.device, non_blocking=True)

    def split(self, n_rows: int) -> Iterator[torch.Tensor]:
        """Yield all rows in their order, some at a time, as a tensor's split does.

        Parameters
        ----------
        n_rows : int

        Yields
        ------
        torch.Tensor of uint8 of shape (up to n_rows, n_values)
        """
        return self.batches(
            np.split(np.arange(len(self)), range(n_rows, len(self), n_rows))
        )

    def numpy(self, *, force: bool = False) -> StreamedImages:
        """Return these rows, as they stand for an array too."""
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        parts = [part.numpy(force=True) for part in self.split(256)]
        pixels = np.concatenate(parts) if len(self) else np.empty(self.shape, np.uint8)
        return pixels if dtype is None else pixels.astype(dtype)

    def close(self) -> None:
        """End the worker processes."""
        self.loader.close()


def checked_loader_params(params: dict[str, Any] | None) -> dict[str, Any]:
    """Return parameters of a DataLoader, or raise where they are not the caller's.

    Parameters
    ----------
    params : dict or None

    Returns
    -------
    dict
    """
    params = dict(params or {})
    if wrong := sorted(set(map(str, params)) - set(LOADER_PARAMS)):
        raise ValueError(
            f"loader_params has {', '.join(map(repr, wrong))}. It may have "
            f"{', '.join(LOADER_PARAMS)}; which rows make a batch, and in what order, "
            "is said by the learner's batch_size, shuffle, sampler and drop_last."
        )
    return params


class _RowLists:
    """The rows of each batch to come, which change from one loop to the next."""

    def __init__(self) -> None:
        self.lists: list[np.ndarray] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.lists)

    def __len__(self) -> int:
        return len(self.lists)


def _as_they_are(images: LoadedImages) -> LoadedImages:
    return images
