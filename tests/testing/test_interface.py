"""What the checks of tags, shapes and networks let pass, and what they say."""

import pytest
import torch
from mutants.structure import PlainClassifier, PlainRegressor
from sklearn.neural_network import MLPRegressor as SklearnMLP
from sklearn.utils import assert_all_finite
from torch import nn

from torchlearners import MLPClassifier
from torchlearners.data import Schema
from torchlearners.testing import _interface as interface
from torchlearners.testing import quick_instances, torch_checks
from torchlearners.training import BinaryCrossEntropy, CrossEntropy

CHECKS = [c for c in torch_checks()["structure"] if c.__module__ == interface.__name__]


class Binary(PlainClassifier):
    def _make_target(self, y, classes):
        target = super()._make_target(y, classes)
        if target.kind != "classes" or len(target.classes) > 2:
            raise ValueError("Only binary classification is supported.")
        return target

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = tags.classifier_tags.multi_label = False
        return tags


class Convolving(PlainRegressor):
    def schema(self):
        return Schema(scaling=None)

    def network(self, spec):
        return nn.Sequential(
            nn.Unflatten(1, (1, spec.n_numeric)),
            nn.Conv1d(1, 4, 3, padding=1),
            nn.BatchNorm1d(4),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(4 * spec.n_numeric, spec.n_outputs),
        )


LEARNERS = [
    *(learner for learner in quick_instances() if hasattr(learner, "predict")),
    PlainClassifier(batch_size=3),
    PlainClassifier(loss=CrossEntropy(), class_weight="balanced", sampler="balanced"),
    Binary(),
    Convolving(),
]


def message_of(check, learner):
    with pytest.raises(AssertionError) as raised:
        check(type(learner).__name__, learner)
    return str(raised.value)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_correct_learners_pass_and_nothing_is_left_behind(check):
    before = torch.get_rng_state(), torch.get_num_threads()
    for learner in LEARNERS:
        params = repr(learner.get_params())
        check(type(learner).__name__, learner)
        assert repr(learner.get_params()) == params
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_strangers_are_told_what_they_lack(check):
    assert "has no constructor parameter" in message_of(check, SklearnMLP())


class ClaimsThreeClasses(Binary):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = True
        return tags


class ClaimsMissing(PlainClassifier):
    def _fit(self, X, *rest, **more):
        assert_all_finite(X)
        return super()._fit(X, *rest, **more)


class DeniesTwoTargets(PlainRegressor):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (
            ClaimsThreeClasses(),
            "classifier_tags.multi_class of ClaimsThreeClasses is True",
        ),
        (ClaimsMissing(), "but fit raised ValueError"),
        (DeniesTwoTargets(), "is False, but fit works"),
    ],
    ids=["classes", "missing values", "two targets"],
)
def test_a_tag_that_does_not_match_is_named(learner, words):
    assert words in message_of(interface.check_tags_match_behaviour, learner)


class Anchored(PlainClassifier):
    def network(self, spec):
        return nn.Sequential(nn.Linear(spec.n_numeric, spec.n_outputs), AddRows())


class AddRows(nn.Module):
    def forward(self, x):
        return x if self.training else x + torch.zeros(len(x), 1)


class OnlyPairs(PlainClassifier):
    def network(self, spec):
        layers = super().network(spec)
        return nn.Sequential(nn.Unflatten(0, (-1, 2)), layers, nn.Flatten(0, 1))


def test_where_a_network_fails_is_said():
    on_meta = message_of(interface.check_network_builds_on_meta_device, Anchored())
    assert "fails on 7 rows on the device meta in evaluation mode" in on_meta
    for_one = message_of(interface.check_network_has_declared_outputs, OnlyPairs())
    assert "fails on 1 rows on the device cpu" in for_one


def test_what_two_networks_share_is_named():
    relu = nn.ReLU()
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=(4,), activation=lambda: relu
    )
    message = message_of(interface.check_network_is_new_in_each_call, learner)
    assert "share ['activation_1']" in message


def test_a_wrong_shape_is_told_with_the_kind_of_target():
    class Flat(PlainClassifier):
        def predict_proba(self, X):
            proba = super().predict_proba(X)
            return proba[:, 1] if proba.shape[1] == 2 else proba

    message = message_of(interface.check_predictions_have_declared_shapes, Flat())
    assert "predict_proba of Flat fitted on two classes returns shape (1,)" in message


def test_the_class_is_asked_for_its_tags_not_one_choice_of_loss():
    learner = PlainClassifier(loss=BinaryCrossEntropy())
    interface.check_tags_match_behaviour("PlainClassifier", learner)
    assert isinstance(learner.loss, BinaryCrossEntropy)
