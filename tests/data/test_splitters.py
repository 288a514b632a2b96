import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from torchlearners.data import check_groups, split_by

X = np.arange(24.0).reshape(12, 2)
GROUPS = np.repeat(["ann", "bob", "cat", "dan"], 3)


class Halves:
    """A splitter that is not of scikit-learn."""

    def __init__(self, *splits):
        self.splits = splits

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.splits)

    def split(self, X, y=None, groups=None):
        return iter(self.splits)


# check_groups


@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series])
def test_groups_may_stand_in_any_container(container):
    found = check_groups(container(GROUPS.tolist()), X, GroupKFold())
    assert found.tolist() == GROUPS.tolist()


def test_no_groups_are_none():
    assert check_groups(None, X, None) is None


@pytest.mark.parametrize("groups", [GROUPS[1:], GROUPS[:, None], "ann", 3])
def test_groups_are_one_label_a_row(groups):
    with pytest.raises(ValueError, match=r"one label a row, of shape \(12,\)"):
        check_groups(groups, X, GroupKFold())


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
def test_a_missing_group_is_an_error(missing):
    words = [missing, *GROUPS[1:]]
    numbers = [np.nan, *range(11)]
    groups = numbers if missing is np.nan else pd.Series(words, dtype=object)
    with pytest.raises(ValueError, match=r"none missing|holds NaN"):
        check_groups(groups, X, GroupKFold())


@pytest.mark.parametrize("splitter", [None, KFold(3), TimeSeriesSplit(2)])
def test_groups_that_nothing_looks_at_are_an_error(splitter):
    with pytest.raises(ValueError, match=r"validation_split=.* takes no notice"):
        check_groups(GROUPS, X, splitter)


# split_by


def test_a_split_is_what_the_splitter_says_in_the_order_of_the_rows():
    train, valid = next(split_by(ShuffleSplit(random_state=3), X, None, None, 0))
    expected = next(ShuffleSplit(random_state=3).split(X))
    assert train.tolist() == sorted(expected[0])
    assert valid.tolist() == sorted(expected[1])


def test_bools_tell_rows_too():
    chosen = np.arange(12) < 8
    train, valid = next(split_by(Halves((chosen, ~chosen)), X, None, None, 0))
    assert train.tolist() == [*range(8)]
    assert valid.tolist() == [8, 9, 10, 11]


def test_the_seed_draws_where_the_splitter_has_none_of_its_own():
    def valid(splitter, seed):
        return next(split_by(splitter, X, None, None, seed))[1].tolist()

    free, fixed = ShuffleSplit(), ShuffleSplit(random_state=np.random.RandomState(0))
    assert valid(free, 0) == valid(free, 0) != valid(free, 1)
    assert valid(fixed, 0) == valid(fixed, 1)
    assert valid(free, 2**40) == valid(free, 2**40)
    assert free.random_state is None


def test_global_random_numbers_are_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    next(split_by(GroupShuffleSplit(), X, None, GROUPS, 0))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_groups_and_classes_reach_the_splitter():
    for train, valid in split_by(GroupKFold(4), X, None, GROUPS, 0):
        assert not set(GROUPS[train]) & set(GROUPS[valid])
    y = np.arange(12) % 2
    _, valid = next(split_by(StratifiedKFold(3), X, y, None, 0))
    assert np.bincount(y[valid]).tolist() == [2, 2]


def test_a_splitter_without_its_groups_is_an_error():
    with pytest.raises(ValueError, match=r"GroupKFold.* needs groups.*set_fit_request"):
        next(split_by(GroupKFold(2), X, None, None, 0))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (([], [1]), "leaves no row to train"),
        (([0], []), "leaves no row to validate"),
        (([0, 1, 2], [2, 3]), "1 rows that both train and validate, row 2"),
    ],
)
def test_an_unfit_split_is_an_error(split, words):
    split = tuple(np.array(part, dtype=int) for part in split)
    with pytest.raises(ValueError, match=words):
        next(split_by(Halves(split), X, None, None, 0))


def test_rows_in_neither_part_are_left_out():
    train, valid = next(split_by(TimeSeriesSplit(2, gap=1), X, None, None, 0))
    assert (train.tolist(), valid.tolist()) == ([0, 1, 2], [4, 5, 6, 7])
    fold = [-1] * 6 + [0] * 6
    train, valid = next(split_by(PredefinedSplit(fold), X, None, None, 0))
    assert train.tolist() == [*range(6)]
