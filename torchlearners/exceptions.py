"""Errors and warnings of the package."""

from __future__ import annotations

__all__ = [
    "ArchitectureError",
    "BatchSplitWarning",
    "CategoricalColumnWarning",
    "CheckpointWarning",
    "DatasetError",
    "ManyFeaturesWarning",
    "MeasureError",
    "NonFiniteLossError",
    "PixelRangeWarning",
    "StorageError",
    "UnreadableImageError",
    "UnreadableImageWarning",
    "WeightsError",
]


class ArchitectureError(ValueError):
    """A network does not fit the data, the target or the weights it is given.

    Raised before any training step, with the name of the part that does not fit.
    """


class DatasetError(OSError, ValueError):
    """A data set is not there, cannot be downloaded, or is not what it should be.

    The message names the file, where it was looked for and what to do. It is an
    `OSError` too, as where scikit-learn cannot fetch its own data sets.
    """


class MeasureError(ValueError):
    """A measure raised an error while it was evaluated.

    The message names the measure and the rows; the measure's own error is the cause.
    """


class NonFiniteLossError(ValueError):
    """The loss became NaN or infinite while training.

    The message names the epoch and the batch. Where validation rows gave a best epoch
    before, the learner holds its weights; else it is as it was before `fit`.
    """


class BatchSplitWarning(UserWarning):
    """A batch does not fit into the accelerator's memory and is computed in pieces.

    The gradient is that of the whole batch; only batch normalization sees less.
    """


class CategoricalColumnWarning(UserWarning):
    """A column of strings is taken for a category, and is hardly one.

    It holds free text, or numbers written as text. The message names column and remedy.
    """


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on."""


class ManyFeaturesWarning(UserWarning):
    """A network whose cost grows with the square of the features is given many."""


class PixelRangeWarning(UserWarning):
    """Images to predict have another range of pixels than those of `fit`."""


class StorageError(ValueError):
    """A file cannot be read as what it should be: damaged, foreign, or of the future.

    The message names the file, the reason and what to do.
    """


class UnreadableImageError(ValueError):
    """An image is missing, damaged, or not an image.

    The message names the row, the path and the reason.
    """


class UnreadableImageWarning(UserWarning):
    """Rows whose images cannot be read were left out, or imputed."""


class WeightsError(OSError, ValueError):
    """Pretrained weights cannot be fetched or read, or are of another network.

    Raised before any training step. The message names the network and the remedy. It is
    an `OSError` too, as where a data set cannot be fetched.
    """
