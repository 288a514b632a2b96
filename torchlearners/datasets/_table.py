"""Tables of numbers and categories with holes, whose best accuracy is known."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torchlearners._compat import Interval
from torchlearners.params import (
    SequenceOf,
    boolean,
    check_values,
    fraction,
    non_negative_int,
    positive_int,
)

_TWO_OR_MORE = [Interval(Integral, 2, None, closed="left")]
_CONSTRAINTS: dict[str, Any] = {
    "n_samples": positive_int,
    "n_numeric": non_negative_int,
    "n_levels": [SequenceOf(_TWO_OR_MORE)],
    "n_classes": _TWO_OR_MORE,
    "missing": fraction,
    "bayes_error": fraction,
    "as_frame": boolean,
    "random_state": ["random_state"],
}


def make_categorical_table(
    n_samples: int = 1000,
    *,
    n_numeric: int = 4,
    n_levels: Sequence[int] = (3, 8, 30),
    n_classes: int = 2,
    missing: float = 0.05,
    bayes_error: float = 0.1,
    as_frame: bool = False,
    random_state: Any = None,
) -> tuple[Any, np.ndarray]:
    """Make a table of numbers and categories with missing values, to classify.

    The best accuracy that any learner can reach is known: ``1 - bayes_error``. A score
    is given to each class: the sum of an effect of each level, and of a slope for each
    number, which the first category turns around for about half of its levels. What is
    missing counts nothing. The class with the highest score is the class of the row,
    and the share `bayes_error` of the rows gets another one, by chance.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_numeric : int, default=4
        Number of columns of numbers, which are standard normal.
    n_levels : sequence of int, default=(3, 8, 30)
        Number of levels of each categorical column; all levels are equally likely.
    n_classes : int, default=2
        Number of classes.
    missing : float, default=0.05
        Share of values that are missing, in every column, whatever the values are.
    bayes_error : float, default=0.1
        Share of rows with a class by chance: the lowest error rate that a learner can
        have. Less than ``1 - 1 / n_classes``.
    as_frame : bool, default=False
        Whether X is a pandas DataFrame.
    random_state : int, RandomState instance or None, default=None
        Seed of effects and rows. Another seed is another task: make training rows and
        test rows in one call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_numeric + len(n_levels)), or DataFrame
        The numbers come first. In an array (float64), levels are codes from 0 and NaN
        is missing; such columns are named to a learner by `categorical_features`. In a
        DataFrame, their dtype is "category" and their levels are strings.
    y : ndarray of shape (n_samples,), int64
        Code of the class.

    Raises
    ------
    ValueError
        If there are no columns, or `bayes_error` is too large.

    Examples
    --------
    >>> from torchlearners.datasets import make_categorical_table
    >>> X, y = make_categorical_table(
    ...     3, n_numeric=1, n_levels=[2, 5], missing=0.3, random_state=1
    ... )
    >>> X.round(1)
    array([[ nan,  0. ,  nan],
           [-0.6,  1. ,  2. ],
           [ nan,  nan,  4. ]])
    >>> X, y = make_categorical_table(as_frame=True, random_state=0)
    >>> X.columns[:5].tolist()
    ['number_0', 'number_1', 'number_2', 'number_3', 'category_0']
    """
    given = {
        "n_samples": n_samples,
        "n_numeric": n_numeric,
        "n_levels": n_levels,
        "n_classes": n_classes,
        "missing": missing,
        "bayes_error": bayes_error,
        "as_frame": as_frame,
        "random_state": random_state,
    }
    check_values(_CONSTRAINTS, given, "make_categorical_table")
    if not n_numeric and not len(n_levels):
        raise ValueError("n_numeric=0 and n_levels is empty: name some columns.")
    if bayes_error >= 1 - 1 / n_classes:
        raise ValueError(
            f"bayes_error={bayes_error} is no less than the error of a guess among "
            f"{n_classes} classes, {1 - 1 / n_classes:.3g}. Take a smaller one."
        )
    rng = check_random_state(random_state)
    numbers = rng.normal(size=(n_samples, n_numeric))
    codes = np.array([rng.randint(n, size=n_samples) for n in n_levels], dtype=int)
    seen = rng.uniform(size=(n_samples, n_numeric + len(n_levels))) >= missing
    scores = _scores(
        numbers * seen[:, :n_numeric],
        codes,
        seen[:, n_numeric:],
        n_levels,
        n_classes,
        rng,
    )
    y = scores.argmax(axis=1)
    by_chance = rng.uniform(size=n_samples) < bayes_error
    y[by_chance] += rng.randint(1, n_classes, size=by_chance.sum())
    y %= n_classes
    X = np.column_stack([numbers, *codes])
    X[~seen] = np.nan
    return (_frame(X, n_numeric, n_levels) if as_frame else X), y


def _scores(
    numbers: np.ndarray,
    codes: np.ndarray,
    codes_seen: np.ndarray,
    n_levels: Sequence[int],
    n_classes: int,
    rng: Any,
) -> np.ndarray:
    """Return the score of each class for each row; what is missing adds zero."""
    slopes = rng.normal(size=(numbers.shape[1], n_classes))
    turned = numbers
    if len(n_levels):
        # Both signs in equal parts, in random order.
        signs = rng.permutation(np.arange(n_levels[0]) % 2 * 2 - 1)
        turned = numbers * np.where(codes_seen[:, 0], signs[codes[0]], 1)[:, None]
    scores = turned @ slopes
    for column, n in enumerate(n_levels):
        effects = rng.normal(size=(n, n_classes))
        effects -= effects.mean(axis=0)
        scores += effects[codes[column]] * codes_seen[:, column, None]
    return scores


def _frame(X: np.ndarray, n_numeric: int, n_levels: Sequence[int]) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {f"number_{i}": X[:, i] for i in range(n_numeric)}
    for i, n in enumerate(n_levels):
        codes = np.nan_to_num(X[:, n_numeric + i], nan=-1).astype(int)
        levels = [f"level_{code}" for code in range(n)]
        columns[f"category_{i}"] = pd.Categorical.from_codes(codes, levels)
    return pd.DataFrame(columns)
