"""What happens when an image cannot be read: again, then an error, a gap or a skip."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from torchlearners.exceptions import UnreadableImageError, UnreadableImageWarning

# These are faults of a program or a machine, never of an image.
NEVER_AN_IMAGE = (
    AssertionError,
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    TypeError,
)
# The store has answered; it would give the same answer again.
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
# Pillow's word for damaged files, an OSError too, where a function decodes by itself.
_DAMAGED = "UnidentifiedImageError"
_COUNTED_ROWS = 1000
_COUNTED_SECONDS = 10
_SHOWN_ROWS = 10
_FIRST_DELAY = 0.1


class ImageFailure(NamedTuple):
    """A row whose image cannot be read.

    Attributes
    ----------
    row : int
        Its number in X.
    path : str
        Where the image should be, or a word for what holds it.
    reason : str

    Examples
    --------
    >>> from torchlearners.data import ImageFailure
    >>> print(ImageFailure(3, "cat.png", "the file is empty."))
    Row 3 (cat.png) cannot be read: the file is empty.
    """

    row: int
    path: str
    reason: str

    def __str__(self) -> str:
        return f"Row {self.row} ({self.path}) cannot be read: {self.reason}"


def attempt(
    read: Callable[[], Any], retries: int = 3, delay: float = _FIRST_DELAY
) -> Any:
    """Return what a function returns, trying again when a store stumbles.

    Only OSError is tried again, of which TimeoutError and ConnectionError are kinds;
    not where it says that there is no such file, no permission, or no image in it.

    Parameters
    ----------
    read : callable
        Takes nothing.
    retries : int, default=3
        How often to try again.
    delay : float, default=0.1
        Seconds before trying again; twice as long each time.

    Returns
    -------
    object

    Examples
    --------
    >>> from torchlearners.data._image_errors import attempt
    >>> attempt(lambda: 1)
    1
    """
    for left in range(retries, -1, -1):
        try:
            return read()
        except _FINAL:
            raise
        except OSError as error:
            if not left or type(error).__name__ == _DAMAGED:
                raise
        time.sleep(delay)
        delay *= 2
    raise ValueError(f"retries must not be negative. Got {retries}.")


def read_row(
    read: Callable[[], Any], row: int, path: str, retries: int, delay: float
) -> Any:
    """Return what a function reads for a row, or why it cannot.

    Parameters
    ----------
    read : callable
        Takes nothing.
    row : int
    path : str
    retries, delay : int, float
        See `attempt`.

    Returns
    -------
    object or ImageFailure

    Raises
    ------
    TypeError, ImportError, MemoryError, ...
        Errors of programs are never taken for unreadable images.
    """
    try:
        return attempt(read, retries, delay)
    except NEVER_AN_IMAGE as error:
        error.add_note(f"Raised while reading row {row} ({path}).")
        raise
    except Exception as error:  # noqa: BLE001 - stores raise whatever they like
        return ImageFailure(int(row), path, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, UnreadableImageError):
        return str(error)
    text = getattr(error, "strerror", None) or str(error)
    name = type(error).__name__
    return f"{name}: {text.rstrip('.')}." if text else f"{name}."


class UnreadableRows:
    """What is done about rows whose images cannot be read, and the record of them.

    One object serves one fit, or one call of predict. It sees failures as data, also
    from other processes, so its errors are raised where the caller is.

    Parameters
    ----------
    X : ImageColumn
        All rows.
    on_error : {"raise", "skip", "impute"}, default="raise"
        "raise" is an error at the first one. "skip" leaves rows out, as long as they
        are few. "impute" leaves any number of gaps, which the caller fills with what
        he has declared. A row is never replaced by another one.
    max_bad : float or int, default=0.01
        How many rows may be left out by "skip": a share of all rows, or a number. 1 is
        one row, 1.0 is any number of them but not all.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ImageColumn, ImageFailure, UnreadableRows
    >>> X = ImageColumn([np.zeros((2, 2))] * 3 + [b""])
    >>> unreadable = UnreadableRows(X, on_error="skip", max_bad=1)
    >>> unreadable.add([X.read(3)])
    >>> unreadable.kept
    array([0, 1, 2])
    """

    def __init__(
        self, X: Any, on_error: str = "raise", max_bad: float | int = 0.01
    ) -> None:
        if on_error not in ("raise", "skip", "impute"):
            raise ValueError(
                f"on_error must be 'raise', 'skip' or 'impute'. Got {on_error!r}."
            )
        is_count = isinstance(max_bad, Integral) and not isinstance(max_bad, bool)
        is_share = isinstance(max_bad, Real) and max_bad <= 1
        if isinstance(max_bad, bool) or not (is_count or is_share) or max_bad < 0:
            raise ValueError(
                "max_bad must be a share of the rows, a float from 0 to 1, or a number "
                f"of rows, an int from 0. Got {max_bad!r}."
            )
        self.X = X
        self.on_error = on_error
        self.max_bad = max_bad
        self._by_row: dict[int, ImageFailure] = {}

    @property
    def failures(self) -> list[ImageFailure]:
        """Every row that could not be read, once, in the order of the rows."""
        return [self._by_row[row] for row in sorted(self._by_row)]

    @property
    def kept(self) -> np.ndarray:
        """The numbers of the other rows, in their order."""
        keep = np.ones(len(self.X), dtype=bool)
        keep[list(self._by_row)] = False
        return np.flatnonzero(keep)

    @property
    def limit(self) -> float:
        """How many rows may be left out; one must remain."""
        if self.on_error == "impute":
            return float("inf")
        is_count = isinstance(self.max_bad, Integral)
        n_bad = self.max_bad if is_count else self.max_bad * len(self.X)
        return min(float(n_bad), len(self.X) - 1)

    def add(self, failures: Iterable[ImageFailure]) -> None:
        """Take note of failures; a row counts once, however often it fails.

        Parameters
        ----------
        failures : iterable of ImageFailure
            With row numbers in X.

        Raises
        ------
        UnreadableImageError
            With ``on_error="raise"`` for any, with "skip" for more than `max_bad`.
        """
        for failure in failures:
            self._by_row.setdefault(failure.row, failure)
        if not self._by_row:
            return
        if self.on_error == "raise":
            raise self._error()
        if len(self._by_row) > self.limit:
            raise UnreadableImageError(
                f"{len(self._by_row)} of {len(self.X)} images cannot be read; at most "
                f"{int(self.limit)} may be left out (max_bad={self.max_bad}). The "
                f"first: {self.failures[0]} Repair or remove them "
                "(torchlearners.data.check_images(X) lists them all), or set max_bad."
            )

    def warn(self) -> None:
        """Warn, once for all rows; without any, do nothing."""
        if not self._by_row:
            return
        done = "left out" if self.on_error == "skip" else "imputed"
        rows = sorted(self._by_row)
        shown = ", ".join(map(str, rows[:_SHOWN_ROWS]))
        more = f" and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
        warnings.warn(
            f"{len(rows)} of {len(self.X)} images cannot be read and are {done}: "
            f"rows {shown}{more}. {self.failures[0]}",
            UnreadableImageWarning,
            stacklevel=3,
        )

    def _error(self) -> UnreadableImageError:
        failed, n_rows = 0, 0
        end = time.monotonic() + _COUNTED_SECONDS
        while n_rows < min(len(self.X), _COUNTED_ROWS) and time.monotonic() < end:
            failed += n_rows in self._by_row or isinstance(
                self.X.read(n_rows, delay=0), ImageFailure
            )
            n_rows += 1
        among = f"all {n_rows:,}" if n_rows == len(self.X) else f"the first {n_rows:,}"
        return UnreadableImageError(
            f"{self.failures[0]} Of {among} rows, {failed} cannot be read. Repair or "
            "remove them (torchlearners.data.check_images(X) lists them all), or say "
            "by on_error what to do without them."
        )


def check_classes_left(y: Any, kept: np.ndarray) -> None:
    """Raise where all rows of a class are left out.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of all rows.
    kept : ndarray of int of shape (n_kept,)
        The rows that remain.

    Raises
    ------
    UnreadableImageError
        With the classes that are gone.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import check_classes_left
    >>> check_classes_left(["cat", "cat", "dog"], np.array([0, 1]))
    Traceback (most recent call last):
    ...
    torchlearners.exceptions.UnreadableImageError: No image of class 'dog' can be...
    """
    y = np.asarray(y)
    lost = sorted(set(y.tolist()) - set(y[kept].tolist()), key=str)
    if lost:
        names = ", ".join(map(repr, lost))
        raise UnreadableImageError(
            f"No image of class {names} can be read, so it cannot be learned. Repair "
            "its images, or remove its rows from X and y."
        )
