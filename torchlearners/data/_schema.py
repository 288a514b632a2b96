"""What X looks like, and how its rows become tensors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.utils import assert_all_finite

from torchlearners.data._checks import too_large


@dataclass(frozen=True)
class DataSpec:
    """What a network must know about the data: the argument of ``network(spec)``.

    Parameters
    ----------
    n_numeric : int
        Number of numeric input features.
    n_outputs : int
        Number of values the network returns for a row: classes, labels or targets.
    cardinalities : tuple of int, default=()
        Numbers of levels of the categorical features. A row of the network's input is
        the numeric features, then one code from 0 for each categorical one.
    feature_names : tuple of str, default=()
        Names of all columns, where they have names.

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
    """Column-wise standardization of numeric features, learned from training rows.

    Parameters
    ----------
    scaling : {"standard"} or None, default="standard"
        "standard" subtracts the mean of each column and divides by its standard
        deviation (weighted, in float64); None passes the values on.
    center, inverse_scale : ndarray of shape (n_features,)
        What `fit` learned.

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
    center: Any = None
    inverse_scale: Any = None

    def fit(self, X: np.ndarray, weight: np.ndarray | None) -> Schema:
        """Learn center and scale of each column.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        weight : ndarray of shape (n_samples,) or None

        Returns
        -------
        Schema
            This object.
        """
        if self.scaling is None:
            self.center = np.zeros(X.shape[1])
            self.inverse_scale = np.ones(X.shape[1])
            return self
        self.center, scale = center_and_scale(X, weight)
        self.inverse_scale = 1 / scale
        return self

    def tensor(self, X: np.ndarray, pad_to: int = 1) -> torch.Tensor:
        """Return scaled rows as a float32 tensor.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        pad_to : int, default=1
            Rows of zeros are added until the number of rows is a multiple of this.
            Matrix products of such sizes give a row the same bits whatever rows
            stand beside it.

        Returns
        -------
        torch.Tensor of shape (n_samples + padding, n_features)

        Raises
        ------
        ValueError
            Where a value is NaN, infinite, or too large for float32.
        """
        n_rows, n_features = X.shape
        out = np.zeros((-(-n_rows // pad_to) * pad_to, n_features), dtype=np.float32)
        rows = out[:n_rows]
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(X - self.center, self.inverse_scale, rows, casting="same_kind")
            total = rows.sum()  # one pass that finds NaN and infinity
        if not math.isfinite(total) and not np.isfinite(rows).all():
            assert_all_finite(X, input_name="X")
            raise too_large()
        return torch.from_numpy(out)

    def state(self) -> dict[str, Any]:
        """Return plain data from which `Schema(**state)` is equal to this one."""
        return dict(vars(self))


def center_and_scale(
    values: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted mean and standard deviation of each column, in float64.

    A column that is constant up to rounding has scale one.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    center, scale : ndarray of shape (n_columns,)
    """
    share = None if weight is None else weight / weight.sum()
    center = _mean(values, share)
    scale = np.sqrt(_mean(np.square(values - center), share))
    tiny = 10 * np.finfo(values.dtype).eps * np.abs(center)
    return center, np.where(scale <= tiny, 1.0, scale)


def _mean(values: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    if share is None:
        return values.mean(axis=0, dtype=np.float64)
    return share @ values.astype(np.float64, copy=False)
