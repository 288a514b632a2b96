"""The checks of learning pass for sound learners, and say what is wrong."""

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPClassifier as ForeignMLP
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from torchlearners import DummyTorchClassifier, DummyTorchRegressor, MLPClassifier
from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.data import Schema
from torchlearners.params import param
from torchlearners.testing import _learning, quick_instances, torch_checks
from torchlearners.testing._runner import checks_for, run_checks

KIT = [c for c in torch_checks()["learning"] if c.__module__ == _learning.__name__]


class Linear(TorchLearner):
    """No hidden layer, and stochastic gradient descent."""

    optimizer: str = param(default="sgd")
    lr: float = param(default=0.1)

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


class LinearClassifier(Linear, ClassifierLearner):
    """For classes."""


class LinearRegressor(Linear, RegressorLearner):
    """For numbers."""


class Noisy(TorchLearner):
    """Foreign dropout, and batch normalization after a bias that it undoes."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(32, spec.n_outputs),
        )


class NoisyClassifier(Noisy, ClassifierLearner):
    """For classes."""


class NoisyRegressor(Noisy, RegressorLearner):
    """For numbers."""


class BinaryClassifier(Noisy, ClassifierLearner):
    """For two classes only."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class FrozenClassifier(ClassifierLearner):
    """Trains upon a frozen layer."""

    def network(self, spec):
        first = nn.Linear(spec.n_numeric, 32).requires_grad_(False)
        return nn.Sequential(first, nn.Tanh(), nn.Linear(32, spec.n_outputs))


class Tokens(nn.Module):
    """Attention over the features."""

    def __init__(self, spec):
        super().__init__()
        self.place = nn.Parameter(torch.randn(spec.n_numeric, 8))
        self.embed = weight_norm(nn.Linear(1, 8))
        self.attend = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.last = nn.Linear(8, spec.n_outputs)

    def forward(self, x):
        tokens = self.embed(x[..., None]) * self.place
        return self.last(self.attend(tokens).mean(dim=1))


class AttentionRegressor(RegressorLearner):
    """A transformer of its own scaling, whose parts are no Sequential."""

    lr: float = param(default=5e-3)

    def network(self, spec):
        return Tokens(spec)

    def schema(self):
        return Schema(scaling=None)


class Frozen(nn.Module):
    """An embedding that keeps its statistics and its weights while the rest trains."""

    def __init__(self, spec):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(spec.n_numeric, 32), nn.BatchNorm1d(32), nn.Tanh()
        ).requires_grad_(False)
        self.head = nn.Linear(32, spec.n_outputs)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        return self.head(self.backbone(x))


class BackboneRegressor(RegressorLearner):
    """Trains a head, with the backbone in evaluation mode."""

    def network(self, spec):
        return Frozen(spec)


SOUND = [
    *quick_instances(),
    LinearClassifier(),
    LinearRegressor(),
    NoisyClassifier(),
    NoisyRegressor(lr=0.01),
    BinaryClassifier(),
    FrozenClassifier(lr=0.01),
    BackboneRegressor(lr=0.01),
    # Those that have settings of their own are still taken as they are.
    MLPClassifier(
        preset="simple",
        hidden_layer_sizes=16,
        loss="cross_entropy",
        lr_schedule="cosine",
        weight_decay=0.1,
        grad_clip=1.0,
        measures_train="accuracy",
    ),
]


def names(learner):
    return [check.__name__ for check in checks_for(learner, KIT)]


def run(learner, kit):
    return run_checks(
        learner,
        kit,
        on_fail=None,
        on_skip=None,
        callback=None,
        expected_failed_checks=None,
    )


@pytest.mark.parametrize("learner", SOUND, ids=repr)
def test_a_sound_learner_passes(learner):
    report = run(learner, KIT)
    assert report.names("passed") == names(learner), str(report)


def test_a_transformer_passes():
    report = run(AttentionRegressor(), KIT)
    assert report.names("passed") == names(AttentionRegressor()), str(report)


def test_learners_that_are_not_meant_to_learn_need_not():
    assert "check_beats_a_constant" in names(LinearClassifier())
    for dummy in (DummyTorchClassifier(), DummyTorchRegressor()):
        assert not {"check_beats_a_constant", "check_overfits_eight_rows"} & set(
            names(dummy)
        )
        assert "check_gradients_reach_all_weights" in names(dummy)


def test_only_classifiers_have_probabilities_to_check():
    check = "check_probabilities_are_probabilities"
    assert check in names(LinearClassifier())
    assert check not in names(LinearRegressor())


@pytest.mark.parametrize(
    "check",
    # What needs nothing but scikit-learn's methods holds for any estimator.
    [check for check in KIT if check is not _learning.check_beats_a_constant],
    ids=lambda check: check.__name__,
)
def test_a_foreign_estimator_is_told_what_it_lacks(check):
    with pytest.raises(AssertionError, match="has no constructor parameter"):
        check("ForeignMLP", ForeignMLP())


class NotTrained(nn.Module):
    """Two layers, one in the shade of no_grad."""

    def __init__(self, spec):
        super().__init__()
        self.hidden = nn.Linear(spec.n_numeric, 8)
        self.last = nn.Linear(8, spec.n_outputs)

    def forward(self, x):
        with torch.no_grad():
            hidden = self.hidden(x)
        return self.last(torch.tanh(hidden))


class InTheShade(ClassifierLearner):
    """Does not train its first layer."""

    def network(self, spec):
        return NotTrained(spec)


def test_weights_without_a_gradient_are_named():
    with pytest.raises(AssertionError, match=r"No gradient.*hidden\.weight"):
        _learning.check_gradients_reach_all_weights("InTheShade", InTheShade())


class Overconfident(LinearClassifier):
    """Loses far rows in an overflow."""

    def predict_proba(self, X):
        with np.errstate(over="ignore", invalid="ignore"):
            powers = np.exp(self._outputs(X) * 20)
            return powers / powers.sum(axis=1, keepdims=True)


def test_an_overflow_far_away_is_found():
    with pytest.raises(AssertionError, match="far from those trained on"):
        _learning.check_probabilities_are_probabilities("It", Overconfident())
