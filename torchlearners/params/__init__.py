"""Declaring parameters: one field gives signature, constraints, docs and search space.

A class that inherits from `Parameters` declares each constructor parameter once, as
an annotated class attribute made by `param`.
"""

from torchlearners.params._checks import (
    SequenceOf,
    boolean,
    fraction,
    non_negative,
    non_negative_int,
    one_of,
    open_fraction,
    optional,
    positive,
    positive_fraction,
    positive_int,
    within,
)
from torchlearners.params._names import did_you_mean
from torchlearners.params._parameters import REQUIRED, Parameters, param
from torchlearners.params._validation import check_values

__all__ = [
    "REQUIRED",
    "Parameters",
    "SequenceOf",
    "boolean",
    "check_values",
    "did_you_mean",
    "fraction",
    "non_negative",
    "non_negative_int",
    "one_of",
    "open_fraction",
    "optional",
    "param",
    "positive",
    "positive_fraction",
    "positive_int",
    "within",
]
