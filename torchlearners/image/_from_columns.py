"""Learners that read columns of images: files, bytes, and arrays of many sizes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from torchlearners._compat import Interval, n_samples_of
from torchlearners.base import TorchLearner
from torchlearners.data import (
    ImageColumn,
    ImageFailure,
    StreamedImages,
    UnreadableRows,
    as_image_column,
    check_weights,
    with_targets,
)
from torchlearners.image._columns import (
    ReadImages,
    Reading,
    batches_of,
    check_lengths,
    checked_names,
    pair_of,
    read_images,
    rows_left,
    target_sum,
)
from torchlearners.image._rows import PixelRows, checked_target
from torchlearners.params import (
    SequenceOf,
    non_negative_int,
    one_of,
    optional,
    param,
    positive_int,
)

SKIPPED = """
skipped_ : list of ImageFailure
    Rows of X that ``on_error="skip"`` left out of the last fit: (row, path, reason).
"""
# What is the whole learner's, and not that of one of its members.
_OWN = ("skipped_", "_y_sum", "_y_weight")


class BaseColumnLearner(TorchLearner):
    """Base of learners of arrays of images that also read columns of images.

    A column becomes an array before anything else is done with it, so that all the rest
    of `fit` knows of arrays only.
    """

    data_format: str

    image_size: Any = param(
        default=None,
        check=optional([*positive_int, SequenceOf(positive_int, length=2)]),
        tune=[32, 64],
        doc="(height, width) in pixels that the images of a column are brought to; an "
        "int is both. None looks at the first 256 images that can be read (or fewer, "
        "of 256 MiB): their median height and width, both made smaller by one factor "
        "where one is above 64. An array has images of one size, which `image_size` "
        "must be where it is set.",
    )
    resize: Literal["squash", "crop", "pad"] = param(
        default="squash",
        check=one_of("squash", "crop", "pad"),
        doc="How images of a column get that size: stretched, cut to its ratio of "
        "sides, or with black margins; see `torchlearners.data.resize_image`.",
    )
    on_error: Literal["raise", "skip", "impute"] = param(
        default="raise",
        check=one_of("raise", "skip", "impute"),
        doc="What becomes of the rows of a column whose images cannot be read; none is "
        'ever replaced by another row. "raise" raises an error. "skip" leaves them out '
        "of `fit`, with their y and weights (see ``skipped_``), and raises in "
        '`predict`, which has one prediction for each row. "impute" raises in `fit`, '
        "and predicts what was known of y without X, with one warning that names the "
        "rows: the frequencies of the classes in `fit`, or the mean of y. For both, "
        'fit with "skip", and then call ``set_params(on_error="impute")``. '
        "Rows of X_val must be readable.",
    )
    max_bad: Any = param(
        default=0.01,
        check=[
            Interval(Real, 0, 1, closed="both"),
            Interval(Integral, 0, None, closed="left"),
        ],
        doc='The rows that "skip" may leave out: a float is a share, an int a number.',
    )
    retries: int = param(
        default=3,
        check=non_negative_int,
        doc="How often an image is read again after an error of a store that may pass, "
        "such as a timeout: after 0.1 seconds, then twice as long each time.",
    )
    image_transform: Any = param(
        default=None,
        check=optional([callable]),
        doc="What is done to each image, in `fit` and in all that predicts, before it "
        "is resized: a function from a uint8 array (height, width, channels) to "
        "another one, a PIL image or a tensor. It must not be random (see `augment`, "
        "for training alone); of an ImageColumn, it follows the column's own "
        "`transform`. An array X is then read as a column of its images: floats must "
        "be from 0 to 1, and become bytes.",
    )
    decode: Literal["auto", "once", "batches"] = param(
        default="auto",
        check=one_of("auto", "once", "batches"),
        doc='When the images of a column are decoded for training: "once", into one '
        'array of uint8 that is kept in memory during `fit`; or in "batches", whenever '
        'one is needed, which takes the memory of some batches alone. "auto" decodes '
        "once where that array has up to 1 GiB. The fitted network is the same to the "
        "bit. Prediction decodes in batches.",
    )
    loader_params: Any = param(
        default=None,
        check=optional([dict]),
        doc="How images of a column are read, for `torch.utils.data.DataLoader`: a "
        "dict that may have num_workers (processes), prefetch_factor, "
        "persistent_workers, pin_memory, timeout (seconds) and "
        "multiprocessing_context. None reads in the process itself. No number of "
        "workers changes what is learned.",
    )

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        resume: Any = None,
    ) -> Any:
        """Fit the learner.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), column of images, or Dataset
            Training images. Of a map-style `torch.utils.data.Dataset`, the first part
            of each item is the image.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets. None takes them from a Dataset: the second part of its items.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows; rows of weight 0 are left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for `validation_split`.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows that validate instead of a split of X.
        resume : str, Path or None, default=None
            A checkpoint, or the folder of a `torchlearners.callbacks.Checkpoint`, from
            which training goes on to `max_epochs` in total. An empty or missing folder
            starts from the beginning, so that the same call starts and restarts a run.

        Returns
        -------
        estimator
            The fitted learner.

        Raises
        ------
        ValueError
            Where data or parameters are unfit; the learner is then as it was before.
        UnreadableImageError
            Where images cannot be read, and `on_error` does not allow for it.
        NonFiniteLossError
            Where training diverges; the learner then holds the weights of the best
            epoch where validation rows gave one, and else is as it was before.
        KeyboardInterrupt
            On Ctrl-C; after a first epoch the learner then holds its best weights.
        """
        X, y = with_targets(X, y)
        X_val, y_val = with_targets(X_val, y_val)
        return super().fit(  # type: ignore[misc]
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            groups=groups,
            resume=resume,
        )

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy of predicted classes, or the R2 of predicted values.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), column of images, or Dataset
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets. None takes them from a Dataset.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        X, y = with_targets(X, y)
        score: float = super().score(X, y, sample_weight)  # type: ignore[misc]
        return score

    # From columns to arrays.

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] = (None, None, None),
        *,
        groups: Any = None,
        continuing: bool,
        one_epoch: bool = False,
        **how: Any,
    ) -> Any:
        """Fit to arrays, also where X is a column, whose images are read first."""
        layout = self._columns if continuing else None
        column, names = self._as_column(X, layout), None
        failures: list[ImageFailure] = []
        if column is not None:
            names = checked_names(self, X, continuing)
            check_lengths(column, y, sample_weight, groups)
            on_error = "skip" if self.on_error == "skip" else "raise"
            unreadable = UnreadableRows(column, on_error, self.max_bad)
            X, kept = self._read(column, layout, unreadable)
            by_class = is_classifier(self) and not one_epoch
            y, sample_weight, groups = rows_left(
                kept, column, y, sample_weight, groups, by_class
            )
            unreadable.warn()
            failures = unreadable.failures
        valid = None
        X_val, *others = validation
        if X_val is not None:
            layout = layout or self._layout_of(X, of_column=column is not None)
            valid = self._as_column(X_val, layout)
            if valid is not None:
                X_val = self._read(valid, layout, UnreadableRows(valid))[0]
                validation = (X_val, *others)
        net, n_features = map(vars(self).get, ("net_", "n_features_in_"))
        if continuing:  # the base looks at it, whether a column had any or not
            self.n_features_in_ = math.prod(self._columns.size)
        try:
            how |= {"continuing": continuing, "one_epoch": one_epoch}
            return super()._fit(X, y, sample_weight, validation, groups=groups, **how)
        finally:
            for images, given in ((X, column), (X_val, valid)):
                if given is not None and isinstance(images, StreamedImages):
                    images.close()
            if continuing:
                self._keep_n_features(n_features)
            # An interrupted fit is one too, where it left a network.
            if self.__dict__.get("net_") is not net:
                self.skipped_ = failures
                self._learn_mean(y, sample_weight, adds=continuing and one_epoch)
                if column is not None and not continuing:
                    self._columns.of_column = True
                    self._keep_names(names)

    def _as_column(self, X: Any, layout: PixelRows | None) -> ImageColumn | None:
        """Return X as a column of images like those of a layout, or None."""
        channels = 3 if layout is None else layout.size[0]
        read = isinstance(X, ReadImages | StreamedImages)
        mixed = not read and layout is not None and layout.of_column
        of_color = channels if channels in (1, 3) else 3
        column = as_image_column(X, stacked=mixed, channels=of_color)
        if self.image_transform is not None:
            if column is None and not read:
                column = self._column_of_array(X, layout)
            if column is not None:
                column = column.transformed(self.image_transform)
        if column is None or layout is None:
            return column
        name = type(self).__name__
        if layout.is_strip:
            raise ValueError(
                f"X is a column of images, but {name} was fitted with a table of "
                f"{layout.size[-1]} features."
            )
        if column.channels != channels:
            raise ValueError(
                f"X is a column of images with channels={column.channels}, but those "
                f"that {name} was fitted with had {channels}. Set channels of "
                "ImageColumn, which may be 1 or 3, to that number."
            )
        return column

    def _column_of_array(self, X: Any, layout: PixelRows | None) -> ImageColumn:
        """Return images of an array as a column, whose images can be changed."""
        given: Any = self.encoder() if layout is None else layout
        rows = PixelRows(given.data_format, given.image_shape)
        flat = rows.check(BaseEstimator(), X, reset=True)
        if rows.is_strip:
            raise ValueError(
                "image_transform changes images; rows of "
                f"{rows.size[-1]} values are taken for a table. Set image_shape, or "
                "image_transform=None."
            )
        channels, height, width = rows.size
        if rows.channels_last:
            images = flat.reshape(-1, height, width, channels)
        else:
            images = np.moveaxis(flat.reshape(-1, channels, height, width), 1, 3)
        return ImageColumn(list(images), channels=1 if channels == 1 else 3)

    def _read(
        self, column: ImageColumn, layout: PixelRows | None, unreadable: UnreadableRows
    ) -> tuple[np.ndarray | StreamedImages, np.ndarray]:
        """Return images as an array of a layout, or of a new one, and their rows."""
        if layout is None:
            size, last = self._column_size(), self.data_format != "channels_first"
        else:
            size, last = layout.size[1:], layout.channels_last
        images, kept = read_images(
            column, size, self._reading(), unreadable, channels_last=last
        )
        stored: tuple[int, ...] = images.shape[1:]
        if isinstance(images, StreamedImages):
            stored = images.stored
        if layout is not None:
            stored = layout.stored
        elif column.channels == 1:
            stored = stored[:-1] if last else stored[1:]
        if isinstance(images, StreamedImages):
            images.stored = stored
            return images, kept
        return images.reshape(len(images), *stored).view(ReadImages), kept

    def _column_size(self) -> tuple[int, int] | None:
        """Return the size that the images of a column get; None looks at them."""
        return pair_of(self.image_size)

    def _as_array(self, X: Any, layout: PixelRows | None) -> Any:
        """Return X, where it is a column as the array of all its images."""
        column = self._as_column(X, layout)
        if column is None:
            return X
        images = self._read(column, layout, UnreadableRows(column))[0]
        if not isinstance(images, StreamedImages):
            return images
        try:
            pixels = np.asarray(images).reshape(len(images), *images.stored)
        finally:
            images.close()
        return pixels.view(ReadImages)

    def encode_inputs(self, X: Any) -> torch.Tensor:
        """Return what the network takes: a row of pixels for each image of X."""
        check_is_fitted(self)
        return super().encode_inputs(self._as_array(X, self._columns))

    def _output_parts(self, X: Any) -> list[np.ndarray]:
        check_is_fitted(self)
        return super()._output_parts(self._as_array(X, self._columns))

    def _reading(self) -> Reading:
        return Reading(self.resize, self.retries, self.decode, self.loader_params)

    def _layout_of(self, X: Any, of_column: bool) -> PixelRows:
        layout: PixelRows = replace(self.encoder(), of_column=of_column)  # type: ignore
        streamed = isinstance(X, StreamedImages)
        layout.learn_layout(X.stored if streamed else np.shape(X)[1:])
        return layout

    # What is learned beside the network.

    def _learn_mean(self, y: Any, sample_weight: Any, adds: bool) -> None:
        """Sum up y, whose mean is the answer where there is no image."""
        if self._target.kind == "nothing":
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they have been shown
            y = checked_target(self, n_samples_of(y), y)
            codes = self._target.codes(y)
        weight = check_weights(sample_weight, codes)
        weight = np.ones(len(codes)) if weight is None else weight
        known = vars(self) if adds else {}
        self._y_sum: Any = known.get("_y_sum", 0.0) + target_sum(
            self._target, codes, weight
        )
        self._y_weight: float = known.get("_y_weight", 0.0) + float(weight.sum())

    def _keep_names(self, names: list[str] | None) -> None:
        # A column has no features, as in the vectorizers of texts.
        for learner in (self, *(getattr(self, "members_", None) or [])):
            vars(learner).pop("n_features_in_", None)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
            self._keep_n_features(1)

    def _keep_n_features(self, n_features: int | None) -> None:
        vars(self).pop("n_features_in_", None)
        if n_features is not None:
            self.n_features_in_ = n_features

    # The walk through predict.

    def _outputs(self, X: Any) -> np.ndarray:
        return self._by_batches(super()._outputs, X, self._prior_outputs)

    def _by_batches(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        X: Any,
        otherwise: Callable[[], Any],
    ) -> np.ndarray:
        """Return what a function of arrays gives for each row, also of a column.

        With ``on_error="impute"``, `otherwise` gives what stands for rows that cannot
        be read.
        """
        check_is_fitted(self)
        layout: PixelRows = self._columns
        n_rows = self.predict_batch_size
        n_rows = self.net_.evaluation_batch_size if n_rows == "auto" else int(n_rows)
        if isinstance(X, StreamedImages):  # rows of `fit` that members predict

            def of(pixels: Any) -> np.ndarray:
                images = pixels.numpy(force=True).reshape(-1, *layout.stored)
                return function(images.view(ReadImages))

            return np.concatenate([of(pixels) for pixels in X.split(n_rows)])
        column = self._as_column(X, layout)
        if column is None:
            return function(X)
        checked_names(self, X, fitted=True)
        on_error = "impute" if self.on_error == "impute" else "raise"
        unreadable = UnreadableRows(column, on_error)
        batches = batches_of(
            column,
            layout.size[1:],
            n_rows,
            self._reading(),
            unreadable,
            channels_last=layout.channels_last,
        )
        rows, parts = [], []
        for images, which in batches:
            images = images.reshape(len(images), *layout.stored)
            parts.append(function(images.view(ReadImages)))
            rows.append(which)
        unreadable.warn()
        if not unreadable.failures and parts:
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        # One image of zeros tells the shape where none can be read.
        zeros = np.zeros((1, *layout.stored), np.uint8).view(ReadImages)
        like = parts[0] if parts else function(zeros)
        values = np.empty((len(column), *like.shape[1:]), dtype=like.dtype)
        values[...] = otherwise()
        for which, part in zip(rows, parts, strict=True):
            values[which] = part
        return values

    def _mean_target(self) -> Any:
        mean = self._y_sum / self._y_weight
        return mean[0] if getattr(self._target, "flat", False) else mean

    def _prior_outputs(self) -> Any:
        """Return logits of the frequencies in y; NaN where outputs are no logits."""
        if self._target.kind not in ("classes", "labels"):
            return np.nan
        mean = self._y_sum / self._y_weight
        with np.errstate(divide="ignore"):
            if self._target.kind == "labels":
                return np.log(mean) - np.log(1 - mean)
            return np.log(mean)

    # State as plain data.

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.update({name: vars(self)[name] for name in _OWN if name in vars(self)})
        if "skipped_" in state:
            state["skipped_"] = [tuple(failure) for failure in state["skipped_"]]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "skipped_" in vars(self):
            self.skipped_ = [ImageFailure(*failure) for failure in self.skipped_]
