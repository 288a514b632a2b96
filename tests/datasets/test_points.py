import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from torchlearners.datasets import make_spirals, make_xor

BOTH = pytest.mark.parametrize("make", [make_spirals, make_xor])


@BOTH
def test_the_same_seed_makes_the_same_points(make):
    X, y = make(50, noise=0.1, random_state=1)
    again = make(50, noise=0.1, random_state=1)
    np.testing.assert_array_equal(X, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert X.shape == (50, 2)
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert (make(50, noise=0.1, random_state=2)[0] != X).any()


@BOTH
def test_no_line_divides_the_classes_but_neighbors_do(make):
    X, y = make(2000, random_state=0)
    assert LogisticRegression().fit(X, y).score(X, y) < 0.7
    learner = KNeighborsClassifier(3).fit(X[:1000], y[:1000])
    assert learner.score(X[1000:], y[1000:]) > 0.95


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_spirals_have_equally_many_points(n_classes):
    _, y = make_spirals(100, n_classes=n_classes, random_state=0)
    counts = np.bincount(y)
    assert len(counts) == n_classes
    assert np.ptp(counts) <= 1


def test_spirals_without_noise_lie_on_their_curves():
    X, y = make_spirals(500, n_classes=3, n_turns=2, noise=0, random_state=0)
    radius = np.hypot(*X.T)
    turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi)
    off = (turns - 2 * radius - y / 3 + 0.5) % 1 - 0.5
    np.testing.assert_allclose(off, 0, atol=1e-12)
    assert radius.max() <= 1


@pytest.mark.parametrize("n_tiles", [2, 3, 4])
def test_neighboring_tiles_have_other_classes(n_tiles):
    X, y = make_xor(2000, n_tiles=n_tiles, random_state=0)
    column, row = np.floor((X.T + 1) / 2 * n_tiles).astype(int)
    np.testing.assert_array_equal(y, (row + column) % 2)


def test_neither_sign_alone_tells_the_class_of_two_tiles():
    X, y = make_xor(5000, random_state=0)
    for feature in X.T:
        assert abs(np.mean((feature > 0) == y) - 0.5) < 0.03


@BOTH
def test_noise_moves_points_and_no_classes(make):
    X, y = make(5000, noise=0, random_state=0)
    moved, same = make(5000, noise=0.1, random_state=0)
    np.testing.assert_array_equal(y, same)
    assert (moved - X).std(axis=0) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (make_spirals, {"n_samples": 0}),
        (make_spirals, {"n_classes": 1}),
        (make_spirals, {"n_turns": 0}),
        (make_xor, {"n_tiles": 1}),
        (make_xor, {"noise": -0.1}),
    ],
)
def test_a_wrong_argument_is_named(make, wrong):
    (name,) = wrong
    message = f"'{name}' parameter of {make.__name__} must be"
    with pytest.raises(ValueError, match=message):
        make(**wrong)
