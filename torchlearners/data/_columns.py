"""From a table as it is given to one matrix of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse

from torchlearners.data._categorical_features import categorical_columns
from torchlearners.data._checks import LARGEST, check_features, check_range
from torchlearners.data._known_frame import EncodedRows, KnownFrame
from torchlearners.data._levels import coded, learned_levels, occurring, plain
from torchlearners.data._row_selection import (
    BLOCK_VALUES,
    ColumnMatrix,
    ConvertedColumn,
    RowSelection,
)
from torchlearners.data._schema import DataSpec
from torchlearners.data._series import ArrayColumn, FrameColumn, column_of, seconds
from torchlearners.data._text import check_text

Column = ArrayColumn | FrameColumn

_REMEDY = "Drop it, or encode it as numbers before this learner."


@dataclass
class ColumnEncoder:
    """From columns of any kind to one matrix: numbers, indicators, codes.

    Numeric columns stay what they are, NaN where a value is missing; times become
    seconds since 1970. Each one with missing values in `fit` has an indicator column
    of 0 and 1. Categories become codes from 1 in the sorted order of their levels; 0
    is for what is missing, and for what `fit` has not seen. In a column of more than
    nine levels, those of a single row have no code of their own: the last code is for
    all of them, and for what `fit` has not seen.

    Parameters
    ----------
    categorical : "from_dtype", None or array-like, default="from_dtype"
        Which columns are categorical; see the learners' `categorical_features`.
    names : list of str or None, default=None
        Names of the columns; like all that follows learned by `fit`.
    kinds : list of {"number", "time", "duration", "category"}
        One for each column.
    levels : list of list
        Of each categorical column, as str, int, float or bool.
    has_rare : list of bool
        Which categorical columns have a code for levels that are rare or not seen.
    indicators : list of int
        Columns with missing values.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ColumnEncoder
    >>> X = np.array([[0.5, 7], [np.nan, 8]])
    >>> columns = ColumnEncoder(categorical=[1]).fit(X)
    >>> columns.matrix(X)
    array([[0.5, 0. , 1. ],
           [nan, 1. , 2. ]])
    >>> columns.cardinalities
    (3,)
    """

    categorical: Any = "from_dtype"
    names: list[str] | None = None
    kinds: list[str] = field(default_factory=list)
    levels: list[list[Any]] = field(default_factory=list)
    has_rare: list[bool] = field(default_factory=list)
    indicators: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        kinds = enumerate(self.kinds)
        self._numeric = [i for i, kind in kinds if kind != "category"]
        self._coded = [i for i, kind in enumerate(self.kinds) if kind == "category"]
        self._passes = not (self.takes_objects or self.indicators)
        self._known_frame: KnownFrame | None = None

    @property
    def takes_objects(self) -> bool:
        """Whether arrays of objects may hold more than numbers."""
        if self.kinds:
            return any(kind != "number" for kind in self.kinds)
        return not (self.categorical is None or isinstance(self.categorical, str))

    @property
    def n_scaled(self) -> int:
        """Number of columns of the matrix that are neither indicators nor codes."""
        return len(self._numeric)

    @property
    def n_numeric(self) -> int:
        """Number of columns of the matrix that are no codes."""
        return len(self._numeric) + len(self.indicators)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each categorical column."""
        pairs = zip(self.levels, self.has_rare, strict=True)
        return tuple(1 + len(levels) + rare for levels, rare in pairs)

    @property
    def sources(self) -> list[int]:
        """Column of the table that each column of the matrix comes from."""
        return [*self._numeric, *self.indicators, *self._coded]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix, where those of the table have names."""
        return () if self.names is None else tuple(self._names_from(self.names))

    @property
    def encoded_names(self) -> list[str]:
        """Names of the columns of the matrix; from x0, x1, ... where there are none."""
        unnamed = [f"x{i}" for i in range(len(self.kinds))]
        return self._names_from(self.names or unnamed)

    def _names_from(self, names: list[str]) -> list[str]:
        return [
            *(names[i] for i in self._numeric),
            *(f"{names[i]} is missing" for i in self.indicators),
            *(names[i] for i in self._coded),
        ]

    def check(
        self, learner: Any, X: Any, y: Any = "no_validation", *, reset: bool
    ) -> Any:
        """Return X as `fit` and `matrix` take it, and y where it is given.

        Parameters
        ----------
        learner : estimator
        X : array-like of shape (n_samples, n_features)
        y : array-like or "no_validation", default="no_validation"
        reset : bool
            True in the `fit` of the learner.

        Returns
        -------
        X or (X, y)
            See `check_features`. A few rows of a DataFrame with the columns and dtypes
            of the one before are encoded already.
        """
        if reset or not isinstance(y, str):
            return check_features(learner, X, y, reset=reset, columns=self)
        known = self._known_frame
        matrix = None if known is None else known.matrix(X)
        if matrix is not None:
            return matrix.view(EncodedRows)
        checked = check_features(learner, X, reset=False, columns=self)
        self._known_frame = KnownFrame.of(X, self)
        return checked

    def fit(
        self,
        X: Any,
        names: Any = None,
        weight: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> ColumnEncoder:
        """Learn kinds, levels and which columns have missing values.

        Parameters
        ----------
        X : ndarray, sparse matrix or narwhals DataFrame
            As `check_features` returns it.
        names : array-like of str or None, default=None
            Names of the columns.
        weight : ndarray of shape (n_samples,) or None, default=None
            Rows of weight zero are left out; for the rarity of levels, a row of twice
            the smallest weight is two rows.
        rows : ndarray of int or None, default=None
            Numbers of the rows that train: from these alone are learned the levels, and
            which columns have missing values. The kind of a column is that of all rows,
            and so is what is refused. None takes all.

        Returns
        -------
        ColumnEncoder
            This object.

        Raises
        ------
        ValueError
            Where `categorical` does not fit, or a column is neither numeric nor
            categorical, with its name.
        """
        self.names = None if names is None else [str(name) for name in names]
        chosen = categorical_columns(self.categorical, X.shape[1], self.names)
        counted: Any = slice(None)
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight)
        train = counted if rows is None else rows
        if weight is not None:
            weight = weight[train] / weight[train].min()
        self.kinds, self.levels, self.has_rare = ["number"] * len(chosen), [], []
        if not hasattr(X, "columns") and X.dtype.kind in "fiub":
            matrix = RowSelection(X)
            some = matrix if isinstance(train, slice) else matrix[train]
            missing = some.any_missing()
            places = [i for i, is_coded in enumerate(chosen) if is_coded]
            for i, values in zip(places, matrix.columns(places), strict=True):
                self._fit_categories(ArrayColumn(values), i, train, weight)
                missing[i] = False
        else:
            missing = np.zeros(len(chosen), dtype=bool)
            for i, is_coded in enumerate(chosen):
                column = column_of(X, i)
                self.kinds[i] = self._kind(column, i, is_coded, counted)
                if self.kinds[i] == "category":
                    self._fit_categories(column, i, train, weight)
                else:
                    values = self._numbers(column, i)
                    missing[i] = self._is_missing_in(values, i, counted, train)
        self.indicators = np.flatnonzero(missing).tolist()
        self.__post_init__()
        return self

    def _fit_categories(
        self, column: Column, i: int, train: Any, weight: np.ndarray | None
    ) -> None:
        codes, values = self._factorized(column, i)
        levels, has_rare = learned_levels(codes[train], values, weight)
        self.kinds[i] = "category"
        self.levels.append(levels)
        self.has_rare.append(has_rare)

    def _is_missing_in(
        self, values: np.ndarray, i: int, counted: Any, train: Any
    ) -> bool:
        """Tell whether a numeric column needs an indicator."""
        if values.dtype.kind != "f":
            return False
        names = [i if self.names is None else self.names[i]]
        check_range(values[counted, None], names, LARGEST)
        return bool(np.isnan(values[train]).any())

    def matrix(self, X: Any) -> Any:
        """Return the matrix of numeric columns, indicators and codes.

        Parameters
        ----------
        X : ndarray, sparse matrix or narwhals DataFrame
            As `check_features` returns it.

        Returns
        -------
        ndarray, sparse CSR matrix or ColumnMatrix of shape (n_samples, n_numeric + \
n_categorical)
            Sparse where X is; float32 where all numbers are, else float64; X itself
            where it is an array of numbers, none of which is missing. A large X is not
            copied: the columns of the matrix are its own, but for codes; times,
            objects and what else is no array of numbers become numbers whenever rows
            are read.

        Raises
        ------
        ValueError
            Where a column holds another kind of values than in `fit`, or infinity.
        """
        if isinstance(X, EncodedRows):
            return X.view(np.ndarray)
        dense = isinstance(X, np.ndarray)
        sparse = not dense and issparse(X)
        numeric = X.dtype.kind in "fiub" if dense else sparse
        if numeric and self._passes:
            return X
        has_times = bool({"time", "duration"} & set(self.kinds))
        if sparse and not has_times:
            return self._sparse_matrix(X)
        small = X.shape[0] * len(self.sources) <= BLOCK_VALUES
        numbers: list[Any] = []
        missing: list[np.ndarray] = []
        dtypes = set()
        for i in self._numeric:
            column = column_of(X, i)
            values = self._numbers(column, i)
            dtypes.add(values.dtype)
            if i in self.indicators:
                missing.append(np.isnan(values))
            if small or (
                column.kind == "number"
                and np.may_share_memory(values, column.numbers())
            ):
                numbers.append(values)
            else:  # keeping the values would be a copy
                numbers.append(ConvertedColumn(column, partial(self._numbers, i=i)))
        codes = [
            self._codes(column_of(X, i), i, place)
            for place, i in enumerate(self._coded)
        ]
        dtype = np.float32 if dtypes <= {np.dtype(np.float32)} else np.float64
        matrix: Any = ColumnMatrix([*numbers, *missing, *codes], dtype, X.shape[0])
        if small:
            matrix = np.asarray(matrix)
        for _, block in RowSelection(matrix).leading(self.n_scaled).blocks():
            check_range(block, self.feature_names or self._numeric)
        return matrix

    def _sparse_matrix(self, X: Any) -> Any:
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        numbers = X[:, self._numeric]
        check_range(numbers, self.feature_names or self._numeric)
        missing = X[:, self.indicators]
        missing.data = np.isnan(missing.data).astype(X.dtype)
        columns = RowSelection(X).columns(self._coded)
        codes = [
            csr_matrix(self._codes(ArrayColumn(column), i, place)[:, None])
            for place, (column, i) in enumerate(zip(columns, self._coded, strict=True))
        ]
        return hstack([numbers, missing, *codes], format="csr", dtype=X.dtype)

    def spec(self, n_outputs: int, target: str, n_rows: int) -> DataSpec:
        """Return what a network must know about the rows that `matrix` returns.

        Parameters
        ----------
        n_outputs, target, n_rows : int, str, int
            See `DataSpec`.

        Returns
        -------
        DataSpec
        """
        return DataSpec(
            n_numeric=self.n_numeric,
            n_outputs=n_outputs,
            cardinalities=self.cardinalities,
            feature_names=self.feature_names,
            target=target,
            n_rows=n_rows,
        )

    def state(self) -> dict[str, Any]:
        """Return plain data from which `ColumnEncoder(**state)` encodes alike."""
        learned = ("names", "kinds", "levels", "has_rare", "indicators")
        return {name: getattr(self, name) for name in learned}

    # One column.

    def _name(self, i: int) -> str:
        return f"Column {i if self.names is None else repr(self.names[i])} of X"

    def _kind(self, column: Column, i: int, coded: bool | None, counted: Any) -> str:
        """Return the kind of a column; `coded` where the user said it."""
        if coded:
            return "category"
        kind, distinct, n_rows = column.kind, [], 0
        if kind in (None, "text"):
            codes, values = self._factorized(column, i)
            distinct = occurring(codes[counted], values)
            n_rows = int((codes[counted] >= 0).sum())
            kind = kind or self._kind_by_values(i, distinct)
        if kind not in ("text", "category"):
            return kind
        if coded is False:
            raise ValueError(
                f"{self._name(i)} holds {column.dtype} values, which are not numeric, "
                f"and categorical_features={self.categorical!r} leaves it out. Add it "
                "there, or set categorical_features='from_dtype'."
            )
        if kind == "text":
            check_text(self._name(i), distinct, n_rows)
        return "category"

    def _kind_by_values(self, i: int, distinct: list[Any]) -> str:
        if distinct and all(isinstance(v, Real | Decimal) for v in distinct):
            return "number"
        if distinct and all(isinstance(v, date) for v in distinct):
            return "time"
        if all(isinstance(v, str | Real) for v in distinct):
            return "text"
        types = sorted({type(v).__name__ for v in distinct})
        raise ValueError(
            f"{self._name(i)} holds {', '.join(types)} values, which are neither "
            f"numbers nor categories. {_REMEDY}"
        )

    def _factorized(self, column: Column, i: int) -> tuple[np.ndarray, list[Any]]:
        """Return codes from 0, -1 where a value is missing, and their values."""
        try:
            return column.factorized
        except TypeError:
            raise ValueError(
                f"{self._name(i)} holds {column.dtype} values, which are neither "
                f"numbers nor categories. {_REMEDY}"
            ) from None

    def _numbers(self, column: Column, i: int) -> np.ndarray:
        """Return a column that is not categorical as numbers."""
        kind, now = self.kinds[i], column.kind
        if now == kind:
            return column.numbers() if kind == "number" else column.seconds()
        missing = column.missing()
        if missing.all():
            return np.full(len(missing), np.nan)
        if now is not None:
            raise self._other_kind(i, f"{kind}s", f"{column.dtype} values")
        pairs = zip(column.values(), missing, strict=True)
        values = [None if is_missing else v for v, is_missing in pairs]
        dtype = {"number": "f8", "time": "M8[us]", "duration": "m8[us]"}[kind]
        try:
            array = np.array(values, dtype)
        except (TypeError, ValueError):
            types = sorted({type(v).__name__ for v in values if v is not None})
            raise self._other_kind(i, f"{kind}s", ", ".join(types)) from None
        return array if kind == "number" else seconds(array)

    def _codes(self, column: Column, i: int, place: int) -> np.ndarray:
        codes, values = self._factorized(column, i)
        levels = self.levels[place]
        # "1" is not 1, and to take all of them for unseen would be a silent mistake.
        now = {isinstance(plain(level), str) for level in occurring(codes, values)}
        then = {isinstance(level, str) for level in levels}
        if now and then and not now & then:
            words = ("strings", "numbers")
            raise self._other_kind(i, *(words if True in then else words[::-1]))
        return coded(codes, values, levels, self.has_rare[place])

    def _other_kind(self, i: int, then: str, now: str) -> ValueError:
        return ValueError(f"{self._name(i)} held {then} in fit, and now holds {now}.")
