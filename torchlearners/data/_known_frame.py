"""A few rows of a DataFrame like one that was checked before, read in no time."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchlearners.data._checks import check_range
from torchlearners.data._series import is_missing

# Of more rows, reading column by column is faster.
_FEW_ROWS = 32
_LIBRARIES = ("pandas", "polars")


class EncodedRows(np.ndarray):
    """Rows that are a matrix of numbers, indicators and codes already."""


class KnownFrame:
    """What a DataFrame must look like for its rows to need no further checks.

    That of its library, its columns and their dtypes. Where a value is not of the kind
    that its dtype suggests, or levels need a closer look, the rows are left to the
    long way, which gives the same matrix or says what is wrong.

    Parameters
    ----------
    X : pandas or polars DataFrame
        One that was checked, and that became a matrix.
    columns : ColumnEncoder
        Fitted.
    """

    def __init__(self, X: Any, columns: Any) -> None:
        self.type = type(X)
        self.names = list(X.columns)
        self.dtypes = list(X.dtypes)
        self.columns = columns
        self.numeric = [i for i, k in enumerate(columns.kinds) if k == "number"]
        self.coded = [i for i, k in enumerate(columns.kinds) if k == "category"]
        self.holed = [self.numeric.index(i) for i in columns.indicators]
        single = [str(self.dtypes[i]).lower() == "float32" for i in self.numeric]
        self.dtype = np.float32 if all(single) else np.float64
        pairs = zip(columns.levels, columns.has_rare, strict=True)
        self.codes = [
            (
                {level: code for code, level in enumerate(levels, 1)},
                len(levels) + 1 if has_rare else 0,
                {isinstance(level, str) for level in levels},
            )
            for levels, has_rare in pairs
        ]

    @classmethod
    def of(cls, X: Any, columns: Any) -> KnownFrame | None:
        """Return what frames like X look like, or None where only the long way will do.

        Parameters
        ----------
        X : object
            As it was given.
        columns : ColumnEncoder
            Fitted.

        Returns
        -------
        KnownFrame or None
        """
        library = type(X).__module__.partition(".")[0]
        if library not in _LIBRARIES or not hasattr(X, "columns"):
            return None
        if not columns.names or not {"number", "category"}.issuperset(columns.kinds):
            return None
        known = cls(X, columns)
        plain = all(_is_plain(known.dtypes[i]) for i in known.numeric)
        return known if plain else None

    def matrix(self, X: Any) -> np.ndarray | None:
        """Return what `ColumnEncoder.matrix` does for X, or None.

        Parameters
        ----------
        X : object

        Returns
        -------
        ndarray of shape (n_samples, n_columns) or None
        """
        if (
            type(X) is not self.type
            or not 0 < len(X) <= _FEW_ROWS
            or list(X.columns) != self.names
            or list(X.dtypes) != self.dtypes
        ):
            return None
        values = np.asarray(X)
        out = np.empty((len(X), len(self.columns.sources)), self.dtype)
        n = len(self.numeric)
        try:
            out[:, :n] = values if n == values.shape[1] else values[:, self.numeric]
            if not self._write_codes(values, out):
                return None
        except TypeError:  # None for a number, or what has no hash
            return None
        for place, i in enumerate(self.holed, n):
            out[:, place] = np.isnan(out[:, i])
        check_range(out[:, :n], self.columns.feature_names)
        return out

    def _write_codes(self, values: np.ndarray, out: np.ndarray) -> bool:
        """Write the codes of categories; tell whether all of them are known here."""
        start = out.shape[1] - len(self.coded)
        for place, (i, (known, unseen, kinds)) in enumerate(
            zip(self.coded, self.codes, strict=True), start
        ):
            for row, value in enumerate(values[:, i]):
                code = known.get(value)
                if code is None:
                    if is_missing(value):
                        code = 0
                    elif type(value) is str and True in kinds:
                        code = unseen
                    else:
                        return False
                out[row, place] = code
        return True


def _is_plain(dtype: Any) -> bool:
    """Tell whether numbers are floats, integers or bools as numpy has them."""
    if isinstance(dtype, np.dtype):
        return dtype.kind in "fiub"
    # Of polars; None is missing in any of its dtypes, which becomes NaN.
    numeric = getattr(dtype, "is_numeric", None)
    return bool(numeric is not None and numeric() and not dtype.is_decimal())
