"""Checks of sample weights and class weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.class_weight import compute_class_weight

from torchlearners.testing._assertions import (
    assert_same,
    must_refuse,
    must_work,
    skip_unless_repeatable,
)
from torchlearners.testing._kinds import classifies, predicts, torch_check
from torchlearners.testing._probe import outputs, quick, require_fitted, toy

_PASS_ON = (
    "Hand sample_weight on to fit of the base class as it is; the criterion gets a "
    "weight for each row of a batch."
)
_CLASS_WEIGHT = (
    "A class weight multiplies the sample weight of each row of its class, once."
)


def _uneven(n_rows: int) -> np.ndarray:
    return np.random.RandomState(0).uniform(0.5, 2.0, n_rows)


def _unweighted(learner: Any, **params: Any) -> Any:
    """Return a quick clone with no class weights but the given ones."""
    none = {"class_weight": None} if is_classifier(learner) else {}
    return quick(learner, **{**none, **params})


def _fit(learner: Any, X: Any, y: Any, weight: Any = None, **params: Any) -> Any:
    return outputs(_unweighted(learner, **params).fit(X, y, sample_weight=weight), X)


@torch_check(predicts)
def check_zero_weight_removes_a_row(name: str, learner: Any) -> None:
    """Check that rows of weight zero are as if they were not there, bit for bit.

    With one batch and with several.
    """
    X, y = toy(learner)
    keep = np.arange(len(X)) % 4 < 3
    weight = _uneven(len(X)) * keep
    for batch_size in (int(keep.sum()), 8):
        weighted, removed = (
            _unweighted(learner, batch_size=batch_size).fit(X[r], y[r], weight[r])
            for r in (slice(None), keep)
        )
        assert_same(
            name,
            learner,
            outputs(weighted, X),
            outputs(removed, X),
            f"rows of weight zero instead of removed ones, batch_size={batch_size}",
            _PASS_ON,
        )


@torch_check(predicts)
def check_equal_weights_are_none(name: str, learner: Any) -> None:
    """Check that equal weights give the same bits as no weights.

    With one batch and with several.
    """
    X, y = toy(learner)
    for batch_size in (len(X), 8):
        expected = _fit(learner, X, y, batch_size=batch_size)
        for value in (1.0, 0.3, 70.0):
            found = _fit(learner, X, y, np.full(len(X), value), batch_size=batch_size)
            what = f"weights of {value:g} for all rows, batch_size={batch_size}"
            assert_same(name, learner, found, expected, what, _PASS_ON)


@torch_check(predicts)
def check_integer_weights_are_repetition(name: str, learner: Any) -> None:
    """Check that a row of weight three is three such rows, bit for bit.

    In a batch of all rows; with several batches it holds in expectation only.
    """
    X, y = toy(learner)
    weight = np.random.RandomState(0).randint(1, 4, size=len(X))
    whole = {"batch_size": int(weight.sum()), "sampler": None}
    with must_work(name, f"fit on 60 weighted rows with {whole}", _PASS_ON):
        weighted = _unweighted(learner, **whole).fit(X, y, sample_weight=weight)
    repeated = _unweighted(learner, **whole).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    assert_same(
        name,
        learner,
        outputs(weighted, X),
        outputs(repeated, X),
        "weights 1, 2 and 3 instead of repeated rows",
        _PASS_ON,
    )


@torch_check(predicts)
def check_only_ratios_of_weights_count(name: str, learner: Any) -> None:
    """Check that a thousand times all weights gives the same bits.

    1024, to be exact, which rounds nothing.
    """
    X, y = toy(learner)
    weight = _uneven(len(X))
    for batch_size in (len(X), 8):
        expected = _fit(learner, X, y, weight, batch_size=batch_size)
        found = _fit(learner, X, y, 1024 * weight, batch_size=batch_size)
        what = f"1024 times all weights, batch_size={batch_size}"
        assert_same(name, learner, found, expected, what, _PASS_ON)


@torch_check(predicts)
def check_weights_decide_between_rows(name: str, learner: Any) -> None:
    """Check that of two contradicting rows the heavier one is believed.

    With one batch and with several. Each row of X comes twice, with another y.
    """
    X, _ = toy(learner, 30)
    X = np.repeat(X, 2, axis=0)
    second = np.arange(len(X)) % 2
    for batch_size in (len(X), 8):
        believed = []
        for weight in (np.where(second, 9.0, 1.0), np.where(second, 1.0, 9.0)):
            # About 100 steps, which can take a constant from 0 to 2.
            fitted = _unweighted(
                learner,
                batch_size=batch_size,
                max_epochs=100 * batch_size // len(X),
                optimizer="adamw",
                lr=0.02,
            ).fit(X, second, sample_weight=weight)
            believed.append(_mean_prediction(fitted, X))
        assert believed[1] < 0.4 < 0.6 < believed[0], (
            f"Where each row comes with y = 0 and with y = 1, {name} predicts "
            f"{believed[0]:.2f} with weights 1 and 9, and {believed[1]:.2f} with 9 and "
            f"1, on average (batch_size={batch_size}). {_PASS_ON}"
        )


def _mean_prediction(fitted: Any, X: Any) -> float:
    if hasattr(fitted, "predict_proba"):
        return float(fitted.predict_proba(X)[:, 1].mean())
    return float(np.mean(fitted.predict(X)))


@torch_check(predicts)
def check_unfit_weights_are_refused(name: str, learner: Any) -> None:
    """Check that negative, missing, all-zero and too few weights raise an error.

    The learner must be as it was then.
    """
    X, y = toy(learner)
    fitted = _unweighted(learner).fit(X, y)
    expected = outputs(fitted, X)
    ones = np.ones(len(X))
    first = np.arange(len(X)) == 0
    unfit = {
        "a negative weight": np.where(first, -1.0, 1.0),
        "a NaN weight": np.where(first, np.nan, 1.0),
        "an infinite weight": np.where(first, np.inf, 1.0),
        "weights that are all zero": 0 * ones,
        "a weight too few": ones[1:],
        "weights of two dimensions": ones[:, np.newaxis],
    }
    for what, weight in unfit.items():
        with must_refuse(name, what, "weight"):
            fitted.fit(X, y, sample_weight=weight)
        assert_same(
            name, learner, outputs(fitted, X), expected, f"a refused fit ({what})", ""
        )


@torch_check(predicts)
def check_validation_weights_are_repetition(name: str, learner: Any) -> None:
    """Check that sample_weight_val weighs the validation loss.

    A weight of three must give the loss of three such rows, up to rounding.
    """
    X, y = toy(learner)
    weight = np.random.RandomState(0).randint(4, size=20) + 2 * (y[:20] > y.mean())
    rows = np.repeat(np.arange(20), weight)
    losses = []
    for chosen, given in ((np.arange(20), weight), (rows, None), (np.arange(20), None)):
        fitted = _unweighted(learner).fit(
            X, y, X_val=X[chosen], y_val=y[chosen], sample_weight_val=given
        )
        require_fitted(fitted, "history_")
        assert "valid_loss" in fitted.history_[-1], (
            f"{name} records no 'valid_loss' in history_ where X_val and y_val are "
            "given to fit. Hand them on to fit of the base class."
        )
        losses.append(fitted.history_[-1, "valid_loss"])
    weighted, repeated, plain = losses
    if abs(weighted - repeated) <= 1e-5 * abs(repeated):
        return
    skip_unless_repeatable(learner)
    raise AssertionError(
        f"The validation loss of {name} is {weighted:.6g} with sample_weight_val, "
        f"{repeated:.6g} with rows repeated as often, and {plain:.6g} without weights. "
        "The first two must be equal: sum(w * loss) / sum(w)."
    )


@torch_check(classifies)
def check_class_weight_is_sample_weight(name: str, learner: Any) -> None:
    """Check that class_weight gives the bits of the same weight on each of its rows."""
    X, codes = toy(learner)
    y = np.array(["ant", "bee", "cat"])[codes]
    by_class = {"ant": 3.0, "bee": 0.7, "cat": 1.0}
    class_weight = {label: by_class[label] for label in np.unique(y).tolist()}
    weight = np.array([by_class[label] for label in y])
    for batch_size in (len(X), 8):
        expected = _fit(learner, X, y, weight, batch_size=batch_size)
        found = _fit(learner, X, y, batch_size=batch_size, class_weight=class_weight)
        what = f"class_weight={class_weight} instead of sample weights"
        assert_same(name, learner, found, expected, what, _CLASS_WEIGHT)


@torch_check(classifies)
def check_class_weight_multiplies_sample_weight(name: str, learner: Any) -> None:
    """Check that class_weight and sample_weight together are their product."""
    X, y = toy(learner)
    weight = _uneven(len(X))
    expected = _fit(learner, X, y, np.where(y == 0, 3.0, 1.0) * weight)
    found = _fit(learner, X, y, weight, class_weight={0: 3.0})
    what = "class_weight and sample_weight instead of their product"
    assert_same(name, learner, found, expected, what, _CLASS_WEIGHT)


@torch_check(classifies)
def check_balanced_class_weight(name: str, learner: Any) -> None:
    """Check that class_weight="balanced" is what scikit-learn computes."""
    X, y = toy(learner)
    keep = (y > 0) | (np.arange(len(y)) < 20)
    X, y = X[keep], y[keep]
    classes = np.unique(y)
    computed = compute_class_weight("balanced", classes=classes, y=y)
    by_class = dict(zip(classes.tolist(), computed.tolist(), strict=True))
    expected = _fit(learner, X, y, class_weight=by_class)
    found = _fit(learner, X, y, class_weight="balanced")
    what = f'class_weight="balanced" instead of {by_class}'
    assert_same(name, learner, found, expected, what, _CLASS_WEIGHT)
