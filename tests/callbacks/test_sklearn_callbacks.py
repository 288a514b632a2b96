"""scikit-learn's callbacks on a learner; an epoch is a task of the fit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torchlearners import MLPClassifier
from torchlearners import _compat as compat

sklearn_callback = pytest.importorskip("sklearn.callback")
ScoringMonitor = sklearn_callback.ScoringMonitor

try:
    PROGRESS = [sklearn_callback.ProgressBar(max_propagation_depth=None)]
except ImportError:  # rich is not there
    PROGRESS = []

X, Y = make_classification(80, 5, random_state=0)
N_EPOCHS = 4


def learner(**params):
    return MLPClassifier(
        **{
            "preset": "simple",
            "hidden_layer_sizes": (8,),
            "max_epochs": N_EPOCHS,
            "early_stopping": False,
            "random_state": 0,
            **params,
        }
    )


class Recorder:
    """Writes down what it is called with."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.calls.append(f"begin {context.task_name} {context.task_id}")
        self.max_subtasks = getattr(self, "max_subtasks", context.max_subtasks)
        self.X, self.metadata = X, metadata

    def on_fit_task_end(self, estimator, context):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def test_the_fit_is_a_task_and_each_epoch_one_of_its_subtasks():
    recorder = Recorder()
    learner(max_epochs=2).set_callbacks(recorder).fit(X, Y, np.ones(len(X)))
    assert recorder.max_subtasks == 2
    assert recorder.X is X
    assert list(recorder.metadata) == ["sample_weight"]
    assert recorder.calls == [
        "setup",
        "begin fit 0",
        "begin epoch 0",
        "end epoch 0",
        "begin epoch 1",
        "end epoch 1",
        "end fit 0",
        "teardown",
    ]


def test_a_callback_that_asks_to_stop_ends_training():
    fitted = learner(max_epochs=50).set_callbacks(Recorder(stop_after=3)).fit(X, Y)
    assert fitted.n_iter_ == 3


def test_callbacks_change_nothing_of_the_fit():
    params = {"dropout": 0.3, "batch_size": 16}
    plain = learner(**params).fit(X, Y)
    watched = learner(**params).set_callbacks(
        ScoringMonitor(scoring="neg_log_loss"), Recorder()
    )
    np.testing.assert_array_equal(
        plain.predict_proba(X), watched.fit(X, Y).predict_proba(X)
    )


def test_scoring_monitor_scores_the_learner_after_each_epoch():
    monitor = ScoringMonitor(scoring=["neg_log_loss", "accuracy"])
    learner(dropout=0.5).set_callbacks(monitor).fit(X, Y)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == list(range(N_EPOCHS))
    for n_epochs, row in enumerate(rows, 1):
        fitted = learner(dropout=0.5, max_epochs=n_epochs).fit(X, Y)
        expected = get_scorer("neg_log_loss")(fitted, X, Y)
        assert row["neg_log_loss"] == pytest.approx(expected)


def test_an_estimator_that_a_callback_keeps_stays_as_it_was():
    class Keep(Recorder):
        kept = None

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch" and self.kept is None:
                self.kept = fitted_estimator, fitted_estimator.predict_proba(X)

    keep = Keep()
    final = learner(lr=0.1).set_callbacks(keep).fit(X, Y)
    estimator, then = keep.kept
    np.testing.assert_array_equal(estimator.predict_proba(X), then)
    assert np.abs(final.predict_proba(X) - then).max() > 0.01


def test_column_names_raise_no_warning():
    frame = pd.DataFrame(X, columns=list("abcde"))
    monitor = ScoringMonitor(scoring="accuracy")
    learner().set_callbacks(monitor).fit(frame, Y)
    assert len(monitor.get_logs().data) == N_EPOCHS + 1


def test_progress_bar_runs_and_ends_in_a_pipeline(capsys):
    pytest.importorskip("rich")
    make_pipeline(StandardScaler(), learner()).set_callbacks(*PROGRESS).fit(X, Y)
    assert "MLPClassifier - fit" in capsys.readouterr().out


def test_in_a_pipeline_epochs_are_tasks_of_its_last_step():
    monitor = ScoringMonitor(scoring="accuracy")
    recorder = Recorder()
    # One kind of callback is set on the learner, the other on what holds it.
    pipeline = make_pipeline(StandardScaler(), learner().set_callbacks(monitor))
    pipeline.set_callbacks(recorder).fit(X, Y)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert [row["task_id_path"] for row in rows] == [(0, 1, i) for i in range(N_EPOCHS)]
    assert recorder.calls.count("setup") == recorder.calls.count("teardown") == 1
    assert recorder.calls.count("end epoch 0") == 1


def test_in_a_parallel_search_each_fit_reports_its_epochs():
    monitor = ScoringMonitor(scoring="accuracy")
    watched = learner().set_callbacks(monitor)
    search = GridSearchCV(watched, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2)
    search.set_callbacks(*PROGRESS).fit(X, Y)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert len(rows) == (2 * 2 + 1) * N_EPOCHS


def test_callbacks_are_torn_down_where_training_fails():
    recorder = Recorder()
    failing = learner(lr=1e30, max_epochs=20, optimizer="sgd").set_callbacks(recorder)
    with pytest.raises(ValueError, match="training loss"):
        failing.fit(X, Y)
    assert recorder.calls[-1] == "teardown"
    assert recorder.calls.count("setup") == 1
    assert not hasattr(failing, "_callback_fit_ctx")


def test_callbacks_survive_clone_and_a_second_fit():
    recorder = Recorder()
    again = clone(learner(max_epochs=1).set_callbacks(recorder)).fit(X, Y)
    first = list(recorder.calls)
    again.fit(X, Y)
    assert recorder.calls == first * 2


def test_with_warm_start_the_scores_are_those_of_the_present_weights():
    monitor = ScoringMonitor(scoring="neg_log_loss")
    warm = learner(warm_start=True).set_callbacks(monitor).fit(X, Y).fit(X, Y)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    expected = get_scorer("neg_log_loss")(warm, X, Y)
    assert rows[-1]["neg_log_loss"] == pytest.approx(expected)


def test_older_scikit_learn_says_what_to_install(monkeypatch):
    import importlib
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("older_compat", compat.__file__)
    older = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(older)
    with pytest.raises(ImportError, match=r"scikit-learn 1\.9 or newer.*pip install"):
        older.CallbackSupportMixin().set_callbacks(Recorder())
    with older.callback_teardown(None):
        pass
