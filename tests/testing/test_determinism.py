"""The checks of determinism pass for sound learners, and say what is wrong."""

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPClassifier as ForeignMLP
from torch import nn
from torch.nn import functional as F

from torchlearners import DummyTorchRegressor
from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.testing import _determinism, quick_instances, torch_checks
from torchlearners.testing._runner import checks_for, run_checks

KIT = torch_checks()["determinism"]


class Noise(nn.Module):
    """Draws from torch's functions while it trains."""

    def __init__(self, spec):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(spec.n_numeric))
        self.layers = nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, spec.n_outputs),
        )

    def forward(self, x):
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return self.layers(x * self.scale)


class Shaky(TorchLearner):
    """Uses random numbers wherever it may."""

    def network(self, spec):
        return Noise(spec)


class ShakyClassifier(Shaky, ClassifierLearner):
    """For classes."""


class ShakyRegressor(Shaky, RegressorLearner):
    """For numbers."""


class BinaryClassifier(Shaky, ClassifierLearner):
    """For two classes only."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class NothingRandom(RegressorLearner):
    """Starts at zero and has no noise: only the order of the rows is random."""

    def network(self, spec):
        module = nn.Linear(spec.n_numeric, spec.n_outputs)
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
        return module


class Attention(nn.Module):
    """A transformer, which draws its dropout from torch's global state."""

    def __init__(self, spec):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.attend = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.last = nn.Linear(8, spec.n_outputs)

    def forward(self, x):
        return self.last(self.attend(self.embed(x[..., None])).mean(dim=1))


class Transformer(ClassifierLearner):
    """Attends to features."""

    def network(self, spec):
        return Attention(spec)


def local_learner():
    """Return a learner of a class that no other process can import."""

    class Local(ClassifierLearner):
        def network(self, spec):
            return nn.Linear(spec.n_numeric, spec.n_outputs)

    return Local(lr=0.1)


SOUND = [
    *quick_instances(),
    ShakyClassifier(),
    ShakyRegressor(weight_decay=0.1, lr_schedule="one_cycle"),
    BinaryClassifier(optimizer="sgd", n_threads=2),
    NothingRandom(shuffle=False),
    Transformer(),
    local_learner(),
]


def names(learner):
    return [check.__name__ for check in checks_for(learner, KIT)]


@pytest.mark.takes_long("two threads wait for each other where others use the cores")
@pytest.mark.parametrize("learner", SOUND, ids=repr)
def test_a_sound_learner_passes(learner):
    report = run_checks(
        learner,
        KIT,
        on_fail=None,
        on_skip=None,
        callback=None,
        expected_failed_checks=None,
    )
    assert report.names("passed") == names(learner), str(report)


def test_all_checks_are_for_learners_of_both_kinds():
    assert names(DummyTorchRegressor()) == names(ShakyClassifier())
    assert len(names(ShakyClassifier())) == len(KIT)


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_a_foreign_estimator_is_told_what_it_lacks(check):
    with pytest.raises(AssertionError, match="has no constructor parameter"):
        check("ForeignMLP", ForeignMLP())


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_a_check_leaves_the_process_as_it_was(check):
    def state():
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002 - the global state
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.backends.cudnn.benchmark,
            np.geterr(),
        )

    before = state()
    check("DummyTorchRegressor", DummyTorchRegressor())
    assert state() == before


class Forgetful(nn.Module):
    """Calls dropout without saying whether it trains."""

    def __init__(self, spec):
        super().__init__()
        self.layers = nn.Linear(spec.n_numeric, spec.n_outputs)

    def forward(self, x):
        return self.layers(F.dropout(x, 0.5))


class DropsInPredict(ClassifierLearner):
    """Has noisy predictions."""

    def network(self, spec):
        return Forgetful(spec)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("check_predict_gives_the_same_bits_twice", "the second time.*self.training"),
        ("check_global_random_states_are_left_alone", "predict of .*'torch'"),
        ("check_same_seed_gives_same_bits", "same weights, but predictions differ"),
        ("check_predictions_are_made_row_by_row", "in another order: off by"),
    ],
)
def test_dropout_that_is_always_on_is_found(check, words):
    with pytest.raises(AssertionError, match=words):
        getattr(_determinism, check)("DropsInPredict", DropsInPredict())


def test_what_a_learner_tells_is_in_the_message():
    class Talks(DropsInPredict):
        def network(self, spec):
            print("in the middle of a fit", flush=True)  # noqa: T201 - the fault
            return super().network(spec)

    with pytest.raises(AssertionError, match="in the middle of a fit"):
        _determinism.check_prints_and_warns_nothing("Talks", Talks())
