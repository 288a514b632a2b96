"""From columns of images, of files and of many sizes, to arrays of one size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_consistent_length
from torch import nn

from torchlearners._compat import safe_rows
from torchlearners.data import (
    ImageColumn,
    ImageFailure,
    ImageLoader,
    ImageReader,
    StreamedImages,
    UnreadableRows,
    check_classes_left,
)
from torchlearners.nn import ImageInput, fit_to_data, some_rows

# What the automatic size looks at, and the longest side that it gives.
_FIRST_IMAGES = 256
_FIRST_BYTES = 2**28
LONGEST_SIDE = 64
_ROWS_AT_ONCE = 256
# What decode="auto" keeps in memory.
MOST_BYTES = 2**30


def pair_of(size: Any) -> tuple[int, int] | None:
    """Return height and width of an `image_size`."""
    if size is None or isinstance(size, Integral):
        return None if size is None else (int(size), int(size))
    return int(size[0]), int(size[1])


class ReadImages(np.ndarray):
    """Images that were read from a column, with all that is done to each of them."""


@dataclass
class Reading:
    """How a learner reads columns of images: its parameters of these names.

    Parameters
    ----------
    resize, retries, decode, loader_params : object
    """

    resize: str
    retries: int
    decode: str
    loader_params: Any

    def loader(self, column: ImageColumn, size: tuple[int, int]) -> ImageLoader:
        """Return what reads rows of a column as images of a size."""
        reader = ImageReader(column, size, resize=self.resize, retries=self.retries)
        return ImageLoader(reader, self.loader_params)

    def streams(self, column: ImageColumn, size: tuple[int, int]) -> bool:
        """Tell whether images are read batch by batch, whenever they are needed."""
        if size[0] == 1:  # a table, of which columns are scaled
            return False
        n_bytes = len(column) * column.channels * math.prod(size)
        return self.decode == "batches" or (
            self.decode == "auto" and n_bytes > MOST_BYTES
        )


def read_images(
    column: ImageColumn,
    size: tuple[int, int] | None,
    reading: Reading,
    unreadable: UnreadableRows,
    *,
    channels_last: bool,
) -> tuple[np.ndarray | StreamedImages, np.ndarray]:
    """Read all images of a column, each once, into one array; or let them be streamed.

    Streamed ones are read once here too where rows that cannot be read are left out.

    Parameters
    ----------
    column : ImageColumn
    size : tuple of int or None
        Height and width; None chooses them, see `automatic_size`.
    reading : Reading
    unreadable : UnreadableRows
        Is told of the rows that cannot be read, and may raise.
    channels_last : bool

    Returns
    -------
    images : ndarray of uint8 of shape (n_kept, height, width, channels), or \
(n_kept, channels, height, width), or StreamedImages of this layout
    kept : ndarray of int of shape (n_kept,)
        The row of the column that each image is.
    """
    n = len(column)
    first: dict[int, np.ndarray] = {}
    start = 0
    if size is None:
        first, start = _first_images(column, reading.retries, unreadable)
        size = automatic_size([image.shape[:2] for image in first.values()])
    loader = reading.loader(column, size)
    space = (*size, column.channels) if channels_last else (column.channels, *size)
    if reading.streams(column, size):
        if unreadable.on_error == "skip":
            for block in loader.batches(_blocks(start, n)):
                unreadable.add(block.failures)
        kept = unreadable.kept
        return StreamedImages(loader, kept, space, channels_last), kept
    images = np.empty((n, *space), dtype=np.uint8)
    kept = np.empty(n, dtype=np.int64)
    n_read = 0

    def put(rows: Any, batch: torch.Tensor) -> None:
        nonlocal n_read
        here = slice(n_read, n_read + len(batch))
        images[here] = batch.permute(0, 2, 3, 1) if channels_last else batch
        kept[here] = rows
        n_read += len(batch)

    for row, image in first.items():
        put(row, loader.reader.resized(image)[None])
    del first
    try:
        # In blocks, so that an error that ends it all comes early.
        for block in loader.batches(_blocks(start, n)):
            unreadable.add(block.failures)
            put(block.rows, block.images)
    finally:
        loader.close()
    return images[:n_read], kept[:n_read]


def _blocks(start: int, stop: int, n_rows: int = _ROWS_AT_ONCE) -> list[range]:
    return [range(i, min(i + n_rows, stop)) for i in range(start, stop, n_rows)]


def automatic_size(sizes: list[tuple[int, ...]]) -> tuple[int, int]:
    """Return one size for images: that of most of them, made small.

    Parameters
    ----------
    sizes : list of (height, width)

    Returns
    -------
    height, width : int
        The median height and width; where one is above 64, both are made smaller by
        the same factor.

    Examples
    --------
    >>> from torchlearners.image._columns import automatic_size
    >>> automatic_size([(32, 32), (32, 32)])
    (32, 32)
    >>> automatic_size([(300, 200), (260, 240), (256, 192)])
    (64, 49)
    """
    sides = np.median(np.array(sizes), axis=0)
    sides = sides * min(1.0, LONGEST_SIDE / sides.max())
    height, width = (max(1, round(side)) for side in sides.tolist())
    return height, width


def batches_of(
    column: ImageColumn,
    size: tuple[int, int],
    n_rows: int,
    reading: Reading,
    unreadable: UnreadableRows,
    *,
    channels_last: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the images of a column and their row numbers, some rows at a time.

    Parameters
    ----------
    column, size, reading, unreadable, channels_last
        See `read_images`.
    n_rows : int
        Rows in a batch; those that cannot be read are missing from it.

    Yields
    ------
    images, rows : ndarray
        Never of no rows.
    """
    loader = reading.loader(column, size)
    try:
        for batch in loader.batches(_blocks(0, len(column), n_rows)):
            unreadable.add(batch.failures)
            if len(batch):
                axes = (0, 2, 3, 1) if channels_last else (0, 1, 2, 3)
                yield batch.images.numpy().transpose(axes), batch.rows
    finally:
        loader.close()


def rows_left(
    kept: np.ndarray,
    column: ImageColumn,
    y: Any,
    sample_weight: Any,
    groups: Any,
    by_class: bool,
) -> tuple[Any, Any, Any]:
    """Return y, weights and groups of the rows whose images were read.

    Parameters
    ----------
    kept : ndarray of int
        These rows.
    column : ImageColumn
    y, sample_weight, groups : object
        As given to `fit`.
    by_class : bool
        Whether y holds classes, of which each must keep a row.

    Returns
    -------
    y, sample_weight, groups : object

    Raises
    ------
    UnreadableImageError
        Where a class lost all of its rows.
    """
    if len(kept) == len(column):
        return y, sample_weight, groups
    if isinstance(y, torch.Tensor):
        y = y.numpy(force=True)
    if by_class and np.ndim(y) == 1:
        check_classes_left(y, kept)
    if np.ndim(sample_weight) > 0:
        sample_weight = safe_rows(sample_weight, kept)
    if groups is not None:
        groups = safe_rows(groups, kept)
    return safe_rows(y, kept), sample_weight, groups


def check_lengths(column: ImageColumn, y: Any, sample_weight: Any, groups: Any) -> None:
    """Raise, before anything is read, where a row has no y, weight or group."""
    if not len(column):
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            "required."
        )
    weights = sample_weight if np.ndim(sample_weight) else None
    check_consistent_length(column, y, weights, groups)


def _first_images(
    column: ImageColumn, retries: int, unreadable: UnreadableRows
) -> tuple[dict[int, np.ndarray], int]:
    """Return the first images by row, and the row after them.

    Those that cannot be read do not count, so that leaving them out is the same as not
    having them.
    """
    found: dict[int, np.ndarray] = {}
    n_bytes = row = 0
    while row < len(column) and len(found) < _FIRST_IMAGES and n_bytes < _FIRST_BYTES:
        image = column.read(row, retries=retries)
        if isinstance(image, ImageFailure):
            unreadable.add([image])
        else:
            found[row] = image
            n_bytes += image.nbytes
        row += 1
    return found, row


def show_rows(network: nn.Module, X: Any, device: torch.device) -> None:
    """Let a new network see its training rows; of streamed ones as few as it needs.

    Parameters
    ----------
    network : torch.nn.Module
        With one `torchlearners.nn.ImageInput`.
    X : torch.Tensor or StreamedImages
    device : torch.device
        Of the network.
    """
    if not isinstance(X, StreamedImages):
        fit_to_data(network, X.to(device))
        return
    rows = some_rows(X)
    (pixels,) = (m for m in network.modules() if isinstance(m, ImageInput))
    if any(hasattr(m, "fit_to") for m in network.modules() if m is not pixels):
        fit_to_data(network, torch.from_numpy(np.asarray(rows)).to(device))
    else:
        pixels.fit_to(rows)


def target_sum(target: Any, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted sum of targets: of classes, the weight of each.

    Parameters
    ----------
    target : Target
    codes : ndarray of shape (n_samples, ...)
        The encoded targets.
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_outputs,)
    """
    if target.kind == "classes":
        return np.bincount(codes, weight, minlength=target.n_outputs)
    return weight @ codes


def checked_names(learner: Any, X: Any, fitted: bool) -> list[str] | None:
    """Return the name of a DataFrame's only column, which `fit` may have seen.

    Parameters
    ----------
    learner : estimator
        May have ``feature_names_in_``.
    X : object
    fitted : bool
        Whether the name must be that of `fit`.

    Returns
    -------
    list of str or None
        None where X is no DataFrame, or its column has a name that is no string.
    """
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    names = list(columns)
    known = getattr(learner, "feature_names_in_", None)
    if fitted and known is not None and list(known) != names:
        raise ValueError(
            "The feature names should match those that were passed during fit. "
            f"Got {names}; fit had {list(known)}."
        )
    return names
