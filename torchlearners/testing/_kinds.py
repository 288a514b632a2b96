"""Which learners a check is for, read from scikit-learn's tags."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

Condition = Callable[[Any], bool]
F = TypeVar("F", bound=Callable[..., Any])


_SECTIONS = """

Parameters
----------
name : str
    What the messages call it.
{subject} : object
    What is checked. Copies of it are used; it is left as it was.

Raises
------
AssertionError
    Where it does not hold, with what is wrong and where to look.
unittest.SkipTest
    Where an optional package that the check needs is not installed.
"""


def torch_check(*conditions: Condition, subject: str = "learner") -> Callable[[F], F]:
    """Mark a function as a check of the objects that meet all conditions.

    Its docstring says what must hold; the sections that all checks share are added.

    Parameters
    ----------
    *conditions : callable
        Of the object; tells whether the check is for it.
    subject : str, default="learner"
        Name of the check's second argument.

    Returns
    -------
    decorator
    """

    def mark(check: F) -> F:
        check.conditions = conditions  # type: ignore[attr-defined]
        doc = inspect.cleandoc(check.__doc__ or "")
        check.__doc__ = doc + _SECTIONS.format(subject=subject)
        return check

    return mark


def applies(check: Any, subject: Any) -> bool:
    """Tell whether a check is for an object.

    Parameters
    ----------
    check : callable
        Marked by `torch_check`.
    subject : object

    Returns
    -------
    bool
    """
    return all(holds(subject) for holds in check.conditions)


classifies: Condition = is_classifier
regresses: Condition = is_regressor


def predicts(learner: Any) -> bool:
    """Tell whether the learner predicts a target."""
    return bool(is_classifier(learner) or is_regressor(learner))


def learns(learner: Any) -> bool:
    """Tell whether the learner predicts, and is meant to do so well."""
    tags = get_tags(learner)
    kind = tags.classifier_tags or tags.regressor_tags
    return predicts(learner) and not (kind is not None and kind.poor_score)


def takes_missing(learner: Any) -> bool:
    """Tell whether the learner takes missing values."""
    return bool(get_tags(learner).input_tags.allow_nan)


def takes_categories(learner: Any) -> bool:
    """Tell whether the learner takes columns of categories."""
    return bool(get_tags(learner).input_tags.categorical)
