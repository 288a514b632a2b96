"""The levels of a categorical column, from a code for each row and its values.

A column comes as `factorized` of it is: codes from 0, or -1 where a value
is missing, and the list of what they stand for.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

# A vector of its own, as a level of a column with many has, of a single row is that row
# learned by heart; several together tell what is to be expected of a level not seen.
_MANY_LEVELS = 9
_FEWEST_ROWS = 2


def occurring(codes: np.ndarray, values: list[Any]) -> list[Any]:
    """Return the values that stand in some row.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
    values : list

    Returns
    -------
    list

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._levels import occurring
    >>> occurring(np.array([2, -1, 0, 2]), ["a", "b", "c"])
    ['a', 'c']
    """
    present = np.zeros(len(values) + 1, dtype=bool)  # the last one is for -1
    present[codes] = True
    return [value for value, is_there in zip(values, present, strict=False) if is_there]


def learned_levels(
    codes: np.ndarray, values: list[Any], weight: np.ndarray | None
) -> tuple[list[Any], bool]:
    """Return the levels that have a code of their own, and whether others are rare.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Of the rows that train.
    values : list
    weight : ndarray of shape (n_samples,) or None
        How many rows a row counts for.

    Returns
    -------
    levels : list of str, int, float or bool
        Sorted, numbers before strings.
    has_rare : bool

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._levels import learned_levels
    >>> learned_levels(np.array([1, 0, 1]), ["b", "a"], None)
    (['a', 'b'], False)
    """
    counts = np.bincount(codes.astype(np.intp) + 1, weight, minlength=len(values) + 1)
    rows: Counter[Any] = Counter()
    for value, n in zip(values, counts[1:].tolist(), strict=True):
        if n:
            rows[plain(value)] += n
    rare: set[Any] = set()
    if len(rows) > _MANY_LEVELS:
        rare = {level for level, n in rows.items() if n < _FEWEST_ROWS}
    order = sorted(rows.keys() - rare, key=lambda v: (isinstance(v, str), v))
    return order, bool(rare)


def coded(
    codes: np.ndarray, values: list[Any], levels: list[Any], has_rare: bool
) -> np.ndarray:
    """Return the code of each row's level: from 1, and 0 where it is missing.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
    values : list
    levels, has_rare : list, bool
        As `learned_levels` returns them. A level that is rare or was not there has the
        code after that of the last level where there is one for it, else 0.

    Returns
    -------
    ndarray of int of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._levels import coded
    >>> coded(np.array([0, -1, 1]), ["b", "new"], ["a", "b"], True)
    array([2, 0, 3], dtype=uint8)
    """
    unseen = len(levels) + 1 if has_rare else 0
    known = {level: code for code, level in enumerate(levels, 1)}
    new_codes = [known.get(plain(value), unseen) for value in values]
    dtype = np.min_scalar_type(len(levels) + 1)
    return np.array([*new_codes, 0], dtype)[codes]  # -1 takes the last


def plain(value: Any) -> Any:
    """Return what stands for a level in a file.

    Parameters
    ----------
    value : object

    Returns
    -------
    str, bool, int or float
    """
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | bool | int | float) else str(value)
