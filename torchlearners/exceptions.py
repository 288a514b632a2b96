"""Errors and warnings of the package."""

from __future__ import annotations

__all__ = ["ArchitectureError", "NonFiniteLossError"]


class ArchitectureError(ValueError):
    """A network does not fit the data, the target or the weights it is given.

    Raised before any training step, with the name of the part that does not fit.
    """


class NonFiniteLossError(ValueError):
    """The loss became NaN or infinite while training.

    The message names the epoch and the batch. The learner is left as it was before
    `fit`.
    """
