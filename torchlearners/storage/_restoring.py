"""Errors of a state that is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torchlearners.exceptions import StorageError

_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def restoring(what: str) -> Iterator[None]:
    """Turn what goes wrong in building something from a state into a StorageError.

    A digest tells of damage only: a file that was forged, or written by another
    version, may lack parts, or hold others than are asked for.

    Parameters
    ----------
    what : str
        Named in the message, as in "the learner".

    Raises
    ------
    StorageError
        Where anything but memory goes wrong; the error itself is its cause.

    Examples
    --------
    >>> from torchlearners.storage import restoring
    >>> with restoring("the tree"):
    ...     {}["leaves"]
    Traceback (most recent call last):
    torchlearners.exceptions.StorageError: The state of the tree lacks 'leaves'. ...
    """
    try:
        yield
    except StorageError:
        raise
    except _ERRORS as error:
        if "out of memory" in str(error):
            raise
        reason = f"does not fit: {type(error).__name__}: {str(error)[:300]}"
        if isinstance(error, KeyError):
            reason = f"lacks {error}"
        raise StorageError(
            f"The state of {what} {reason.rstrip('.')}. It is damaged, or of another "
            "version of torchlearners: load it with the version that wrote it, or fit "
            "anew."
        ) from error
