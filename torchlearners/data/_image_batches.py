"""Rows of a column of images as one tensor, without those that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from torchlearners.data._image_column import ImageColumn
from torchlearners.data._image_errors import ImageFailure, UnreadableRows
from torchlearners.data._resize import check_resize, check_size, resize_image

# Enough for a thread to be worth its start, few enough to share the work.
_CHUNK = 32
_BLOCK = 1024


@dataclass(eq=False)
class LoadedImages:
    """Images of one size, and which rows they are.

    Parameters
    ----------
    images : torch.Tensor of uint8 of shape (n_kept, channels, height, width)
    rows : ndarray of int of shape (n_kept,)
        The row of X that each image is, in the order asked for.
    failures : list of ImageFailure
        The other rows that were asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import load_images
    >>> load_images([np.zeros((2, 3)), np.ones((4, 4))], size=2).rows
    array([0, 1])
    """

    images: torch.Tensor
    rows: np.ndarray
    failures: list[ImageFailure] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def pin_memory(self) -> LoadedImages:
        """Return the same images in memory that an accelerator can read by itself."""
        return LoadedImages(self.images.pin_memory(), self.rows, self.failures)


class ImageReader:
    """Read rows of a column as batches of images of one size.

    ``reader[rows]`` is an `LoadedImages`: rows that cannot be read are not in it, never
    replaced, and listed. It serves as the dataset of a torch DataLoader that has
    ``batch_size=None`` and a sampler of lists of rows, with any number of workers.

    Parameters
    ----------
    X : ImageColumn
    size : int, tuple of int or None, default=None
        Height and width in pixels; an int is both. None takes images that have one
        size.
    resize : {"squash", "crop", "pad"}, default="squash"
        See `resize_image`.
    retries, delay : int, float, default=3, 0.1
        See `ImageColumn.read`.

    Examples
    --------
    >>> import numpy as np
    >>> from torch.utils.data import BatchSampler, DataLoader, SequentialSampler
    >>> from torchlearners.data import ImageColumn, ImageReader
    >>> X = ImageColumn([np.zeros((2, 3)), b"", np.ones((4, 4))])
    >>> reader = ImageReader(X, size=2)
    >>> reader[[1, 2]].rows
    array([2])
    >>> batches = BatchSampler(SequentialSampler(X), batch_size=2, drop_last=False)
    >>> loader = DataLoader(reader, batch_size=None, sampler=batches)
    >>> [batch.images.shape[0] for batch in loader]
    [1, 1]
    """

    def __init__(
        self,
        X: ImageColumn,
        size: int | tuple[int, int] | None = None,
        *,
        resize: str = "squash",
        retries: int = 3,
        delay: float = 0.1,
    ) -> None:
        check_resize(resize)
        self.X = X
        self.size = check_size(size)
        self.resize = resize
        self.retries = retries
        self.delay = delay

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> LoadedImages:
        rows = np.asarray(rows, dtype=np.int64).ravel()
        return self._batch(rows, [self._image(int(row)) for row in rows])

    def read(self, rows: Any = None, n_jobs: int | None = None) -> LoadedImages:
        """Read rows in several threads.

        Parameters
        ----------
        rows : array-like of int or None, default=None
            None is all of them.
        n_jobs : int or None, default=None
            Number of threads; decoding does not hold Python's lock. -1 is one for each
            core, None is one unless a `joblib.parallel_config` says otherwise.

        Returns
        -------
        LoadedImages
        """
        rows = np.asarray(range(len(self)) if rows is None else rows, dtype=np.int64)
        chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
        parts = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(self._images)(chunk) for chunk in chunks
        )
        return self._batch(rows, [image for part in parts for image in part])

    def _images(self, rows: np.ndarray) -> list[torch.Tensor | ImageFailure]:
        return [self._image(int(row)) for row in rows]

    def _image(self, row: int) -> torch.Tensor | ImageFailure:
        image = self.X.read(row, retries=self.retries, delay=self.delay)
        if isinstance(image, ImageFailure):
            return image
        return self.resized(image)

    def resized(self, image: np.ndarray) -> torch.Tensor:
        """Return an image of the column as it is in batches.

        Parameters
        ----------
        image : ndarray of uint8 of shape (height, width, channels)

        Returns
        -------
        torch.Tensor of uint8 of shape (channels, height, width)
        """
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        if self.size is None:
            return pixels
        return resize_image(pixels, self.size, self.resize)

    def _batch(
        self, rows: np.ndarray, found: list[torch.Tensor | ImageFailure]
    ) -> LoadedImages:
        failures = [image for image in found if isinstance(image, ImageFailure)]
        good = [isinstance(image, torch.Tensor) for image in found]
        images = [image for image in found if isinstance(image, torch.Tensor)]
        kept = rows[np.asarray(good, dtype=bool)]
        if not images:
            shape = (0, self.X.channels, *(self.size or (0, 0)))
            return LoadedImages(torch.zeros(shape, dtype=torch.uint8), kept, failures)
        for row, image in zip(kept, images, strict=True):
            if image.shape != images[0].shape:
                raise self._several_sizes(kept[0], images[0], row, image)
        # In memory channels come last, as they were decoded.
        stacked = torch.stack([image.permute(1, 2, 0) for image in images])
        return LoadedImages(stacked.permute(0, 3, 1, 2), kept, failures)

    def _several_sizes(
        self, row: int, image: torch.Tensor, other_row: int, other: torch.Tensor
    ) -> ValueError:
        found = [
            f"{x.shape[-2]} x {x.shape[-1]} in row {i} ({self.X.path(i)})"
            for i, x in ((row, image), (other_row, other))
        ]
        return ValueError(
            f"Images are of several sizes, {' and '.join(found)}. "
            "Give size=(height, width)."
        )


def load_images(
    X: Any,
    size: int | tuple[int, int] | None = None,
    *,
    resize: str = "squash",
    on_error: str = "raise",
    max_bad: float | int = 0.01,
    retries: int = 3,
    n_jobs: int | None = None,
) -> LoadedImages:
    """Read all images into memory.

    They need n_samples x channels x height x width bytes.

    Parameters
    ----------
    X : ImageColumn, or its sources
    size : int, tuple of int or None, default=None
        Height and width in pixels; an int is both. None takes images that have one
        size.
    resize : {"squash", "crop", "pad"}, default="squash"
        See `resize_image`.
    on_error : {"raise", "skip", "impute"}, default="raise"
        What to do about rows that cannot be read: raise an error, or leave them out and
        warn; see `UnreadableRows`. With "skip", the caller leaves the same rows out of
        y and weights (``y[batch.rows]``); with "impute", he fills the gaps in his
        results.
    max_bad : float or int, default=0.01
        The share, or number, of rows that "skip" may leave out.
    retries : int, default=3
        See `ImageColumn.read`.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    LoadedImages

    Raises
    ------
    UnreadableImageError
        For the first image that cannot be read, or for more than `max_bad`.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import load_images
    >>> load_images([np.zeros((2, 3)), np.ones((4, 4))], size=8).images.shape
    torch.Size([2, 3, 8, 8])
    """
    column = X if isinstance(X, ImageColumn) else ImageColumn(X)
    unreadable = UnreadableRows(column, on_error, max_bad)
    reader = ImageReader(column, size, resize=resize, retries=retries)
    result, n_read = reader[[]], 0
    # In blocks, so that an error that ends it all comes early.
    for start in range(0, len(column), _BLOCK):
        block = reader.read(range(start, min(start + _BLOCK, len(column))), n_jobs)
        unreadable.add(block.failures)
        if not len(block):
            continue
        if not n_read:
            images = block.images.new_empty(len(column), *block.images.shape[1:])
            result = LoadedImages(images, np.empty(len(column), dtype=np.int64))
        elif images.shape[1:] != block.images.shape[1:]:
            raise reader._several_sizes(
                result.rows[0], images, block.rows[0], block.images
            )
        here = slice(n_read, n_read + len(block))
        images[here], result.rows[here] = block.images, block.rows
        n_read += len(block)
    unreadable.warn()
    return LoadedImages(
        result.images[:n_read], result.rows[:n_read], unreadable.failures
    )
