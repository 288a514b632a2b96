"""Choices with parameters of their own: a name, or the object it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchlearners._compat import BaseEstimator
from torchlearners.params import Parameters


class Descriptor(Parameters, BaseEstimator):
    """A choice with declared parameters, such as an optimizer or a loss.

    Being an estimator in scikit-learn's sense, it is cloned, printed and searched
    like one: ``GridSearchCV(learner, {"optimizer__betas": [...]})``.
    """


def promote(value: Any, names: Mapping[str, type[Descriptor]]) -> Any:
    """Return the object with default parameters that a name or class stands for.

    Parameters
    ----------
    value : object
        A name in `names`, a `Descriptor` class, or anything else, which is returned
        as it is.
    names : mapping of str to class
        The descriptors that have a name.

    Returns
    -------
    object

    Examples
    --------
    >>> from torchlearners.training import OPTIMIZERS, promote
    >>> promote("sgd", OPTIMIZERS)
    SGD()
    """
    if isinstance(value, str) and value in names:
        return names[value]()
    return value() if _is_descriptor_class(value) else value


def _is_descriptor_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Descriptor)
