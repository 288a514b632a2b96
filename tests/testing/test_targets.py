"""The checks of targets pass for learners that are fine, and say what is wrong."""

import pytest
from mutants.targets import LeavesTheUnitOfY, PredictsCodesOfWords, SmallOnTargets
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.neural_network import MLPRegressor as SklearnMLPRegressor
from torch import nn

from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.testing import _targets, quick_instances
from torchlearners.testing._learners import _checks_of
from torchlearners.testing._runner import checks_for

KIT = _checks_of(_targets)


class NormalizedLayers:
    """Layers of torch itself that draw, and that look at the batch."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.2),
            nn.Linear(8, spec.n_outputs),
        )


class NormalizedClassifier(NormalizedLayers, ClassifierLearner):
    pass


class NormalizedRegressor(NormalizedLayers, RegressorLearner):
    pass


class SmallClassifier(SmallOnTargets, ClassifierLearner):
    pass


class OneTarget(SmallOnTargets, RegressorLearner):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags


class TwoClasses(SmallOnTargets, ClassifierLearner):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = False
        return tags


SOUND = [
    *quick_instances(),
    NormalizedClassifier(),
    NormalizedRegressor(),
    OneTarget(loss="huber"),
    TwoClasses(),
    SmallClassifier(freeze="0.*", batch_size=16, class_weight="balanced"),
]


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_sound_learners_pass(check):
    passed = []
    for learner in SOUND:
        if check in checks_for(learner, KIT):
            check(type(learner).__name__, learner)
            passed.append(learner)
    assert passed


def test_the_tags_of_a_learner_decide_on_several_columns():
    def names(learner):
        return {check.__name__ for check in checks_for(learner, KIT)}

    assert "check_several_labels_a_row" in names(SmallClassifier())
    assert "check_several_labels_a_row" not in names(TwoClasses())
    assert "check_several_targets" in names(NormalizedRegressor())
    assert "check_several_targets" not in names(OneTarget())
    assert "check_scale_of_y_does_not_matter" not in names(SmallClassifier())


@pytest.mark.parametrize("foreign", [SklearnMLPClassifier(), SklearnMLPRegressor()])
def test_a_foreign_estimator_is_told_what_it_lacks(foreign):
    for check in checks_for(foreign, KIT):
        with pytest.raises(AssertionError, match="has no constructor parameter"):
            check("Foreign", foreign)


def test_messages_say_what_is_predicted_wrongly():
    with pytest.raises(AssertionError, match="Mine predicts dtype int64 after fit on"):
        _targets.check_labels_may_be_words("Mine", PredictsCodesOfWords())
    with pytest.raises(AssertionError, match=r"Mine for 1e\+06 \* y \+ 0 are off by"):
        _targets.check_scale_of_y_does_not_matter("Mine", LeavesTheUnitOfY())
