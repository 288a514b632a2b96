import numpy as np
import pytest
from scipy.stats import norm

from torchlearners.data._quantiles import median_and_scale, normal_knots


def column(*values):
    return np.array(values, dtype=float)[:, None]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 101])
def test_medians_and_quartiles_are_those_of_numpy(n):
    X = np.random.RandomState(n).normal(size=(n, 2))
    center, inverse = median_and_scale(X, None)
    np.testing.assert_allclose(center, np.median(X, axis=0), rtol=1e-15)
    low, high = np.quantile(X, [0.25, 0.75], axis=0, method="averaged_inverted_cdf")
    np.testing.assert_allclose(inverse, 1 / (high - low) if n > 1 else 0, rtol=1e-12)


def test_weights_that_are_no_integers_count_by_their_ratios():
    X = column(1, 2, 3)
    assert median_and_scale(X, np.array([0.1, 0.1, 0.3]))[0] == 3
    assert median_and_scale(X, np.array([0.1, 0.1, 0.2]))[0] == 2.5


def test_columns_without_spread_have_no_scale():
    X = np.array([[1.0, np.nan, 1e308], [1.0, np.nan, -1e308]])
    center, inverse = median_and_scale(X, None)
    assert center.tolist() == [1, 0, 0]
    assert inverse.tolist() == [0, 0, 0]


def test_knots_stand_in_the_middle_of_the_share_of_their_value():
    knots, scores = normal_knots(column(5, 5, 5, 7, np.nan), None)
    assert knots[0].tolist() == [5] + [7] * 127
    np.testing.assert_allclose(scores[0, :2], norm.ppf([3 / 8, 7 / 8]))


def test_values_of_hardly_any_weight_have_finite_scores():
    weight = np.array([1e-30, 1.0, 1e-30])
    _, scores = normal_knots(column(1, 2, 3), weight)
    assert scores[0, 0] < -7
    assert 7 < scores[0, 2] < 8
    assert scores[0, 1] == 0


def test_a_value_that_many_rows_share_is_always_a_knot():
    rng = np.random.RandomState(0)
    x = np.r_[np.zeros(500), rng.uniform(size=700)]
    knots, scores = normal_knots(x[:, None], None)
    assert knots.shape == (1, 128)
    assert knots[0, 0] == 0
    np.testing.assert_allclose(scores[0, 0], norm.ppf(500 / 1200 / 2))
