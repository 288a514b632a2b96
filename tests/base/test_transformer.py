import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from torchlearners.base import TransformerLearner
from torchlearners.params import param, positive_int


class Bottleneck(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.out_features = width
        self.encode, self.decode = nn.Linear(n, width), nn.Linear(width, n)

    def forward(self, x):
        return (self.decode(self.encode(x)) - x).square().mean(dim=1, keepdim=True)


class Autoencoder(TransformerLearner):
    """Linear autoencoder.

    {parameters}
    """

    width: int = param(default=2, check=positive_int, doc="Number of features.")
    lr: float = param(default=0.02)

    def network(self, spec):
        return Bottleneck(spec.n_columns, self.width)


X = load_iris(return_X_y=True)[0]


@parametrize_with_checks([Autoencoder(max_epochs=10)])
def test_a_transformer_passes_every_check(estimator, check):
    check(estimator)


def test_a_linear_autoencoder_finds_the_principal_components():
    learner = Autoencoder(max_epochs=500, random_state=0).fit(X)
    scaled = (X - X.mean(0)) / X.std(0)
    left_over = np.linalg.svd(scaled, compute_uv=False)[2:] ** 2
    best = left_over.sum() / scaled.size
    assert_allclose(learner.history_[-1]["train_loss"], best, rtol=0.1)


def test_features_have_names_and_may_be_frames():
    learner = Autoencoder(max_epochs=2, width=3, random_state=0)
    learner.set_output(transform="pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    found = learner.fit_transform(frame)
    assert list(found.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert found.to_numpy().dtype == np.float32


def test_losses_of_training_and_validation_rows_are_weighted():
    weight = np.r_[np.zeros(50), np.ones(50), np.full(50, 3.0)]
    repeated = np.repeat(X, weight.astype(int), axis=0)
    parts = {"max_epochs": 4, "random_state": 0, "batch_size": 1000}
    one = Autoencoder(**parts).fit(
        X, sample_weight=weight, X_val=X, sample_weight_val=weight
    )
    other = Autoencoder(**parts).fit(repeated, X_val=repeated)
    assert_array_equal(one.transform(X), other.transform(X))
    assert_allclose(
        one.history_[:, ("train_loss", "valid_loss")],
        other.history_[:, ("train_loss", "valid_loss")],
        rtol=1e-6,
    )


def test_a_fitted_transformer_can_be_pickled():
    learner = Autoencoder(max_epochs=2).fit(X)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.transform(X), learner.transform(X))


def test_partial_fit_goes_on():
    learner = Autoencoder(random_state=0).partial_fit(X).partial_fit(X)
    assert learner.n_iter_ == 2
    assert not np.array_equal(
        learner.transform(X),
        Autoencoder(random_state=0).partial_fit(X).transform(X),
    )


def test_a_transformer_is_searched_in_a_pipeline():
    _, y = load_iris(return_X_y=True)
    steps = make_pipeline(
        Autoencoder(max_epochs=20, random_state=0), LogisticRegression()
    )
    search = GridSearchCV(steps, {"autoencoder__width": [1, 3]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.8


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"measures_valid": "r2"}, "no target that measures could look at"),
        ({"loss": "mse"}, "computes its own loss, got loss='mse'"),
    ],
)
def test_what_needs_a_target_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(**params).fit(X)
