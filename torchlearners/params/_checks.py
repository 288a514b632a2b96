"""Named value checks, built from scikit-learn's own constraint objects."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from torchlearners._compat import Constraint, Interval, StrOptions, make_constraint

Check = list[Any]

positive: Check = [Interval(Real, 0, None, closed="neither")]
"""A number above zero."""
non_negative: Check = [Interval(Real, 0, None, closed="left")]
"""A number of at least zero."""
fraction: Check = [Interval(Real, 0, 1, closed="left")]
"""A number in [0, 1)."""
open_fraction: Check = [Interval(Real, 0, 1, closed="neither")]
"""A number in (0, 1)."""
positive_fraction: Check = [Interval(Real, 0, 1, closed="right")]
"""A number in (0, 1]."""
positive_int: Check = [Interval(Integral, 1, None, closed="left")]
"""A whole number of at least one."""
non_negative_int: Check = [Interval(Integral, 0, None, closed="left")]
"""A whole number of at least zero."""
boolean: Check = ["boolean"]
"""True or False."""


def within(low: float, high: float) -> Check:
    """Allow a number in [low, high].

    Examples
    --------
    >>> from torchlearners.params import within
    >>> str(within(1, 3)[0])
    'a float in the range [1.0, 3.0]'
    """
    return [Interval(Real, low, high, closed="both")]


def optional(check: Check) -> Check:
    """Allow None besides what `check` allows.

    Examples
    --------
    >>> from torchlearners.params import optional, positive_int
    >>> len(optional(positive_int))
    2
    """
    return [*check, None]


def one_of(*names: str) -> Check:
    """Allow one of the given strings.

    Examples
    --------
    >>> from torchlearners.params import one_of
    >>> str(one_of("relu")[0])
    "a str among {'relu'}"
    """
    return [StrOptions(set(names))]


class SequenceOf(Constraint):
    """Allow a list, tuple or 1-D array whose items all satisfy a check.

    Parameters
    ----------
    check : list
        What each item must satisfy.
    length : int or None, default=None
        Exact number of items; None allows any number, none included.

    Examples
    --------
    >>> from torchlearners.params import SequenceOf, fraction
    >>> SequenceOf(fraction, length=2).is_satisfied_by((0.9, 0.999))
    True
    >>> SequenceOf(fraction, length=2).is_satisfied_by((0.9, 1.5))
    False
    """

    def __init__(self, check: Check, length: int | None = None) -> None:
        self.hidden = False  # read by scikit-learn
        self.constraints = [make_constraint(c) for c in check]
        self.length = length

    def is_satisfied_by(self, val: Any) -> bool:
        """Tell whether `val` is such a sequence."""
        if not isinstance(val, Sequence | np.ndarray) or isinstance(val, str | bytes):
            return False
        if isinstance(val, np.ndarray) and val.ndim != 1:
            return False
        if self.length is not None and len(val) != self.length:
            return False
        return all(any(c.is_satisfied_by(v) for c in self.constraints) for v in val)

    def __str__(self) -> str:
        size = "" if self.length is None else f" of length {self.length}"
        return f"a sequence{size} with each item {_join(map(str, self.constraints))}"


def describe(check: Check) -> str:
    """Say in a docstring's words which values a check allows."""
    return _join(map(_describe_one, check))


def _describe_one(constraint: Any) -> str:
    names = {
        "boolean": "bool",
        "random_state": "int or RandomState instance or None",
        "no_validation": "object",
        None: "None",
        callable: "callable",
        type: "class",
    }
    if isinstance(constraint, Hashable) and constraint in names:
        return names[constraint]
    if isinstance(constraint, type):
        return constraint.__name__
    if isinstance(constraint, StrOptions):
        return describe_choices(constraint.options, '"')
    text = str(make_constraint(constraint)).replace(" in the range ", " in ")
    return text.removeprefix("a ").removeprefix("an ")


def describe_choices(names: Iterable[str], quote: str = "'") -> str:
    """List names in an order that is always the same."""
    return "{" + ", ".join(f"{quote}{name}{quote}" for name in sorted(names)) + "}"


def _join(texts: Iterable[str]) -> str:
    return " or ".join(texts)
