"""Rows of a matrix that are chosen without being copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

# A block of float64 values of this number fits a core's cache.
BLOCK_VALUES = 2**17


class RowSelection:
    """Some rows of a dense or sparse matrix, read as dense blocks or columns.

    Choosing rows copies nothing, so that the only thing as large as X that a fit makes
    of it is the tensor it trains on.

    Parameters
    ----------
    matrix : ndarray or sparse CSR matrix of shape (n_rows, n_columns)
    rows : ndarray of int or None, default=None
        Row numbers; None takes all.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import RowSelection
    >>> some = RowSelection(np.arange(6.0).reshape(3, 2))[[0, 2]]
    >>> some.shape
    (2, 2)
    >>> [block.tolist() for _, block in some.blocks()]
    [[[0.0, 1.0], [4.0, 5.0]]]
    >>> [column.tolist() for column in some.columns()]
    [[0.0, 4.0], [1.0, 5.0]]
    """

    def __init__(self, matrix: Any, rows: np.ndarray | None = None) -> None:
        self.matrix = matrix
        self.rows = rows

    @classmethod
    def of(cls, X: Any) -> RowSelection:
        """Return `X`, as a selection of all rows where it is a matrix."""
        return X if isinstance(X, RowSelection) else cls(X)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of chosen rows and of columns."""
        n_rows, n_columns = self.matrix.shape
        return n_rows if self.rows is None else len(self.rows), n_columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the matrix."""
        return np.dtype(self.matrix.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> RowSelection:
        """Return the rows that an array of numbers or of bools chooses among these."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return RowSelection(self.matrix, rows[np.asarray(chosen)])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield one dense block of rows after the other, and its place.

        Yields
        ------
        place : slice
        block : ndarray of shape (n_block_rows, n_columns)
            Never to be written to.
        """
        n_rows, n_columns = self.shape
        step = max(1, BLOCK_VALUES // max(1, n_columns))
        for start in range(0, n_rows, step):
            place = slice(start, min(start + step, n_rows))
            rows = place if self.rows is None else self.rows[place]
            block = self.matrix[rows]
            yield place, block.toarray() if issparse(block) else np.asarray(block)

    def columns(self, numbers: Iterable[int] | None = None) -> Iterator[np.ndarray]:
        """Yield one dense column after the other.

        Parameters
        ----------
        numbers : iterable of int or None, default=None
            Which ones; None takes all.

        Yields
        ------
        ndarray of shape (n_rows,)
        """
        matrix: Any = self.matrix
        if issparse(matrix):
            matrix = matrix.tocsc()
        elif not isinstance(matrix, ColumnMatrix):
            matrix = np.asarray(matrix)  # reads images that are streamed
        for i in range(self.shape[1]) if numbers is None else numbers:
            column = (
                matrix[:, [i]].toarray()[:, 0] if issparse(matrix) else matrix[:, i]
            )
            yield column if self.rows is None else column[self.rows]

    def leading(self, n_columns: int) -> RowSelection:
        """Return the same rows of the first columns.

        Parameters
        ----------
        n_columns : int

        Returns
        -------
        RowSelection
        """
        if n_columns == self.shape[1]:
            return self
        return RowSelection(self.matrix[:, :n_columns], self.rows)

    def any_missing(self) -> np.ndarray:
        """Tell of each column whether a row has no value there.

        Returns
        -------
        ndarray of bool of shape (n_columns,)
        """
        missing = np.zeros(self.shape[1], dtype=bool)
        if issparse(self.matrix) and not np.isnan(self.matrix.data).any():
            return missing
        for _, block in self.blocks():
            missing |= np.isnan(block.min(axis=0))  # one pass, unlike isnan of all
        return missing


class ColumnMatrix:
    """Columns of many dtypes, read as rows of one.

    The columns are not copied: rows of one dtype are made where they are chosen.

    Parameters
    ----------
    columns : list of ndarray of shape (n_rows,) or ConvertedColumn
        Of numbers or bools.
    dtype : dtype
        Of the rows.
    n_rows : int
        Their number, which no columns would not tell.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._row_selection import ColumnMatrix
    >>> columns = [np.array([0.5, np.nan]), np.array([False, True])]
    >>> matrix = ColumnMatrix(columns, np.float64, 2)
    >>> matrix.shape
    (2, 2)
    >>> matrix[1:]
    array([[nan,  1.]])
    """

    def __init__(self, columns: list[Any], dtype: Any, n_rows: int) -> None:
        self.parts = columns
        self.dtype = np.dtype(dtype)
        self.shape = n_rows, len(columns)

    def __getitem__(self, key: Any) -> Any:
        """Return rows, or of (:, columns) one column or the matrix of several."""
        if not isinstance(key, tuple):
            return self._rows(key)
        parts = self.parts[key[1]]
        if isinstance(parts, list):
            return ColumnMatrix(parts, self.dtype, self.shape[0])
        return parts[:].astype(self.dtype, copy=False)

    def _rows(self, rows: Any) -> np.ndarray:
        n_rows = len(
            range(*rows.indices(self.shape[0])) if isinstance(rows, slice) else rows
        )
        out = np.empty((n_rows, len(self.parts)), self.dtype)
        for i, part in enumerate(self.parts):
            out[:, i] = part[rows]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._rows(slice(None)).astype(dtype or self.dtype, copy=False)


class ConvertedColumn:
    """A column that becomes numbers where its rows are chosen, each time anew.

    Parameters
    ----------
    column : object
        Its rows are chosen with ``column[rows]``.
    convert : callable
        Takes such rows, and returns an ndarray of as many numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._row_selection import ConvertedColumn
    >>> days = np.array(["1970-01-02", "1970-01-05"], "datetime64[D]")
    >>> ConvertedColumn(days, lambda rows: rows.astype(float))[1:]
    array([4.])
    """

    def __init__(self, column: Any, convert: Callable[[Any], np.ndarray]) -> None:
        self.column = column
        self.convert = convert

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.convert(self.column[rows])
