"""Which columns the user says are categorical."""

from __future__ import annotations

from typing import Any

import numpy as np


def categorical_columns(
    categorical: Any, n_columns: int, names: list[str] | None
) -> list[bool | None]:
    """Tell of each column whether the user says it is categorical; None: by dtype.

    The rules are those of scikit-learn's HistGradientBoostingClassifier.

    Parameters
    ----------
    categorical : "from_dtype", None or array-like
        See the learners' `categorical_features`.
    n_columns : int
    names : list of str or None

    Returns
    -------
    list of bool or None

    Raises
    ------
    ValueError
        Where that does not fit the columns.

    Examples
    --------
    >>> from torchlearners.data._categorical_features import categorical_columns
    >>> categorical_columns(["city"], 2, ["age", "city"])
    [False, True]
    """
    if categorical is None:
        return [False] * n_columns
    if isinstance(categorical, str):
        return [None] * n_columns
    items = [v.item() if isinstance(v, np.generic) else v for v in categorical]
    types = sorted({type(item).__name__ for item in items})
    if not items:
        return [False] * n_columns
    if types not in (["bool"], ["int"], ["str"]):
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: "
            f"{categorical!r}."
        )
    if types == ["bool"]:
        if len(items) != n_columns:
            raise ValueError(
                "categorical_features set as a boolean mask must have shape "
                f"(n_features,), got: ({len(items)},), with {n_columns} features."
            )
        return items
    if types == ["str"]:
        items = [_place(name, names) for name in items]
    if max(items) >= n_columns or min(items) < 0:
        raise ValueError(
            "categorical_features set as integer indices must be in [0, n_features - "
            f"1], got: {categorical!r}, with {n_columns} features."
        )
    places = set(items)
    return [i in places for i in range(n_columns)]


def _place(name: str, names: list[str] | None) -> int:
    if names is None:
        raise ValueError(
            "categorical_features should be passed as an array of integers or as a "
            "boolean mask when the model is fitted on data without feature names, got: "
            f"{name!r}."
        )
    if name not in names:
        raise ValueError(
            f"categorical_features has an item value '{name}' which is not a valid "
            f"feature name of the training data. Observed feature names: {names}"
        )
    return names.index(name)
