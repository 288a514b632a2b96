"""From what a user asks to measure to functions with a name and a direction."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sklearn.metrics import get_scorer, get_scorer_names

from torchlearners._compat import scorer_parts
from torchlearners.params import did_you_mean

# scikit-learn's own convention for metric functions where less is better.
_LESS_IS_BETTER = ("_error", "_loss", "_deviance")
# What the history says of every epoch.
_TAKEN = {"loss", "loss_best", "batch_count"}

# What other libraries call it.
_SYNONYMS = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "cross_entropy": "neg_log_loss",
    "log_loss": "neg_log_loss",
    "logloss": "neg_log_loss",
    "mae": "neg_mean_absolute_error",
    "mse": "neg_mean_squared_error",
    "rmse": "neg_root_mean_squared_error",
}


class Measure(NamedTuple):
    """A function to evaluate; None stands for the loss, which is recorded anyhow."""

    name: str
    function: Any
    greater: bool
    sign: int = 1
    # Methods of an estimator that make the predictions, in order of preference.
    responses: tuple[str, ...] = ("predict",)
    kwargs: dict[str, Any] = {}
    takes_estimator: bool = False
    takes_weight: bool = False
    pos_label: Any = None


def resolve_measures(measures: Any) -> list[Measure]:
    """Return measures from scorer names, callables or "loss".

    Parameters
    ----------
    measures : str, callable, list, dict or None
        Each a name of a scikit-learn scorer, a scorer ``(estimator, X, y)``, a metric
        function ``(y_true, y_pred)`` or "loss"; the keys of a dict are the names.

    Returns
    -------
    list of Measure
        Letters, digits and underscores make their names; other characters of a name
        become underscores.

    Raises
    ------
    ValueError
        For a name that no scorer has, or that is there twice.
    TypeError
        For anything that is no measure.

    Examples
    --------
    >>> from torchlearners.callbacks import resolve_measures
    >>> [(m.name, m.greater) for m in resolve_measures(["f1_macro", "loss"])]
    [('f1_macro', True), ('loss', False)]
    """
    if measures is None:
        return []
    if isinstance(measures, str) or callable(measures):
        measures = [measures]
    if isinstance(measures, Mapping):
        resolved = [
            _resolve(measure, re.sub(r"\W+", "_", str(name)))
            for name, measure in measures.items()
        ]
    elif isinstance(measures, list | tuple):
        resolved = [_resolve(measure) for measure in measures]
    else:
        raise TypeError(
            "measures must be a scorer name, a callable, a list or a dict of those, "
            f"got {measures!r}."
        )
    seen: set[str] = set()
    for measure in resolved:
        taken = measure.name in _TAKEN and measure.function is not None
        if taken or measure.name in seen or not measure.name:
            raise ValueError(
                f"The name {measure.name!r} is taken. Give measures as a dict, with "
                "another name for each."
            )
        seen.add(measure.name)
    return resolved


def monitor_of(measures_valid: Any) -> tuple[str, bool]:
    """Return the history entry that early stopping follows: that of the first measure.

    Parameters
    ----------
    measures_valid : str, callable, list, dict or None
        As for `resolve_measures`.

    Returns
    -------
    key : str
        Entry of the history; "valid_loss" without measures.
    greater_is_better : bool
        Whether a greater value is better.

    Examples
    --------
    >>> from torchlearners.callbacks import monitor_of
    >>> monitor_of(["roc_auc", "accuracy"])
    ('valid_roc_auc', True)
    >>> monitor_of(None)
    ('valid_loss', False)
    """
    measures = resolve_measures(measures_valid)
    if not measures:
        return "valid_loss", False
    return f"valid_{measures[0].name}", measures[0].greater


def _resolve(measure: Any, name: str | None = None) -> Measure:
    if isinstance(measure, str):
        if measure == "loss":
            return Measure("loss", None, greater=False)
        if measure not in (known := get_scorer_names()):
            meant = _SYNONYMS.get(measure, measure)
            raise ValueError(
                f"{measure!r} is not the name of a scikit-learn scorer."
                f"{did_you_mean(meant, known)} sklearn.metrics.get_scorer_names() "
                'lists them; "loss" and callables are measures too.'
            )
        return _from_callable(get_scorer(measure), name or measure)
    if callable(measure):
        return _from_callable(measure, name)
    raise TypeError(f"A measure is a scorer name or a callable, got {measure!r}.")


def _from_callable(measure: Callable[..., Any], name: str | None) -> Measure:
    parts = scorer_parts(measure)
    if parts is not None:
        accepted = _parameters(parts.function)
        default = accepted["pos_label"].default if "pos_label" in accepted else None
        return Measure(
            name or _name(parts.function),
            parts.function,
            greater=True,
            sign=parts.sign,
            responses=parts.responses,
            kwargs=parts.kwargs,
            takes_weight="sample_weight" in accepted,
            pos_label=parts.kwargs.get("pos_label", default),
        )
    accepted = _parameters(measure)
    required = [
        p
        for p in accepted.values()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(required) not in (2, 3):
        raise TypeError(
            f"A measure takes (y_true, y_pred) or (estimator, X, y), but {measure!r} "
            f"takes {[p.name for p in required]}."
        )
    takes_estimator = len(required) == 3
    name = name or _name(measure)
    return Measure(
        name,
        measure,
        greater=takes_estimator or not _name(measure).endswith(_LESS_IS_BETTER),
        takes_estimator=takes_estimator,
        takes_weight="sample_weight" in accepted,
    )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except ValueError as error:  # some builtins
        raise TypeError(f"{function!r} has no signature; wrap it in a def.") from error


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    return re.sub(r"\W+", "_", name)
