"""What holds for all parts of a learner that have parameters of their own."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any

from sklearn.base import clone

_OPEN_ENDED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def told(value: Any) -> str:
    """Return the repr of a value without addresses, which no two objects share.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    return re.sub(r"0x[0-9a-f]+", "", repr(value))


def said(error: BaseException) -> str:
    """Return class and message of an error on one line.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _declared(part: Any) -> tuple[set[str], bool]:
    """Return the names that the constructor takes, and whether it takes any other."""
    taken = inspect.signature(type(part)).parameters.values()
    names = {p.name for p in taken if p.kind not in _OPEN_ENDED}
    return names, any(p.kind in _OPEN_ENDED for p in taken)


def params_of(name: str, part: Any) -> dict[str, Any]:
    """Return the parameters, or raise AssertionError where it has no get_params.

    Parameters
    ----------
    name : str
    part : object

    Returns
    -------
    dict
    """
    assert hasattr(part, "get_params"), (
        f"{name} has no get_params. Derive from skorch.callbacks.Callback or "
        "sklearn.base.BaseEstimator."
    )
    return part.get_params(deep=False)


def require_signature(name: str, part: Any) -> None:
    """Raise AssertionError where get_params is not what the constructor takes.

    Parameters
    ----------
    name : str
    part : object
    """
    declared, is_open = _declared(part)
    params = set(params_of(name, part))
    missing, more = sorted(declared - params), sorted(params - declared)
    assert not missing, (
        f"{name}.get_params() lacks {missing}. Store each argument of the constructor "
        "as an attribute of the same name."
    )
    assert is_open or not more, (
        f"{name}.get_params() has {more}, which the constructor does not take. End the "
        "names of other attributes in an underscore, or set them in initialize()."
    )


def require_documented(name: str, part: Any) -> None:
    """Raise AssertionError where the docstring passes over a parameter.

    Parameters
    ----------
    name : str
    part : object
    """
    doc = inspect.getdoc(type(part)) or ""
    declared, _ = _declared(part)
    missing = [p for p in sorted(declared) if not re.search(rf"^ *{p}\b.*:", doc, re.M)]
    assert not missing, (
        f"The docstring of {name} has no entry for {missing}. Write a Parameters "
        "section with 'name : type' and what it does."
    )


def require_clone(name: str, part: Any) -> None:
    """Raise AssertionError where a clone is not another object with the same values.

    Parameters
    ----------
    name : str
    part : object
    """
    ours = params_of(name, part)
    try:
        copy = clone(part, safe=False)
    except Exception as error:
        raise AssertionError(
            f"clone({name}) raised {said(error)}. The constructor must only store its "
            "arguments, as they are."
        ) from error
    assert copy is not part, (
        f"clone({name}) is the object itself, so fits would share its state. Let "
        "sklearn.base.clone make a new one."
    )
    kind = type(copy).__name__
    assert kind == type(part).__name__, f"clone({name}) is of class {kind}."
    theirs = params_of(name, copy)
    assert told(ours) == told(theirs), (
        f"clone({name}) has parameters {theirs}; they were {ours}."
    )


def require_repr(name: str, part: Any) -> None:
    """Raise AssertionError where the repr does not tell a changed parameter.

    Parameters
    ----------
    name : str
    part : object
    """
    taken = inspect.signature(type(part)).parameters
    for param, value in part.get_params(deep=False).items():
        for other in _others(value):
            shown = repr(clone(part, safe=False).set_params(**{param: other}))
            is_default = param in taken and taken[param].default == other
            assert is_default or f"{param}={other!r}" in shown, (
                f"repr({name}) does not show {param}={other!r}: {shown}. Leave "
                "__repr__ to scikit-learn."
            )


def dead_parameters(part: Any, outcome: Callable[[Any], str]) -> list[str]:
    """Return the parameters that change nothing, whatever the others are.

    Parameters
    ----------
    part : object
        With get_params, set_params and clone.
    outcome : callable
        Of a part; returns what its parameters should have an effect on. A ValueError
        means that the values do not go together.

    Returns
    -------
    list of str
        Those whose value can be changed, and the outcome not.
    """

    @functools.cache
    def of(*params: tuple[str, Any]) -> str | None:
        try:
            return outcome(clone(part, safe=False).set_params(**dict(params)))
        except (ValueError, TypeError):
            return None

    def matters(param: str, value: Any) -> bool:
        n_compared = 0
        for other in _others(value):
            for beside in ((), *(((p, v),) for p, v in changes if p != param)):
                pair = of(*beside), of(*beside, (param, other))
                if None not in pair:
                    n_compared += 1
                    if pair[0] != pair[1]:
                        return True
        return n_compared == 0  # nobody knows

    values = part.get_params(deep=False)
    changes = [(p, other) for p, value in values.items() for other in _others(value)]
    return [param for param, value in values.items() if not matters(param, value)]


def _others(value: Any) -> Iterator[Any]:
    """Yield values of the same kind, of which one will be allowed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, Integral):
        yield from (1, int(value) + 1)
    elif isinstance(value, Real):
        near = float(value) / 2
        yield from (v for v in (near + 0.25, near + 0.1, near + 1.5) if v != value)
    elif isinstance(value, tuple) and all(isinstance(v, Real) for v in value):
        for i, item in enumerate(value):
            yield (*value[:i], item / 2, *value[i + 1 :])
    elif isinstance(value, str):
        yield None


def require_same_defaults(name: str, part: Any, theirs: type) -> None:
    """Raise AssertionError where a default is not that of the class of torch.

    Parameters
    ----------
    name : str
    part : object
    theirs : class
        Of torch.
    """
    their_params = inspect.signature(theirs).parameters
    for param, ours in inspect.signature(type(part)).parameters.items():
        if param in their_params:
            default = their_params[param].default
            assert ours.default == default, (
                f"{name} has {param}={ours.default!r} by default, but "
                f"{theirs.__module__}.{theirs.__name__} has {default!r}. One name has "
                "one default."
            )
