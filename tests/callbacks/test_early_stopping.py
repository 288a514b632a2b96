import copy
import types

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from skorch.callbacks import Callback
from torch import nn

from torchlearners import MLPRegressor
from torchlearners.callbacks import EarlyStopping

NAN, INF = float("nan"), float("inf")
X, y = load_diabetes(return_X_y=True)


def run(callback, losses):
    """Show `callback` a curve of losses; weights are the number of the epoch."""
    net = types.SimpleNamespace(
        history=[], stop_training=False, module_=nn.Linear(1, 1, bias=False)
    )
    callback.initialize()
    for epoch, loss in enumerate(losses, 1):
        nn.init.constant_(net.module_.weight, epoch)
        net.history.append({"epoch": epoch, "valid_loss": loss})
        callback.on_epoch_end(net)
        if net.stop_training:
            break
    callback.on_train_end(net)
    return net


@pytest.mark.parametrize(
    ("params", "losses", "n_epochs", "best_epoch"),
    [
        # It stops after `patience` epochs in a row without improvement.
        ({"patience": 2}, [3, 2, 1, 1, 1, 0], 5, 3),
        ({"patience": 2}, [3, 4, 2, 4, 1, 4, 4, 0], 7, 5),
        ({"patience": 1}, [3, 2, 2], 3, 2),
        ({"patience": 1}, [3, 4, 0], 2, 1),
        ({"patience": 3}, [3, 2, 1], 3, 3),
        ({"patience": None}, [1, 2, 2, 2, 2, 0.5], 6, 6),
        # An equal loss is no improvement.
        ({"patience": 2}, [1, 1, 1, 0], 3, 1),
        # An improvement is larger than min_delta, counted from the best.
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.5, 1], 3, 1),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.4, 2.3, 2.2], 5, 3),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.25, 2, 1.5], 4, 4),
        # A NaN is no improvement, also as the first loss.
        ({"patience": 2}, [NAN, NAN, 1], 2, None),
        ({"patience": 3}, [NAN, NAN, 1, NAN, NAN, NAN, 0], 6, 3),
        ({"patience": 3}, [2, NAN, 1, NAN, 0.5], 5, 5),
        ({"patience": 2}, [INF, INF, 1], 2, None),
        ({"patience": 2}, [INF, 5, -INF, -INF, -INF, 0], 5, 3),
    ],
)
def test_a_curve_of_losses_stops_where_it_should(params, losses, n_epochs, best_epoch):
    callback = EarlyStopping(**params)
    net = run(callback, losses)
    assert len(net.history) == n_epochs
    assert callback.best_epoch_ == best_epoch
    assert callback.best_score_ == (losses[best_epoch - 1] if best_epoch else None)
    assert net.module_.weight.item() == (best_epoch or n_epochs)


def test_without_restoring_the_last_weights_stay():
    callback = EarlyStopping(patience=2, restore_best=False)
    net = run(callback, [3, 1, 2, 2])
    assert net.module_.weight.item() == 4
    assert callback.best_epoch_ == 2


def test_no_weights_are_kept_after_training():
    callback = EarlyStopping(patience=2)
    net = run(callback, [3, 1, 2, 2])
    nn.init.constant_(net.module_.weight, 77.0)
    callback.on_train_end(net)
    assert net.module_.weight.item() == 77


def test_buffers_are_restored_like_weights():
    callback = EarlyStopping().initialize()
    module = nn.BatchNorm1d(2)
    net = types.SimpleNamespace(
        history=[{"epoch": 1, "valid_loss": 1.0}], stop_training=False, module_=module
    )
    best = copy.deepcopy(module.state_dict())
    callback.on_epoch_end(net)
    module(torch.full((2, 2), 9.0))
    assert not torch.equal(module.running_mean, best["running_mean"])
    callback.on_train_end(net)
    for name, value in module.state_dict().items():
        assert torch.equal(value, best[name])


def test_a_second_training_starts_afresh():
    callback = EarlyStopping(patience=2)
    run(callback, [0.1, 0.2, 0.2])
    net = run(callback, [5, 4, 6, 6, 6])
    assert len(net.history) == 4
    assert (callback.best_epoch_, callback.best_score_) == (2, 4)


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_it_is_cloned_by_its_parameters(used):
    callback = EarlyStopping(patience=3, min_delta=0.1)
    if used:
        run(callback, [3, 2, 1])
    expected = {
        "patience": 3,
        "min_delta": 0.1,
        "restore_best": True,
        "monitor": "valid_loss",
        "greater_is_better": False,
    }
    assert callback.get_params() == expected
    assert clone(callback).get_params() == expected


# Through a real fit


class ValidLoss(Callback):
    """Replace the validation loss by a given curve, and remember the weights."""

    def __init__(self, losses):
        self.losses = losses

    def initialize(self):
        self.weights_ = []
        return self

    def on_epoch_end(self, net, **kwargs):
        net.history.record("valid_loss", self.losses[len(net.history) - 1])
        self.weights_.append(copy.deepcopy(net.module_.state_dict()))


def fit(losses, **params):
    learner = MLPRegressor(
        preset="simple",
        hidden_layer_sizes=4,
        max_epochs=len(losses),
        callbacks=[ValidLoss(losses)],
        random_state=0,
        device="cpu",
        **params,
    )
    learner.fit(X, y, X_val=X[:20], y_val=y[:20])
    return learner, learner.net_.callbacks_[0][1].weights_


@pytest.mark.parametrize(
    ("params", "losses", "n_epochs", "best_epoch", "kept"),
    [
        ({"patience": 2}, [3, 1, 2, 2, 0], 4, 2, 2),
        ({"patience": 9}, [3, 1, 2, 2], 4, 2, 2),
        ({"patience": 2, "restore_best": False}, [3, 1, 2, 2, 0], 4, 2, 4),
        ({"patience": 2, "min_delta": 1.5}, [3, 2, 1, 1, 1, 0], 5, 3, 3),
        ({"patience": 1, "early_stopping": False}, [3, 1, 2, 2], 4, 2, 2),
    ],
)
def test_a_fit_stops_and_keeps_what_it_should(
    params, losses, n_epochs, best_epoch, kept
):
    learner, weights = fit(losses, **params)
    assert learner.n_iter_ == len(learner.history_) == n_epochs
    assert learner.best_epoch_ == best_epoch
    assert learner.best_score_ == losses[best_epoch - 1]
    for name, value in learner.net_.module_.state_dict().items():
        assert torch.equal(value, weights[kept - 1][name])
        others = [w for i, w in enumerate(weights) if i != kept - 1]
        assert not any(torch.equal(value, w[name]) for w in others)


def test_the_best_weights_give_the_best_validation_loss():
    learner = MLPRegressor(
        preset="simple",
        hidden_layer_sizes=64,
        lr=0.05,
        max_epochs=40,
        patience=8,
        random_state=0,
    ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    losses = [row["valid_loss"] for row in learner.history_]
    assert learner.n_iter_ == learner.best_epoch_ + 8 < 40
    assert learner.best_score_ == min(losses) < losses[-1]
    scale = y[:200].std()
    error = np.mean((learner.predict(X[200:]) - y[200:]) ** 2) / scale**2
    assert error == pytest.approx(learner.best_score_, rel=1e-5)
