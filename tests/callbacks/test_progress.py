import importlib.util
import pickle
import sys
import warnings
from types import SimpleNamespace
from typing import ClassVar

import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import EarlyStopping, Progress

X, Y = load_iris(return_X_y=True)


def fit(when, **params):
    learner = MLPClassifier(
        preset="simple",
        max_epochs=7,
        random_state=0,
        callbacks=[Progress(when=when)],
        **params,
    )
    return learner.fit(X, Y)


def test_one_line_shows_epoch_total_losses_and_time_left(capfd):
    fitted = fit("always", early_stopping=True)
    out, err = capfd.readouterr()
    last = err.strip().split("\r")[-1]
    row = fitted.history_[-1]
    assert out == ""
    assert last.startswith("00:00 left, epoch 7/7 |")
    assert f"train_loss={row['train_loss']:.4g}" in last
    assert f"valid_loss={row['valid_loss']:.4g}" in last
    assert "best" not in last


def test_defect_validation_is_not_mentioned_where_there_is_none(capfd):
    fit("always", early_stopping=False)
    assert "valid" not in capfd.readouterr().err


def test_nothing_is_shown_in_a_pipe(capfd):
    fit("auto")
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_the_line(capfd, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fit("auto")
    assert "epoch 7/7" in capfd.readouterr().err


def test_training_that_stops_early_leaves_its_last_epoch_standing(capfd):
    class StopAfterTwo(EarlyStopping):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = len(net.history) == 2

    MLPClassifier(
        preset="simple",
        max_epochs=7,
        callbacks=[StopAfterTwo(), Progress(when="always")],
    ).fit(X, Y)
    assert "epoch 2/7" in capfd.readouterr().err.rstrip().split("\r")[-1]


def test_a_second_fit_counts_its_own_epochs(capfd):
    warm = fit("always", warm_start=True)
    capfd.readouterr()
    warm.fit(X, Y)
    assert len(warm.history_) == 14
    assert "epoch 7/7" in capfd.readouterr().err


@pytest.mark.parametrize("when", ["always", "auto"])
def test_a_fitted_learner_with_progress_can_be_pickled(when):
    assert pickle.loads(pickle.dumps(fit(when))).n_iter_ == 7


def test_the_line_is_cut_to_80_columns_and_still_tells_the_time_left(capfd):
    measures = ["accuracy", "f1_macro", "precision_macro", "recall_macro"]
    fit("always", early_stopping=True, measures_train=measures, measures_valid=measures)
    lines = capfd.readouterr().err.rstrip("\n").split("\r")
    assert max(map(len, lines)) <= 80
    assert all(" left, epoch " in line for line in lines if line.strip())


class Notebook:
    """A module and a shell that look like those of a notebook."""

    config: ClassVar = {"IPKernelApp": {}}

    def get_ipython(self):
        return self


def test_defect_a_notebook_without_widgets_gets_the_line_and_no_warning(
    capfd, monkeypatch
):
    monkeypatch.setitem(sys.modules, "IPython", Notebook())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit("auto")
    out, err = capfd.readouterr()
    assert "epoch 7/7" in out
    assert err == ""


def test_a_notebook_with_widgets_gets_a_bar(capfd, monkeypatch):
    made = []

    class Bar:
        n = 0

        def __init__(self, **options):
            made.append(options["total"])

        def set_description_str(self, text, refresh):
            made.append(text)

        def update(self, n):
            self.n += n

        def close(self):
            made.append(self.n)

    monkeypatch.setitem(sys.modules, "IPython", Notebook())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "tqdm.notebook", SimpleNamespace(tqdm=Bar))
    fit("auto")
    assert (made[0], made[-1], len(made)) == (7, 7, 9)
    assert capfd.readouterr() == ("", "")
