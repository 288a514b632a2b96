"""The checks of weighting pass for learners that are fine, and say what is wrong."""

import pytest
from mutants.weighting import (
    DividesByTheNumberOfRows,
    IgnoresWeightsInTheLoss,
    SmallOnWeights,
    TakesNegativeWeights,
)
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from torch import nn

from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.testing import _weighting, quick_instances
from torchlearners.testing._learners import _checks_of
from torchlearners.testing._runner import checks_for

KIT = _checks_of(_weighting)


class DrawingLayers:
    """Layers of torch itself that draw, and that look at the batch."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.2),
            nn.Linear(8, spec.n_outputs),
        )


class DrawingClassifier(DrawingLayers, ClassifierLearner):
    pass


class DrawingRegressor(DrawingLayers, RegressorLearner):
    pass


class StraightRegressor(RegressorLearner):
    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


class BinaryOnly(SmallOnWeights):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


SOUND = [
    *quick_instances(),
    DrawingClassifier(),
    DrawingRegressor(),
    StraightRegressor(optimizer="sgd", loss="huber"),
    BinaryOnly(),
    SmallOnWeights(freeze="0.*", batch_size=16, class_weight="balanced"),
]


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_sound_learners_pass(check):
    passed = []
    for learner in SOUND:
        if check in checks_for(learner, KIT):
            check(type(learner).__name__, learner)
            passed.append(learner)
    assert passed


def test_class_weights_are_for_classifiers():
    names = {check.__name__ for check in checks_for(StraightRegressor(), KIT)}
    assert "check_equal_weights_are_none" in names
    assert not any("class_weight" in name for name in names)


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_a_foreign_estimator_is_told_what_it_lacks(check):
    with pytest.raises(AssertionError, match="has no constructor parameter"):
        check("Foreign", SklearnMLPClassifier())


@pytest.mark.parametrize(
    ("mutant", "check", "words"),
    [
        (
            IgnoresWeightsInTheLoss(),
            _weighting.check_weights_decide_between_rows,
            "Mine predicts .* with weights 1 and 9",
        ),
        (
            DividesByTheNumberOfRows(),
            _weighting.check_validation_weights_are_repetition,
            r"must be equal: sum\(w \* loss\) / sum\(w\)",
        ),
        (
            TakesNegativeWeights(),
            _weighting.check_unfit_weights_are_refused,
            "Mine accepts a negative weight",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_messages_say_which_weights_are_taken_wrongly(mutant, check, words):
    with pytest.raises(AssertionError, match=words):
        check("Mine", mutant)
