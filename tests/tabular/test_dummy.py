import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from torchlearners import DummyTorchClassifier, DummyTorchRegressor


def rows_of(frequencies, n_rows):
    counts = np.round(np.array(frequencies) * n_rows).astype(int)
    y = np.repeat(np.arange(len(frequencies)), counts)
    return np.zeros((len(y), 1)), y


@pytest.mark.parametrize("n_rows", [100, 2000])
@pytest.mark.parametrize(
    "frequencies", [[0.5, 0.5], [0.7, 0.2, 0.1], [0.9, 0.1], [0.8, 0.1, 0.1]]
)
def test_the_classifier_learns_the_class_frequencies(frequencies, n_rows):
    X, y = rows_of(frequencies, n_rows)
    learner = DummyTorchClassifier(random_state=0).fit(X, y)
    assert_allclose(learner.predict_proba(X[:1])[0], frequencies, atol=0.02)


def test_the_classifier_learns_weighted_frequencies():
    X, y = rows_of([0.5, 0.5], 100)
    weight = np.where(y == 1, 3.0, 1.0)
    learner = DummyTorchClassifier(random_state=0).fit(X, y, sample_weight=weight)
    assert_allclose(learner.predict_proba(X[:1])[0], [0.25, 0.75], atol=0.02)


def test_the_classifier_predicts_the_most_frequent_label():
    X, y = rows_of([0.3, 0.7], 100)
    learner = DummyTorchClassifier(random_state=0).fit(X, np.array(["a", "b"])[y])
    assert_array_equal(learner.predict([[1.0], [-1.0]]), ["b", "b"])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_regressor_predicts_the_weighted_mean(weighted):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(150, 2)), rng.normal(1000.0, 10.0, size=150)
    weight = np.where(y > 1000, 3.0, 1.0) if weighted else None
    learner = DummyTorchRegressor(random_state=0).fit(X, y, sample_weight=weight)
    mean = np.average(y, weights=weight)
    assert abs(mean - y.mean()) > 1 or not weighted
    # Within 0.02 standard deviations.
    assert_allclose(learner.predict(X), np.full(150, mean), atol=0.2, rtol=0)


def test_the_regressor_learns_each_of_several_means():
    y = np.array([[1.0, 10.0], [3.0, 30.0]])
    learner = DummyTorchRegressor(random_state=0).fit([[0.0], [1.0]], y)
    assert_allclose(learner.predict([[5.0]]), [[2.0, 20.0]], rtol=1e-6)


def test_the_regressor_learns_the_median_with_the_absolute_loss():
    y = np.array([0.0] * 60 + [1.0] * 40)
    learner = DummyTorchRegressor(loss="mae", lr=0.02, max_epochs=200, random_state=0)
    assert_allclose(learner.fit(np.zeros((100, 1)), y).predict([[0.0]]), 0.0, atol=0.05)


@pytest.mark.parametrize("learner", [DummyTorchClassifier, DummyTorchRegressor])
def test_predictions_do_not_depend_on_the_features(learner):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 3)), rng.randint(2, size=50)
    fitted = learner(random_state=0).fit(X, y)
    assert len(np.unique(fitted.predict(rng.normal(size=(50, 3)) * 100))) == 1
    assert sum(p.numel() for p in fitted.net_.module_.parameters()) <= 2
