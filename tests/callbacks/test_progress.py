import pickle
import sys

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
    assert last.startswith("epoch 7/7 |")
    assert f"train_loss={row['train_loss']:.4g}" in last
    assert f"valid_loss={row['valid_loss']:.4g}" in last
    assert "best" not in last
    assert last.endswith("<00:00]")


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
    assert capfd.readouterr().err.rstrip().split("\r")[-1].startswith("epoch 2/7")


def test_a_second_fit_counts_its_own_epochs(capfd):
    warm = fit("always", warm_start=True)
    capfd.readouterr()
    warm.fit(X, Y)
    assert len(warm.history_) == 14
    assert "epoch 7/7" in capfd.readouterr().err


@pytest.mark.parametrize("when", ["always", "auto"])
def test_a_fitted_learner_with_progress_can_be_pickled(when):
    assert pickle.loads(pickle.dumps(fit(when))).n_iter_ == 7
