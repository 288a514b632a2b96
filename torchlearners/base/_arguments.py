"""What `fit` is called with, and errors that say how it is called here."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np

from torchlearners.base._checks import check_validation
from torchlearners.data import ColumnEncoder, Target, check_weights
from torchlearners.params import did_you_mean

Method = TypeVar("Method", bound=Callable[..., Any])

# What other libraries call it.
_ELSEWHERE = {
    "eval_metric": "measures_valid to the constructor",
    "eval_set": "validation rows as X_val and y_val",
    "sample_weights": "sample_weight",
    "validation_data": "validation rows as X_val and y_val",
}
# Names that an error may use, but for those that are quoted as the user's own.
_NAMES = re.compile(r"(?<!')\b(X|y|sample_weight)\b(?!')")


def answers_unknown_arguments(method: Method) -> Method:
    """Let a method answer an argument that it does not know with what to write.

    Parameters
    ----------
    method : callable
        Of a learner.

    Returns
    -------
    callable
    """
    known = inspect.signature(method).parameters

    @functools.wraps(method)
    def answering(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs.keys() - known.keys():
            raise TypeError(
                f"{type(self).__name__}.{method.__name__}() got an unexpected keyword "
                f"argument '{name}'.{_remedy(self, name, known)}"
            )
        return method(self, *args, **kwargs)

    return cast(Method, answering)


def _remedy(learner: Any, name: str, known: Any) -> str:
    if name in _ELSEWHERE:
        return f" Give {_ELSEWHERE[name]}."
    own = type(learner)._fields
    if name in own:
        call = f"{type(learner).__name__}({name}=...)"
        return f" It is a parameter of the constructor: {call}."
    return did_you_mean(name, known) or did_you_mean(name, own)


@contextmanager
def names_of_validation_rows() -> Iterator[None]:
    """Let errors speak of X_val, y_val and sample_weight_val."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if error.args and isinstance(error.args[0], str):
            message = error.args[0]
            named = _NAMES.sub(r"\1_val", message)
            if named == message and "_val" not in message:
                named = f"In X_val, y_val or sample_weight_val: {message}"
            error.args = (named, *error.args[1:])
        raise


def encoded_validation(
    learner: Any,
    columns: ColumnEncoder,
    target: Target,
    X_val: Any,
    y_val: Any,
    sample_weight_val: Any,
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Return rows that are given to validate, encoded as the training rows are.

    Parameters
    ----------
    learner : TorchLearner
    columns, target : ColumnEncoder, Target
        Fitted to the training rows.
    X_val, y_val, sample_weight_val : object
        As given to `fit`.

    Returns
    -------
    X, codes, weight
        See `torchlearners.base._rows.weighted_rows`.
    """
    check_validation(X_val, y_val, learner.validation_split)
    with names_of_validation_rows():
        X, y = columns.check(learner, X_val, y_val, reset=False)
        weight = check_weights(sample_weight_val, X)
        return columns.matrix(X), target.codes(y), weight
