"""Checks of X as a DataFrame."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from torchlearners.testing._assertions import (
    assert_finite,
    assert_same,
    must_refuse,
    must_work,
)
from torchlearners.testing._kinds import (
    predicts,
    takes_categories,
    torch_check,
)
from torchlearners.testing._probe import (
    data_frame,
    outputs,
    quick,
    require_fitted,
    toy,
)

_CONVERT = "Let torchlearners.data.check_features convert X, as the base classes do."
_COPY = "Work on a copy of the array."
_ARCHITECTURE = "Look at network(spec) and schema()."


def _names(X: np.ndarray) -> list[str]:
    return [f"column {i}" for i in range(X.shape[1])]


def _check_same_as_array(name: str, learner: Any, X: Any, frame: Any, on: str) -> Any:
    """Fit on array and frame; both must give the same outputs."""
    _, y = toy(learner)
    expected = outputs(quick(learner).fit(X, y), X)
    with must_work(name, f"fit and predict on {on}", _CONVERT):
        fitted = quick(learner).fit(frame, y)
        found = outputs(fitted, frame)
    assert_same(
        name, learner, found, expected, f"X as {on} instead of an array", _CONVERT
    )
    return fitted


@torch_check(predicts)
def check_pandas_frame_equals_array(name: str, learner: Any) -> None:
    """Check that a pandas DataFrame gives the same bits as an array."""
    X, _ = toy(learner)
    frame = data_frame("pandas", X, _names(X))
    _check_same_as_array(name, learner, X, frame, "a pandas DataFrame")


@torch_check(predicts)
def check_polars_frame_equals_array(name: str, learner: Any) -> None:
    """Check that a polars DataFrame gives the same bits as an array."""
    X, _ = toy(learner)
    frame = data_frame("polars", X, _names(X))
    _check_same_as_array(name, learner, X, frame, "a polars DataFrame")


@torch_check(predicts)
def check_column_names_of_any_script_work(name: str, learner: Any) -> None:
    """Check that names with accents, spaces and signs work as any other names."""
    X, _ = toy(learner)
    frame = data_frame("pandas", X, ["größe", "長さ [cm]", "a.b/c__d", ""])
    _check_same_as_array(name, learner, X, frame, "columns named größe, 長さ, a.b/c__d")


@torch_check(predicts)
def check_column_names_may_be_numbers(name: str, learner: Any) -> None:
    """Check that columns named by numbers or tuples are taken by their places.

    ``read_csv(header=None)`` names them so. There is then no `feature_names_in_`, and
    names of several types raise scikit-learn's TypeError.
    """
    X, y = toy(learner)
    frame = data_frame("pandas", X, _names(X))
    if takes_categories(learner):
        frame.insert(1, "color", np.where(y > y.mean(), "red", "blue"))
    expected = outputs(quick(learner).fit(frame, y), frame)
    places = range(frame.shape[1])
    advice = "Read columns by their places."
    for what, names in (("numbers", places), ("tuples", [("a", i) for i in places])):
        given = frame.set_axis(list(names), axis=1)
        with must_work(name, f"fit and predict on columns named by {what}", advice):
            fitted = quick(learner).fit(given, y)
            found = outputs(fitted, given)
        assert_same(name, learner, found, expected, f"columns named by {what}", advice)
        assert not hasattr(fitted, "feature_names_in_"), (
            f"{name} has feature_names_in_ after fit on columns named by {what}. Only "
            "names that are all strings are names of features, as in scikit-learn."
        )
    mixed = frame.set_axis([*places[1:], "last"], axis=1)
    doing = "columns named by numbers and words"
    with must_refuse(name, doing, "feature names", error=TypeError):
        quick(learner).fit(mixed, y)


@torch_check(predicts)
def check_columns_are_known_by_name(name: str, learner: Any) -> None:
    """Check that reordered or unknown columns are not taken for the ones of fit.

    Reordered ones are refused, or give the same predictions; unknown ones are refused.
    """
    X, y = toy(learner)
    names = _names(X)
    frame = data_frame("pandas", X, names)
    fitted = quick(learner).fit(frame, y)
    require_fitted(fitted, "feature_names_in_")
    found = list(fitted.feature_names_in_)
    assert found == names, (
        f"feature_names_in_ of {name} is {found} after fit on columns {names}. "
        f"{_CONVERT}"
    )
    expected = outputs(fitted, frame)
    try:
        reordered = outputs(fitted, frame[names[::-1]])
    except ValueError:
        with must_refuse(name, "reordered columns", "feature names"):
            outputs(fitted, frame[names[::-1]])
    else:
        what = "columns in another order"
        assert_same(name, learner, reordered, expected, what, _CONVERT)
    with must_refuse(name, "columns that fit has not seen", "unknown"):
        outputs(fitted, frame.rename(columns={names[1]: "unknown"}))
    with must_refuse(name, "a frame without one of the columns of fit", names[1]):
        outputs(fitted, frame.drop(columns=names[1]))


@torch_check(predicts, takes_categories)
def check_categories_are_taken(name: str, learner: Any) -> None:
    """Check that a column of categories is learned from, and unseen ones do no harm.

    For learners with scikit-learn's tag input_tags.categorical.
    """
    X, y = toy(learner)
    frame = data_frame("pandas", X, _names(X))

    def colored(colors: Any) -> Any:
        known = ["blue", "green", "red"]
        column = import_module("pandas").Categorical(colors, categories=known)
        return frame.assign(color=column)

    advice = "Encode them in fit, or take back the tag input_tags.categorical."
    with must_work(name, "fit and predict with a column of categories", advice):
        fitted = quick(learner).fit(colored(np.where(y > y.mean(), "red", "blue")), y)
        red, blue = (outputs(fitted, colored([c] * len(y))) for c in ("red", "blue"))
    assert not np.array_equal(red, blue), (
        f"Outputs of {name} do not depend on a column of categories. {advice}"
    )
    green = colored(["green"] * len(y))
    with must_work(name, "predict with a category that fit has not seen", advice):
        assert_finite(name, fitted, green, "predict with an unseen category")
