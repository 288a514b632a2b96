"""Quantiles of weighted columns, where a weight of 2 is the row given twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from torchlearners.data._row_selection import RowSelection

# Sums of weights that differ by rounding alone are taken for equal.
_ROUNDING = 1e-10
# The same for any number of rows, so that a file does not grow with them.
_KNOTS = 128


def median_and_scale(
    values: Any, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of each column, and one over its interquartile range.

    Where that range is 0, twice one over the whole range is taken, and 0 where all
    values are the same. NaN is left out; the median of nothing is 0.

    Parameters
    ----------
    values : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_columns)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    center, inverse_scale : ndarray of shape (n_columns,)
    """
    center, inverse = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for i, column in enumerate(RowSelection.of(values).columns()):
        distinct, below, above = _distribution(column, weight)
        if not len(distinct):
            continue
        # Halfway between two values where the level falls between them.
        quartiles = [
            (
                distinct[np.searchsorted(above, level - _ROUNDING)] / 2
                + distinct[np.searchsorted(below, level + _ROUNDING) - 1] / 2
            )
            for level in (0.25, 0.5, 0.75)
        ]
        center[i] = quartiles[1]
        with np.errstate(divide="ignore", over="ignore"):
            spread = quartiles[2] - quartiles[0]
            spread = spread if spread > 0 else (distinct[-1] - distinct[0]) / 2
            inverse[i] = 1 / spread
    return center, np.where(np.isfinite(inverse), inverse, 0.0)


def normal_knots(
    values: Any, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return values of each column and what stands at them in a normal distribution.

    A value stands in the middle of the share of rows that have it.

    Parameters
    ----------
    values : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_columns)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    knots, scores : ndarray of shape (n_columns, 128)
        Knots are in increasing order; the last one is repeated where a column has fewer
        values.
    """
    columns = [_distribution(c, weight) for c in RowSelection.of(values).columns()]
    knots = np.zeros((len(columns), _KNOTS))
    scores = np.zeros((len(columns), _KNOTS))
    for i, (distinct, below, above) in enumerate(columns):
        if len(distinct) < 2:
            knots[i] = distinct[0] if len(distinct) else 0.0
            continue
        # Rounded, so that only ratios of weights count; ends would be infinite.
        levels = np.clip(np.round((below + above) / 2, 12), 1e-12, 1 - 1e-12)
        wanted = ndtr(np.linspace(ndtri(levels[0]), ndtri(levels[-1]), _KNOTS))
        between = (levels[1:] + levels[:-1]) / 2
        nearest = np.searchsorted(between, wanted - _ROUNDING)
        places = np.arange(len(levels)) if len(levels) <= _KNOTS else nearest
        places = np.unique(places)
        places = np.pad(places, (0, _KNOTS - len(places)), "edge")
        knots[i], scores[i] = distinct[places], ndtri(levels[places])
    return knots, scores


def _distribution(
    column: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values that occur, in order, with the shares of rows below, up to."""
    present = ~np.isnan(column)
    column = column[present].astype(np.float64)
    distinct, place = np.unique(column, return_inverse=True)
    share = None if weight is None else weight[present]
    mass = np.bincount(place, share, minlength=len(distinct))
    above = np.cumsum(mass)
    total = above[-1] if len(above) else 1.0
    return distinct, (above - mass) / total, above / total
