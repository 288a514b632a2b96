"""Checks of X, y and sample_weight beyond scikit-learn's own."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import assert_all_finite, get_tags
from sklearn.utils.validation import (
    check_X_y,
    column_or_1d,
    validate_data,
)

from torchlearners._compat import check_sample_weight
from torchlearners.data._row_selection import BLOCK_VALUES

_FLOATS = (np.float64, np.float32)
_NUMBERS = (*_FLOATS, *(np.dtype(code) for code in "?bBhHiIlLqQ"))
LARGEST = float(np.finfo(np.float32).max)
_ENCODE = (
    "Encode them as numbers before this learner, for example with "
    "sklearn.preprocessing.OrdinalEncoder in a ColumnTransformer, or skrub's "
    "TableVectorizer."
)


def check_features(
    learner: BaseEstimator,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool,
    columns: Any = None,
) -> Any:
    """Return X as a 2-D float array without infinities, NaN where it is missing.

    Parameters
    ----------
    learner : estimator
        Named in messages; its ``n_features_in_`` is set or compared, and its tag
        ``allow_nan`` says whether values may be missing.
    X : array-like of shape (n_samples, n_features)
        Also a torch tensor, attached to a graph or not. What a masked array masks is
        missing.
    y : array-like or "no_validation", default="no_validation"
        The target; where given, it must be finite and as long as X.
    reset : bool
        True in `fit`, False where X must match what `fit` saw.
    columns : ColumnEncoder or None, default=None
        What takes the result. With one, a DataFrame may have columns that are not
        numeric, and X may be sparse.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        float32 stays float32; everything else becomes float64. With `columns` integers
        and bools stay what they are, and it may also be a narwhals DataFrame, an array
        of objects or a sparse CSR matrix.
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
    table = None
    refuse_mask(y, "y")
    if type(X) is not np.ndarray:
        X, table = _check_container(learner, X, columns)
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if kind in ("m", "M", "S"):
        raise ValueError(
            f"X has dtype {X.dtype}, which is neither a number nor a bool. " + _ENCODE
        )
    checks: dict[str, Any] = {"dtype": _FLOATS, "ensure_all_finite": False}
    if columns is not None:
        checks["accept_sparse"] = (
            ["csr"] if get_tags(learner).input_tags.sparse else False
        )
        checks["dtype"] = _NUMBERS
        if columns.takes_objects and kind != "f":
            checks["dtype"] = None
    if table is not None:
        checks = {"skip_check_array": True}
    has_y = not (isinstance(y, str) and y == "no_validation")
    if not has_y:
        out = validate_data(learner, X, reset=reset, **checks)
    else:
        if isinstance(y, torch.Tensor):
            y = y.detach().cpu().numpy()
        if is_regressor(learner):
            _check_numbers(y)
        y_checks = {"multi_output": True, "y_numeric": is_regressor(learner)}
        if table is None:
            checks |= y_checks
        out, y = validate_data(learner, X, y, reset=reset, **checks)
        if table is not None:
            rows = np.zeros((len(table), 1))
            _, y = check_X_y(rows, y, estimator=learner, **y_checks)
    if table is not None:
        out = table
    elif issparse(out) or out.dtype.kind == "f":
        names = getattr(learner, "feature_names_in_", None)
        allow_nan = get_tags(learner).input_tags.allow_nan
        if not allow_nan:
            # A sum is a cheap way to find them.
            assert_all_finite(out.data if issparse(out) else out, input_name="X")
        check_range(out, names, LARGEST if has_y else np.inf)
    return (out, y) if has_y else out


def is_float32(X: Any) -> bool:
    """Tell whether all of X is float32, so that predictions are.

    Parameters
    ----------
    X : array-like, DataFrame or torch.Tensor

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import is_float32
    >>> is_float32(np.zeros((1, 2), dtype=np.float32)), is_float32([[0.0, 0.0]])
    (True, False)
    """
    if isinstance(X, np.ndarray):
        return X.dtype == np.float32
    dtypes = [X.dtype] if hasattr(X, "dtype") else list(getattr(X, "dtypes", []))
    names = {str(dtype).removeprefix("torch.").lower() for dtype in dtypes}
    return names == {"float32"}


def _check_numbers(y: Any) -> None:
    """Raise where a target that must be numeric holds text."""
    values = np.asarray(y)
    if values.dtype.kind not in "OUS":
        return
    for value in values.ravel():
        try:
            float(value)
        except TypeError:  # scikit-learn has an error for what is missing
            continue
        except ValueError:
            raise ValueError(
                f"y must hold numbers, but has {str(value)!r}. For classes, use the "
                "classifier of the same family; numbers that are written as text need "
                "to be converted first."
            ) from None


def check_range(X: Any, names: Any = None, largest: float = np.inf) -> None:
    """Raise where X holds infinity or more than float32 can, with the column's name.

    Parameters
    ----------
    X : ndarray or sparse CSR matrix of shape (n_samples, n_features)
        May hold NaN.
    names : sequence of str or None, default=None
        Of the columns.
    largest : float, default=inf
        Finite values up to this are fine.

    Raises
    ------
    ValueError
        Where there is such a value.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import check_range
    >>> check_range(np.array([[1.0, np.inf]]), ["age", "income"])
    Traceback (most recent call last):
    ...
    ValueError: Input X contains infinity or a value too large for dtype('float32') in \
column 'income'.
    """
    values = X.data if issparse(X) else X
    if not values.size:
        return
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    largest = min(largest, float(np.finfo(values.dtype).max))
    if low < -largest or high > largest:
        beyond = np.abs(values) > largest
        places = X.indices[beyond] if issparse(X) else np.nonzero(beyond)[1]
        raise too_large(int(places.min()), names)


def too_large(column: int, names: Any = None) -> ValueError:
    """Return the error for values that float32 cannot hold.

    Parameters
    ----------
    column : int
    names : sequence of str or None, default=None

    Returns
    -------
    ValueError
    """
    name = column if names is None else names[column]
    return ValueError(
        "Input X contains infinity or a value too large for dtype('float32') in column "
        f"{name!r}."
    )


def without_mask(X: Any) -> np.ndarray:
    """Return a masked array as an array, in which what is masked is missing.

    Parameters
    ----------
    X : MaskedArray

    Returns
    -------
    ndarray
        NaN, NaT or None stand for what is masked; integers and bools become float64
        where there is some.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data._checks import without_mask
    >>> without_mask(np.ma.array([[1, 2]], mask=[[False, True]]))
    array([[ 1., nan]])
    """
    mask = np.ma.getmaskarray(X)
    if not mask.any():
        return np.asarray(X.data)
    if X.dtype.kind in "iub":
        X = X.astype(np.float64)
    if X.dtype.kind in "US":
        X = X.astype(object)
    filled = np.array(X.data)
    filled[mask] = {"O": None, "M": "NaT", "m": "NaT"}.get(X.dtype.kind, np.nan)
    return filled


def refuse_mask(values: Any, name: str) -> None:
    """Raise where a masked array masks some of its values.

    Parameters
    ----------
    values : object
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
    """
    if isinstance(values, np.ma.MaskedArray) and (n := int(np.ma.count_masked(values))):
        raise ValueError(
            f"{name} is a masked array with {n} masked values. Drop those rows, from X "
            "too, or fill them, for example with y.filled(0)."
        )


def refuse_unread(X: Any) -> None:
    """Raise where X stands for rows that are yet to be read.

    Parameters
    ----------
    X : object

    Raises
    ------
    TypeError
        With what reads them.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.data._checks import refuse_unread
    >>> refuse_unread(torch.utils.data.TensorDataset(torch.zeros(2, 2)))
    Traceback (most recent call last):
    ...
    TypeError: X is a TensorDataset, ...
    """
    library = type(X).__module__.partition(".")[0]
    torch_data = torch.utils.data.Dataset, torch.utils.data.DataLoader
    if isinstance(X, torch_data):
        remedy = (
            "Give its rows and targets as two arrays or tensors: of a TensorDataset, "
            "X, y = dataset.tensors. fit makes batches of them, of batch_size rows."
        )
    elif library == "datasets":
        remedy = "Give X.to_pandas(), without the target, which is y."
    elif hasattr(X, "collect") and not hasattr(X, "__len__"):
        remedy = "Read it first: X.collect()."
    elif hasattr(X, "compute") and hasattr(X, "dask"):
        remedy = "Read it first: X.compute()."
    else:
        return
    raise TypeError(
        f"X is a {type(X).__name__}, where the rows of a table are expected, as an "
        f"array or a DataFrame. {remedy}"
    )


def _check_container(learner: Any, X: Any, columns: Any) -> Any:
    """Return X, and what to take instead where that is read column by column."""
    if isinstance(X, str | bytes | dict) and not issparse(X):
        raise ValueError(
            f"Expected a 2D array-like or DataFrame, got {type(X).__name__} instead."
        )
    refuse_unread(X)
    if isinstance(X, torch.Tensor):
        return X.detach().cpu().numpy(), None
    if isinstance(X, np.ma.MaskedArray):
        return without_mask(X), None
    if not hasattr(X, "columns"):
        return X, None
    import narwhals.stable.v2 as nw  # slow, and only needed for DataFrames

    # The columns of a table of pyarrow are no names.
    times = Counter(getattr(X, "column_names", X.columns))
    if repeated := sorted(str(name) for name, n in times.items() if n > 1):
        raise ValueError(
            f"X has duplicate columns: {', '.join(map(repr, repeated))}. The names of "
            "columns must be unique; rename or drop some."
        )
    table = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(table, nw.DataFrame):
        return X, None
    for size, what in zip(table.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={table.shape}) while a minimum "
                f"of 1 is required by {type(learner).__name__}."
            )
    numeric = [t.is_numeric() or t == nw.Boolean for t in table.schema.values()]
    if columns is None:
        _refuse_words_and_times(table)
    elif not all(numeric) or math.prod(table.shape) > BLOCK_VALUES:
        # One array of a large table would be a copy of it.
        return X, table
    return X, None


def _refuse_words_and_times(table: Any) -> None:
    import narwhals.stable.v2 as nw

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
    refuse_mask(sample_weight, "sample_weight")
    weight = check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight
