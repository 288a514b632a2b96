"""Defects of mlr3torch that must not come back here, one test for each.

Where one is about something that does not exist here, a comment says so, and the test
is about the nearest thing that does.
"""

import importlib
import inspect
import io
import pickle
import re
from contextlib import redirect_stderr
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.datasets import load_iris, make_friedman1
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.utils import get_tags
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from torchlearners import MLPClassifier
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import Checkpoint, OneCycle, Plateau, callback
from torchlearners.data import ClassTarget
from torchlearners.discovery import all_learners
from torchlearners.exceptions import MeasureError
from torchlearners.params import Parameters
from torchlearners.training import resolve_device
from torchlearners.tuning import EarlyStoppingCV

NAN = float("nan")
X, y = load_iris(return_X_y=True)

rng = np.random.RandomState(0)
# Labels that say little about the rows: networks that train long get worse.
NOISE = rng.normal(size=(120, 5))
COINS = (NOISE[:, 0] + 2 * rng.normal(size=120) > 0).astype(int)
OVERFITTING = {
    "lr": 0.02,
    "max_epochs": 12,
    "batch_size": 16,
    "early_stopping": True,
    "validation_fraction": 0.3,
    "random_state": 0,
}


def measure_with(values, name="curve"):
    """Return a metric function that yields `values`, whatever the predictions."""
    left = list(values)

    def function(y_true, y_pred):
        return left.pop(0)

    function.__name__ = name
    return function


def weights_of(learner):
    return [w.clone() for w in learner.net_.module_.state_dict().values()]


def assert_same_weights(a, b):
    for one, other in zip(weights_of(a), weights_of(b), strict=True):
        assert torch.equal(one, other)


class Linear(ClassifierLearner):
    """A user's learner."""

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


class TwoLayers(ClassifierLearner):
    """What MLPClassifier(preset="simple") builds, written by hand."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, spec.n_outputs),
        )


def test_defect_01_the_automatic_device_knows_mps(monkeypatch):
    for kind in ("cuda", "mps", "xpu"):
        there = kind == "mps"
        monkeypatch.setattr(
            getattr(torch, kind), "is_available", lambda there=there: there
        )
    assert resolve_device("auto") == torch.device("mps")


def test_defect_02_a_nan_first_score_does_not_disable_early_stopping():
    scores = [NAN, 0.5, 0.6, 0.4, 0.4, 0.9]
    learner = MLPClassifier(
        preset="simple",
        max_epochs=6,
        early_stopping=True,
        measures_valid=measure_with(scores),
        patience=2,
        random_state=0,
    ).fit(X, y)
    assert learner.best_epoch_ == 3
    assert learner.best_score_ == 0.6
    assert learner.stopped_epoch_ == 5


def test_defect_03_searches_rank_the_models_they_keep():
    X_train, X_val, y_train, y_val = train_test_split(NOISE, COINS, random_state=0)
    learner = MLPClassifier(
        preset="simple", measures_valid="neg_log_loss", **OVERFITTING
    )
    learner.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    scores = learner.history_[:, "valid_neg_log_loss"]
    # The reported score is the best epoch's, and so are the weights.
    assert scores[-1] < max(scores) == learner.best_score_
    kept = -log_loss(y_val, learner.predict_proba(X_val))
    assert_allclose(learner.best_score_, kept, rtol=1e-5)

    # The first candidate is better at its best, the second in its last epoch.
    def candidate(curve):
        return measure_with(curve * 2)  # for two splits

    curves = [[0.5, 0.9, 0.1], [0.6, 0.6, 0.6]]
    learners = [
        MLPClassifier(
            preset="simple",
            max_epochs=3,
            measures_valid=candidate(curve),
            random_state=0,
        )
        for curve in curves
    ]
    searches = [EarlyStoppingCV(learner, cv=2, refit=False) for learner in learners]
    best_scores = [search.fit(X, y).best_score_ for search in searches]
    assert_allclose(best_scores, [0.9, 0.6])


@pytest.mark.parametrize("on", ["train", "valid"])
def test_defect_04_an_error_in_a_measure_is_raised_with_its_name(on):
    def broken(y_true, y_pred):
        raise ZeroDivisionError("no rows of class 7")

    learner = MLPClassifier(
        preset="simple", early_stopping=True, **{f"measures_{on}": broken}
    )
    with pytest.raises(MeasureError, match=r"'broken'.*no rows of class 7"):
        learner.fit(X, y)


def test_defect_05_the_seed_governs_the_validation_split():
    def validation_rows(seed):
        seen = []

        def look(net, dataset_valid=None, **kwargs):
            seen.append(dataset_valid.X.numpy(force=True).copy())

        MLPClassifier(
            preset="simple",
            max_epochs=1,
            early_stopping=True,
            preprocessing=None,
            callbacks=[callback(on_epoch_end=look)],
            random_state=seed,
        ).fit(X, y)
        return seen[0]

    first = validation_rows(seed=0)
    np.random.seed(12345)  # noqa: NPY002
    torch.manual_seed(12345)
    assert_array_equal(validation_rows(seed=0), first)
    assert not np.array_equal(validation_rows(seed=1), first)


def test_defect_06_there_is_a_history_without_measures():
    learner = MLPClassifier(
        preset="simple", max_epochs=3, early_stopping=True, random_state=0
    ).fit(X, y)
    assert learner.history_[:, "epoch"] == [1, 2, 3]
    for key in ("train_loss", "valid_loss", "dur"):
        assert np.isfinite(learner.history_[:, key]).all()


def test_defect_07_one_architecture_has_one_start_however_it_is_written():
    # There are no graphs here: a ready learner against the same network by hand.
    for epochs, lr in ((1, 1e-30), (3, 0.01)):  # as good as the start, and trained
        settings = {"max_epochs": epochs, "lr": lr, "random_state": 0}
        ready = MLPClassifier(preset="simple", **settings).fit(X, y)
        assert_same_weights(ready, TwoLayers(**settings).fit(X, y))


def test_defect_08_a_learner_of_ones_own_heeds_what_it_declares():
    heavy = np.where(y == 2, 50.0, 1.0)
    settings = {"lr": 0.1, "max_epochs": 20, "random_state": 0}
    plain = Linear(**settings).fit(X, y).predict_proba(X)[:, 2].mean()
    weighted = Linear(**settings).fit(X, y, sample_weight=heavy)
    assert weighted.predict_proba(X)[:, 2].mean() > plain + 0.05

    holes = X.copy()
    holes[0, 0] = NAN
    assert get_tags(Linear()).input_tags.allow_nan
    assert Linear(**settings).fit(holes, y).score(holes, y) > 0.8


@pytest.mark.parametrize(
    ("name", "rises_well"), [("curve_score", True), ("curve_loss", False)]
)
def test_defect_09_a_plateau_is_one_in_the_direction_of_its_measure(name, rises_well):
    def last_lr(scores):
        learner = MLPClassifier(
            preset="simple",
            lr=0.1,
            max_epochs=4,
            early_stopping=True,
            measures_valid=measure_with(scores, name),
            lr_schedule=Plateau(patience=0),
            random_state=0,
        )
        return learner.fit(X, y).history_[-1, "lr"]

    rising, falling = [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]
    good, bad = (rising, falling) if rises_well else (falling, rising)
    assert last_lr(good) == 0.1
    assert last_lr(bad) < 0.1


def test_defect_10_one_cycle_can_be_linear():
    # There is no attention here whose bias could be left out.
    def lrs(schedule):
        learner = MLPClassifier(
            preset="simple",
            lr=0.1,
            max_epochs=8,
            batch_size=50,
            lr_schedule=schedule,
            random_state=0,
        )
        return learner.fit(X, y).history_[:, "lr"]

    ours = lrs(OneCycle(anneal="linear", pct_start=0.5))
    assert_allclose(ours[:5], [0.004, 0.028, 0.052, 0.076, 0.1])
    assert_allclose(np.diff(ours[4:]), -0.025, rtol=1e-3)
    theirs = lrs(partial(OneCycleLR, anneal_strategy="linear", pct_start=0.5))
    assert theirs[0] == pytest.approx(0.004)
    assert max(theirs) > 10 * theirs[0]


def test_defect_11_saved_by_the_usual_means_it_works_after_loading(tmp_path):
    learner = MLPClassifier(
        preset="simple", max_epochs=3, warm_start=True, random_state=0
    ).fit(X, y)
    joblib.dump(learner, tmp_path / "learner.joblib")
    for loaded in (
        pickle.loads(pickle.dumps(learner)),
        joblib.load(tmp_path / "learner.joblib"),
    ):
        assert_array_equal(loaded.predict_proba(X), learner.predict_proba(X))
        assert loaded.fit(X, y).n_iter_ == 6


@pytest.mark.parametrize("validates", [False, True])
def test_defect_12_progress_speaks_of_validation_only_where_there_is_any(validates):
    learner = MLPClassifier(
        preset="simple", max_epochs=2, early_stopping=validates, verbose=2
    )
    with redirect_stderr(io.StringIO()) as shown:
        learner.fit(X, y)
    assert " 2/2 " in shown.getvalue()
    assert ("valid" in shown.getvalue()) == validates


def test_defect_13_a_resumed_run_ends_with_the_best_weights(tmp_path):
    def learner(max_epochs, folder):
        settings = {**OVERFITTING, "max_epochs": max_epochs}
        settings["preset"] = "simple"
        return MLPClassifier(**settings, callbacks=[Checkpoint(folder=folder)])

    straight = learner(12, tmp_path / "straight").fit(NOISE, COINS)
    learner(8, tmp_path / "resumed").fit(NOISE, COINS)
    resumed = learner(12, tmp_path / "resumed")
    resumed.fit(NOISE, COINS, resume=tmp_path / "resumed")
    # The best epoch lies before the interruption.
    assert resumed.best_epoch_ == straight.best_epoch_ < 8 < resumed.n_iter_
    assert_same_weights(resumed, straight)


def test_defect_14_training_measures_are_computed_without_dropout():
    learner = MLPClassifier(
        preset="simple",
        max_epochs=5,
        dropout=0.9,
        measures_train="neg_log_loss",
        random_state=0,
    ).fit(X, y)
    now = -log_loss(y, learner.predict_proba(X))
    assert_allclose(learner.history_[-1, "train_neg_log_loss"], now, rtol=1e-5)


@pytest.mark.parametrize(
    "cls",
    [pytest.param(cls, id=n) for n, cls in all_learners() if hasattr(cls, "score")],
)
def test_defect_15_every_learner_is_good_for_something_without_parameters(cls):
    # There is no TabResNet here.
    classifies = is_classifier(cls())
    rows = (
        load_iris(return_X_y=True)
        if classifies
        else make_friedman1(500, random_state=0)
    )
    parts = train_test_split(*rows, random_state=0)
    X_train, X_test, y_train, y_test = parts
    dummy = DummyClassifier() if classifies else DummyRegressor()
    worst = dummy.fit(X_train, y_train).score(X_test, y_test)
    score = cls().set_params(random_state=0).fit(X_train, y_train).score(X_test, y_test)
    if cls.__name__.startswith("Dummy"):
        assert score >= worst - 0.05
    else:
        assert score > worst + 0.2


@pytest.mark.parametrize("labels", [(0, 1, 2), (-100, 3, 7), (1, 2, 3)])
def test_defect_16_every_class_counts_and_can_be_predicted(labels):
    # There is no ignore_index here; -100, which torch passes over, is a label too.
    labels = np.array(labels)
    target = ClassTarget(labels)
    assert_array_equal(target.codes(labels), [0, 1, 2])
    assert_array_equal(target.labels(np.arange(3)), labels)
    learner = MLPClassifier(preset="simple", lr=0.01, random_state=0).fit(X, labels[y])
    assert_array_equal(learner.classes_, labels)
    assert set(learner.predict(X)) == set(labels)
    assert learner.score(X, labels[y]) > 0.9
    reference = MLPClassifier(preset="simple", lr=0.01, random_state=0).fit(X, y)
    assert_array_equal(learner.predict_proba(X), reference.predict_proba(X))


def classes_with_parameters():
    found = dict(all_learners())
    for room in ("callbacks", "training", "tuning"):
        module = importlib.import_module(f"torchlearners.{room}")
        for name in module.__all__:
            made = getattr(module, name)
            if isinstance(made, type) and issubclass(made, Parameters):
                found[name] = made
    return {**found, "EarlyStoppingCV": EarlyStoppingCV}


@pytest.mark.parametrize("name", sorted(classes_with_parameters()))
def test_defect_17_every_parameter_is_documented(name):
    cls = classes_with_parameters()[name]
    documented = inspect.getdoc(cls)
    for parameter in inspect.signature(cls).parameters:
        entry = re.search(
            rf"^{parameter} : .+\n((?:    .+\n?)+)", documented, re.MULTILINE
        )
        assert entry, f"{name} does not say what {parameter} is"
        assert len(entry[1].split()) >= 2
