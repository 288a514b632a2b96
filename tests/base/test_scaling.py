import numpy as np
import pytest
from torch import nn

from torchlearners.base import RegressorLearner, ScalingLearner


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
