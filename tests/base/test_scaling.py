import pickle

import numpy as np
import pytest
from torch import nn

from torchlearners.base import RegressorLearner, ScalingLearner
from torchlearners.data import Schema


class LinearRegressor(ScalingLearner, RegressorLearner):
    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


X = np.arange(12.0).reshape(6, 2) + 5


def rows_that_the_network_sees(preprocessing):
    learner = LinearRegressor(preprocessing=preprocessing, max_epochs=1)
    return learner.fit(X, X[:, 0])._schema.tensor(X).numpy()


def test_standard_preprocessing_scales_each_feature():
    seen = rows_that_the_network_sees("standard")
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(axis=0), 1, rtol=1e-6)


def test_without_preprocessing_the_features_are_left_as_they_are():
    np.testing.assert_array_equal(rows_that_the_network_sees(None), X)


def test_another_preprocessing_is_refused():
    with pytest.raises(ValueError, match="'preprocessing' parameter"):
        rows_that_the_network_sees("minmax")


@pytest.mark.parametrize("preprocessing", ["robust", "quantile"])
def test_the_preprocessing_is_the_one_asked_for(preprocessing):
    expected = Schema(scaling=preprocessing).fit(X, None).tensor(X).numpy()
    np.testing.assert_array_equal(rows_that_the_network_sees(preprocessing), expected)


@pytest.mark.parametrize("preprocessing", ["robust", "quantile"])
def test_a_learner_of_any_preprocessing_survives_pickling(preprocessing):
    learner = LinearRegressor(preprocessing=preprocessing, max_epochs=1)
    learner.fit(X, X[:, 0])
    copy = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(copy.predict(X), learner.predict(X))


@pytest.mark.parametrize("preprocessing", ["robust", "quantile"])
def test_rows_of_weight_zero_have_no_part_in_the_preprocessing(preprocessing):
    learner = LinearRegressor(preprocessing=preprocessing, max_epochs=2, random_state=0)
    weight = np.array([1, 0, 1, 2, 1, 0.0])
    with_zeros = learner.fit(X, X[:, 0], weight).predict(X)
    without = learner.fit(X[weight > 0], X[weight > 0, 0], weight[weight > 0])
    np.testing.assert_array_equal(without.predict(X), with_zeros)
