"""From images as they are given to rows of pixels, one image a row."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import is_regressor
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_X_y

from torchlearners.data import (
    DataSpec,
    RowSelection,
    Schema,
    StreamedImages,
    check_features,
    refuse_mask,
    without_mask,
)
from torchlearners.exceptions import PixelRangeWarning

_CHANNELS = (1, 3, 4)
# Below this side a row of numbers is taken for a table.
_SMALLEST_SIDE = 8
_BRIGHTEST = 2


@dataclass(frozen=True)
class ImageSpec(DataSpec):
    """What a network must know about images: the argument of ``network(spec)``.

    Parameters
    ----------
    channels, height, width : int
        Sizes of an image. Tables are images of height 1.
    channels_last : bool, default=False
        Whether the channels of a pixel stand side by side in a row.

    Examples
    --------
    >>> from torchlearners.image import ImageSpec
    >>> spec = ImageSpec(n_numeric=64, n_outputs=10, channels=1, height=8, width=8)
    >>> spec.is_strip
    False
    """

    channels: int = 1
    height: int = 1
    width: int = 1
    channels_last: bool = False

    @property
    def is_strip(self) -> bool:
        """Whether an image is a single line, where each place has its own meaning."""
        return self.height == 1


@dataclass
class PixelRows:
    """From images of any layout to one row of pixels each, of the dtype they have.

    uint8 stays uint8. What is no uint8 and no float becomes float.

    Parameters
    ----------
    data_format : {"auto", "channels_last", "channels_first"}, default="auto"
        Where the channels are; see the learners' `data_format`.
    image_shape : tuple of int or None, default=None
        What a flat row unfolds to; see the learners' `image_shape`.
    image_size : tuple of int or None, default=None
        (height, width) that images must have.
    stored : tuple of int
        Shape of an image as it was given in `fit`; like all that follows learned.
    size : tuple of int
        (channels, height, width).
    channels_last : bool
    names : list of str or None
    largest : float or None
        Of floats, in `fit`.
    of_column : bool
        Whether `fit` was given a column of images, of any sizes, and not an array.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from torchlearners.image import PixelRows
    >>> rows = PixelRows()
    >>> X = np.zeros((5, 8, 8, 3), dtype=np.uint8)
    >>> rows.check(BaseEstimator(), X, reset=True).shape
    (5, 192)
    >>> rows.size, rows.channels_last
    ((3, 8, 8), True)
    """

    data_format: str = "auto"
    image_shape: Any = None
    image_size: Any = None
    stored: Any = ()
    size: Any = ()
    channels_last: bool = False
    names: list[str] | None = None
    largest: float | None = None
    of_column: bool = False

    def __post_init__(self) -> None:
        # From a file they come as lists.
        self.stored, self.size = tuple(self.stored), tuple(self.size)
        if self.image_size is not None:
            self.image_size = tuple(self.image_size)

    def check(
        self, learner: Any, X: Any, y: Any = "no_validation", *, reset: bool
    ) -> Any:
        """Return images as rows of pixels, and y where it is given.

        Parameters
        ----------
        learner : estimator
            Named in messages; its ``n_features_in_`` is set or compared.
        X : array-like of shape (n, height, width), (n, height, width, channels), \
(n, channels, height, width) or (n, n_features), or StreamedImages
        y : array-like or "no_validation", default="no_validation"
        reset : bool
            True in `fit`, which learns the layout; False where X must have it.

        Returns
        -------
        X : ndarray or StreamedImages of shape (n, channels * height * width)
        y : ndarray
            Only where it is given.

        Raises
        ------
        ValueError
            Where X is no set of images, or of others than in `fit`.
        """
        has_y = not (isinstance(y, str) and y == "no_validation")
        streamed = isinstance(X, StreamedImages)
        images: Any = X if streamed else _as_images(X)
        if images is None:
            checked = check_features(learner, X, y, reset=reset)
            rows, y = checked if has_y else (checked, None)
            shape: tuple[int, ...] = rows.shape[1:]
        else:
            shape = images.stored if streamed else images.shape[1:]
            rows = images if streamed else _finite_rows(images)
            if has_y:
                y = checked_target(learner, len(rows), y)
        if reset:
            if images is not None:  # an earlier fit may have seen a table with names
                vars(learner).pop("feature_names_in_", None)
            self.learn_layout(shape)
            self._check_size()
            learner.n_features_in_ = rows.shape[1]
        elif shape != self.stored:
            raise _other_shape(learner, shape, self.stored)
        self._check_range(rows, reset)
        return (rows, y) if has_y else rows

    def fit(
        self,
        X: np.ndarray,
        names: Any = None,
        weight: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> PixelRows:
        """Keep the names of the columns of flat rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_values)
        names : array-like of str or None, default=None
        weight : ndarray of shape (n,) or None, default=None
        rows : ndarray of int or None, default=None

        Returns
        -------
        PixelRows
            This object.
        """
        self.names = None if names is None else [str(name) for name in names]
        return self

    def matrix(self, X: Any) -> Any:
        """Return the rows as they are; those of a table as floats."""
        return X.astype(np.float32) if self.is_strip and X.dtype == np.uint8 else X

    @property
    def is_strip(self) -> bool:
        """Whether the rows are tables, of which each column has its own meaning."""
        return bool(self.size[1] == 1)

    @property
    def n_scaled(self) -> int:
        """Number of columns that are scaled each by itself: those of a table."""
        return math.prod(self.size) if self.is_strip else 0

    @property
    def encoded_names(self) -> list[str]:
        """Names of the values of a row; x0, x1, ... where there are none."""
        return self.names or [f"x{i}" for i in range(math.prod(self.size))]

    def spec(self, n_outputs: int, target: str, n_rows: int) -> ImageSpec:
        """Return what a network must know about the rows.

        Parameters
        ----------
        n_outputs, target, n_rows : int, str, int
            See `torchlearners.data.DataSpec`.

        Returns
        -------
        ImageSpec
        """
        channels, height, width = self.size
        return ImageSpec(
            n_numeric=math.prod(self.size),
            n_outputs=n_outputs,
            feature_names=tuple(self.names or ()),
            target=target,
            n_rows=n_rows,
            channels=channels,
            height=height,
            width=width,
            channels_last=self.channels_last,
        )

    def state(self) -> dict[str, Any]:
        """Return plain data from which `PixelRows(**state)` is equal to this one."""
        return asdict(self)

    def learn_layout(self, shape: tuple[int, ...]) -> None:
        """Learn where sides and channels are.

        Parameters
        ----------
        shape : tuple of int
            Of one image, as it is given.

        Raises
        ------
        ValueError
            Where that can be read in two ways.
        """
        self.stored = shape
        if len(shape) == 1 and self.image_shape is None:
            self.size, self.channels_last = _guessed_size(shape[0], self.data_format)
            return
        if len(shape) == 1:
            (n,), shape = shape, tuple(int(size) for size in self.image_shape)
            if math.prod(shape) != n:
                raise ValueError(
                    f"image_shape={self.image_shape!r} has {math.prod(shape)} values, "
                    f"but a row of X has {n}."
                )
        if len(shape) == 2:
            self.size, self.channels_last = (1, *shape), False
            return
        self.channels_last = _has_channels_last(shape, self.data_format)
        channels = shape[-1] if self.channels_last else shape[0]
        space = shape[:-1] if self.channels_last else shape[1:]
        self.size = (channels, *space)

    def _check_size(self) -> None:
        if self.image_size is not None and self.size[1:] != self.image_size:
            found, wanted = (
                " x ".join(map(str, size)) for size in (self.size[1:], self.image_size)
            )
            raise ValueError(
                f"image_size asks for images of {wanted} pixels; those of X, which are "
                f"an array of one size, have {found}. Give ImageColumn(list(X)) to "
                "have them resized, or leave image_size=None."
            )

    def _check_range(self, rows: np.ndarray, reset: bool) -> None:
        """Warn where pixels have another range than those of `fit`."""
        if self.is_strip or not rows.size:
            return
        largest = None if rows.dtype == np.uint8 else float(rows.max())
        if reset:
            self.largest = largest
            return
        before = 1.0 if self.largest is None else self.largest
        now = 1.0 if largest is None else largest
        if (self.largest is None) != (largest is None) and (
            before > _BRIGHTEST or now > _BRIGHTEST
        ):
            kinds = ("floats", "uint8") if largest is None else ("uint8", "floats")
            value = self.largest if largest is None else largest
            warnings.warn(
                f"fit saw images of {kinds[0]}, and these are {kinds[1]}. uint8 is "
                f"divided by 255 inside; floats, of which the largest here is {value:g}"
                ", are taken as they are. Give images of one dtype, or divide the "
                "floats by 255.",
                PixelRangeWarning,
                stacklevel=3,
            )


@dataclass
class PixelSchema(Schema):
    """How rows of pixels become tensors: as they are; those of a table scaled.

    Images are normalized batch by batch, by `torchlearners.nn.ImageInput`.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.image import PixelSchema
    >>> schema = PixelSchema(n_scaled=0)
    >>> schema.tensor(np.array([[0, 255]], dtype=np.uint8))
    tensor([[  0, 255]], dtype=torch.uint8)
    """

    def fit(
        self, X: np.ndarray | RowSelection, weight: np.ndarray | None
    ) -> PixelSchema:
        """Learn how the columns of a table are scaled; nothing of images.

        Parameters
        ----------
        X : ndarray or RowSelection of shape (n_samples, n_values)
        weight : ndarray of shape (n_samples,) or None

        Returns
        -------
        PixelSchema
            This object.
        """
        if self.n_scaled:
            super().fit(X, weight)
        return self

    def tensor(self, X: np.ndarray | RowSelection, pad_to: int = 1) -> Any:
        """Return rows as a tensor, of uint8 where they are that, else of float32.

        Rows that are streamed stay so.

        Parameters
        ----------
        X : ndarray or RowSelection of shape (n_samples, n_values)
        pad_to : int, default=1
            Rows of zeros are added until the number of rows is a multiple of this.

        Returns
        -------
        torch.Tensor of shape (n_samples + padding, n_values), or StreamedImages
        """
        if self.n_scaled:
            return super().tensor(X, pad_to)
        rows = RowSelection.of(X)
        if isinstance(rows.matrix, StreamedImages):
            return rows.matrix if rows.rows is None else rows.matrix[rows.rows]
        dtype = torch.uint8 if X.dtype == np.uint8 else torch.float32
        out = torch.zeros((-(-len(X) // pad_to) * pad_to, X.shape[1]), dtype=dtype)
        for place, block in rows.blocks():
            out.numpy()[place] = block
        return out


def _as_images(X: Any) -> np.ndarray | None:
    """Return X as an array of images, or None where it is to be taken as a table."""
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().numpy()
    elif isinstance(X, np.ma.MaskedArray):
        X = without_mask(X)
    elif isinstance(X, list | tuple) and not _holds_rows(X):
        try:
            X = np.asarray(X)
        except ValueError:
            raise ValueError(
                "The images of X have different sizes. Bring them to one size first."
            ) from None
    if not isinstance(X, np.ndarray):
        return None
    is_flat = X.ndim < 3 and X.dtype != np.uint8
    if is_flat or X.ndim < 2:
        return None
    if X.ndim > 4:
        raise ValueError(
            f"X has shape {X.shape}; images have 3 dimensions, or 4 with channels."
        )
    if 0 in X.shape:
        raise ValueError(
            f"Found array with 0 sample(s) or pixels (shape={X.shape}) while a minimum "
            "of 1 is required."
        )
    if X.dtype.kind not in "fiub":
        raise ValueError(
            f"X has dtype {X.dtype}; images are arrays of numbers, such as uint8."
        )
    return X


def _holds_rows(X: Any) -> bool:
    """Tell whether the items of a list are rows of a table."""
    return len(X) == 0 or np.ndim(X[0]) < 2


def _finite_rows(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1)
    if rows.dtype != np.uint8 and rows.dtype.kind != "f":
        rows = rows.astype(np.float32)
    if rows.dtype == np.float16:
        rows = rows.astype(np.float32)
    if rows.dtype.kind == "f":
        assert_all_finite(rows, input_name="X")
    return rows


def checked_target(learner: Any, n_rows: int, y: Any) -> np.ndarray:
    """Return y as an array, or raise where it is no target for so many rows."""
    refuse_mask(y, "y")
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    _, y = check_X_y(
        np.zeros((n_rows, 1)),
        y,
        estimator=learner,
        multi_output=True,
        y_numeric=is_regressor(learner),
    )
    return y


def _guessed_size(n: int, data_format: str) -> tuple[tuple[int, ...], bool]:
    """Return size and layout of a flat row: a square picture if it can be one."""
    for channels in (1, 3):
        side = math.isqrt(n // channels)
        if channels * side * side == n and side >= _SMALLEST_SIDE:
            last = channels > 1 and data_format == "channels_last"
            return (channels, side, side), last
    return (1, 1, n), False


def _has_channels_last(shape: tuple[int, ...], data_format: str) -> bool:
    if data_format != "auto":
        return data_format == "channels_last"
    first, last = shape[0] in _CHANNELS, shape[-1] in _CHANNELS
    if first == last:
        what = "either its first or its last" if first else "none of its"
        raise ValueError(
            f"An image of shape {shape} may have {what} dimension as channels. Set "
            "data_format='channels_last' or data_format='channels_first'."
        )
    return last


def _other_shape(
    learner: Any, shape: tuple[int, ...], stored: tuple[int, ...]
) -> ValueError:
    name = type(learner).__name__
    if len(shape) == len(stored) == 1:
        return ValueError(
            f"X has {shape[0]} features, but {name} is expecting {stored[0]} features "
            "as input."
        )
    return ValueError(
        f"X holds images of shape {shape}, but those that {name} was fitted with had "
        f"{stored}."
    )
