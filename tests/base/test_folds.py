import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import coo_array
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.base._folds import Folds

rng = np.random.RandomState(0)
X = rng.normal(size=(31, 3))
Y = np.array(["a", "b", "c"])[np.arange(31) % 3]


def folds_of(
    X=X,
    y=Y,
    weight=None,
    groups=None,
    n_folds=4,
    learner=MLPClassifier,
    seed=0,
    **params,
):
    generator = torch.Generator().manual_seed(seed)
    return Folds(learner(n_folds=n_folds, **params), X, y, weight, groups, generator)


def as_rows(X):
    return {tuple(row) for row in np.asarray(X)}


def test_each_row_validates_once_and_trains_elsewhere():
    validated = []
    for X_train, y_train, weight, (X_val, y_val, weight_val) in folds_of().splits():
        assert weight is None
        assert weight_val is None
        assert len(X_train) + len(X_val) == len(X)
        assert not as_rows(X_train) & as_rows(X_val)
        assert len(y_train) == len(X_train)
        assert len(y_val) == len(X_val)
        validated += list(as_rows(X_val))
    assert len(validated) == len(X)
    assert set(validated) == as_rows(X)


def test_folds_are_stratified_by_class():
    for _, _, _, (_, y_val, _) in folds_of().splits():
        _, counts = np.unique(y_val, return_counts=True)
        assert len(counts) == 3
        assert np.ptp(counts) <= 1


def test_the_generator_decides_about_the_folds():
    def first(seed):
        return as_rows(next(folds_of(seed=seed).splits())[3][0])

    assert first(0) == first(0)
    assert first(0) != first(1)


def test_rows_of_weight_zero_are_in_no_fold():
    weight = np.arange(31) % 2 + 0.5 * (np.arange(31) % 2)
    counted = []
    for X_train, _, w, (X_val, _, w_val) in folds_of(weight=weight).splits():
        assert (w == 1.5).all()
        assert (w_val == 1.5).all()
        assert as_rows(X_train) | as_rows(X_val) == as_rows(X[weight > 0])
        counted.append(len(X_val))
    assert sum(counted) == 15


def test_what_is_predicted_out_of_fold_comes_in_the_order_of_the_rows():
    weight = np.ones(31)
    weight[[0, 7]] = 0
    folds = folds_of(weight=weight)
    members = [as_rows(split[0]) for split in folds.splits()]

    def mean(members, X):
        assert not any(as_rows(X) & member for member in members)
        return np.column_stack([X[:, 0], np.full(len(X), len(members))])

    predicted = folds.predicted(members, mean)
    np.testing.assert_array_equal(predicted[:, 0], X[:, 0])
    np.testing.assert_array_equal(predicted[:, 1], np.where(weight > 0, 1, 4))


@pytest.mark.parametrize(
    "given",
    [
        X.tolist(),
        torch.tensor(X),
        coo_array(X),
        pd.DataFrame(X, columns=list("abc")),
        pl.DataFrame(X, schema=list("abc")),
    ],
    ids=["list", "tensor", "sparse", "pandas", "polars"],
)
def test_rows_of_any_container_are_split(given):
    X_train, _, _, (X_val, _, _) = next(folds_of(given).splits())
    assert X_train.shape == (23, 3)
    assert X_val.shape == (8, 3)
    # What has names keeps them.
    assert hasattr(X_train, "columns") == hasattr(given, "columns")


def test_a_column_of_targets_is_flattened_and_of_several_kept():
    with pytest.warns(UserWarning, match="column-vector"):
        folds = folds_of(y=X[:, :1], learner=MLPRegressor)
    assert folds.y.shape == (31,)
    assert folds_of(y=X[:, :2], learner=MLPRegressor).y.shape == (31, 2)


def test_fewer_rows_than_folds_are_an_error():
    weight = np.zeros(31)
    weight[:3] = 1
    with pytest.raises(ValueError, match=r"n_folds=4 needs .* got n_samples=3"):
        folds_of(weight=weight)


# A validation_split


GROUPS = np.arange(31) // 4


def test_folds_are_the_splits_of_a_splitter():
    weight = np.where(np.arange(31) % 5 == 0, 0.0, 1.0)
    folds = folds_of(weight=weight, groups=GROUPS, validation_split=GroupKFold(4))
    expected = [*GroupKFold(4).split(X, Y, GROUPS)]
    for found, (train, valid) in zip(folds.splits(), expected, strict=True):
        np.testing.assert_array_equal(found[0], X[train])
        np.testing.assert_array_equal(found[2], weight[train])
        np.testing.assert_array_equal(found[3][0], X[valid])
        np.testing.assert_array_equal(found[3][1], Y[valid])


def test_the_generator_draws_the_splits_of_a_splitter_without_a_seed():
    def first(seed):
        splitter = ShuffleSplit(4, test_size=8)
        return as_rows(next(folds_of(seed=seed, validation_split=splitter).splits())[0])

    assert first(0) == first(0) != first(1)


def test_a_row_that_validates_several_members_has_their_mean_and_one_of_none_has_nan():
    splitter = ShuffleSplit(4, test_size=10, random_state=0)
    weight = np.ones(31)
    times = np.zeros(31, dtype=int)
    for _, valid in splitter.split(X):
        times[valid] += 1
    # A row that validates none, but trains none either.
    weight[np.flatnonzero(times == 0)[0]] = 0
    folds = folds_of(weight=weight, validation_split=splitter)

    def mean(members, X):
        return np.column_stack([X[:, 0], np.full(len(X), len(members))])

    predicted = folds.predicted([[i] for i in range(8)], mean)
    known = (times > 0) | (weight == 0)
    assert len(set(times)) > 2
    np.testing.assert_array_equal(predicted[known, 0], X[known, 0])
    expected = np.where(weight == 0, 8, 2 * times)
    np.testing.assert_array_equal(predicted[known, 1], expected[known])
    assert np.isnan(predicted[~known]).all()


def test_another_number_of_splits_than_folds_is_an_error():
    with pytest.raises(ValueError, match=r"n_folds=4, but .* 3 splits"):
        folds_of(validation_split=KFold(3))


def test_groups_without_a_splitter_are_an_error():
    with pytest.raises(ValueError, match=r"validation_split=None takes no notice"):
        folds_of(groups=GROUPS)
