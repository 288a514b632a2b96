"""Which images of a column can be read, and which are there twice."""

from __future__ import annotations

import hashlib
from typing import Any

from joblib import Parallel, delayed

from torchlearners.data._decode import Pixels, read_pixels
from torchlearners.data._image_column import ImageColumn
from torchlearners.data._image_errors import ImageFailure, read_row

_CHUNK = 32
_DTYPES = {
    "row": "int64",
    "path": object,
    "ok": bool,
    "error": object,
    "width": "Int64",
    "height": "Int64",
    "mode": object,
    "hash": object,
}


def check_images(X: Any, n_jobs: int | None = None) -> Any:
    """Read every image once, and report which ones cannot be, and which are equal.

    Costs what one epoch of decoding costs. Nothing is changed, in memory or on disk.

    Parameters
    ----------
    X : ImageColumn, or its sources
    n_jobs : int or None, default=None
        Number of threads; -1 is one for each core.

    Returns
    -------
    pandas.DataFrame of n_samples rows
        ``row``, ``path``; ``ok``, and where it is False ``error``; ``width`` and
        ``height`` in pixels of the upright image; ``mode``, as it is stored, in
        Pillow's words; ``hash``, the SHA-256 of size and pixels, equal for equal images
        in any lossless format; ``duplicate_of``, the first row with the same hash.

    Raises
    ------
    ImportError
        Where there is no pandas.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import check_images
    >>> image = np.zeros((2, 3))
    >>> report = check_images([image, b"", image, np.ones((1, 1))])
    >>> report[["ok", "width", "height", "duplicate_of"]]
          ok  width  height  duplicate_of
    0   True      3       2          <NA>
    1  False   <NA>    <NA>          <NA>
    2   True      3       2             0
    3   True      1       1          <NA>
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "check_images returns a pandas DataFrame. Run: pip install pandas"
        ) from error
    column = X if isinstance(X, ImageColumn) else ImageColumn(X)
    starts = range(0, len(column), _CHUNK)
    parts = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_check)(column, range(i, min(i + _CHUNK, len(column)))) for i in starts
    )
    lines = [line for part in parts for line in part]
    first: dict[str, int] = {}
    for line in lines:
        first.setdefault(line[-1], line[0])
    again = [first[line[-1]] if line[-1] else line[0] for line in lines]
    columns = zip(*lines, strict=True) if lines else [[]] * len(_DTYPES)
    report = {
        name: pd.Series(list(values), dtype=dtype)
        for (name, dtype), values in zip(_DTYPES.items(), columns, strict=True)
    }
    report["duplicate_of"] = pd.Series(
        [seen if seen < row else None for row, seen in enumerate(again)], dtype="Int64"
    )
    return pd.DataFrame(report)


def _check(column: ImageColumn, rows: range) -> list[tuple[Any, ...]]:
    return [_line(column, row) for row in rows]


def _line(column: ImageColumn, row: int) -> tuple[Any, ...]:
    path = column.path(row)
    found: Pixels | ImageFailure = read_row(
        lambda: read_pixels(column.sources[row]), row, path, retries=3, delay=0.1
    )
    if isinstance(found, ImageFailure):
        return row, path, False, found.reason, None, None, None, None
    height, width = found.array.shape[:2]
    digest = hashlib.sha256(repr(found.array.shape).encode())
    digest.update(found.array.tobytes())
    return row, path, True, None, width, height, found.mode, digest.hexdigest()
