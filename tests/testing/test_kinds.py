"""Conditions read a learner's tags, and the decorator completes a check."""

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from torchlearners import (
    DummyTorchClassifier,
    DummyTorchRegressor,
    MLPClassifier,
    MLPRegressor,
)
from torchlearners.testing._kinds import (
    applies,
    classifies,
    learns,
    predicts,
    regresses,
    takes_categories,
    takes_missing,
    torch_check,
)

ALL = [
    DummyTorchClassifier(),
    DummyTorchRegressor(),
    MLPClassifier(preset="simple"),
    MLPRegressor(preset="simple"),
    LinearRegression(),
    StandardScaler(),
    HistGradientBoostingClassifier(),
]


@pytest.mark.parametrize(
    ("condition", "those"),
    [
        (classifies, [0, 2, 6]),
        (regresses, [1, 3, 4]),
        (predicts, [0, 1, 2, 3, 4, 6]),
        (learns, [2, 3, 4, 6]),
        (takes_missing, [0, 1, 2, 3, 5, 6]),
        (takes_categories, [2, 3]),
    ],
)
def test_a_condition_holds_for_those(condition, those):
    assert [i for i, learner in enumerate(ALL) if condition(learner)] == those


def test_a_check_applies_where_all_conditions_hold():
    @torch_check(predicts, learns)
    def check_something(name, learner):
        """Check that something holds."""

    found = [i for i, learner in enumerate(ALL) if applies(check_something, learner)]
    assert found == [2, 3, 4, 6]


def test_a_check_without_conditions_applies_to_all():
    @torch_check()
    def check_something(name, learner):
        """Check that something holds."""

    assert applies(check_something, object())


def test_the_docstring_gets_the_sections_that_checks_share():
    @torch_check(subject="callback")
    def check_something(name, callback):
        """Check that something holds.

        For a reason.
        """

    doc = check_something.__doc__
    assert doc.startswith("Check that something holds.\n\nFor a reason.\n\nParameters")
    assert "callback : object" in doc
    assert "AssertionError" in doc
