import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.nn import Dropout
from torchlearners.tabular._mlp import ACTIVATIONS, NORMALIZATIONS


def layers(learner):
    return list(learner.net_.module_.children())


def kinds(learner):
    return [type(layer) for layer in layers(learner)]


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    return rng.normal(size=(40, 3)), rng.randint(3, size=40)


@pytest.mark.parametrize(
    ("sizes", "widths"),
    [
        (7, [7]),
        (np.int64(7), [7]),
        ((5, 6), [5, 6]),
        ([5, 6], [5, 6]),
        (np.array([5, 6]), [5, 6]),
        ((), []),
    ],
)
def test_hidden_layer_sizes_are_the_widths_of_the_layers(data, sizes, widths):
    learner = MLPClassifier(hidden_layer_sizes=sizes, max_epochs=1).fit(*data)
    linear = [layer for layer in layers(learner) if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == [3, *widths]
    assert [layer.out_features for layer in linear] == [*widths, 3]


def test_a_hidden_layer_is_linear_normalization_activation_dropout(data):
    learner = MLPClassifier(
        hidden_layer_sizes=(4, 4),
        normalization="layer",
        activation="tanh",
        dropout=0.25,
        max_epochs=1,
    ).fit(*data)
    hidden = [nn.Linear, nn.LayerNorm, nn.Tanh, Dropout]
    assert kinds(learner) == [*hidden, *hidden, nn.Linear]
    assert layers(learner)[3].p == 0.25


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_trains_and_is_the_one_named(data, name):
    learner = MLPClassifier(
        hidden_layer_sizes=(8,), activation=name, max_epochs=1, random_state=0
    ).fit(*data)
    assert kinds(learner)[1].__name__ == ACTIVATIONS[name].__name__
    assert np.isfinite(learner.predict_proba(data[0])).all()


@pytest.mark.parametrize("make", [nn.Softplus, lambda: nn.Softplus()])
def test_an_activation_may_be_a_class_or_a_function(data, make):
    learner = MLPClassifier(hidden_layer_sizes=(8,), activation=make, max_epochs=1)
    assert kinds(learner.fit(*data))[1] is nn.Softplus


@pytest.mark.parametrize("name", sorted(NORMALIZATIONS))
def test_every_normalization_trains_and_is_the_one_named(data, name):
    learner = MLPClassifier(
        hidden_layer_sizes=(8,), normalization=name, max_epochs=2, random_state=0
    ).fit(*data)
    assert kinds(learner)[1].__name__ == NORMALIZATIONS[name].__name__


@pytest.mark.parametrize(
    "params", [{"dropout": 0.5}, {"normalization": "batch"}], ids=str
)
def test_prediction_runs_in_evaluation_mode(data, params):
    X, y = data
    learner = MLPClassifier(max_epochs=2, random_state=0, **params).fit(X, y)
    assert not any(m.training for m in learner.net_.module_.modules())
    whole = learner.predict_proba(X)
    assert_array_equal(whole, learner.predict_proba(X))
    # Batch statistics would make a row depend on those beside it.
    assert_array_equal(whole[:1], learner.predict_proba(X[:1]))


def test_batch_normalization_trains_where_one_row_would_be_left_over(data):
    X, y = data
    learner = MLPClassifier(normalization="batch", batch_size=13, max_epochs=1)
    assert np.isfinite(learner.fit(X, y).predict_proba(X)).all()  # 13 + 13 + 14


def test_standard_preprocessing_makes_units_irrelevant(data):
    X, y = data
    learner = MLPClassifier(hidden_layer_sizes=(8,), max_epochs=5, random_state=0)
    plain = learner.fit(X, y).predict_proba(X)
    units = np.array([1e-6, 1.0, 1e6])
    assert_allclose(
        learner.fit(X * units + units, y).predict_proba(X * units + units),
        plain,
        atol=1e-5,
    )


def test_without_preprocessing_the_network_sees_x_as_it_is(data):
    X, y = data
    learner = MLPClassifier(
        hidden_layer_sizes=(8,), preprocessing=None, max_epochs=1, random_state=0
    ).fit(X * 3 + 1, y)
    rows = torch.tensor(X, dtype=torch.float32)
    with torch.no_grad():
        logits = learner.net_.module_(rows).numpy()
    assert_allclose(learner.decision_function(X), logits, rtol=1e-5, atol=1e-6)


def test_a_constant_column_and_a_large_offset_do_no_harm():
    rng = np.random.RandomState(0)
    signal = rng.normal(size=300)
    X = np.column_stack([np.full(300, 1e9 / 3), signal + 1e6])
    y = signal > 0
    learner = MLPClassifier(max_epochs=30, random_state=0).fit(X, y)
    assert learner.score(X, y) > 0.95


def test_weights_are_initialized_by_the_seed_alone(data):
    X, y = data

    def weights(seed):
        learner = MLPClassifier(lr=1e-12, max_epochs=1, random_state=seed).fit(X, y)
        return layers(learner)[0].weight.detach().numpy()

    assert_array_equal(weights(0), weights(0))
    assert not np.allclose(weights(0), weights(1), atol=1e-3)


@pytest.mark.parametrize(
    ("load", "accuracy"),
    [(load_breast_cancer, 0.96), (load_iris, 0.93), (load_wine, 0.95)],
)
def test_the_classifier_is_accurate_with_its_defaults(load, accuracy):
    X, y = load(return_X_y=True)
    assert cross_val_score(MLPClassifier(random_state=0), X, y, cv=3).mean() > accuracy


def test_the_regressor_is_as_good_as_a_linear_model_on_diabetes():
    X, y = load_diabetes(return_X_y=True)
    learner = MLPRegressor(
        hidden_layer_sizes=(32,), weight_decay=1.0, max_epochs=20, random_state=0
    )
    linear = cross_val_score(Ridge(alpha=0.01), X, y, cv=3).mean()
    assert cross_val_score(learner, X, y, cv=3).mean() > linear - 0.05


def test_the_regressor_fits_what_no_linear_model_can():
    X = np.random.RandomState(0).uniform(-2, 2, size=(400, 2))
    y = 1000 + 50 * X[:, 0] * X[:, 1]
    assert MLPRegressor(random_state=0).fit(X, y).score(X, y) > 0.98
