"""The user's callbacks in a copy of a learner: made anew, around what they hold."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from sklearn.base import clone

from torchlearners._compat import BaseEstimator, Callback

_KEYWORDS = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def fresh_callbacks(callbacks: Any) -> Any:
    """Return callbacks of the same kind that no training has seen.

    Each is made by its constructor of the values that the callback was made of. These
    are shared, where they are no estimators or callbacks themselves: a list that is
    appended to, an open writer or the trial of a search cannot be copied, or would
    lose its meaning. Where the constructor keeps its arguments under other names, the
    new one has the attributes of the old one.

    Parameters
    ----------
    callbacks : list, tuple or None
        Callbacks, classes of them, or pairs of name and callback.

    Returns
    -------
    list, tuple or None

    Examples
    --------
    >>> from torchlearners.base._callbacks import fresh_callbacks
    >>> from torchlearners.callbacks import TimeLimit
    >>> limit = TimeLimit(seconds=3).initialize()
    >>> fresh_callbacks([("limit", limit)])
    [('limit', TimeLimit(seconds=3))]
    """
    if not isinstance(callbacks, list | tuple):
        return callbacks  # None, or what `fit` will refuse
    made: dict[int, Any] = {}
    return type(callbacks)(
        (item[0], *(_fresh(c, made) for c in item[1:]))
        if isinstance(item, tuple) and item
        else _fresh(item, made)
        for item in callbacks
    )


def _fresh(callback: Any, made: dict[int, Any]) -> Any:
    if not isinstance(callback, Callback):
        return callback
    if id(callback) not in made:  # one may be an argument of another
        made[id(callback)] = _remade(callback, made)
    return made[id(callback)]


def _remade(callback: Any, made: dict[int, Any]) -> Any:
    own_way = getattr(type(callback), "__sklearn_clone__", None)
    if own_way not in (None, getattr(BaseEstimator, "__sklearn_clone__", None)):
        return clone(callback)
    arguments = arguments_of(callback)
    if arguments is not None:
        values = {name: _argument(value, made) for name, value in arguments.items()}
        try:
            return type(callback)(**values)
        except TypeError:  # not made of what it calls its parameters
            pass
    return copy.copy(callback)


def arguments_of(callback: Any) -> dict[str, Any] | None:
    """Return what a callback's constructor was given, as far as attributes tell.

    Parameters
    ----------
    callback : skorch.callbacks.Callback

    Returns
    -------
    dict or None
        None where they do not tell.

    Examples
    --------
    >>> from torchlearners.base._callbacks import arguments_of
    >>> from torchlearners.callbacks import TimeLimit
    >>> arguments_of(TimeLimit(seconds=3))
    {'seconds': 3}
    """
    try:
        signature = inspect.signature(type(callback)).parameters
    except ValueError:
        return None
    names = [name for name, p in signature.items() if p.kind in _KEYWORDS]
    if len(names) < len(signature):  # takes anything, as skorch's LRScheduler
        return dict(callback.get_params(deep=False))
    known = vars(callback)
    return {n: known[n] for n in names} if set(names) <= known.keys() else None


def _argument(value: Any, made: dict[int, Any]) -> Any:
    if isinstance(value, Callback):
        return _fresh(value, made)
    if hasattr(value, "get_params") and not isinstance(value, type):
        return clone(value)
    return value
