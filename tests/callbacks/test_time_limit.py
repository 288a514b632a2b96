import time

import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import TimeLimit, callback

X, y = load_iris(return_X_y=True)


class Clock:
    """A clock that only moves when it is told to."""

    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("torchlearners.callbacks._time_limit.time", clock)
    return clock


def fit(clock, *callbacks, stage="on_epoch_end", **settings):
    def pass_a_second(net, **kwargs):
        clock.now += 1

    callbacks = [callback(**{stage: pass_a_second}), *callbacks]
    settings = {"max_epochs": 9, "random_state": 0, **settings}
    return MLPClassifier(preset="simple", callbacks=callbacks, **settings).fit(X, y)


@pytest.mark.parametrize(("seconds", "n_epochs"), [(0.5, 1), (3, 3), (3.5, 4), (99, 9)])
def test_training_ends_with_the_epoch_in_which_time_runs_out(clock, seconds, n_epochs):
    learner = fit(clock, TimeLimit(seconds=seconds))
    assert learner.n_iter_ == n_epochs
    assert dict(learner.net_.callbacks_)["TimeLimit"].elapsed_ == n_epochs


def test_the_clock_is_looked_at_in_each_batch(clock):
    stops = []
    note = callback(
        on_grad_computed=lambda net, **kwargs: stops.append(net.stop_training)
    )
    limit = TimeLimit(seconds=2)
    learner = fit(clock, limit, note, stage="on_grad_computed", batch_size=38)
    assert learner.n_iter_ == 1
    assert stops[:2] == [False, True]


def test_a_time_limit_does_not_follow_batches():
    limit = TimeLimit(seconds=99)
    learner = MLPClassifier(
        preset="simple", max_epochs=1, batch_size=32, callbacks=[limit]
    ).fit(X, y)
    assert len(learner.history_[0]["batches"]) == 1


def test_the_time_before_a_resume_counts(clock):
    before = TimeLimit(seconds=5).initialize()
    before.on_train_begin(None)
    clock.now += 3
    net = type("Net", (), {"stop_training": False})()
    before.on_epoch_end(net)

    after = TimeLimit(seconds=5).initialize()
    after.on_train_begin(None)
    after.load_state_dict(before.state_dict())
    clock.now += 1
    after.on_epoch_end(net)
    assert after.elapsed_ == 4
    assert not net.stop_training
    clock.now += 1
    after.on_epoch_end(net)
    assert net.stop_training


def test_a_new_fit_starts_from_zero(clock):
    learner = fit(clock, TimeLimit(seconds=2), warm_start=True)
    assert learner.fit(X, y).n_iter_ == 4


def test_real_time_is_kept():
    pause = callback(on_epoch_end=lambda net, **kwargs: time.sleep(0.05))
    learner = MLPClassifier(preset="simple", callbacks=[pause, TimeLimit(seconds=0.12)])
    assert learner.fit(X, y).n_iter_ <= 3


def test_seconds_must_be_positive():
    with pytest.raises(ValueError, match="The 'seconds' parameter of TimeLimit"):
        MLPClassifier(preset="simple", callbacks=[TimeLimit(seconds=0)]).fit(X, y)
