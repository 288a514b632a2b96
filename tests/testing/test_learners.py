"""The three ways into the kit agree, and a stranger gets a report that can be read."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from torchlearners import DummyTorchClassifier, DummyTorchRegressor, MLPClassifier
from torchlearners.testing import (
    check_torch_learner,
    parametrize_with_torch_checks,
    quick_instances,
    torch_checks,
    torch_checks_generator,
)

KIT = [check for group in torch_checks().values() for check in group]


class SmallModule(nn.Module):
    """Takes whatever it is given, without a cast to float32."""

    def __init__(self):
        super().__init__()
        self.layer = nn.LazyLinear(3)

    def forward(self, X):
        return torch.softmax(self.layer(X), dim=1)


STRANGERS = [
    NeuralNetClassifier(SmallModule, verbose=0),
    TheirClassifier(max_iter=3),
    TheirRegressor(max_iter=3),
    LogisticRegression(),
    StandardScaler(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), MLPClassifier(preset="simple", max_epochs=2)),
]


def test_the_kit_has_groups_of_checks_with_names_of_their_own():
    names = [check.__name__ for check in KIT]
    assert len(names) == len(set(names)) > 0
    assert list(torch_checks()) == [
        "structure",
        "data",
        "learning",
        "control",
        "determinism",
        "persistence",
        "ecosystem",
    ]


@pytest.mark.parametrize("check", KIT, ids=lambda check: check.__name__)
def test_a_check_says_what_holds(check):
    first, *_ = check.__doc__.splitlines()
    assert len(first) <= 88
    assert first.endswith(".")
    assert isinstance(check.conditions, tuple)


@pytest.mark.parametrize("learner", [DummyTorchClassifier(), DummyTorchRegressor()])
def test_call_generator_and_parametrize_agree_on_the_checks(learner):
    called = [row["check_name"] for row in check_torch_learner(learner, on_skip=None)]
    generated = [c.func.__name__ for _, c in torch_checks_generator(learner)]
    _, cases = parametrize_with_torch_checks([learner]).args
    assert called == generated == [case.values[1].func.__name__ for case in cases]


def test_the_generator_yields_the_learner_with_checks_of_it():
    learner = DummyTorchClassifier()
    for given, check in torch_checks_generator(learner):
        assert given is learner
        assert check.args == ("DummyTorchClassifier",)


def test_parametrize_makes_a_case_for_each_learner_and_check():
    names, cases = parametrize_with_torch_checks(quick_instances()).args
    assert names == "learner, check"
    ids = [case.id for case in cases]
    assert len(ids) == len(set(ids))
    assert all("\n" not in name for name in ids)


@pytest.mark.filterwarnings("ignore")  # those of strangers are their business
@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda s: type(s).__name__)
def test_a_stranger_gets_a_report_that_can_be_read(stranger):
    name = type(stranger).__name__
    before = repr(stranger)
    report = check_torch_learner(stranger, on_fail=None, on_skip=None)
    assert report.names("failed")
    for row in report:
        error = row["exception"]
        if row["status"] == "failed":
            assert isinstance(error, AssertionError | ValueError), row["check_name"]
            assert name in str(error), f"{row['check_name']}: {error}"
    assert max(map(len, str(report).splitlines())) < 500
    assert repr(stranger) == before


def test_a_stranger_is_told_which_class_to_derive_from():
    with pytest.raises(AssertionError, match=r"LogisticRegression .* Derive from"):
        check_torch_learner(LogisticRegression())
