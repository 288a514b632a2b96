"""Checks of X, y and sample_weight beyond scikit-learn's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils.validation import column_or_1d, validate_data

from torchlearners._compat import check_sample_weight

_FLOATS = (np.float64, np.float32)
_ENCODE = (
    "Encode them as numbers before this learner, for example with "
    "sklearn.preprocessing.OrdinalEncoder in a ColumnTransformer, or skrub's "
    "TableVectorizer."
)


def check_features(
    learner: BaseEstimator, X: Any, y: Any = "no_validation", *, reset: bool
) -> Any:
    """Return X as a finite 2-D float array, by `sklearn.utils.validate_data`.

    Parameters
    ----------
    learner : estimator
        Named in messages; its ``n_features_in_`` is set or compared.
    X : array-like of shape (n_samples, n_features)
        Also a torch tensor, attached to a graph or not.
    y : array-like or "no_validation", default="no_validation"
        The target; where given, it must be finite and as long as X.
    reset : bool
        True in `fit`, False where X must match what `fit` saw.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        float32 stays float32; everything else becomes float64.
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The checked y, only where y is given.

    Raises
    ------
    ValueError
        With the reason and, for columns that are not numeric, their names.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from torchlearners.data import check_features
    >>> check_features(LinearRegression(), [[1, 2]], reset=True)
    array([[1., 2.]])
    """
    if type(X) is not np.ndarray:
        X = _check_container(X)
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if kind in ("m", "M", "S"):
        raise ValueError(
            f"X has dtype {X.dtype}, which is neither a number nor a bool. " + _ENCODE
        )
    if isinstance(y, str) and y == "no_validation":
        return validate_data(learner, X, dtype=_FLOATS, reset=reset)
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    X, y = validate_data(
        learner,
        X,
        y,
        dtype=_FLOATS,
        reset=reset,
        multi_output=True,
        y_numeric=is_regressor(learner),
    )
    largest = np.finfo(np.float32).max
    if X.dtype == np.float64 and (X.max() > largest or X.min() < -largest):
        raise too_large()
    return X, y


def too_large() -> ValueError:
    """Return the error for values that float32 cannot hold."""
    return ValueError(
        "Input X contains infinity or a value too large for dtype('float32')."
    )


def _check_container(X: Any) -> Any:
    if isinstance(X, str | bytes | dict) and not issparse(X):
        raise ValueError(
            f"Expected a 2D array-like or DataFrame, got {type(X).__name__} instead."
        )
    if isinstance(X, torch.Tensor):
        return X.detach().cpu().numpy()
    if hasattr(X, "columns"):
        _check_columns(X)
    return X


def _check_columns(frame: Any) -> None:
    import narwhals.stable.v2 as nw  # slow, and only needed for DataFrames

    table = nw.from_native(frame, eager_only=True, pass_through=True)
    if not isinstance(table, nw.DataFrame):
        return
    words = (nw.String, nw.Categorical, nw.Enum, nw.Binary)
    times = (nw.Datetime, nw.Date, nw.Time, nw.Duration)
    for name, dtype in table.schema.items():
        if isinstance(dtype, words + times):
            raise ValueError(
                f"Column '{name}' of X holds {dtype} values, which are not numeric. "
                + _ENCODE
            )


def check_labels(y: Any) -> np.ndarray:
    """Return class labels as an array whose values can be compared with each other.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Class labels, or a 0/1 indicator matrix.

    Returns
    -------
    ndarray
        A column vector is flattened, with scikit-learn's warning.

    Raises
    ------
    ValueError
        Where labels are missing or of mixed types.

    Examples
    --------
    >>> from torchlearners.data import check_labels
    >>> check_labels(["b", "a"])
    array(['b', 'a'], dtype='<U1')
    """
    y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.dtype == object:
        missing = sum(v is None or v != v for v in y.ravel())
        if missing:
            raise ValueError(
                f"y contains {missing} missing labels (None or NaN). "
                "Drop those rows, or give them a label of their own."
            )
        types = sorted({type(v).__name__ for v in y.ravel()})
        if len(types) > 1 and "str" in types:
            raise ValueError(
                f"y mixes labels of types {', '.join(types)}. Convert them to one "
                "type, for example by y.astype(str)."
            )
    return y


def check_weights(sample_weight: Any, X: np.ndarray) -> np.ndarray | None:
    """Return one non-negative finite float64 weight a row, or None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Relative weights of the rows.
    X : ndarray of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError
        Where the length is wrong, a weight is negative, or all are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import check_weights
    >>> check_weights([1, 2], np.zeros((2, 1)))
    array([1., 2.])
    """
    if sample_weight is None:
        return None
    weight = check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight
