import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from torch import nn

from torchlearners import (
    MLPClassifier,
    MLPRegressor,
    ResNetClassifier,
    TabMClassifier,
    TabMRegressor,
)
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import callback
from torchlearners.exceptions import NonFiniteLossError
from torchlearners.training import StackedNets

X, Y = make_classification(150, 6, n_informative=4, n_classes=3, random_state=0)
X_VAL, Y_VAL = X[::4] + 0.3, Y[::4]
VALUES = np.column_stack([X @ np.arange(6), X[:, 0] * X[:, 1]])

QUICK = {
    "preset": "simple",
    "hidden_layer_sizes": (8, 8),
    "max_epochs": 8,
    "lr": 0.02,
    "batch_size": 32,
}


def fit_together(learners, *rows, **more):
    """Fit learners whose nets wait for each other; return the nets that waited."""
    waiting = StackedNets(len(learners))
    for learner in learners:
        learner._waiting = waiting
        learner.fit(*rows, **more)
    waiting.train()
    return [run.net for runs in waiting.groups.values() for run in runs]


def assert_like_trained_alone(learners, *rows, **more):
    alone = [clone(learner).fit(*rows, **more) for learner in learners]
    nets = fit_together(learners, *rows, **more)
    assert len(nets) == len(learners)
    for learner, expected in zip(learners, alone, strict=True):
        history = learner.net_.history
        assert len(history) == len(expected.history_)
        for ours, theirs in zip(history, expected.history_, strict=True):
            assert ours.keys() == theirs.keys()
            for key in ours.keys() - {"dur", "batches"}:
                assert ours[key] == pytest.approx(theirs[key], abs=1e-4, rel=1e-4)
        state = expected.net_.module_.state_dict()
        for name, value in learner.net_.module_.state_dict().items():
            torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-4)
        stopper = dict(learner.net_.callbacks_).get("early_stopping")
        if stopper is not None:
            assert stopper.best_epoch_ == expected.best_epoch_
            assert stopper.stopped_epoch_ == expected.stopped_epoch_


def several(cls=MLPClassifier, **params):
    known = cls().get_params()
    params = {k: v for k, v in {**QUICK, **params}.items() if k.split("__")[0] in known}
    return [cls(**params, random_state=seed) for seed in range(3)]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dropout": 0.3, "activation": "gelu"},
        {"optimizer": "sgd", "optimizer__momentum": 0.9, "grad_clip": 0.5},
        # With a smaller eps, a gradient near 0 makes a whole step of its rounding.
        {"optimizer": "rmsprop", "optimizer__eps": 1e-3, "class_weight": "balanced"},
        {"lr_schedule": "one_cycle", "drop_last": True},
        {"batch_size": "auto", "hidden_layer_sizes": ()},
    ],
    ids=str,
)
def test_nets_end_as_if_trained_alone(params):
    assert_like_trained_alone(several(**params), X, Y)


@pytest.mark.parametrize("loss", ["mse", "huber", "quantile", "gaussian"])
def test_nets_of_values_end_as_if_trained_alone(loss):
    weight = np.arange(150) % 4
    assert_like_trained_alone(several(MLPRegressor, loss=loss), X, VALUES, weight)


def test_nets_of_labels_end_as_if_trained_alone():
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    assert_like_trained_alone(several(), X, labels)


# Numbers, and categories that become indicators, one number, and vectors.
TABLE = np.column_stack([X[:, :3], Y, np.arange(150) % 2, np.arange(150) % 12])
TABLES = {
    "preset": "realmlp",
    "hidden_layer_sizes": (16, 16),
    "max_epochs": 5,
    "lr": "auto",
    "categorical_features": [3, 4, 5],
}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"num_embeddings": "pbld", "normalization": "layer", "grad_clip": 0.5},
        {"preset": "simple", "num_embeddings": "ple", "batch_size": 64},
    ],
    ids=str,
)
def test_nets_of_the_whole_recipe_end_as_if_trained_alone(params):
    assert_like_trained_alone(several(**{**TABLES, **params}), TABLE, Y)
    values = several(MLPRegressor, **{**TABLES, **params})
    assert_like_trained_alone(values, TABLE, VALUES)


SGD = {"max_epochs": 4, "optimizer": "sgd", "lr": 0.02, "batch_size": 64}


@pytest.mark.parametrize(
    "learner",
    [
        ResNetClassifier(width=8, **SGD),
        ResNetClassifier(width=8, residual_dropout=0.2, **SGD),
        MLPClassifier(
            preset="simple", hidden_layer_sizes=(8,), normalization="batch", **SGD
        ),
        TabMClassifier(width=8, k=3, **SGD),
        TabMClassifier(width=8, k=3, arch="tabm", **SGD),
    ],
    ids=str,
)
def test_other_networks_of_tables_end_as_if_trained_alone(learner):
    # Adam makes steps of the rounding in biases before a batch normalization.
    learner.set_params(categorical_features=[3, 4, 5])
    learners = [clone(learner).set_params(random_state=seed) for seed in range(3)]
    assert_like_trained_alone(learners, TABLE, Y)


def test_members_inside_a_net_are_weighted_as_if_trained_alone():
    learners = several(TabMRegressor, width=8, k=3, max_epochs=4)
    assert_like_trained_alone(learners, X, VALUES, np.arange(150) % 4)


class Tied(ClassifierLearner):
    """A network in which one layer, one function and one weight are met twice."""

    def network(self, spec):
        twice, relu = nn.Linear(6, 6, bias=False), nn.ReLU()
        tied = nn.Linear(6, 6)
        tied.weight = twice.weight
        head = nn.Linear(6, spec.n_outputs)
        return nn.Sequential(twice, relu, twice, relu, tied, head)


class Hooked(ClassifierLearner):
    """A network that does more than its layers say."""

    def network(self, spec):
        head = nn.Linear(6, spec.n_outputs)
        head.register_forward_hook(lambda module, inputs, output: 2 * output)
        return nn.Sequential(head)


def test_layers_and_weights_may_be_met_twice():
    learners = [Tied(max_epochs=4, lr=0.02, random_state=seed) for seed in range(3)]
    assert_like_trained_alone(learners, X, Y)


def test_nets_with_hooks_do_not_wait():
    learners = [Hooked(max_epochs=2, random_state=seed) for seed in range(2)]
    assert fit_together(learners, X, Y) == []


def test_each_net_stops_where_it_would_alone():
    learners = several(lr=0.1, max_epochs=40, patience=2, measures_valid="accuracy")
    given = {"X_val": X_VAL, "y_val": Y_VAL}
    assert_like_trained_alone(learners, X, Y, **given)
    epochs = {len(learner.net_.history) for learner in learners}
    assert len(epochs) > 1
    assert max(epochs) < 40


def test_averages_are_those_of_each_net_when_others_have_stopped():
    learners = several(TabMClassifier, width=8, k=3, lr=0.1, max_epochs=40, patience=2)
    assert_like_trained_alone(learners, X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert len({len(learner.net_.history) for learner in learners}) > 1


def test_nets_may_differ_in_rates_and_epochs():
    settings = [
        {"lr": 0.001, "weight_decay": 0.3, "dropout": 0.1},
        {"lr": 0.03, "max_epochs": 3},
        {"lr": 0.01, "dropout": 0.5},
    ]
    learners = [
        MLPClassifier(**{**QUICK, "dropout": 0.2, "random_state": 0, **own})
        for own in settings
    ]
    assert_like_trained_alone(learners, X, Y)


def test_nets_of_other_shapes_are_trained_in_groups_of_their_own():
    learners = several()
    learners += [clone(one).set_params(hidden_layer_sizes=(5,)) for one in learners]
    learners.append(clone(learners[0]).set_params(hidden_layer_sizes=(4,)))
    assert_like_trained_alone(learners, X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": (400, 400)},
        {"optimizer": "lbfgs"},
        {"accumulate_grad": 2},
        {"shuffle": False},
        {"loss": lambda output, target: output.square().mean(dim=1)},
        {"callbacks": [callback(on_batch_end=lambda net, **kwargs: None)]},
    ],
    ids=lambda params: next(iter(params)),
)
def test_other_nets_do_not_wait(params):
    learners = several(max_epochs=1, **params)
    assert fit_together(learners, X, Y) == []
    for learner in learners:
        assert len(learner.net_.history) == 1


def test_weights_are_the_net_s_own_afterwards():
    learners = several(max_epochs=1)
    fit_together(learners, X, Y)
    before = learners[1].predict_proba(X)
    with torch.no_grad():
        for p in learners[0].net_.module_.parameters():
            p.zero_()
    np.testing.assert_array_equal(learners[1].predict_proba(X), before)
    for p in learners[1].net_.module_.parameters():
        assert p.untyped_storage().nbytes() == 4 * p.numel()


def test_a_loss_that_is_not_finite_is_an_error():
    learners = several(MLPRegressor, lr=1e30, optimizer="sgd")
    with pytest.raises(NonFiniteLossError, match="training loss became"):
        fit_together(learners, X, VALUES)


def test_members_of_a_learner_are_trained_together(monkeypatch):
    params = {**QUICK, "n_folds": 4, "dropout": 0.2, "random_state": 0}
    taken = []
    takes = StackedNets.takes
    monkeypatch.setattr(
        StackedNets, "takes", lambda *args: taken.append(takes(*args)) or taken[-1]
    )
    together = MLPClassifier(**params).fit(X, Y)
    assert taken == 4 * [True]
    # Smaller batches are filled up.
    sizes = {m.net_.identity["number of training rows"] for m in together.members_}
    assert sizes == {112, 113}
    monkeypatch.setattr(StackedNets, "takes", lambda *args: False)
    alone = MLPClassifier(**params).fit(X, Y)
    for ours, theirs in zip(together.members_, alone.members_, strict=True):
        assert ours.n_iter_ == theirs.n_iter_
        assert ours.best_epoch_ == theirs.best_epoch_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-4)
        for key in ("train_loss", "valid_loss"):
            found, expected = ours.history_[:, key], theirs.history_[:, key]
            np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(
        together.oof_prediction_, alone.oof_prediction_, atol=1e-5
    )
