"""Checking values against what parameters allow, with errors that tell what to write.

scikit-learn's constraint objects decide; its own error names classes by their private
modules and lists choices in an order that changes from process to process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from torchlearners._compat import (
    Constraint,
    InvalidParameterError,
    StrOptions,
    make_constraint,
)
from torchlearners.params._checks import Check, describe_choices
from torchlearners.params._names import did_you_mean


def check_values(
    checks: Mapping[str, Check | str], values: Mapping[str, Any], owner: str
) -> None:
    """Raise where a value is not what a parameter allows.

    Parameters
    ----------
    checks : mapping of str to list or "no_validation"
        By parameter, as `param` takes them.
    values : mapping of str to object
    owner : str
        Whose parameters these are, for the message.

    Raises
    ------
    InvalidParameterError
        A ValueError and TypeError; with what is allowed, what was given, and the
        nearest choice to a misspelt one.

    Examples
    --------
    >>> from torchlearners.params import check_values, one_of
    >>> try:
    ...     check_values({"solver": one_of("adam", "sgd")}, {"solver": "adma"}, "Model")
    ... except ValueError as error:
    ...     str(error)
    "The 'solver' parameter of Model must be a str among {'adam', 'sgd'}. Got 'adma' \
instead. Did you mean 'adam'?"
    """
    check_made({n: made_constraints(checks[n]) for n in values}, values, owner)


def made_constraints(check: Check | str) -> list[Constraint]:
    """Return a check as constraint objects; none where anything is allowed."""
    return [] if check == "no_validation" else [make_constraint(c) for c in check]


def check_made(
    constraints: Mapping[str, list[Constraint]], values: Mapping[str, Any], owner: str
) -> None:
    """Do what `check_values` does, with constraints that are made already."""
    for name, value in values.items():
        allowed = constraints.get(name, [])
        if allowed and not any(c.is_satisfied_by(value) for c in allowed):
            raise InvalidParameterError(
                f"The '{name}' parameter of {owner} must be {_alternatives(allowed)}. "
                f"Got {value!r} instead.{_nearest_choice(value, allowed)}"
            )


def _alternatives(constraints: list[Constraint]) -> str:
    texts = [_told(c) for c in constraints if not c.hidden]
    return " or ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _told(constraint: Constraint) -> str:
    if isinstance(constraint, StrOptions):
        return f"a str among {describe_choices(constraint.options)}"
    cls = getattr(constraint, "type", None)
    if cls is type:
        return "a class"
    if not isinstance(cls, type) or isinstance(constraint, StrOptions):
        return str(constraint)
    # Intervals have a type too, and say more than it.
    public = str(constraint).startswith("an instance of")
    return f"an instance of '{_public_name(cls)}'" if public else str(constraint)


def _public_name(cls: type) -> str:
    """Return the shortest path by which a class can be imported."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    parts = cls.__module__.split(".")
    for n in range(1, len(parts)):
        module = sys.modules.get(".".join(parts[:n]))
        if getattr(module, cls.__qualname__, None) is cls:
            return ".".join([*parts[:n], cls.__qualname__])
    return f"{cls.__module__}.{cls.__qualname__}"


def _nearest_choice(value: Any, constraints: list[Constraint]) -> str:
    choices: set[str] = set()
    for constraint in constraints:
        if isinstance(constraint, StrOptions):
            choices |= constraint.options
    return did_you_mean(value, choices) if isinstance(value, str) else ""
