import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from torch import nn

from torchlearners import (
    FTTransformerClassifier,
    ImageClassifier,
    MLPClassifier,
    MLPRegressor,
    ModernNCAClassifier,
    ModuleClassifier,
    TabMClassifier,
    TabNetClassifier,
    TabNetPretrainer,
)
from torchlearners.callbacks import Checkpoint, callback

X, Y = load_iris(return_X_y=True)
BF16 = {"precision": "bf16", "max_epochs": 2, "random_state": 0}


class Narrow(nn.Module):
    """Notes the dtypes of what it computes."""

    seen: set

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        out = self.linear(x)
        type(self).seen.add((x.dtype, out.dtype))
        return out


@pytest.mark.parametrize(
    "learner",
    [
        MLPClassifier(),
        MLPClassifier(preset="simple"),
        TabMClassifier(),
        FTTransformerClassifier(),
        ModernNCAClassifier(),
        TabNetClassifier(),
        TabNetClassifier(pretrained=TabNetPretrainer(**BF16)),
        ModuleClassifier(module=nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_bf16_is_near_float32_and_the_same_twice(learner):
    first, second = (
        learner.__class__(**{**learner.get_params(deep=False), **BF16}).fit(X, Y)
        for _ in range(2)
    )
    plain = learner.set_params(max_epochs=2, random_state=0).fit(X, Y)
    found = first.predict_proba(X)
    assert found.dtype == np.float64
    assert np.array_equal(found, second.predict_proba(X))
    assert not np.array_equal(found, plain.predict_proba(X))
    assert np.abs(found - plain.predict_proba(X)).max() < 0.1
    assert {p.dtype for p in first.net_.module_.parameters()} == {torch.float32}


def test_images_are_learned_in_bf16():
    images = np.random.default_rng(0).random((40, 1, 8, 8)).astype(np.float32)
    learner = ImageClassifier(**BF16).fit(images, np.arange(40) % 2)
    assert learner.predict_proba(images).dtype == np.float64


def test_only_the_network_computes_in_bf16():
    losses = []

    def loss(outputs, target):
        losses.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return nn.functional.cross_entropy(outputs, target, reduction="none")

    Narrow.seen = set()
    learner = ModuleClassifier(module=Narrow, loss=loss, early_stopping=True, **BF16)
    fitted = learner.fit(X, Y)
    fitted.predict(X)
    assert (torch.float32, torch.bfloat16) in Narrow.seen
    assert set(losses) == {(torch.float32, False)}
    assert fitted.intermediate(X, "linear").dtype == np.float32


def test_by_default_autocast_is_never_entered(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("autocast")

    monkeypatch.setattr(torch, "autocast", refuse)
    assert len(MLPClassifier(max_epochs=1).fit(X, Y).predict(X)) == 150


def test_the_callers_autocast_changes_no_bit_of_bf16():
    expected = MLPRegressor(**BF16).fit(X, Y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = MLPRegressor(**BF16).fit(X, Y)
        assert np.array_equal(found.predict(X), expected.predict(X))


def test_bf16_resumes_bit_for_bit(tmp_path):
    settings = {**BF16, "preset": "simple", "dropout": 0.2, "max_epochs": 4}
    straight = MLPClassifier(**settings).fit(X, Y)
    keeps = [Checkpoint(folder=tmp_path)]
    MLPClassifier(**{**settings, "max_epochs": 2}, callbacks=keeps).fit(X, Y)
    resumed = MLPClassifier(**settings, callbacks=keeps).fit(X, Y, resume=tmp_path)
    assert np.array_equal(resumed.predict_proba(X), straight.predict_proba(X))


def test_members_in_bf16_are_trained_one_by_one():
    lengths = []
    note = callback(on_epoch_end=lambda net, **kwargs: lengths.append(len(net.history)))
    settings = {**BF16, "preset": "simple", "n_ensemble": 2}
    plain = MLPClassifier(**settings).fit(X, Y)
    alone = MLPClassifier(**settings, callbacks=[note]).fit(X, Y)
    assert np.array_equal(plain.predict_proba(X), alone.predict_proba(X))
    assert lengths == [1, 2, 1, 2]


def test_evaluation_of_values_is_in_bf16_too():
    X, y = load_diabetes(return_X_y=True)
    learner = MLPRegressor(early_stopping=True, **BF16).fit(X, y)
    assert (
        learner.net_.validation_step((torch.zeros(2, 10), torch.zeros(2, 1), None))[
            "loss"
        ].dtype
        == torch.float32
    )
