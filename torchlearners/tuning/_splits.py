"""One fit in which the test rows of a split validate."""

from __future__ import annotations

import time
from typing import Any

from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from torchlearners._compat import safe_split


def last_step(estimator: Any) -> Any:
    """Return the learner at the end of a pipeline, or the learner itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def check_learner(learner: Any) -> None:
    """Refuse what cannot be given validation rows or a number of epochs."""
    if not has_fit_parameter(learner, "X_val") or not hasattr(learner, "max_epochs"):
        raise TypeError(
            "EarlyStoppingCV needs a learner of torchlearners, or a Pipeline that ends "
            f"with one, got {learner!r}. It must have the parameter max_epochs, and "
            "fit must take X_val and y_val."
        )


def weight_argument(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of fit that hand the weights to the learner."""
    if sample_weight is None:
        return {}
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return {f"{prefix}sample_weight": sample_weight}


def fit_split(
    estimator: Any, X: Any, y: Any, weight: Any, split: Any, scoring: Any
) -> dict[str, float]:
    """Fit on the training rows of a split; return the results by name."""
    train, test = split
    start = time.perf_counter()
    X_train, y_train = safe_split(estimator, X, y, train)
    X_test, y_test = safe_split(estimator, X, y, test, train)
    while isinstance(estimator, Pipeline):
        if len(estimator.steps) > 1:
            before = estimator[:-1]
            X_train = before.fit_transform(X_train, y_train)
            X_test = before.transform(X_test)
        estimator = estimator.steps[-1][1]
    # What is reported is the best epoch's, of the test rows.
    estimator.set_params(restore_best=True, validation_split=None)
    estimator.fit(
        X_train,
        y_train,
        sample_weight=None if weight is None else weight[train],
        X_val=X_test,
        y_val=y_test,
        sample_weight_val=None if weight is None else weight[test],
    )
    if estimator.best_epoch_ is None:
        raise ValueError(
            "No epoch of a split had a validation score that is a number. Look for "
            "test rows of a kind that the training rows lack."
        )
    if scoring is None:
        score = estimator.best_score_
    else:
        kwargs = {} if weight is None else {"sample_weight": weight[test]}
        score = check_scoring(estimator, scoring)(estimator, X_test, y_test, **kwargs)
    return {
        "best_epoch": estimator.best_epoch_,
        "best_score": score,
        "n_iter": estimator.n_iter_,
        "fit_time": time.perf_counter() - start,
    }
