"""What the checks of the ecosystem let pass, what they say, and to whom they apply."""

import sys
from unittest import SkipTest

import numpy as np
import pytest
import torch
from mutants.structure import PlainClassifier, PlainRegressor
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.utils import check_random_state
from torch import nn

from torchlearners import DummyTorchClassifier
from torchlearners.testing import _ecosystem as ecosystem
from torchlearners.testing import quick_instances, torch_checks
from torchlearners.testing._kinds import applies

CHECKS = torch_checks()["ecosystem"]


class Noisy(PlainClassifier):
    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, spec.n_outputs),
        )


class Zeros(PlainRegressor):
    """Starts from zeros, whatever the seed."""

    def network(self, spec):
        layer = nn.Linear(spec.n_numeric, spec.n_outputs)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer


class Binary(PlainClassifier):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


LEARNERS = [
    *quick_instances(),
    Noisy(batch_size=16),
    Zeros(),
    Binary(optimizer=torch.optim.SGD, lr=0.1),
]


def message_of(check, learner):
    with pytest.raises(AssertionError) as raised:
        check(type(learner).__name__, learner)
    return str(raised.value)


def numpy_state():
    return check_random_state(None).get_state()[1].tolist()


@pytest.mark.takes_long("one case meets all learners, since it looks at what is left")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_correct_learners_pass_and_nothing_is_left_behind(check):
    before = torch.get_rng_state(), numpy_state(), torch.get_num_threads()
    passed = []
    for learner in LEARNERS:
        params = repr(learner.get_params())
        if applies(check, learner):
            check(type(learner).__name__, learner)
            passed.append(learner)
        assert repr(learner.get_params()) == params
    assert passed
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (numpy_state(), torch.get_num_threads()) == before[1:]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_strangers_are_told_what_they_lack(check):
    assert "has no " in message_of(check, SklearnMLP())


def test_conditions_choose_the_learners():
    assert applies(ecosystem.check_target_can_be_transformed, PlainRegressor())
    assert not applies(ecosystem.check_target_can_be_transformed, PlainClassifier())
    assert not applies(ecosystem.check_probabilities_can_be_calibrated, Zeros())
    found = ecosystem.check_importance_is_found_by_permutation
    assert applies(found, PlainClassifier())
    assert not applies(found, DummyTorchClassifier())


@pytest.mark.parametrize(
    ("module", "check"),
    [
        ("pandas", ecosystem.check_data_frame_through_column_transformer),
        ("sklearn.callback", ecosystem.check_sklearn_callbacks_follow_epochs),
    ],
)
def test_without_an_optional_package_the_check_is_skipped(module, check, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SkipTest, match=f"{module} is not installed"):
        check("PlainClassifier", PlainClassifier())


class TakesNoWeights(PlainClassifier):
    def fit(self, X, y, *, X_val=None, y_val=None):
        return super().fit(X, y, X_val=X_val, y_val=y_val)


class IgnoresWeights(PlainClassifier):
    def _fit(self, X, y, sample_weight=None, *args, **kwargs):
        return super()._fit(X, y, None, *args, **kwargs)


def test_weights_must_be_taken_and_used():
    check = ecosystem.check_sample_weight_is_routed
    assert "must be arguments of fit" in message_of(check, TakesNoWeights())
    assert "changes nothing of the fit" in message_of(check, IgnoresWeights())


class IgnoresValidation(PlainClassifier):
    def _given_validation(self, *args):
        return None


def test_validation_rows_must_be_used():
    message = message_of(
        ecosystem.check_validation_rows_are_routed, IgnoresValidation()
    )
    assert "records the validation losses [None, None, None]" in message


def test_a_difference_is_told_with_its_size():
    with pytest.raises(AssertionError, match=r"Wrong\. They differ by up to 1\.5"):
        ecosystem._assert_equal([1.0, 2.0], np.array([1.0, 0.5]), "Wrong.")
    with pytest.raises(AssertionError, match=r"The shapes are \(1,\) and \(2,\)"):
        ecosystem._assert_equal([1.0], [1.0, 2.0], "Wrong.")
