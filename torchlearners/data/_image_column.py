"""A column of images that are decoded when they are needed, and not before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, overload

import numpy as np
import torch

from torchlearners.data._decode import (
    check_channels,
    describe_source,
    fetch,
    is_missing,
    is_pillow_image,
    read_pixels,
    to_channels,
)
from torchlearners.data._image_errors import ImageFailure, read_row
from torchlearners.data._image_sources import (
    EXTENSIONS,
    below,
    column_values,
    dataset_items,
    folder_files,
    is_source,
    source_list,
)
from torchlearners.exceptions import UnreadableImageError

_GIBIBYTE = 2**30


class ImageColumn:
    """A column of images that are decoded when they are needed, and not before.

    It can be split, indexed and sent to other processes as scikit-learn does with any
    X: what moves are the sources, never pixels. ``column[3]`` decodes one image; a
    slice, a mask or an array of row numbers gives a shorter column, without decoding.
    ``numpy.asarray(column)`` are the sources.

    Parameters
    ----------
    sources : list, tuple, 1-D array, Series or DataFrame of one column
        One image a row, in any form that `decode_image` takes: paths, bytes, PIL
        images, arrays or functions. Missing values are rows that cannot be read.
    channels : {1, 3}, default=3
        Gray or RGB.
    background : int, default=255
        Gray value behind transparent pixels.
    transform : callable or None, default=None
        From a uint8 array (height, width, channels) to another one, for example to a
        smaller one, or to a PIL image or a tensor (channels, height, width), which
        become one as `decode_image` says. It runs before the cache, so it must not be
        random; augmentation belongs to the learner.
    cache : {"bytes", "images"} or None, default=None
        What is kept in memory once it was read: "bytes" the files as they are, which
        spares a slow disk or network, "images" the decoded and transformed images,
        which also spares decoding. All views of a column share it; a copy in another
        process starts empty.
    cache_limit : int, default=2**30
        Bytes that the cache may hold. What is read later is not kept: in a random order
        of rows, nothing would be gained by making room for it.

    Attributes
    ----------
    shape : tuple
        ``(n_images,)``.
    sources : ndarray of object of shape (n_images,)

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ImageColumn
    >>> X = ImageColumn([np.zeros((2, 3)), np.ones((4, 2))])
    >>> X[1].shape
    (4, 2, 3)
    >>> X[:1]
    ImageColumn of 1 image: <ndarray>
    """

    ndim = 1
    # numpy leaves == to `__eq__` below.
    __array_ufunc__ = None

    def __init__(
        self,
        sources: Any,
        *,
        channels: int = 3,
        background: int = 255,
        transform: Callable[[np.ndarray], np.ndarray] | None = None,
        cache: str | None = None,
        cache_limit: int = _GIBIBYTE,
    ) -> None:
        check_channels(channels)
        if cache not in (None, "bytes", "images"):
            raise ValueError(f"cache must be None, 'bytes' or 'images'. Got {cache!r}.")
        self.channels = channels
        self.background = background
        self.transform = transform
        self.cache = cache
        self.cache_limit = cache_limit
        self.sources = _object_array(sources)
        self._forget()

    def _forget(self) -> None:
        self._keys = np.arange(len(self.sources))
        self._kept = _Kept(self.cache_limit)

    # Where images come from.

    @classmethod
    def from_folder(
        cls,
        root: Any,
        *,
        categories: Sequence[str] | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        **options: Any,
    ) -> tuple[ImageColumn, np.ndarray]:
        """Return the images of a folder with one subfolder for each class.

        Files whose names end in what images are called count, also in folders further
        below; hidden ones and those outside of the subfolders do not, nor do links to
        folders, which may lead in a circle. No image is opened.

        Parameters
        ----------
        root : str or Path
        categories : sequence of str or None, default=None
            Names of the subfolders to take; None is all of them.
        extensions : sequence of str
            What the names of images end with, in small or capital letters. By default
            the usual ones, from ".avif" to ".webp".
        **options
            Those of the class.

        Returns
        -------
        X : ImageColumn
        y : ndarray of str of shape (n_images,)
            Names of the subfolders. The order is that of names, on every machine.

        Raises
        ------
        ValueError
            Where there is no such folder, or a class without images.
        """
        paths, labels = folder_files(root, categories, extensions)
        return cls(paths, **options), np.asarray(labels)

    @classmethod
    def from_frame(
        cls, frame: Any, column: str, root: Any = None, **options: Any
    ) -> ImageColumn:
        """Return the images that a column of a DataFrame names or holds.

        Parameters
        ----------
        frame : pandas or polars DataFrame
        column : str
            Its values are paths or bytes.
        root : str, Path or None, default=None
            Folder that the paths are relative to; None is the current one.
        **options
            Those of the class.

        Returns
        -------
        ImageColumn
        """
        values = column_values(frame, column)
        return cls([below(root, value) for value in values], **options)

    @classmethod
    def from_dataset(
        cls, dataset: Any, *, image: Any = None, label: Any = None, **options: Any
    ) -> tuple[ImageColumn, Any]:
        """Return the images and labels of a map-style dataset.

        Of a torchvision dataset or one of Hugging Face, the labels are known and no
        image is decoded; of another one, each item is fetched once for its label.
        Augmentation belongs to the learner: a dataset with a random transform gives
        other pixels each time, and one that standardizes gives numbers that are no
        pixels.

        Parameters
        ----------
        dataset : torch.utils.data.Dataset or other object with length and items
            Items are (image, label, ...), or dicts.
        image, label : str, int or None, default=None
            Where they are in an item; None is "image" and "label" of a dataset with
            ``column_names``, else the first and second place.
        **options
            Those of the class.

        Returns
        -------
        X : ImageColumn
        y : ndarray of shape (n_images,), or list
            A list where labels are neither numbers nor strings.
        """
        sources, labels = dataset_items(dataset, image, label)
        return cls(sources, **options), labels

    # One image.

    def path(self, row: int) -> str:
        """Return where an image is, or a word for what holds it.

        Parameters
        ----------
        row : int

        Returns
        -------
        str
        """
        return describe_source(self.sources[row])

    def read(
        self, row: int, *, retries: int = 3, delay: float = 0.1
    ) -> np.ndarray | ImageFailure:
        """Return an image, or why there is none.

        Parameters
        ----------
        row : int
        retries : int, default=3
            How often to try again after an OSError that may pass: a store that does not
            answer, not a file that is missing.
        delay : float, default=0.1
            Seconds before the first of them; twice as long each time.

        Returns
        -------
        ndarray of uint8 of shape (height, width, channels), or ImageFailure

        Raises
        ------
        TypeError, ImportError, MemoryError, ...
            Errors of programs are never taken for unreadable images; neither is any
            error in `transform`.
        """
        key = int(self._keys[row])
        if self.cache == "images" and (image := self._kept.get(key)) is not None:
            return image.copy()  # the caller may write into it
        pixels = read_row(
            lambda: self._decode(row, key), row, self.path(row), retries, delay
        )
        if isinstance(pixels, ImageFailure):
            return pixels
        if self.transform is not None:
            try:
                pixels = self._checked(self.transform(pixels))
            except Exception as error:
                error.add_note(f"Raised by transform for row {row} ({self.path(row)}).")
                raise
        if self.cache == "images":
            self._kept.put(key, pixels.copy(), pixels.nbytes)
        return pixels

    def _decode(self, row: int, key: int) -> np.ndarray:
        source = self.sources[row]
        if self.cache == "bytes":
            data = self._kept.get(key)
            if data is None:
                data = fetch(source)
                if isinstance(data, bytes) and data is not source:
                    self._kept.put(key, data, len(data))
            source = data
        return to_channels(read_pixels(source).array, self.channels, self.background)

    def _checked(self, image: Any) -> np.ndarray:
        """Return what `transform` returned as an image of this column."""
        if isinstance(image, torch.Tensor) or is_pillow_image(image):
            return to_channels(read_pixels(image).array, self.channels, self.background)
        is_image = isinstance(image, np.ndarray) and image.dtype == np.uint8
        fits = is_image and image.ndim == 3 and image.shape[2] == self.channels
        if fits and image.size:
            return np.asarray(image)
        got = f"{image.dtype} {image.shape}" if hasattr(image, "dtype") else type(image)
        raise TypeError(
            "transform must return a uint8 array of shape (height, width, "
            f"{self.channels}), a PIL image or a tensor. Got {got}."
        )

    def transformed(self, transform: Callable[[np.ndarray], Any]) -> ImageColumn:
        """Return the same images with one more transform, after that of the column.

        Parameters
        ----------
        transform : callable
            As the `transform` of the class.

        Returns
        -------
        ImageColumn
            With a cache of its own, where images are kept.

        Examples
        --------
        >>> import numpy as np
        >>> from torchlearners.data import ImageColumn
        >>> X = ImageColumn([np.zeros((8, 4))]).transformed(lambda image: image[:2])
        >>> X[0].shape
        (2, 4, 3)
        """
        changed: ImageColumn = self[:]
        if self.transform is not None:
            transform = _OneAfterTheOther(self, transform)
        changed.transform = transform
        if self.cache == "images":
            changed._forget()
        return changed

    # A sequence.

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def shape(self) -> tuple[int]:
        """``(n_images,)``; without it, scikit-learn would decode all to split them."""
        return (len(self),)

    @overload
    def __getitem__(self, key: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, key: Any) -> Any: ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn's way to say "rows"
        if isinstance(key, Integral):
            return self._image(int(key))
        if not isinstance(key, slice):
            key = np.asarray(key)
            key = key.astype(np.intp) if not key.size else key
            if key.ndim != 1:
                raise IndexError(
                    "An ImageColumn has one axis; index it by a row number, a slice, a "
                    f"mask or row numbers. Got an index of shape {key.shape}."
                )
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view.sources, view._keys = self.sources[key], self._keys[key]
        return view

    def _image(self, row: int) -> np.ndarray:
        n = len(self)
        if not -n <= row < n:
            raise IndexError(f"There is no row {row} in a column of {n} images.")
        image = self.read(row % n)
        if isinstance(image, ImageFailure):
            raise UnreadableImageError(str(image))
        return image

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._image, range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if dtype is not None and np.dtype(dtype) != object:
            raise ValueError(
                f"An ImageColumn cannot become an array of {np.dtype(dtype)}: its "
                "images are decoded by learners for images, or singly, as column[0]."
            )
        return self.sources if copy is False else self.sources.copy()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        n = len(self)
        shown = ", ".join(self.path(row) for row in range(min(n, 3)))
        more = ", ..." if n > 3 else ""
        return f"ImageColumn of {n} image{'' if n == 1 else 's'}: {shown}{more}"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_keys"], state["_kept"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


class _Kept:
    """What was read, until it is too much."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._values: dict[int, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: int) -> Any:
        return self._values.get(key)

    def put(self, key: int, value: Any, size: int) -> None:
        with self._lock:
            if key not in self._values and self.size + size <= self.limit:
                self._values[key] = value
                self.size += size


class _OneAfterTheOther:
    """The transform of a column, and then another one."""

    def __init__(self, column: ImageColumn, then: Callable[[np.ndarray], Any]) -> None:
        # Without its sources, since it goes wherever the new column goes.
        self.column = column[:0]
        self.then = then

    def __call__(self, image: np.ndarray) -> Any:
        first: Any = self.column.transform
        return self.then(self.column._checked(first(image)))


def _object_array(sources: Any) -> np.ndarray:
    values = sources if isinstance(sources, list | tuple) else source_list(sources)
    if values is None:
        raise TypeError(
            "sources must be a list, an array, a Series or a DataFrame of one column, "
            "with one image a row: paths, bytes, PIL images, arrays or functions. Got "
            f"{type(sources).__name__} without these; numeric arrays need no column."
        )
    for row, value in enumerate(values):
        if not (is_source(value) or is_missing(value)):
            raise TypeError(
                f"Row {row} is no image but {type(value).__name__}; give a path, "
                "bytes, a PIL image, an array of two or three axes, or a function."
            )
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):  # numpy would stack arrays of one shape
        array[row] = value
    return array
