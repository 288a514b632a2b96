"""Checks of what a learner takes as y, and of what it gives back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import get_tags

from torchlearners.testing._assertions import (
    assert_finite,
    assert_same,
    must_refuse,
    must_work,
    skip_unless_repeatable,
)
from torchlearners.testing._kinds import classifies, predicts, regresses, torch_check
from torchlearners.testing._probe import outputs, quick, require_fitted, toy

_ENCODE = (
    "Leave labels to the ClassTarget of the base class: sorted, in classes_, and back "
    "to labels in predict."
)
_SCALE = "Leave the target's scale to the ValueTarget of the base class."
_COLUMNS = "network(spec) must return spec.n_outputs columns."


def takes_many_classes(learner: Any) -> bool:
    """Tell whether the learner is a classifier of more than two classes."""
    tags = get_tags(learner).classifier_tags
    return bool(tags and tags.multi_class)


def takes_multilabel(learner: Any) -> bool:
    """Tell whether the learner is a classifier of any number of labels a row."""
    tags = get_tags(learner).classifier_tags
    return bool(tags and tags.multi_label)


def takes_several_targets(learner: Any) -> bool:
    """Tell whether the learner is a regressor of any number of targets."""
    tags = get_tags(learner)
    return bool(tags.regressor_tags and tags.target_tags.multi_output)


def _check_probabilities(
    name: str, fitted: Any, X: Any, n_classes: int, doing: str
) -> None:
    if not hasattr(fitted, "predict_proba"):
        return
    shape = np.shape(fitted.predict_proba(X))
    assert shape == (len(X), n_classes), (
        f"predict_proba of {name} after {doing} has shape {shape}, not "
        f"{(len(X), n_classes)}. {_COLUMNS}"
    )


def _check_labels(name: str, learner: Any, labels: np.ndarray, what: str) -> None:
    """Fit on labels, and on their codes; all but the names must be the same."""
    X, codes = toy(learner)
    classes = np.unique(labels)
    n_classes = len(np.unique(codes))
    y = labels[:n_classes][codes]
    classes = np.unique(y)
    plain = quick(learner).fit(X, np.searchsorted(classes, y))
    expected = classes[plain.predict(X)]
    with must_work(name, f"fit on {what}", _ENCODE):
        fitted = quick(learner).fit(X, y)
        predicted = np.asarray(fitted.predict(X))
    require_fitted(fitted, "classes_")
    assert np.array_equal(fitted.classes_, classes), (
        f"classes_ of {name} is {fitted.classes_} after fit on {what}; it must be "
        f"sorted: {classes}. {_ENCODE}"
    )
    assert predicted.dtype.kind == y.dtype.kind, (
        f"{name} predicts dtype {predicted.dtype} after fit on {what} of dtype "
        f"{y.dtype}. {_ENCODE}"
    )
    assert_same(
        name, learner, outputs(fitted, X), outputs(plain, X), f"{what} as y", _ENCODE
    )
    assert np.array_equal(predicted, expected), (
        f"{name} predicts other classes with {what} than with the codes 0, 1, ... that "
        f"stand for them: {predicted[:3]} for {expected[:3]}. {_ENCODE}"
    )


@torch_check(classifies)
def check_labels_may_be_words(name: str, learner: Any) -> None:
    """Check that words are learned and predicted like numbers, also as objects."""
    words = np.array(["alpha", "beta", "größe"])
    _check_labels(name, learner, words, "words as labels")
    _check_labels(name, learner, words.astype(object), "words of dtype object")


@torch_check(classifies)
def check_labels_may_be_any_integers(name: str, learner: Any) -> None:
    """Check that labels need not count from zero."""
    _check_labels(name, learner, np.array([-5, 3, 70]), "labels -5, 3 and 70")
    _check_labels(name, learner, np.array([1.0, 2.0, 3.0]), "labels 1.0, 2.0 and 3.0")


@torch_check(classifies)
def check_labels_may_come_in_any_order(name: str, learner: Any) -> None:
    """Check that classes and columns are sorted, whichever label comes first."""
    _check_labels(name, learner, np.array(["c", "a", "b"]), "labels in order c, a, b")


@torch_check(classifies)
def check_two_classes(name: str, learner: Any) -> None:
    """Check that two classes give two columns of probabilities, also of bools."""
    X, y = toy(learner, n_classes=2)
    doing = "fit on True and False"
    with must_work(name, doing, _ENCODE):
        fitted = quick(learner).fit(X, y == 1)
        predicted = np.asarray(fitted.predict(X))
    assert predicted.dtype == bool, (
        f"{name} predicts dtype {predicted.dtype} after {doing}. {_ENCODE}"
    )
    assert_finite(name, fitted, X, doing)
    _check_probabilities(name, fitted, X, 2, doing)
    if hasattr(fitted, "decision_function"):
        shape = np.shape(fitted.decision_function(X))
        assert shape == (len(X),), (
            f"decision_function of {name} has shape {shape} for two classes; it must "
            f"be {(len(X),)}, the log-odds of the second one."
        )


@torch_check(classifies)
def check_class_may_lack_in_a_batch(name: str, learner: Any) -> None:
    """Check that batches and validation rows need not hold all classes."""
    X, y = toy(learner)
    n_classes = len(np.unique(y))
    order = np.argsort(y, kind="stable")
    doing = "fit with batches and validation rows of one class"
    with must_work(name, doing, "Count classes by spec.n_outputs, not in the batch."):
        fitted = quick(learner, batch_size=2, shuffle=False, max_epochs=2)
        fitted.fit(X[order], y[order], X_val=X[y == 0], y_val=y[y == 0])
    assert_finite(name, fitted, X, doing)
    _check_probabilities(name, fitted, X, n_classes, doing)


@torch_check(classifies)
def check_class_may_have_one_row(name: str, learner: Any) -> None:
    """Check that a class of a single row is learned, with and without a split."""
    X, y = toy(learner)
    n_classes = len(np.unique(y))
    keep = np.flatnonzero(y != n_classes - 1)
    keep = np.append(keep, n_classes - 1)  # the first row of the last class
    for early_stopping in (False, True):
        doing = f"fit on a class of one row with early_stopping={early_stopping}"
        with must_work(name, doing, "Look at the validation split and at network."):
            fitted = quick(learner, early_stopping=early_stopping)
            fitted.fit(X[keep], y[keep])
        assert_finite(name, fitted, X, doing)
        _check_probabilities(name, fitted, X, n_classes, doing)


@torch_check(classifies)
def check_unseen_labels_in_y_val_are_refused(name: str, learner: Any) -> None:
    """Check that a label of the validation rows alone raises an error naming it."""
    X, codes = toy(learner)
    y = np.array(["ant", "bee", "cat"])[codes]
    y_val = y[:20].copy()
    y_val[3] = "dog"
    with must_refuse(name, "a label in y_val that y does not have", "dog"):
        quick(learner).fit(X, y, X_val=X[:20], y_val=y_val)


@torch_check(takes_multilabel)
def check_several_labels_a_row(name: str, learner: Any) -> None:
    """Check that a 0/1 matrix is learned, and predicted as one.

    For learners with scikit-learn's tag classifier_tags.multi_label.
    """
    X, _ = toy(learner)
    Y = (X[:, :3] > X[:, :3].mean(axis=0)).astype(int)
    doing = "fit on a 0/1 matrix"
    with must_work(name, doing, "Or take back the tag classifier_tags.multi_label."):
        fitted = quick(learner, class_weight=None).fit(X, Y)
        predicted = np.asarray(fitted.predict(X))
    assert predicted.shape == Y.shape, (
        f"{name} predicts shape {predicted.shape} after {doing} of shape {Y.shape}."
    )
    values = np.unique(predicted)
    assert np.isin(values, (0, 1)).all(), (
        f"{name} predicts values {values[:5]} after {doing}."
    )
    assert_finite(name, fitted, X, doing)
    _check_probabilities(name, fitted, X, 3, doing)


@torch_check(regresses)
def check_scale_of_y_does_not_matter(name: str, learner: Any) -> None:
    """Check that targets are learned equally well in any unit and far from zero.

    Predictions for a * y + b must be a * predictions + b, up to rounding.
    """
    X, y = toy(learner)
    expected = quick(learner).fit(X, y).predict(X)
    for a, b in ((1e6, 0.0), (1e-6, 0.0), (1.0, 1e6)):
        with must_work(name, f"fit on {a:g} * y + {b:g}", _SCALE):
            found = quick(learner).fit(X, a * y + b).predict(X)
        off = np.abs((found - b) / a - expected).max() / y.std()
        if off <= 1e-3:
            continue
        skip_unless_repeatable(learner)
        raise AssertionError(
            f"Predictions of {name} for {a:g} * y + {b:g} are off by {off:.2g} "
            f"standard deviations from {a:g} * predictions + {b:g}. {_SCALE}"
        )


@torch_check(regresses)
def check_integers_are_values_too(name: str, learner: Any) -> None:
    """Check that a target of integers, or a list, gives what floats give."""
    X, y = toy(learner)
    y = y.round()
    expected = quick(learner).fit(X, y).predict(X)
    for what, given in {"int64": y.astype(np.int64), "a list": y.tolist()}.items():
        with must_work(name, f"fit with y as {what}", _SCALE):
            found = np.asarray(quick(learner).fit(X, given).predict(X))
        assert found.dtype.kind == "f", (
            f"{name} predicts dtype {found.dtype} after a fit with y as {what}; "
            "numbers in between must stay possible."
        )
        assert_same(
            name, learner, found, expected, f"y as {what} instead of float64", _SCALE
        )


@torch_check(regresses)
def check_constant_target_is_predicted(name: str, learner: Any) -> None:
    """Check that a target of one value is predicted exactly, however short the fit."""
    X, y = toy(learner)
    for value in (7.0, 0.1, 1e3):
        with must_work(name, f"fit on a target that is always {value:g}", _SCALE):
            fitted = quick(learner, max_epochs=1).fit(X, np.full(len(y), value))
            found = np.asarray(fitted.predict(X))
        assert (found == value).all(), (
            f"{name} predicts {found[0]:.6g} where y is always {value:g}. {_SCALE}"
        )


@torch_check(regresses)
def check_float32_rows_have_float32_values(name: str, learner: Any) -> None:
    """Check that what is predicted is float32 where X is, else float64.

    Rounded values must be the same.
    """
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    rows = X.astype(np.float32)
    for method in ("predict", "predict_quantiles", "predict_std"):
        if not hasattr(fitted, method):
            continue
        predict = getattr(fitted, method)
        expected, found = np.asarray(predict(rows.astype(float))), predict(rows)
        for dtype, values in (("float64", expected), ("float32", np.asarray(found))):
            assert values.dtype == dtype, (
                f"{method} of {name} returns {values.dtype} for X of {dtype}. Leave "
                "outputs to predict of RegressorLearner."
            )
        what = f"{method} of X as float32"
        assert_same(name, learner, found, expected.astype(np.float32), what, _SCALE)


@torch_check(classifies)
def check_log_probabilities_are_finite(name: str, learner: Any) -> None:
    """Check that predict_log_proba is the logarithm of predict_proba, and finite.

    It is also where a probability is so small that it is 0.
    """
    X, y = toy(learner)
    fitted = quick(learner, lr=0.1).fit(X, y)
    advice = "Take it from the outputs, as ClassTarget.log_probabilities does."
    for scale in (1.0, 1e6):
        rows = scale * X
        with must_work(name, "predict_log_proba", advice):
            logs = np.asarray(fitted.predict_log_proba(rows))
        probabilities = np.asarray(fitted.predict_proba(rows))
        close = np.allclose(np.exp(logs), probabilities, rtol=1e-9, atol=1e-300)
        found = logs.min() if close else "no logarithm of it"
        assert np.isfinite(found if close else np.nan), (
            f"predict_log_proba of {name} is {found} where predict_proba is "
            f"{probabilities.min():.6g}. {advice}"
        )


@torch_check(takes_several_targets)
def check_several_targets(name: str, learner: Any) -> None:
    """Check that y with two columns gives predictions with two columns.

    For learners with scikit-learn's tag target_tags.multi_output. The second column is
    in another unit.
    """
    X, y = toy(learner)
    Y = np.column_stack([y, 1e6 * y[::-1]])
    advice = f"{_COLUMNS} Or take back the tag target_tags.multi_output."
    with must_work(name, "fit on two targets", advice):
        found = np.asarray(quick(learner).fit(X, Y).predict(X))
    assert found.shape == Y.shape, (
        f"{name} predicts shape {found.shape} after fit on y of shape {Y.shape}. "
        f"{advice}"
    )
    off = np.abs(found.mean(axis=0) - Y.mean(axis=0)) / Y.std(axis=0)
    assert (off <= 3).all(), (
        f"Mean predictions of {name} for two targets are {off.round(1)} standard "
        f"deviations away from the mean of each. {_SCALE}"
    )


@torch_check(predicts)
def check_y_as_a_column(name: str, learner: Any) -> None:
    """Check that y of shape (n, 1) is taken as (n,), with scikit-learn's warning."""
    X, y = toy(learner)
    expected = quick(learner).fit(X, y).predict(X)
    advice = "Flatten y with sklearn.utils.validation.column_or_1d(y, warn=True)."
    with must_work(name, "fit with y of shape (n, 1)", advice):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = quick(learner).fit(X, y[:, np.newaxis])
        found = np.asarray(fitted.predict(X))
    assert any(issubclass(w.category, DataConversionWarning) for w in caught), (
        f"{name} gives no DataConversionWarning for y of shape {(len(y), 1)}. {advice}"
    )
    assert_same(name, learner, found, expected, "y as a column", advice)


@torch_check(predicts)
def check_missing_targets_are_refused(name: str, learner: Any) -> None:
    """Check that NaN or None in y raises an error that names y, and changes nothing."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    expected = outputs(fitted, X)
    bad = {"NaN": y.astype(float)}
    bad["NaN"][3] = np.nan
    if y.dtype.kind in "iu":
        bad["None"] = np.array(["a", "b", "c"], dtype=object)[y]
        bad["None"][3] = None
    else:
        bad["infinity"] = y.copy()
        bad["infinity"][3] = np.inf
    for what, given in bad.items():
        with must_refuse(name, f"{what} in y", "y"):
            fitted.fit(X, given)
        assert_same(
            name, learner, outputs(fitted, X), expected, f"a refused fit ({what})", ""
        )
