import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from torchlearners.datasets import make_categorical_table


def test_the_same_seed_makes_the_same_table():
    X, y = make_categorical_table(50, random_state=1)
    again = make_categorical_table(50, random_state=1)
    np.testing.assert_array_equal(X, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert (y != make_categorical_table(50, random_state=2)[1]).any()


def test_numbers_come_first_and_levels_are_codes():
    X, y = make_categorical_table(
        2000, n_numeric=2, n_levels=[2, 5], missing=0, random_state=0
    )
    assert X.shape == (2000, 4)
    assert set(X[:, 2]) == {0, 1}
    assert set(X[:, 3]) == set(range(5))
    assert X[:, :2].std(axis=0) == pytest.approx(1, rel=0.1)
    assert y.dtype == np.int64


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_column_has_its_share_of_holes(missing):
    X, _ = make_categorical_table(5000, missing=missing, random_state=0)
    assert np.isnan(X).mean(axis=0) == pytest.approx(missing, abs=0.03)


def test_a_frame_holds_the_same_values():
    pandas = pytest.importorskip("pandas")
    X, y = make_categorical_table(200, missing=0.2, random_state=0)
    frame, same = make_categorical_table(
        200, missing=0.2, as_frame=True, random_state=0
    )
    np.testing.assert_array_equal(y, same)
    assert list(frame) == [f"number_{i}" for i in range(4)] + [
        f"category_{i}" for i in range(3)
    ]
    np.testing.assert_array_equal(frame.iloc[:, :4].to_numpy(), X[:, :4])
    for i, n in enumerate([3, 8, 30]):
        column = frame[f"category_{i}"]
        assert column.cat.categories.tolist() == [f"level_{c}" for c in range(n)]
        codes = column.cat.codes.to_numpy()
        np.testing.assert_array_equal(codes, np.nan_to_num(X[:, 4 + i], nan=-1))
        assert isinstance(column.dtype, pandas.CategoricalDtype)


@pytest.mark.parametrize(("n_classes", "missing"), [(2, 0.05), (2, 0.4), (4, 0.2)])
def test_the_share_of_rows_with_a_class_by_chance_is_the_bayes_error(
    n_classes, missing
):
    options = {"n_classes": n_classes, "missing": missing, "random_state": 0}
    X, clean = make_categorical_table(20_000, bayes_error=0, **options)
    same, y = make_categorical_table(20_000, bayes_error=0.3, **options)
    np.testing.assert_array_equal(X, same)
    assert np.mean(y != clean) == pytest.approx(0.3, abs=0.01)
    # Which of the other classes it is is chance too.
    shift = (y - clean)[y != clean] % n_classes
    shares = np.bincount(shift)[1:] / len(shift)
    assert shares == pytest.approx(1 / (n_classes - 1), abs=0.02)


def test_without_chance_the_class_follows_from_what_is_seen():
    # Rows that look alike, holes included, are of one class.
    X, y = make_categorical_table(
        5000, n_numeric=0, n_levels=[2, 3], missing=0.3, bayes_error=0, random_state=0
    )
    classes = {}
    for row, label in zip(np.nan_to_num(X, nan=-1), y, strict=True):
        classes.setdefault(tuple(row), set()).add(label)
    assert len(classes) == 12
    assert {len(labels) for labels in classes.values()} == {1}


def test_a_learner_comes_near_the_best_accuracy_and_not_above():
    X, y = make_categorical_table(
        20_000, n_numeric=1, n_levels=[2, 4], bayes_error=0.2, random_state=0
    )
    learner = HistGradientBoostingClassifier(
        categorical_features=[1, 2], max_iter=60, random_state=0
    )
    score = learner.fit(X[:15_000], y[:15_000]).score(X[15_000:], y[15_000:])
    assert 0.76 < score < 0.815


def test_the_first_category_turns_slopes_around():
    turned = 0
    for seed in range(20):
        X, y = make_categorical_table(
            1000, n_numeric=1, n_levels=[2], missing=0, bayes_error=0, random_state=seed
        )
        low, high = (X[:, 1] == level for level in (0, 1))
        slopes = [np.cov(X[rows, 0], y[rows])[0, 1] for rows in (low, high)]
        # A level may be of one class altogether, where its effect is strong.
        assert slopes[0] * slopes[1] < 1e-6
        turned += slopes[0] * slopes[1] < -1e-3
    assert turned > 10


@pytest.mark.parametrize("options", [{"n_numeric": 0}, {"n_levels": []}])
def test_a_table_may_be_of_one_kind(options):
    X, y = make_categorical_table(100, **options, random_state=0)
    assert X.shape == (100, 3 if "n_numeric" in options else 4)
    assert set(y) == {0, 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_samples": 0},
        {"n_numeric": -1},
        {"n_levels": [1]},
        {"n_levels": 3},
        {"n_classes": 1},
        {"missing": 1.0},
        {"bayes_error": -0.1},
    ],
)
def test_a_wrong_argument_is_named(wrong):
    (name,) = wrong
    message = f"'{name}' parameter of make_categorical_table must be"
    with pytest.raises(ValueError, match=message):
        make_categorical_table(**wrong)


def test_no_columns_are_an_error():
    with pytest.raises(ValueError, match="name some columns"):
        make_categorical_table(n_numeric=0, n_levels=[])


def test_more_errors_than_a_guess_makes_are_refused():
    with pytest.raises(ValueError, match=r"a guess among 4 classes, 0\.75"):
        make_categorical_table(n_classes=4, bayes_error=0.75)
