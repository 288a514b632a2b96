"""Which rows train and which validate, as a splitter of scikit-learn says it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import get_routing_for_object

from torchlearners._compat import n_samples_of

Parts = tuple[np.ndarray, np.ndarray]

_ROUTING = "get_metadata_routing"


def check_groups(groups: Any, X: Any, splitter: Any) -> np.ndarray | None:
    """Return the groups that rows belong to, one label a row.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
    X : array-like of shape (n_samples, ...)
    splitter : cross-validation generator or None
        What they are for.

    Returns
    -------
    ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError
        Where they are not one label a row, a label is missing, or the splitter takes
        no notice of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GroupKFold
    >>> from torchlearners.data import check_groups
    >>> check_groups(["ann", "ann", "bob"], np.eye(3), GroupKFold(2))
    array(['ann', 'ann', 'bob'], dtype='<U3')
    """
    if groups is None:
        return None
    if not _takes_groups(splitter):
        raise ValueError(
            f"groups are given, but validation_split={splitter!r} takes no notice of "
            "them. Set a splitter that does, such as GroupShuffleSplit(), or "
            "GroupKFold() with n_folds; or leave them out."
        )
    labels = np.asarray(groups)
    n_rows = n_samples_of(X)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"groups must be one label a row, of shape ({n_rows},) as X has {n_rows} "
            f"rows; got shape {labels.shape}."
        )
    try:
        known = np.unique(labels)
    except TypeError as error:  # None and pandas.NA among words
        raise ValueError(
            f"groups must be labels of one kind, none missing, that can be sorted: "
            f"{error}."
        ) from error
    if known.dtype.kind in "fmM" and np.isnan(known).any():
        raise ValueError(
            "groups holds NaN. Give each row without a group a label of its own."
        )
    return labels


def split_by(
    splitter: Any, X: Any, y: Any, groups: np.ndarray | None, seed: int
) -> Iterator[Parts]:
    """Yield the splits of a splitter, as row numbers.

    Parameters
    ----------
    splitter : cross-validation generator
        It is left as it is; without a `random_state` it draws by `seed`.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples, ...)
    groups : ndarray of shape (n_samples,) or None
        Of `check_groups`.
    seed : int

    Yields
    ------
    train, valid : ndarray of int
        Row numbers in increasing order, of which none is in both.

    Raises
    ------
    ValueError
        Where the splitter is one of scikit-learn that needs groups and has none, and
        where a split leaves no rows in a part, or has a row in both.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from torchlearners.data import split_by
    >>> train, valid = next(split_by(TimeSeriesSplit(2), np.eye(6), None, None, 0))
    >>> train.tolist(), valid.tolist()
    ([0, 1], [2, 3])
    """
    if groups is None and hasattr(splitter, _ROUTING) and _takes_groups(splitter):
        raise ValueError(
            f"validation_split={splitter!r} needs groups. Give fit(..., groups=...); "
            "through a pipeline or a search, with metadata routing enabled and "
            "set_fit_request(groups=True) on the learner."
        )
    # A copy, so that what a fit draws is the same in the next one.
    splitter = copy.deepcopy(splitter)
    if getattr(splitter, "random_state", seed) is None:
        splitter.random_state = seed % 2**32
    rows = np.arange(n_samples_of(X))
    for train, valid in splitter.split(X, y, groups):
        parts = np.sort(rows[train]), np.sort(rows[valid])
        _check_parts(splitter, *parts)
        yield parts


def _takes_groups(splitter: Any) -> bool:
    if splitter is None or not hasattr(splitter, _ROUTING):
        return splitter is not None  # one that is not of scikit-learn must know
    return bool(get_routing_for_object(splitter).consumes("split", ["groups"]))


def _check_parts(splitter: Any, train: np.ndarray, valid: np.ndarray) -> None:
    for part, doing in ((train, "train"), (valid, "validate")):
        if not len(part):
            raise ValueError(
                f"A split of validation_split={splitter!r} leaves no row to {doing}."
            )
    both = np.intersect1d(train, valid)
    if len(both):
        raise ValueError(
            f"A split of validation_split={splitter!r} has {len(both)} rows that both "
            f"train and validate, row {both[0]} for one."
        )
