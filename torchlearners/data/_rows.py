"""Which rows train, which validate, and in what order."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from torchlearners.data._row_selection import RowSelection


def drop_zero_weights(
    X: Any, y: np.ndarray, weight: np.ndarray | None
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Remove the rows that count nothing, and weights that say nothing.

    Parameters
    ----------
    X : ndarray or RowSelection of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    X, y, weight
        The same kinds of arrays; weight is None where all weights are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import drop_zero_weights
    >>> drop_zero_weights(np.eye(2), np.array([0, 1]), np.array([0.0, 3.0]))
    (array([[0., 1.]]), array([1]), None)
    """
    if weight is None:
        return X, y, None
    if not weight.all():
        keep = weight > 0
        X, y, weight = X[keep], y[keep], weight[keep]
    return X, y, _unless_equal(weight)


def _unless_equal(weight: np.ndarray) -> np.ndarray | None:
    return None if (weight == weight[0]).all() else weight


def merge_repeated_rows(
    X: Any, y: np.ndarray, weight: np.ndarray | None
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Sort the rows and merge equal ones, adding up their weights.

    A full-batch fit on the result is the same computation, bit for bit, whatever the
    order of the rows and whether a row is repeated or weighted.

    Parameters
    ----------
    X : ndarray or RowSelection of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    X, y, weight
        The same kinds of arrays; weight is None where all weights are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import merge_repeated_rows
    >>> X, y = np.array([[2.0], [1.0], [2.0]]), np.array([1, 0, 1])
    >>> merge_repeated_rows(X, y, None)
    (array([[1.],
           [2.]]), array([0, 1]), array([1., 2.]))
    """
    place = _places(X, y)
    _, first, group = np.unique(place, return_index=True, return_inverse=True)
    if weight is not None:
        # In one order, so that the rounding of sums is one too.
        order = np.argsort(weight, kind="stable")
        group, weight = group[order], weight[order]
    merged = np.bincount(group, weight)
    return X[first], y[first], _unless_equal(merged.astype(np.float64))


def _places(X: Any, y: np.ndarray) -> np.ndarray:
    """Return how many rows are less than each one, by the first value that differs.

    One column after the other tells rows apart that were the same up to it.
    """
    place = np.zeros(len(y), dtype=np.int64)
    same = np.arange(len(y))  # rows that others still equal
    for column in chain(RowSelection.of(X).columns(), y.reshape(len(y), -1).T):
        values, before = column[same], place[same]
        # Missing values equal each other here; there are no infinite ones.
        values = np.where(np.isnan(values), np.inf, values)
        order = np.lexsort((values, before))
        same, values, before = same[order], values[order], before[order]
        new_before = _differs(before)
        new = new_before | _differs(values)
        at = np.arange(len(same))
        start = np.maximum.accumulate(np.where(new, at, 0))
        place[same] = (
            before + start - np.maximum.accumulate(np.where(new_before, at, 0))
        )
        same = same[~(new & np.append(new[1:], True))]
        if not len(same):
            break
    return place


def _differs(values: np.ndarray) -> np.ndarray:
    """Tell of each value whether it differs from the one before it."""
    return np.append(True, values[1:] != values[:-1])


def validation_split(
    n_rows: int, fraction: float, groups: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers into those that train and those that validate.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    fraction : float
        Share of the rows that validate, in (0, 1).
    groups : ndarray of shape (n_rows,) or None
        Class codes to stratify by. Rows of a class with a single row train.
    seed : int
        Seed of the split.

    Returns
    -------
    train, valid : ndarray of int
        Row numbers in increasing order.

    Examples
    --------
    >>> from torchlearners.data import validation_split
    >>> train, valid = validation_split(10, 0.2, None, seed=0)
    >>> len(train), len(valid)
    (8, 2)
    """
    rows = np.arange(n_rows)
    n_splittable = (
        n_rows if groups is None else int((np.bincount(groups)[groups] > 1).sum())
    )
    if n_splittable < 2:
        raise ValueError(
            f"There are {n_splittable} rows to take a validation_fraction={fraction} "
            "from (a class with a single row is left to training). Set "
            "early_stopping=False, or give X_val and y_val."
        )
    lone = np.zeros(n_rows, dtype=bool)
    if groups is not None:
        lone = np.bincount(groups)[groups] < 2
        groups = groups[~lone]
        n_valid = int(np.ceil(fraction * len(groups)))
        n_classes = len(np.unique(groups))
        if min(n_valid, len(groups) - n_valid) < n_classes:
            groups = None  # too few rows to hold one of each class
    train, valid = train_test_split(
        rows[~lone], test_size=fraction, stratify=groups, random_state=seed
    )
    return np.sort(np.concatenate([train, rows[lone]])), np.sort(valid)


def fold_numbers(
    n_rows: int, n_folds: int, groups: np.ndarray | None, generator: torch.Generator
) -> np.ndarray:
    """Deal rows to folds, of which each gets as many, and as many of each class.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_folds : int
        Number of folds; at most `n_rows`.
    groups : ndarray of shape (n_rows,) or None
        Class codes to stratify by. Of a class with fewer rows than there are folds,
        some have none.
    generator : torch.Generator
        Draws the order in which rows are dealt.

    Returns
    -------
    ndarray of int, of shape (n_rows,)
        From 0 to ``n_folds - 1``. Sizes differ by at most one, and so do the numbers of
        rows of a class.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.data import fold_numbers
    >>> folds = fold_numbers(5, 2, None, torch.Generator().manual_seed(0))
    >>> sorted(folds.tolist())
    [0, 0, 0, 1, 1]
    """
    order = torch.randperm(n_rows, generator=generator).numpy()
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    folds = np.empty(n_rows, dtype=np.int64)
    folds[order] = np.arange(n_rows) % n_folds
    return folds
