"""One column of a table, whatever library it comes from."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from scipy.sparse import issparse

_MICROSECONDS = 1e6


def column_of(X: Any, i: int) -> ArrayColumn | FrameColumn:
    """Return column number `i` of an array, a sparse matrix or a narwhals DataFrame.

    Parameters
    ----------
    X : ndarray, sparse matrix or narwhals DataFrame
    i : int

    Returns
    -------
    ArrayColumn or FrameColumn
    """
    if issparse(X):
        return ArrayColumn(X[:, [i]].toarray().ravel())
    if isinstance(X, np.ndarray):
        return ArrayColumn(X[:, i])
    # By its place, since a name may be a number too, which would be that of a row.
    return FrameColumn(X[:, i])


class ArrayColumn:
    """A column of an array.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    """

    def __init__(self, values: np.ndarray) -> None:
        self.array = values
        self.dtype = values.dtype

    def __getitem__(self, rows: Any) -> ArrayColumn:
        return ArrayColumn(self.array[rows])

    @property
    def kind(self) -> str | None:
        """Tell "number", "time", "duration" or "text"; None where only values tell."""
        kinds = {"M": "time", "m": "duration", "U": "text"}
        kinds.update(dict.fromkeys("fiub", "number"))
        return kinds.get(self.dtype.kind)

    def missing(self) -> np.ndarray:
        """Return a bool for each row."""
        if self.dtype.kind == "O":
            return np.array([is_missing(v) for v in self.array], dtype=bool)
        # NaN and NaT are not what they are.
        return np.asarray(self.array != self.array)

    def values(self) -> list[Any]:
        """Return Python objects."""
        return self.array.tolist()

    @cached_property
    def factorized(self) -> tuple[np.ndarray, list[Any]]:
        """Return a code for each row, -1 where it is missing, and what they stand for.

        Returns
        -------
        codes : ndarray of int of shape (n_samples,)
            Places in `values`.
        values : list
            Different Python objects, of which some may stand in no row.

        Raises
        ------
        TypeError
            Where values cannot be compared by their hash.
        """
        if self.dtype.kind in "fiub":
            distinct, codes = np.unique(self.array, return_inverse=True)
            return _without_missing(codes.ravel(), distinct.tolist())
        return _factorized(self.values())

    def numbers(self) -> np.ndarray:
        """Return numbers, NaN where they are missing; the column's own if it can."""
        return self.array

    def seconds(self) -> np.ndarray:
        """Return seconds as float64, since 1970 where they are times."""
        return seconds(self.array)


class FrameColumn:
    """A column of a DataFrame.

    Parameters
    ----------
    series : narwhals Series
    """

    def __init__(self, series: Any) -> None:
        self.series = series
        self.dtype = series.dtype

    def __getitem__(self, rows: Any) -> FrameColumn:
        return FrameColumn(self.series[rows])

    @property
    def kind(self) -> str | None:
        """As in `ArrayColumn`; also "category"."""
        import narwhals.stable.v2 as nw  # slow, and only needed for DataFrames

        if self.dtype.is_numeric() or self.dtype == nw.Boolean:
            return "number"
        if isinstance(self.dtype, nw.Datetime | nw.Date):
            return "time"
        if isinstance(self.dtype, nw.Duration):
            return "duration"
        if isinstance(self.dtype, nw.Categorical | nw.Enum):
            return "category"
        return "text" if isinstance(self.dtype, nw.String) else None

    def missing(self) -> np.ndarray:
        """Return a bool for each row."""
        return np.asarray(self.series.is_null().to_numpy(), dtype=bool)

    def values(self) -> list[Any]:
        """Return Python objects."""
        return self.series.to_list()

    @cached_property
    def factorized(self) -> tuple[np.ndarray, list[Any]]:
        """As in `ArrayColumn`; by the codes that the column has, where it has some."""
        kind = self.kind
        if kind == "number":
            return ArrayColumn(self.numbers()).factorized
        native = self.series.to_native()
        if kind == "category" and hasattr(getattr(native, "cat", None), "codes"):
            return native.cat.codes.to_numpy(), native.cat.categories.tolist()
        if kind in ("category", "text") and hasattr(native, "to_physical"):
            return _factorized_in_polars(self.series)
        if kind in ("category", "text") and hasattr(native, "dictionary_encode"):
            array = native.dictionary_encode().combine_chunks()  # of pyarrow
            codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            return codes, array.dictionary.to_pylist()
        return _factorized(self.values())

    def numbers(self) -> np.ndarray:
        """As in `ArrayColumn`."""
        array = np.asarray(self.series.to_numpy())
        if array.dtype.kind in "fiub":
            return array
        import narwhals.stable.v2 as nw

        return np.asarray(self.series.cast(nw.Float64).to_numpy(), dtype=np.float64)

    def seconds(self) -> np.ndarray:
        """Return seconds as float64, since 1970 where they are times."""
        array = np.asarray(self.series.to_numpy())
        if array.dtype.kind in "mM":
            return seconds(array)
        if self.kind == "duration":
            return seconds(array.astype("m8[us]"))
        # Times with a zone, and dates, may come as objects.
        return FrameColumn(self.series.dt.timestamp("us")).numbers() / _MICROSECONDS


def seconds(values: np.ndarray) -> np.ndarray:
    """Return times or durations as seconds in float64, NaN where they are missing.

    Parameters
    ----------
    values : ndarray of dtype datetime64 or timedelta64

    Returns
    -------
    ndarray
        Times count from the start of 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._series import seconds
    >>> seconds(np.array(["1969-12-31T23:59", "NaT"], dtype="datetime64[s]"))
    array([-60.,  nan])
    """
    unit = f"{values.dtype.kind}8[us]"
    counts = values.astype(unit).astype(np.float64) / _MICROSECONDS
    return np.where(np.isnat(values), np.nan, counts)


def _factorized(values: list[Any]) -> tuple[np.ndarray, list[Any]]:
    places: defaultdict[Any, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(places.__getitem__, values), np.int64, len(values))
    return _without_missing(codes, list(places))


def _without_missing(
    codes: np.ndarray, values: list[Any]
) -> tuple[np.ndarray, list[Any]]:
    """Return codes with -1 for those of missing values."""
    missing = np.array([is_missing(value) for value in values], dtype=bool)
    return np.where(missing[codes], -1, codes) if missing.any() else codes, values


def _factorized_in_polars(series: Any) -> tuple[np.ndarray, list[Any]]:
    import narwhals.stable.v2 as nw

    if not isinstance(series.dtype, nw.Enum):
        # Codes of a Categorical are those of the whole process.
        series = series.cast(nw.String)
        levels = series.drop_nulls().unique().to_list()
        series = series.cast(nw.Enum(levels))
    codes = nw.from_native(series.to_native().to_physical(), series_only=True)
    codes = codes.cast(nw.Int64).fill_null(-1).to_numpy()
    return np.asarray(codes), list(series.dtype.categories)


def is_missing(value: Any) -> bool:
    """Tell whether an object stands for a missing value.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA, or an array
        return not hasattr(value, "__len__")
