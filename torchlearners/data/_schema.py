"""What X looks like, and how its rows become tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.utils import assert_all_finite

from torchlearners._compat import silent_floats
from torchlearners.data._checks import check_range, too_large
from torchlearners.data._quantiles import median_and_scale, normal_knots
from torchlearners.data._row_selection import BLOCK_VALUES, RowSelection

# Ranks of fewer rows say less than means and deviations.
_ROWS_OF_QUANTILES = 2000
# Float32 holds the square of such a scaled value, and sums of many of them.
_FARTHEST = 1e15


@dataclass(frozen=True)
class DataSpec:
    """What a network must know about the data: the argument of ``network(spec)``.

    Parameters
    ----------
    n_numeric : int
        Number of numeric input features.
    n_outputs : int
        Number of values the network returns for a row: one for each class, label or
        target, or several where the loss wants so.
    cardinalities : tuple of int, default=()
        Numbers of levels of the categorical features. A row of the network's input is
        the numeric features, then one code from 0 for each categorical one.
    feature_names : tuple of str, default=()
        Names of all columns, where they have names.
    target : {"values", "classes", "labels", "nothing"}, default="values"
        What the outputs are for: values, classes of which one is true, or labels of
        which any number is; "nothing" where the output is the loss of each row.
    n_rows : int or None, default=None
        Number of training rows of the first fit, where it is known: a network may be
        larger where there are more.

    Examples
    --------
    >>> from torchlearners.data import DataSpec
    >>> DataSpec(n_numeric=4, n_outputs=3)
    DataSpec(n_numeric=4, n_outputs=3)
    """

    n_numeric: int
    n_outputs: int
    cardinalities: tuple[int, ...] = field(default=(), repr=False)
    feature_names: tuple[str, ...] = field(default=(), repr=False)
    target: str = field(default="values", repr=False)
    n_rows: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # From a file they come as lists.
        object.__setattr__(self, "cardinalities", tuple(self.cardinalities))
        object.__setattr__(self, "feature_names", tuple(self.feature_names))

    @property
    def n_columns(self) -> int:
        """Number of values in a row of the network's input."""
        return self.n_numeric + len(self.cardinalities)

    def state(self) -> dict[str, Any]:
        """Return plain data from which `DataSpec(**state)` is equal to this one."""
        return asdict(self)


@dataclass
class Schema:
    """Column-wise scaling of numeric features, learned from training rows.

    Scaled values end at +-1e15, so that products of two of them are finite.

    Missing values (NaN) become the mean of the training rows that have one, or the
    median with "robust" and "quantile". All are weighted, in float64.

    Parameters
    ----------
    scaling : {"auto", "standard", "robust", "quantile"} or None, default="standard"
        "standard" subtracts the mean of each column and divides by its standard
        deviation. "robust" subtracts the median, divides by the interquartile range,
        and bends what is far away towards +-3 by x / sqrt(1 + (x / 3)^2) [1]_.
        "quantile" gives a value what stands at its place in a normal distribution.
        None passes the values on. "auto" becomes "quantile" in a `fit` on 2000 rows or
        more, else "standard".
    n_scaled : int or None, default=None
        Number of columns that are scaled, from the first one; the others (indicators,
        codes of categories) are passed on. None is all.
    center, inverse_scale, fill : ndarray of shape (n_features,)
        What `fit` learned; `fill` are the means or medians. None refuses missing
        values.
    knots, scores : ndarray of shape (n_scaled, n_knots) or None
        Values and what "quantile" makes of them; values in between are interpolated.

    References
    ----------
    .. [1] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import Schema
    >>> schema = Schema().fit(np.array([[1.0], [3.0]]), None)
    >>> schema.tensor(np.array([[1.0], [3.0]]))
    tensor([[-1.],
            [ 1.]])
    """

    scaling: str | None = "standard"
    n_scaled: int | None = None
    center: Any = None
    inverse_scale: Any = None
    fill: Any = None
    knots: Any = None
    scores: Any = None

    def fit(self, X: Any, weight: np.ndarray | None) -> Schema:
        """Learn from the training rows how each column is scaled.

        Parameters
        ----------
        X : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_features)
        weight : ndarray of shape (n_samples,) or None

        Returns
        -------
        Schema
            This object.
        """
        if self.scaling == "auto":
            enough = X.shape[0] >= _ROWS_OF_QUANTILES
            self.scaling = "quantile" if enough else "standard"
        n = X.shape[1] if self.n_scaled is None else self.n_scaled
        self.fill = np.zeros(X.shape[1])
        self.center = np.zeros(X.shape[1])
        self.inverse_scale = np.ones(X.shape[1])
        scaled = RowSelection.of(X).leading(n)
        if self.scaling in ("robust", "quantile"):
            self.fill[:n], inverse = median_and_scale(scaled, weight)
        else:
            self.fill[:n], scale = _present_center_and_scale(scaled, weight)
            inverse = 1 / scale
        if self.scaling == "quantile":
            self.knots, self.scores = normal_knots(scaled, weight)
        elif self.scaling is not None:
            self.center[:n], self.inverse_scale[:n] = self.fill[:n], inverse
        return self

    def tensor(self, X: Any, pad_to: int = 1) -> torch.Tensor:
        """Return scaled rows as a float32 tensor.

        Parameters
        ----------
        X : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_features)
        pad_to : int, default=1
            Rows of zeros are added until the number of rows is a multiple of this.

        Returns
        -------
        torch.Tensor of shape (n_samples + padding, n_features)

        Raises
        ------
        ValueError
            Where a value is infinite, or too large for float32.
        """
        n_rows, n_features = X.shape
        out = np.zeros((-(-n_rows // pad_to) * pad_to, n_features), dtype=np.float32)
        blocks: Iterable[tuple[slice, np.ndarray]]
        if isinstance(X, np.ndarray) and X.size <= BLOCK_VALUES:
            # Looking for the only block would cost more than a few rows do.
            blocks = [(slice(n_rows), X)]
        else:
            blocks = RowSelection.of(X).blocks()
        for place, block in blocks:
            self._fill_and_scale(block, out[place])
        return torch.from_numpy(out)

    def trial_rows(self, X: Any, n_rows: int = 64) -> torch.Tensor:
        """Return rows of the kind that `tensor` returns, to try a network with.

        Parameters
        ----------
        X : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_features)
            What is not scaled comes from here: codes, indicators, pixels.
        n_rows : int, default=64
            Number of rows where anything is scaled. Scaled columns hold numbers of a
            standard normal distribution, so that the rows differ.

        Returns
        -------
        torch.Tensor
            The rows of X as they are, where nothing is scaled.
        """
        rows = self.tensor(X)
        n_scaled = rows.shape[1] if self.n_scaled is None else self.n_scaled
        if self.scaling is None or not n_scaled:
            return rows
        rows = rows[torch.arange(n_rows) % len(rows)]
        drawn = torch.Generator().manual_seed(0)
        rows[:, :n_scaled] = torch.randn(n_rows, n_scaled, generator=drawn)
        return rows

    def _fill_and_scale(self, X: np.ndarray, rows: np.ndarray) -> None:
        if not self._scale(X, rows):
            check_range(X)
            if self.fill is None:
                assert_all_finite(X, input_name="X")
            X = np.where(np.isnan(X), self.fill, X)
            if not self._scale(X, rows):
                raise too_large(int(np.nonzero(~np.isfinite(rows))[1].min()))

    @silent_floats
    def _scale(self, X: np.ndarray, rows: np.ndarray) -> bool:
        """Write scaled rows; tell whether all of them are finite."""
        if self.scaling in ("robust", "quantile"):
            rows[:] = self._bent(X)
        else:
            scaled = X - self.center
            np.multiply(scaled, self.inverse_scale, rows, casting="same_kind")
        # Both are NaN where a value is.
        low, high = rows.min(initial=0), rows.max(initial=0)
        if not (math.isfinite(low) and math.isfinite(high)):
            return False
        if low < -_FARTHEST or high > _FARTHEST:
            np.clip(rows, -_FARTHEST, _FARTHEST, out=rows)
        return True

    def _bent(self, X: np.ndarray) -> np.ndarray:
        """Return rows scaled by a function that is no line; infinity becomes NaN."""
        out = (X - self.center) * self.inverse_scale
        scaled = out[:, : self.n_scaled]
        if self.scaling == "robust":
            scaled /= np.hypot(1, scaled / 3)
        else:
            for i, (knots, scores) in enumerate(
                zip(self.knots, self.scores, strict=True)
            ):
                scaled[:, i] = np.interp(scaled[:, i], knots, scores) + 0 * scaled[:, i]
        return out

    def state(self) -> dict[str, Any]:
        """Return plain data from which `Schema(**state)` is equal to this one."""
        return dict(vars(self))


def _present_center_and_scale(
    values: RowSelection, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return `center_and_scale` of the values that are not NaN; 0 and 1 of none."""
    center, scale = center_and_scale(values, weight)
    holed = np.flatnonzero(np.isnan(center))
    for i, column in zip(holed, values.columns(holed), strict=True):
        present = ~np.isnan(column)
        center[i], scale[i] = 0.0, 1.0
        if present.any():
            share = None if weight is None else weight[present]
            mean, spread = center_and_scale(column[present, None], share)
            center[i], scale[i] = mean[0], spread[0]
    return center, scale


def center_and_scale(
    values: Any, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted mean and standard deviation of each column, in float64.

    A column that is constant up to rounding has scale one.

    Parameters
    ----------
    values : ndarray, sparse CSR matrix or RowSelection of shape (n_samples, n_columns)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    center, scale : ndarray of shape (n_columns,)
    """
    rows = RowSelection.of(values)
    share = None if weight is None else weight / weight.sum()
    center = _mean(rows, share, lambda block: block)
    scale = np.sqrt(_mean(rows, share, lambda block: np.square(block - center)))
    floats = rows.dtype if rows.dtype.kind == "f" else np.float64
    tiny = 10 * np.finfo(floats).eps * np.abs(center)
    return center, np.where(scale <= tiny, 1.0, scale)


def _mean(
    rows: RowSelection,
    share: np.ndarray | None,
    function: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return the mean of a function of the values of each column."""
    total = np.zeros(rows.shape[1])
    for place, block in rows.blocks():
        # In one layout, so that the order of the sums is one too.
        values = np.ascontiguousarray(function(block))
        if share is None:
            total += values.sum(axis=0, dtype=np.float64)
        else:
            total += share[place] @ values.astype(np.float64, copy=False)
    return total / len(rows) if share is None else total
