"""The checks of inputs pass for learners that are fine, and say what is wrong."""

import unittest

import numpy as np
import pytest
from mutants.inputs import CutsColumns, SmallOnInputs, TakesCategories
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from torch import nn

from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.testing import _frames, _inputs, _probe, quick_instances
from torchlearners.testing._learners import _checks_of
from torchlearners.testing._runner import checks_for

KIT = _checks_of(_inputs, _frames)


class ForeignLayers:
    """Layers of torch itself that draw, and that look at the batch."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 8),
            nn.BatchNorm1d(8),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(8, spec.n_outputs),
        )


class ForeignClassifier(ForeignLayers, ClassifierLearner):
    pass


class ForeignRegressor(ForeignLayers, RegressorLearner):
    pass


class LinearRegressor(RegressorLearner):
    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


class BinaryClassifier(SmallOnInputs):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class FillsMissing(SmallOnInputs):
    """Takes NaN for the mean of the column, and says so in its tags."""

    def _in_fit(self, X):
        X = X.filled(np.nan) if isinstance(X, np.ma.MaskedArray) else X
        if isinstance(X, np.ndarray) and X.size and not np.isinf(X).any():
            self._means = np.nanmean(X, axis=0)
        return self._in_predict(X)

    def _in_predict(self, X):
        X = X.filled(np.nan) if isinstance(X, np.ma.MaskedArray) else X
        if isinstance(X, np.ndarray) and X.dtype.kind == "f" and np.isnan(X).any():
            return np.where(np.isnan(X), self._means, X)
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


SOUND = [
    *quick_instances(),
    ForeignClassifier(),
    ForeignRegressor(),
    LinearRegressor(optimizer="sgd"),
    BinaryClassifier(),
    SmallOnInputs(freeze="0.*", batch_size=16),
    FillsMissing(),
    TakesCategories(),
]


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_sound_learners_pass(check):
    passed = []
    for learner in SOUND:
        if check in checks_for(learner, KIT):
            check(type(learner).__name__, learner)
            passed.append(learner)
    assert passed


def test_the_tags_of_a_learner_decide_on_missing_values_and_categories():
    def names(learner):
        return {check.__name__ for check in checks_for(learner, KIT)}

    by_tag = {
        "check_missing_values_are_refused",
        "check_missing_values_are_taken",
        "check_categories_are_taken",
    }
    refused = "check_missing_values_are_refused"
    assert by_tag & names(SmallOnInputs()) == {refused}
    assert by_tag & names(FillsMissing()) == {"check_missing_values_are_taken"}
    assert by_tag & names(TakesCategories()) == {
        refused,
        "check_categories_are_taken",
    }


@pytest.mark.parametrize("check", list(checks_for(SklearnMLPClassifier(), KIT)))
def test_a_foreign_estimator_is_told_what_it_lacks(check):
    with pytest.raises(AssertionError, match="has no constructor parameter"):
        check("Foreign", SklearnMLPClassifier())


def test_messages_name_learner_and_data():
    with pytest.raises(AssertionError, match="Mine accepts 5 features after a fit"):
        _inputs.check_number_of_features_is_compared("Mine", CutsColumns())


def test_a_missing_library_skips_its_check(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(_probe, "import_module", refuse)
    with pytest.raises(unittest.SkipTest, match="polars is not installed"):
        _frames.check_polars_frame_equals_array("Mine", SmallOnInputs())


class Restless(SmallOnInputs):
    """Gives other outputs each time."""

    _n = 0

    def _outputs(self, X):
        type(self)._n += 1
        return super()._outputs(X) + self._n


def test_learners_that_never_repeat_are_left_to_the_checks_of_determinism():
    with pytest.raises(unittest.SkipTest, match="one random_state differ"):
        _inputs.check_memory_layout_does_not_matter("Mine", Restless())
