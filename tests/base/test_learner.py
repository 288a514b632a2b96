"""Fitting, continuing, stopping, keeping: what all learners do alike."""

import copy
import io
import os
import pickle
from functools import partial
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback
from torch import nn

from torchlearners import (
    DummyTorchClassifier,
    DummyTorchRegressor,
    MLPClassifier,
    MLPRegressor,
    ModuleClassifier,
)
from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.callbacks import Checkpoint
from torchlearners.data import validation_split
from torchlearners.exceptions import ArchitectureError
from torchlearners.params import fraction, param, positive_int
from torchlearners.training import AdamW

X, y = make_classification(
    n_samples=120,
    n_features=6,
    n_informative=4,
    n_classes=3,
    n_clusters_per_class=1,
    flip_y=0.2,
    random_state=0,
)
VALUES = 50 + 10 * X[:, 0] - 3 * X[:, 1]
SMALL = {
    "preset": "simple",
    "hidden_layer_sizes": (16,),
    "max_epochs": 4,
    "lr": 0.01,
    "random_state": 0,
}
# Everything that draws random numbers.
NOISY = {**SMALL, "dropout": 0.3, "batch_size": 32}
MLPS = [MLPClassifier, MLPRegressor]


def target_of(learner):
    return y if "Classifier" in type(learner).__name__ else VALUES


def outputs(learner, rows=X):
    """Return the finest thing a learner predicts."""
    return getattr(learner, "decision_function", learner.predict)(rows)


def classes_if_needed(learner):
    return {"classes": [0, 1, 2]} if hasattr(learner, "predict_proba") else {}


class Foreign(ClassifierLearner):
    """A user's learner around a module that asks torch's global random state."""

    width: int = param(default=16, check=positive_int, doc="Units.")
    rate: float = param(default=0.3, check=fraction, doc="Dropped share.")

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, self.width),
            nn.Dropout(self.rate),
            nn.ReLU(),
            nn.Linear(self.width, spec.n_outputs),
        )


# Fit anew and fit on


@pytest.mark.parametrize("learner", MLPS)
def test_fit_without_warm_start_forgets_the_fit_before(learner):
    fitted = learner(**NOISY).fit(X[:60], target_of(learner())[:60])
    fitted.fit(X, target_of(fitted))
    fresh = learner(**NOISY).fit(X, target_of(fitted))
    assert_array_equal(outputs(fitted), outputs(fresh))
    assert fitted.n_iter_ == 4


@pytest.mark.parametrize("learner", MLPS)
def test_partial_fit_trains_one_epoch(learner):
    fitted = learner(**{**NOISY, "max_epochs": 50})
    for epoch in range(1, 4):
        fitted.partial_fit(X, target_of(fitted), **classes_if_needed(fitted))
        assert fitted.n_iter_ == len(fitted.history_) == epoch
    assert fitted.max_epochs == 50


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
@pytest.mark.parametrize("learner", MLPS)
def test_epochs_of_partial_fit_are_the_epochs_of_fit(learner, params):
    target = target_of(learner())
    once = learner(**params).fit(X, target)
    stepwise = learner(**params)
    for _ in range(4):
        stepwise.partial_fit(X, target, **classes_if_needed(stepwise))
    assert_array_equal(outputs(stepwise), outputs(once))


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
@pytest.mark.parametrize("learner", MLPS)
def test_warm_start_continues_where_fit_ended(learner, params):
    target = target_of(learner())
    warm = learner(**{**params, "warm_start": True}).fit(X, target).fit(X, target)
    long = learner(**{**params, "max_epochs": 8}).fit(X, target)
    assert warm.n_iter_ == 8
    assert warm.history_[:, "epoch"] == list(range(1, 9))
    assert_array_equal(outputs(warm), outputs(long))


def test_partial_fit_continues_a_fit():
    fitted = MLPClassifier(**NOISY).fit(X, y).partial_fit(X, y)
    five = MLPClassifier(**{**NOISY, "max_epochs": 5}).fit(X, y)
    assert_array_equal(outputs(fitted), outputs(five))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", torch.optim.Adam])
def test_a_learning_rate_set_before_a_warm_start_is_used(optimizer):
    params = {**SMALL, "optimizer": optimizer, "warm_start": True}
    learner = MLPClassifier(**params).fit(X, y)
    assert [g["lr"] for g in learner.net_.optimizer_.param_groups] == [0.01]
    learner.set_params(lr=0.5, weight_decay=0.25).fit(X, y)
    groups = learner.net_.optimizer_.param_groups
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(0.5, 0.25)]
    unchanged = MLPClassifier(**params).fit(X, y).fit(X, y)
    assert not np.allclose(outputs(learner), outputs(unchanged))


def test_a_learning_rate_set_before_partial_fit_is_used():
    learner = MLPClassifier(**SMALL).fit(X, y)
    before = outputs(learner)
    learner.set_params(lr=1e-30).partial_fit(X, y)
    assert_array_equal(outputs(learner), before)


@pytest.mark.parametrize("learner", MLPS)
def test_partial_fit_keeps_the_scaling_of_the_first_call(learner):
    target = target_of(learner())
    fitted = learner(**SMALL).fit(X, target)
    before = outputs(fitted)
    # Nothing is learned, so that only a new scaling could change anything.
    fitted.set_params(lr=1e-30).partial_fit(X * 100 + 7, target)
    assert_array_equal(outputs(fitted), before)


def test_momentum_survives_a_warm_start():
    params = {**SMALL, "optimizer": "sgd", "lr": 0.1, "warm_start": True}
    learner = MLPClassifier(**params).set_params(optimizer__momentum=0.9)
    twice = learner.fit(X, y).fit(X, y)
    long = clone(learner).set_params(max_epochs=8).fit(X, y)
    assert_array_equal(outputs(twice), outputs(long))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_warm_start_may_change_the_optimizer(optimizer):
    learner = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    learner.set_params(optimizer=optimizer).fit(X, y)
    assert learner.n_iter_ == 8
    assert np.isfinite(outputs(learner)).all()


def test_a_warm_start_with_another_architecture_is_refused():
    learner = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    before = outputs(learner)
    learner.set_params(hidden_layer_sizes=(9,))
    with pytest.raises(
        ArchitectureError,
        match=r"fitted with 'head_1\.weight' of shape \(3, 16\).*now ask for \(3, 9\).*"
        "Set the parameters back, or fit anew with warm_start=False",
    ):
        learner.fit(X, y)
    assert_array_equal(outputs(learner), before)
    assert learner.n_iter_ == 4
    learner.set_params(hidden_layer_sizes=(16,)).fit(X, y)
    assert learner.n_iter_ == 8


def test_a_warm_start_with_other_columns_is_refused():
    learner = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 6"):
        learner.fit(X[:, :5], y)
    assert learner.n_features_in_ == 6


def test_the_first_fit_of_a_warm_start_is_an_ordinary_fit():
    warm = MLPClassifier(**NOISY, warm_start=True).fit(X, y)
    assert_array_equal(outputs(warm), outputs(MLPClassifier(**NOISY).fit(X, y)))


# Sample weights


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
@pytest.mark.parametrize("learner", MLPS)
def test_rows_of_weight_zero_are_as_if_removed(learner, params):
    keep = np.arange(len(X)) % 3 > 0
    weight = np.random.RandomState(0).uniform(0.5, 2.0, len(X)) * keep
    target = target_of(learner())
    weighted = learner(**params).fit(X, target, sample_weight=weight)
    removed = learner(**params).fit(X[keep], target[keep], sample_weight=weight[keep])
    assert_array_equal(outputs(weighted), outputs(removed))
    assert not np.array_equal(
        outputs(weighted), outputs(learner(**params).fit(X, target))
    )


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
@pytest.mark.parametrize("learner", MLPS)
@pytest.mark.parametrize("constant", [1.0, 0.3, 1e30])
def test_equal_weights_are_as_if_there_were_none(learner, params, constant):
    target = target_of(learner())
    weighted = learner(**params).fit(X, target, np.full(len(X), constant))
    assert_array_equal(outputs(weighted), outputs(learner(**params).fit(X, target)))


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
@pytest.mark.parametrize("learner", MLPS)
@pytest.mark.parametrize("power", [1, -20, 124, -160])
def test_weights_are_relative(learner, params, power):
    weight = np.random.RandomState(0).uniform(0.5, 2.0, len(X))
    target = target_of(learner())
    plain = learner(**params).fit(X, target, weight)
    # A power of two, so that not even rounding changes.
    scaled = learner(**params).fit(X, target, weight * 2.0**power)
    assert_array_equal(outputs(scaled), outputs(plain))


@pytest.mark.parametrize("learner", [*MLPS, DummyTorchClassifier, DummyTorchRegressor])
def test_a_weight_of_three_is_three_repetitions(learner):
    params = SMALL if learner in MLPS else {"max_epochs": 4}
    weight = np.random.RandomState(0).randint(4, size=60)
    target = target_of(learner())[:60]
    weighted = learner(**params).fit(X[:60], target, sample_weight=weight)
    repeated = learner(**params).fit(
        np.repeat(X[:60], weight, axis=0), np.repeat(target, weight)
    )
    assert_array_equal(outputs(weighted), outputs(repeated))
    assert not np.array_equal(
        outputs(weighted), outputs(learner(**params).fit(X[:60], target))
    )


@pytest.mark.parametrize("learner", MLPS)
def test_a_full_batch_fit_does_not_depend_on_the_order_of_the_rows(learner):
    order = np.random.RandomState(0).permutation(len(X))
    target = target_of(learner())
    one = learner(**SMALL).fit(X, target)
    other = learner(**SMALL).fit(X[order], target[order])
    assert_array_equal(outputs(one), outputs(other))


@pytest.mark.parametrize("params", [SMALL, NOISY], ids=["full batch", "noisy"])
def test_features_are_scaled_by_their_weighted_mean_and_deviation(params):
    seen = []

    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            seen.append(kwargs["X"].numpy())

    weight = np.where(X[:, 0] > 0, 5.0, 1.0)
    MLPClassifier(**params, callbacks=[Look()]).fit(X, y, sample_weight=weight)
    center = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - center) ** 2, axis=0, weights=weight))
    order, found = np.argsort(X[:, 0]), seen[0]
    assert_allclose(
        found[np.argsort(found[:, 0])], ((X - center) / scale)[order], atol=1e-5
    )


def test_partial_fit_counts_weights():
    weight = np.random.RandomState(0).randint(1, 4, size=len(X))
    weighted = MLPClassifier(**SMALL)
    repeated = MLPClassifier(**SMALL)
    weighted.partial_fit(X, y, [0, 1, 2], sample_weight=weight)
    repeated.set_params(batch_size=1000).partial_fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight), [0, 1, 2]
    )
    assert_allclose(outputs(weighted), outputs(repeated), rtol=1e-4, atol=1e-6)


# Validation and early stopping


def rising_validation_loss():
    """Return validation rows on which every step makes things worse."""
    return {"X_val": X, "y_val": (y + 1) % 3}


def test_given_validation_rows_are_evaluated_after_each_epoch():
    learner = MLPClassifier(**SMALL).fit(X, y, X_val=X[:40], y_val=y[:40])
    losses = learner.history_[:, "valid_loss"]
    assert len(losses) == 4
    proba = MLPClassifier(**SMALL).fit(X, y).predict_proba(X[:40])
    last = -np.log(proba[np.arange(40), y[:40]]).mean()
    assert losses[-1] == pytest.approx(last, rel=1e-5)


def test_validation_rows_do_not_train():
    rows = rising_validation_loss()
    learner = MLPClassifier(**NOISY, restore_best=False).fit(X, y, **rows)
    assert_array_equal(outputs(learner), outputs(MLPClassifier(**NOISY).fit(X, y)))


def test_validation_losses_are_weighted():
    weight = np.r_[np.full(20, 4.0), np.full(20, 0.0), np.full(20, 1.0)]
    weighted = MLPClassifier(**SMALL).fit(
        X, y, X_val=X[:60], y_val=y[:60], sample_weight_val=weight
    )
    repeated = np.repeat(np.arange(60), weight.astype(int))
    plain = MLPClassifier(**SMALL).fit(X, y, X_val=X[repeated], y_val=y[repeated])
    unweighted = MLPClassifier(**SMALL).fit(X, y, X_val=X[:60], y_val=y[:60])
    name = slice(None), "valid_loss"
    assert_allclose(weighted.history_[name], plain.history_[name], rtol=1e-6)
    assert abs(weighted.history_[-1, "valid_loss"] - unweighted.best_score_) > 1e-3


def test_the_weights_of_the_best_epoch_are_kept():
    params = {**SMALL, "lr": 0.05}
    learner = MLPClassifier(**params).fit(X, y, **rising_validation_loss())
    losses = learner.history_[:, "valid_loss"]
    assert np.argmin(losses) == 0
    assert learner.best_epoch_ == 1
    assert learner.best_score_ == losses[0]
    assert learner.n_iter_ == 4
    first = MLPClassifier(**{**params, "max_epochs": 1}).fit(X, y)
    assert_array_equal(outputs(learner), outputs(first))


def test_the_last_weights_are_kept_without_restore_best():
    params = {**SMALL, "lr": 0.05}
    learner = MLPClassifier(**params, restore_best=False)
    learner.fit(X, y, **rising_validation_loss())
    assert learner.best_epoch_ == 1
    assert_array_equal(outputs(learner), outputs(MLPClassifier(**params).fit(X, y)))


def test_training_stops_after_patience_epochs_without_improvement():
    params = {**SMALL, "lr": 0.05, "max_epochs": 50}
    learner = MLPClassifier(**params, patience=3).fit(X, y, **rising_validation_loss())
    assert learner.best_epoch_ == 1
    assert learner.n_iter_ == 4
    endless = MLPClassifier(**params, patience=3, early_stopping=False)
    endless.fit(X, y, **rising_validation_loss())
    assert endless.n_iter_ == 50
    assert endless.best_epoch_ == 1


def test_a_small_improvement_does_not_count_with_min_delta():
    learner = MLPClassifier(**{**SMALL, "max_epochs": 9}, patience=2, min_delta=100.0)
    learner.fit(X, y, X_val=X, y_val=y)
    assert learner.n_iter_ == 3
    assert learner.best_epoch_ == 1


@pytest.mark.parametrize("learner", MLPS)
def test_early_stopping_sets_rows_aside(learner):
    target = target_of(learner())
    stopped = learner(**SMALL, early_stopping=True, validation_fraction=0.25)
    stopped.fit(X, target)
    assert sum(stopped.history_[-1, "batches", :, "train_batch_size"]) == 90
    assert stopped.best_score_ == min(stopped.history_[:, "valid_loss"])
    best = int(np.argmin(stopped.history_[:, "valid_loss"])) + 1
    assert stopped.best_epoch_ == best
    # The split comes from the seed.
    again = clone(stopped).fit(X, target)
    assert_array_equal(outputs(again), outputs(stopped))
    other = clone(stopped).set_params(random_state=1).fit(X, target)
    assert other.best_score_ != stopped.best_score_


def test_the_rows_set_aside_depend_on_the_seed():
    kept = []

    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            kept.append({tuple(row) for row in kwargs["X"].tolist()})

    learner = MLPClassifier(**SMALL, early_stopping=True, preprocessing=None)
    for seed in (0, 0, 1):
        learner.set_params(random_state=seed, callbacks=[Look()]).fit(X, y)
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]


def test_early_stopping_splits_by_class():
    rare = np.r_[np.zeros(90, int), np.ones(10, int)]
    seen = {}

    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            seen["train"] = np.bincount(kwargs["y"])

    MLPClassifier(
        **SMALL, early_stopping=True, validation_fraction=0.2, callbacks=[Look()]
    ).fit(X[:100], rare)
    assert_array_equal(seen["train"], [72, 8])


def test_early_stopping_is_automatic_from_two_hundred_rows():
    rows = np.random.RandomState(0).normal(size=(200, 2))
    labels = rows[:, 0] > 0
    learner = DummyTorchClassifier(max_epochs=2)
    learner.fit(rows[:199], labels[:199])
    assert learner.best_epoch_ is None
    assert learner.best_score_ is None
    assert "valid_loss" not in learner.history_[-1]
    learner.fit(rows, labels)
    assert learner.best_epoch_ in (1, 2)
    learner.set_params(early_stopping=False).fit(rows, labels)
    assert learner.best_epoch_ is None


def test_early_stopping_does_not_split_where_validation_rows_are_given():
    learner = MLPClassifier(**SMALL, early_stopping=True)
    learner.fit(X, y, X_val=X[:10], y_val=y[:10])
    assert sum(learner.history_[-1, "batches", :, "train_batch_size"]) == len(X)


# Ctrl-C


class Interrupt(Callback):
    """Press Ctrl-C in an epoch."""

    def __init__(self, epoch, hook):
        self.epoch = epoch
        self.hook = hook

    def _press(self, net, hook):
        if hook == self.hook and len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def on_epoch_begin(self, net, **kwargs):
        self._press(net, "on_epoch_begin")

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self._press(net, "on_batch_end")
        else:
            self._press(net, "on_validation_batch_end")

    def on_epoch_end(self, net, **kwargs):
        self._press(net, "on_epoch_end")


HOOKS = ["on_epoch_begin", "on_batch_end", "on_validation_batch_end"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("learner", MLPS)
def test_an_interrupted_fit_keeps_the_best_weights_so_far(learner, hook):
    target = target_of(learner())
    rows = {"X_val": X, "y_val": -target if learner is MLPRegressor else (y + 1) % 3}
    params = {**SMALL, "lr": 0.05, "max_epochs": 10}
    fitted = learner(**params, callbacks=[Interrupt(3, hook)])
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X, target, **rows)
    assert fitted.best_epoch_ == 1
    first = learner(**{**params, "max_epochs": 1}).fit(X, target)
    assert_array_equal(outputs(fitted), outputs(first))
    # It is like any other fitted learner.
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(outputs(loaded), outputs(fitted))
    assert not fitted.net_.module_.training


def test_an_interrupted_fit_counts_complete_epochs():
    learner = MLPClassifier(**NOISY, callbacks=[Interrupt(3, "on_batch_end")])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X, y)
    assert learner.n_iter_ == len(learner.history_) == 2
    assert all("train_loss" in row for row in learner.history_)


def test_an_interrupted_fit_can_be_continued():
    learner = MLPClassifier(
        **SMALL, callbacks=[Interrupt(3, "on_epoch_begin")], warm_start=True
    )
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X, y)
    learner.set_params(callbacks=None, max_epochs=2).fit(X, y)
    assert_array_equal(outputs(learner), outputs(MLPClassifier(**SMALL).fit(X, y)))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_end"])
def test_a_fit_interrupted_in_its_first_epoch_leaves_the_learner_as_it_was(hook):
    learner = MLPClassifier(**NOISY, callbacks=[Interrupt(1, hook)])
    before = set(vars(learner))
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X, y)
    assert set(vars(learner)) == before
    fitted = MLPClassifier(**NOISY).fit(X, y)
    predicted = outputs(fitted)
    fitted.set_params(callbacks=[Interrupt(1, hook)])
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X[:, :3], y)
    assert fitted.n_features_in_ == 6
    assert_array_equal(outputs(fitted), predicted)


def test_an_interrupted_warm_start_keeps_what_it_trained():
    learner = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    learner.set_params(callbacks=[Interrupt(6, "on_epoch_begin")])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X, y)
    assert learner.n_iter_ == 5
    five = MLPClassifier(**{**SMALL, "max_epochs": 5}).fit(X, y)
    assert_array_equal(outputs(learner), outputs(five))


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_real_ctrl_c_leaves_a_learner_with_its_best_weights(run_script):
    code = """
import os, signal
import numpy as np
from skorch.callbacks import Callback
from torchlearners import MLPClassifier

signal.signal(signal.SIGINT, signal.default_int_handler)

class Press(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGINT)

rng = np.random.RandomState(0)
X, y = rng.normal(size=(100, 4)), rng.randint(3, size=100)
params = dict(preset="simple", batch_size=20, lr=0.05, dropout=0.2, random_state=0)
learner = MLPClassifier(callbacks=[Press()], max_epochs=10**9, **params)
try:
    learner.fit(X, y, X_val=X, y_val=(y + 1) % 3)
except KeyboardInterrupt:
    print("interrupted")
best = MLPClassifier(max_epochs=learner.best_epoch_, **params).fit(X, y)
assert learner.best_epoch_ < 3, learner.best_epoch_
assert np.array_equal(learner.predict_proba(X), best.predict_proba(X))
print("kept")
"""
    assert run_script(code).split() == ["interrupted", "kept"]


def test_an_interrupted_search_is_interrupted():
    search = GridSearchCV(
        MLPClassifier(**SMALL, callbacks=[Interrupt(2, "on_epoch_begin")]),
        {"lr": [0.01, 0.02]},
        cv=2,
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)


# State


def by_pickle(learner):
    return pickle.loads(pickle.dumps(learner))


def by_joblib(learner, folder, **settings):
    path = folder / "learner.joblib"
    mmap_mode = settings.pop("mmap_mode", None)
    joblib.dump(learner, path, **settings)
    return joblib.load(path, mmap_mode=mmap_mode)


def by_skops(learner):
    skops_io = pytest.importorskip("skops.io")
    data = skops_io.dumps(learner)
    types = skops_io.get_untrusted_types(data=data)
    ours = f"{type(learner).__module__}.{type(learner).__qualname__}"
    assert types == [ours]
    return skops_io.loads(data, trusted=types)


@pytest.fixture(params=["pickle", "deepcopy", "joblib", "compressed", "mmap", "skops"])
def restore(request, tmp_path):
    """Return a function that brings a learner away and back."""
    return {
        "pickle": by_pickle,
        "deepcopy": copy.deepcopy,
        "joblib": partial(by_joblib, folder=tmp_path),
        "compressed": partial(by_joblib, folder=tmp_path, compress=3),
        "mmap": partial(by_joblib, folder=tmp_path, mmap_mode="r"),
        "skops": by_skops,
    }[request.param]


@pytest.mark.parametrize(
    "learner",
    [
        MLPClassifier(**NOISY, normalization="batch"),
        MLPRegressor(**NOISY),
        DummyTorchClassifier(max_epochs=3, random_state=0),
        DummyTorchRegressor(max_epochs=3, random_state=0),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_a_restored_learner_predicts_the_same_bits(learner, restore):
    fitted = clone(learner).fit(X, target_of(learner))
    restored = restore(fitted)
    assert_array_equal(outputs(restored), outputs(fitted))
    for name in ("n_iter_", "best_epoch_", "best_score_", "seed_", "device_"):
        assert getattr(restored, name) == getattr(fitted, name)
    assert restored.history_.to_list() == fitted.history_.to_list()
    assert restored.get_params() == fitted.get_params()


@pytest.mark.parametrize("learner", MLPS)
def test_partial_fit_goes_on_after_restoring_with_a_new_optimizer(learner, restore):
    fitted = learner(**NOISY).fit(X, target_of(learner()))
    restored = restore(fitted)
    fitted.net_.optimizer_.state.clear()
    for _ in range(2):
        for one in (fitted, restored):
            one.partial_fit(X, target_of(one))
    assert_array_equal(outputs(restored), outputs(fitted))
    assert restored.n_iter_ == 6


def test_a_restored_learner_trains_without_touching_the_original(restore):
    fitted = MLPClassifier(**NOISY).fit(X, y)
    before = outputs(fitted)
    restore(fitted).partial_fit(X, y)
    assert_array_equal(outputs(fitted), before)


def test_an_unfitted_learner_can_be_restored(restore):
    learner = MLPClassifier(**SMALL)
    restored = restore(learner)
    assert restored.get_params() == learner.get_params()
    assert_array_equal(outputs(restored.fit(X, y)), outputs(learner.fit(X, y)))


def modules_named_in(data):
    named = set()

    class Look(pickle.Unpickler):
        def find_class(self, module, name):
            named.add(module.partition(".")[0])
            return super().find_class(module, name)

    Look(io.BytesIO(data)).load()
    return named


@pytest.mark.parametrize("learner", MLPS)
def test_the_pickle_holds_plain_data_only(learner):
    fitted = learner(**NOISY).fit(
        X, target_of(learner()), X_val=X, y_val=target_of(learner())
    )
    named = modules_named_in(pickle.dumps(fitted))
    assert "torchlearners" in named
    assert named <= {"torchlearners", "numpy", "builtins", "copyreg", "_codecs"}
    net_bytes = sum(p.nbytes for p in fitted.net_.module_.parameters())
    assert len(pickle.dumps(fitted)) < 4 * net_bytes + 20_000


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_will_do(protocol):
    fitted = MLPClassifier(**SMALL).fit(X, y)
    restored = pickle.loads(pickle.dumps(fitted, protocol=protocol))
    assert_array_equal(outputs(restored), outputs(fitted))


def test_a_pickle_is_made_without_changing_the_learner():
    fitted = MLPClassifier(**NOISY).fit(X, y)
    net, before = fitted.net_, set(vars(fitted))
    pickle.dumps(fitted)
    assert fitted.net_ is net
    assert set(vars(fitted)) == before


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_layer_sizes": (3,), "activation": "tanh"},
        {"hidden_layer_sizes": "nonsense"},
        {"optimizer__betas": "nonsense"},
        {"optimizer__betas": (0.1, 0.2), "loss": "huber"},
    ],
    ids=str,
)
@pytest.mark.parametrize("optimizer", ["adamw", "descriptor"])
def test_set_params_after_fit_changes_neither_predictions_nor_the_pickle(
    changed, optimizer
):
    optimizer = AdamW() if optimizer == "descriptor" else optimizer
    fitted = MLPClassifier(**NOISY, optimizer=optimizer).fit(X, y)
    before = outputs(fitted)
    fitted.set_params(**changed)
    assert_array_equal(outputs(fitted), before)
    restored = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(outputs(restored), before)
    assert repr(restored) == repr(fitted)


def test_changing_a_list_given_as_parameter_does_not_change_the_fitted_learner():
    sizes = [16]
    fitted = MLPClassifier(**{**SMALL, "hidden_layer_sizes": sizes}).fit(X, y)
    before = outputs(fitted)
    sizes.append(5)
    assert_array_equal(outputs(pickle.loads(pickle.dumps(fitted))), before)


def test_callbacks_travel_with_the_learner():
    fitted = MLPClassifier(**SMALL, callbacks=[Interrupt(99, "never")]).fit(X, y)
    restored = copy.deepcopy(fitted)
    assert_array_equal(outputs(restored), outputs(fitted))
    assert restored.get_params()["callbacks__Interrupt__epoch"] == 99


# Feature names and containers


def skip_where_scikit_learn_sees_no_names(frame):
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip("this scikit-learn does not see the column names of this frame")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_feature_names_are_kept(library):
    frames = pytest.importorskip(library)
    names = [f"x{i}" for i in range(6)]
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    skip_where_scikit_learn_sees_no_names(frame)
    learner = MLPClassifier(**SMALL).fit(frame, y, X_val=frame, y_val=y)
    assert_array_equal(learner.feature_names_in_, names)
    assert_array_equal(
        outputs(learner, frame), outputs(MLPClassifier(**SMALL).fit(X, y))
    )
    learner.fit(X, y)
    assert not hasattr(learner, "feature_names_in_")


def test_the_container_does_not_change_predictions():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = X.astype(np.float32)
    learner = MLPClassifier(**SMALL).fit(rows, y)
    expected = outputs(learner, rows)
    names = list("abcdef")
    containers = [
        rows.astype(np.float64),
        rows.tolist(),
        np.asfortranarray(rows),
        torch.tensor(rows),
        rows.astype(object),
    ]
    for container in containers:
        assert_array_equal(outputs(learner, container), expected)
    skip_where_scikit_learn_sees_no_names(pl.DataFrame(rows, schema=names))
    named = clone(learner).fit(pd.DataFrame(rows, columns=names), y)
    for container in (
        pd.DataFrame(rows, columns=names),
        pd.DataFrame(rows.astype(np.float64), columns=names),
        pl.DataFrame(rows, schema=names),
    ):
        assert_array_equal(outputs(named, container), expected)


@pytest.mark.parametrize("learner", MLPS)
def test_float32_and_float64_rows_train_the_same_network(learner):
    rows = X.astype(np.float32)
    one = learner(**NOISY).fit(rows, target_of(learner()))
    other = learner(**NOISY).fit(rows.astype(np.float64), target_of(learner()))
    assert_array_equal(outputs(one, rows), outputs(other, rows))


# Predictions of a row do not depend on the rows beside it


# Products over inputs, and activations of values, whose number no vector register
# divides, are rounded by the place of a row on most processors.
WIDTHS = [(128, 128), (16,), (4,), (50,), (7, 5)]
ONE_EPOCH = {"max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("n_features", [3, 8, 10])
def test_predict_batch_size_does_not_change_bits(widths, n_features):
    rows = np.random.RandomState(0).normal(size=(203, n_features))
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=widths, activation="silu", **ONE_EPOCH
    )
    learner.fit(rows, np.arange(203) % 3)
    whole = outputs(learner, rows)
    for size in (1, 2, 3, 5, 16, 50, 202, 203, 1000):
        learner.set_params(predict_batch_size=size)
        assert_array_equal(outputs(learner, rows), whole)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("n_features", [3, 8, 10])
def test_a_row_gets_the_same_bits_alone_in_a_subset_and_in_any_order(
    widths, n_features
):
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(203, n_features))
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=widths, activation="silu", **ONE_EPOCH
    )
    learner.fit(rows, np.arange(203) % 3)
    whole = outputs(learner, rows)
    order = rng.permutation(203)
    assert_array_equal(outputs(learner, rows[order]), whole[order])
    for subset in (slice(7, 8), slice(1, 32), slice(0, 203, 3), slice(None, None, -1)):
        assert_array_equal(outputs(learner, rows[subset]), whole[subset])


# Metadata routing


def test_weights_and_validation_rows_are_routed_through_a_pipeline():
    weight = np.random.RandomState(0).uniform(0.5, 2.0, len(X))
    scaled = StandardScaler().fit(X).transform(X)
    direct = MLPClassifier(**SMALL).fit(scaled, y, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        final = MLPClassifier(**SMALL).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, final).fit(X, y, sample_weight=weight)
    assert_array_equal(outputs(routed), outputs(direct, scaled))
    assert not np.array_equal(
        outputs(routed), outputs(MLPClassifier(**SMALL).fit(scaled, y), scaled)
    )


def test_validation_rows_are_transformed_on_their_way_through_a_pipeline():
    rows = slice(0, 80), slice(80, None)
    train, valid = X[rows[0]] * 100 + 7, X[rows[1]] * 100 + 7
    scaler = StandardScaler().fit(train)
    params = {**SMALL, "lr": 0.1, "preprocessing": None, "max_epochs": 10}
    direct = MLPClassifier(**params).fit(
        scaler.transform(train),
        y[rows[0]],
        X_val=scaler.transform(valid),
        y_val=y[rows[1]],
    )
    with config_context(enable_metadata_routing=True):
        final = MLPClassifier(**params).set_fit_request(X_val=True, y_val=True)
        routed = Pipeline(
            [("scaler", StandardScaler()), ("mlp", final)], transform_input=["X_val"]
        ).fit(train, y[rows[0]], X_val=valid, y_val=y[rows[1]])
    assert routed[-1].best_score_ == pytest.approx(direct.best_score_, rel=1e-6)
    assert_array_equal(outputs(routed, train), outputs(direct, scaler.transform(train)))


def test_weights_are_routed_through_cross_validation():
    weight = (np.arange(len(X)) % 2).astype(float)
    with config_context(enable_metadata_routing=True):
        learner = MLPClassifier(**SMALL)
        learner.set_fit_request(sample_weight=True).set_score_request(
            sample_weight=True
        )
        routed = cross_validate(
            learner, X, y, cv=2, params={"sample_weight": weight}, error_score="raise"
        )
    plain = cross_validate(MLPClassifier(**SMALL), X, y, cv=2)
    assert not np.array_equal(routed["test_score"], plain["test_score"])


def test_requests_exist_for_everything_fit_takes():
    with config_context(enable_metadata_routing=True):
        learner = MLPClassifier(preset="simple").set_fit_request(
            sample_weight=True, X_val=True, y_val=True, sample_weight_val=True
        )
        learner.set_partial_fit_request(sample_weight=True, classes=True)
        requests = learner.get_metadata_routing().fit.requests
    # `resume` is a path, and never routed.
    wanted = {name for name, request in requests.items() if request}
    assert wanted == {"sample_weight", "X_val", "y_val", "sample_weight_val"}


def test_predictors_have_no_output_to_set():
    pytest.importorskip("pandas")
    for learner in MLPS:
        assert not hasattr(learner(), "set_output")
    with config_context(transform_output="pandas"):
        fitted = make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(X, y)
        assert type(fitted.predict_proba(X)) is np.ndarray


# A user's own network


def learner_with(make, base=ClassifierLearner):
    class Own(base):
        def network(self, spec):
            return make(spec)

    return Own(max_epochs=2, random_state=0)


def test_a_users_learner_with_foreign_dropout_is_deterministic():
    params = {"max_epochs": 4, "batch_size": 32, "lr": 0.01, "random_state": 0}
    one, other = Foreign(**params).fit(X, y), Foreign(**params).fit(X, y)
    assert_array_equal(outputs(one), outputs(other))
    seed = Foreign(**{**params, "random_state": 1}).fit(X, y)
    assert not np.array_equal(outputs(one), outputs(seed))
    still = Foreign(**{**params, "rate": 0.0}).fit(X, y)
    assert not np.array_equal(outputs(one), outputs(still))
    # In evaluation nothing is dropped.
    assert_array_equal(outputs(one), outputs(one))


def test_a_users_learner_continues_after_a_pickle():
    learner = Foreign(max_epochs=2, batch_size=32, random_state=0).fit(X, y)
    restored = copy.deepcopy(learner)
    learner.net_.optimizer_.state.clear()
    assert_array_equal(
        outputs(restored.partial_fit(X, y)), outputs(learner.partial_fit(X, y))
    )


def test_a_users_parameters_are_like_all_others():
    assert clone(Foreign(width=3)).get_params()["width"] == 3
    with pytest.raises(ValueError, match="'width' parameter of Foreign must be"):
        Foreign(width=0).fit(X, y)
    with pytest.raises(TypeError, match="Did you mean 'width'"):
        Foreign(widht=3)


def test_a_learner_without_a_network_says_so():
    with pytest.raises(
        NotImplementedError, match=r"ClassifierLearner does not define network\(self"
    ):
        ClassifierLearner().fit(X, y)


@pytest.mark.parametrize("made", [None, "linear", lambda x: x, nn.Linear])
def test_a_network_that_is_no_module_is_refused(made):
    with pytest.raises(
        ArchitectureError, match=r"network returned .*torch\.nn\.Module"
    ):
        learner_with(lambda spec: made).fit(X, y)


def test_a_network_without_parameters_is_refused():
    with pytest.raises(ArchitectureError, match="no parameter to train"):
        learner_with(lambda spec: nn.Identity()).fit(X, y)


def test_a_network_whose_parameters_are_all_frozen_is_refused():
    def frozen(spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs).requires_grad_(False)

    with pytest.raises(ArchitectureError, match="no parameter to train"):
        learner_with(frozen).fit(X, y)


def test_frozen_parameters_stay_as_they_are():
    def half_frozen(spec):
        layers = nn.Sequential(
            nn.Linear(spec.n_numeric, 8), nn.Linear(8, spec.n_outputs)
        )
        layers[0].requires_grad_(False)
        nn.init.ones_(layers[0].weight)
        return layers

    module = learner_with(half_frozen).fit(X, y).net_.module_
    assert_array_equal(module[0].weight, np.ones((8, 6)))


@pytest.mark.parametrize("extra", [-1, 1])
@pytest.mark.parametrize("base", [ClassifierLearner, RegressorLearner])
def test_a_network_with_the_wrong_number_of_outputs_is_refused(base, extra):
    target = y if base is ClassifierLearner else np.column_stack([VALUES, VALUES])
    learner = learner_with(
        lambda spec: nn.Linear(spec.n_numeric, spec.n_outputs + extra), base
    )
    with pytest.raises(ArchitectureError, match="output"):
        learner.fit(X, target)
    assert not hasattr(learner, "net_")


def test_a_network_for_another_number_of_features_is_refused():
    learner = learner_with(lambda spec: nn.Linear(spec.n_numeric + 1, spec.n_outputs))
    with pytest.raises(ArchitectureError, match=r"\b[67]\b"):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")


def test_an_error_in_the_network_comes_through_unchanged():
    def broken(spec):
        raise LookupError("my own error")

    learner = learner_with(broken)
    with pytest.raises(LookupError, match="my own error"):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")


def test_an_error_in_a_callback_comes_through_and_leaves_the_learner_as_it_was():
    class Break(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise LookupError("my own error")

    learner = MLPClassifier(**SMALL).fit(X, y)
    before = outputs(learner)
    learner.set_params(callbacks=[Break()])
    with pytest.raises(LookupError, match="my own error"):
        learner.fit(X[:, :2], y)
    assert_array_equal(outputs(learner), before)


def test_a_default_dtype_of_float64_does_not_matter():
    torch.set_default_dtype(torch.float64)
    try:
        learner = MLPClassifier(**SMALL).fit(X, y)
        probabilities = learner.predict_proba(X)
    finally:
        torch.set_default_dtype(torch.float32)
    weights = learner.net_.module_.state_dict().values()
    assert {value.dtype for value in weights} == {torch.float32}
    assert np.isfinite(probabilities).all()


# Tables


def table(n_rows=60, library=pd):
    rng = np.random.RandomState(0)
    color = rng.choice(["blue", "green", "red"], n_rows)
    size = rng.normal(size=n_rows)
    X = {
        "size": size,
        "color": color,
        "sold": np.datetime64("1950-01-01", "us")
        + rng.randint(0, 10**10, n_rows).astype("m8[s]"),
        "used": size > 0,
        "width": np.where(np.arange(n_rows) % 5 == 0, np.nan, rng.normal(size=n_rows)),
    }
    X["sold"] = X["sold"].astype("M8[us]")
    return library.DataFrame(X), (color == "red").astype(int)


def quick_mlp(**params):
    quick = {"max_epochs": 5, "hidden_layer_sizes": 8, "random_state": 0}
    return MLPClassifier(**{"preset": "simple", **quick, **params})


@pytest.mark.parametrize("early_stopping", [False, True])
def test_pandas_polars_and_arrays_give_the_same_bits(early_stopping):
    learner = quick_mlp(early_stopping=early_stopping)
    X, y = table()
    by_pandas = clone(learner).fit(X, y)
    other, _ = table(library=pl)
    by_polars = clone(learner).fit(other, y)
    assert_array_equal(by_pandas.predict_proba(X), by_polars.predict_proba(other))
    seconds = X["sold"].astype("int64") / 1e6
    array = X.assign(sold=seconds).to_numpy(dtype=object)
    by_array = clone(learner).set_params(categorical_features=[1]).fit(array, y)
    assert_array_equal(by_pandas.predict_proba(X), by_array.predict_proba(array))


def test_categories_are_learned():
    X, y = table(200)
    learner = quick_mlp(max_epochs=60, lr=0.01).fit(X[["color"]], y)
    assert learner.score(X[["color"]], y) == 1
    assert learner._spec.n_numeric == 0
    assert learner._spec.cardinalities == (4,)


def test_unseen_and_missing_levels_are_predicted_alike():
    X, y = table()
    learner = quick_mlp().fit(X, y)
    row = X[:1]
    unseen = learner.predict_proba(row.assign(color="violet"))
    assert_array_equal(learner.predict_proba(row.assign(color=None)), unseen)
    assert (learner.predict_proba(row) != unseen).any()


def test_a_value_missing_only_in_predict_is_the_mean():
    X, y = table()
    learner = quick_mlp().fit(X, y)
    missing = learner.predict_proba(X[:1].assign(size=np.nan))
    mean = learner.predict_proba(X[:1].assign(size=X["size"].mean()))
    assert_allclose(missing, mean, rtol=1e-6)


def test_a_missing_value_shows_beside_the_mean():
    X, y = np.random.RandomState(0).normal(size=(100, 2)), np.arange(100) % 2
    X[y == 1, 0] = np.nan
    X[y == 0, 0] = 3.0
    learner = quick_mlp(max_epochs=50, lr=0.01).fit(X, y)
    assert learner.score(X, y) == 1


def test_bad_tables_are_learned_from():
    n = 8000
    frame = pd.DataFrame(
        {
            "nothing": np.nan,
            "no word": pd.Series([None] * n, dtype=object),
            "constant": 7.0,
            "one level": "a",
            "many": pd.Categorical([f"level {i // 2}" for i in range(n)]),
            "huge": np.linspace(-1e30, 1e30, n),
            "old": pd.to_datetime("1677-10-01") + pd.to_timedelta(np.arange(n), "D"),
        }
    )
    y = np.arange(n) % 2
    learner = quick_mlp(max_epochs=1, early_stopping=False).fit(frame, y)
    assert np.isfinite(learner.predict_proba(frame)).all()
    assert learner._spec.cardinalities == (1, 2, 4001)
    filled = frame.assign(**{"nothing": 1.0, "no word": "a"})
    assert np.isfinite(learner.predict_proba(filled)).all()


def test_batches_of_a_table_are_predicted_as_the_whole():
    X, y = table()
    learner = quick_mlp().fit(X, y)
    whole = learner.predict_proba(X)
    learner.predict_batch_size = 7
    assert_allclose(learner.predict_proba(X), whole, rtol=1e-6)
    matrix = sparse.csr_matrix(np.eye(60))
    learner = quick_mlp(predict_batch_size=7).fit(matrix, y)
    dense = quick_mlp().fit(np.eye(60), y)
    assert_allclose(
        learner.predict_proba(matrix), dense.predict_proba(np.eye(60)), rtol=1e-6
    )


def test_weights_are_repetition_with_missing_values_and_categories():
    X, y = table()
    times = np.arange(60) % 3
    weighted = quick_mlp().fit(X, y, sample_weight=times)
    rows = np.repeat(np.arange(60), times)[::-1]
    repeated = quick_mlp().fit(X.iloc[rows], y[rows])
    assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


def test_a_fitted_learner_of_tables_survives_pickle():
    X, y = table()
    learner = quick_mlp().fit(X, y)
    copy = pickle.loads(pickle.dumps(learner))
    assert_array_equal(copy.predict_proba(X), learner.predict_proba(X))
    copy.partial_fit(X, y)
    learner.net_.optimizer_.state.clear()
    learner.partial_fit(X, y)
    assert_array_equal(copy.predict_proba(X), learner.predict_proba(X))


def test_tables_go_through_a_pipeline_and_a_grid_search():
    X, y = table()
    passing = FunctionTransformer()
    pipeline = make_pipeline(passing, quick_mlp())
    grid = {"mlpclassifier__categorical_features": ["from_dtype", ["color"]]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert_array_equal(search.predict_proba(X), quick_mlp().fit(X, y).predict_proba(X))


@pytest.mark.parametrize("warm_start", [False, True])
def test_continued_training_keeps_the_columns_of_the_first_fit(warm_start):
    X, y = table()
    learner = quick_mlp(warm_start=warm_start).fit(X, y)
    before = learner._columns.state()
    go_on = learner.fit if warm_start else learner.partial_fit
    # Other levels are unseen ones, and what is newly missing is the mean.
    go_on(X.assign(color=X["color"].replace("red", "violet"), size=np.nan), y)
    assert learner._columns.state() == before
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        go_on(X.assign(more=1), y)
    with pytest.raises(ValueError, match="'color' of X held strings in fit"):
        go_on(X.assign(color=1.0), y)


def test_validation_rows_are_encoded_by_the_training_rows():
    X, y = table()
    X_val = X.assign(color="violet", size=np.nan)
    learner = quick_mlp().fit(X, y, X_val=X_val, y_val=y)
    assert learner._columns.levels == [["blue", "green", "red"]]
    assert np.isfinite(learner.history_[:, "valid_loss"]).all()


def test_a_checkpoint_of_other_columns_is_refused(tmp_path):
    X, y = table()
    learner = quick_mlp(callbacks=[Checkpoint(folder=tmp_path)]).fit(X, y)
    with pytest.raises(ValueError, match="another encoding of the columns"):
        clone(learner).fit(X.rename(columns={"size": "s"}), y, resume=tmp_path)
    with pytest.raises(ValueError, match="another encoding of the columns"):
        clone(learner).fit(X.replace("red", "violet"), y, resume=tmp_path)


class RefusesMissing(MLPClassifier):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = False
        return tags


def test_a_learner_may_refuse_missing_values_and_sparse_rows():
    X = np.random.RandomState(0).normal(size=(20, 2))
    learner = RefusesMissing(preset="simple", max_epochs=1).fit(X, X[:, 0] > 0)
    for call in (learner.predict, lambda X: learner.fit(X, np.arange(20) % 2)):
        with pytest.raises(ValueError, match=r"Input X contains NaN\."):
            call(np.full((20, 2), np.nan))
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            call(sparse.csr_matrix(X))


def test_a_network_that_forgets_the_codes_is_told_of_them():
    X, y = table()
    with pytest.raises(ArchitectureError, match="last 1 of the 6 columns are codes"):
        ModuleClassifier(plain_linear).fit(X, y)


def plain_linear(n_numeric, n_outputs):
    return nn.Linear(n_numeric, n_outputs)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_split_learns_what_its_two_parts_given_apart_do(weighted):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    frame["city"] = [f"city {i // 4}" for i in range(40)]
    frame.loc[::7, "b"] = np.nan
    y = rng.normal(size=40)
    weight = rng.integers(0, 3, 40) if weighted else np.ones(40)
    settings = {"max_epochs": 2, "random_state": 0}
    learner = MLPRegressor(early_stopping=True, validation_fraction=0.4, **settings)
    learner.fit(frame, y, sample_weight=weight)
    counted = np.flatnonzero(weight)
    train, valid = (
        counted[rows] for rows in validation_split(len(counted), 0.4, None, seed=0)
    )
    apart = MLPRegressor(early_stopping=True, **settings).fit(
        frame.iloc[train],
        y[train],
        sample_weight=weight[train],
        X_val=frame.iloc[valid],
        y_val=y[valid],
        sample_weight_val=weight[valid],
    )
    assert learner._columns.state() == apart._columns.state()
    np.testing.assert_array_equal(learner.predict(frame), apart.predict(frame))


# validation_split and groups


class Rows(Callback):
    """Notes the first feature of the rows that train and validate."""

    noted: ClassVar[list] = []

    def on_batch_begin(self, net, batch, training, **kwargs):
        self.noted[-1][training].extend(batch[0][:, 0].tolist())


def numbers_of_rows(n_rows=60, **params):
    """Return which rows validate and which train, of a column that counts them."""
    fit = {k: params.pop(k) for k in ("groups", "sample_weight") if k in params}
    Rows.noted.append(([], []))
    params = {"max_epochs": 1, "eval_every": 1, "preprocessing": None, **params}
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=(2,), callbacks=[Rows()], **params
    )
    learner.fit(np.arange(n_rows, dtype=float)[:, None], np.arange(n_rows) % 2, **fit)
    return [sorted({int(row) for row in rows}) for rows in Rows.noted.pop()]


def test_the_first_split_of_a_splitter_says_which_rows_validate_and_which_train():
    valid, train = numbers_of_rows(validation_split=TimeSeriesSplit(2, gap=3))
    assert train == [*range(17)]
    assert valid == [*range(20, 40)]


def test_rows_of_weight_zero_are_counted_by_the_splitter_and_left_out():
    weight = np.where(np.arange(60) % 10 < 2, 0.0, 1.0)
    fold = np.where(np.arange(60) < 40, -1, 0)
    valid, train = numbers_of_rows(
        validation_split=PredefinedSplit(fold), sample_weight=weight, batch_size=7
    )
    assert train == [i for i in range(40) if i % 10 > 1]
    assert valid == [i for i in range(40, 60) if i % 10 > 1]


def test_a_splitter_without_random_state_follows_that_of_the_learner():
    split = {"validation_split": GroupShuffleSplit(test_size=0.2)}
    groups = np.arange(60) // 5
    found = [
        numbers_of_rows(**split, groups=groups, random_state=seed) for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    for valid, train in found:
        assert len(valid) + len(train) == 60
        assert not {i // 5 for i in valid} & {i // 5 for i in train}


def test_without_early_stopping_a_splitter_sets_nothing_aside():
    split = GroupKFold(3)
    valid, train = numbers_of_rows(
        validation_split=split, early_stopping=False, groups=np.arange(60) // 5
    )
    assert (valid, train) == ([], [*range(60)])
    # So that groups need not be given either.
    assert numbers_of_rows(validation_split=split, early_stopping=False)[0] == []


def test_a_splitter_stands_in_no_way_of_partial_fit():
    learner = MLPClassifier(**SMALL, validation_split=GroupKFold(2))
    learner.partial_fit(X, y, classes=np.unique(y))
    assert "valid_loss" not in learner.history_[-1]


@pytest.mark.parametrize(
    ("params", "fit", "words"),
    [
        ({}, {"groups": np.zeros(120)}, "validation_split=None takes no notice"),
        ({"validation_split": KFold()}, {"groups": np.zeros(120)}, "takes no notice"),
        ({"validation_split": GroupKFold()}, {}, r"needs groups\. Give fit"),
        ({"validation_split": GroupKFold()}, {"groups": [1, 2]}, r"shape \(120,\)"),
        ({"validation_split": KFold()}, {"X_val": X, "y_val": y}, "would have no use"),
        ({"validation_split": 5}, {}, "'validation_split' parameter"),
    ],
)
def test_a_splitter_and_groups_that_do_not_go_together_are_an_error(params, fit, words):
    learner = MLPClassifier(**SMALL, **params)
    with pytest.raises(ValueError, match=words):
        learner.fit(X, y, **fit)
    assert not hasattr(learner, "net_")


def test_a_search_routes_groups_to_the_learner_and_to_its_own_splits():
    groups = np.arange(120) // 4
    learner = MLPClassifier(**SMALL, validation_split=GroupShuffleSplit())
    with config_context(enable_metadata_routing=True):
        steps = make_pipeline(StandardScaler(), learner.set_fit_request(groups=True))
        grid = {"mlpclassifier__lr": [0.01, 0.1]}
        search = GridSearchCV(steps, grid, cv=GroupKFold(2), error_score="raise")
        search.fit(X, y, groups=groups)
    assert search.best_estimator_[-1].best_epoch_ is not None


def test_members_have_splits_of_their_own_and_a_fitted_learner_can_be_pickled():
    learner = MLPClassifier(
        **SMALL, n_ensemble=2, validation_split=GroupShuffleSplit(test_size=0.3)
    ).fit(X, y, groups=np.arange(120) // 4)
    scores = {member.best_score_ for member in learner.members_}
    assert len(scores) == 2
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.predict(X), learner.predict(X))
