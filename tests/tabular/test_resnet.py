import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from rtdl_revisiting_models import ResNet
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import cross_val_score
from torch import nn

from torchlearners import ResNetClassifier, ResNetRegressor
from torchlearners.data import DataSpec


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    return rng.normal(size=(40, 3)), rng.randint(3, size=40)


def trainable(module):
    return list(module.parameters())


def test_the_forward_pass_is_that_of_the_published_package():
    learner = ResNetRegressor(n_blocks=3, width=12, hidden_multiplier=1.5)
    ours = learner.build_module(DataSpec(n_numeric=5, n_outputs=2)).eval()
    theirs = ResNet(
        d_in=5,
        d_out=2,
        n_blocks=3,
        d_block=12,
        d_hidden=None,
        d_hidden_multiplier=1.5,
        dropout1=0.15,
        dropout2=0.0,
    ).eval()
    with torch.no_grad():
        # Both list their parameters in the order of the forward pass.
        for a, b in zip(trainable(ours), trainable(theirs), strict=True):
            a.copy_(b.normal_())
        rows = torch.randn(7, 5)
        assert_allclose(ours(rows), theirs(rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_numeric", [0, 2])
def test_categories_are_embedded_and_stand_beside_the_numbers(n_numeric):
    spec = DataSpec(n_numeric=n_numeric, n_outputs=1, cardinalities=(2, 10))
    module = ResNetRegressor(width=8).build_module(spec)
    first = next(m for m in module.modules() if isinstance(m, nn.Linear))
    assert first.in_features == n_numeric + 2 + 6
    rows = torch.zeros(3, n_numeric + 2)
    rows[1, -1] = 9
    outputs = module.eval()(rows)
    assert outputs[0] == outputs[2]
    assert outputs[0] != outputs[1]


def test_the_blocks_are_as_the_parameters_say(data):
    learner = ResNetClassifier(
        n_blocks=3, width=10, hidden_multiplier=1.55, dropout=0.3, residual_dropout=0.1
    ).set_params(max_epochs=1)
    table = str(learner.fit(*data).network_shapes())
    assert table.count("batch_norm1d_1__") == 3
    assert "(batch, feature=15)" in table
    drops = [m.p for m in learner.net_.module_.modules() if hasattr(m, "p")]
    assert drops == [0.3, 0.1] * 3


def test_prediction_does_not_depend_on_the_rows_beside_it(data):
    X, y = data
    learner = ResNetClassifier(width=16, max_epochs=2, random_state=0).fit(X, y)
    assert_array_equal(learner.predict_proba(X)[:1], learner.predict_proba(X[:1]))


@pytest.mark.parametrize(("load", "least"), [(load_breast_cancer, 0.95)])
def test_the_classifier_is_accurate_with_its_defaults(load, least):
    X, y = load(return_X_y=True)
    assert cross_val_score(ResNetClassifier(random_state=0), X, y, cv=3).mean() > least


def test_digits_are_told_apart_after_a_few_epochs():
    X, y = load_digits(return_X_y=True)
    learner = ResNetClassifier(max_epochs=10, random_state=0).fit(X[::2], y[::2])
    assert learner.score(X[1::2], y[1::2]) > 0.92


def test_the_regressor_fits_what_no_linear_model_can():
    X = np.random.RandomState(0).uniform(-2, 2, size=(400, 2))
    y = 1000 + 50 * X[:, 0] * X[:, 1]
    assert ResNetRegressor(random_state=0).fit(X, y).score(X, y) > 0.97


def test_several_targets_are_predicted_at_once(data):
    X, y = data
    learner = ResNetRegressor(width=16, max_epochs=1).fit(X, np.c_[y, -y])
    assert learner.predict(X).shape == (40, 2)


def test_automatic_batches_have_128_rows_at_most():
    sizes = [ResNetClassifier()._batch_size(n) for n in (200, 1000, 100_000)]
    assert sizes == [200, 32, 128]
