import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchlearners.data import (
    drop_zero_weights,
    fold_numbers,
    merge_repeated_rows,
    validation_split,
)


def table(n_rows, seed=0, n_values=3):
    """Return rows with many repetitions, X float and y int."""
    rng = np.random.default_rng(seed)
    X = rng.integers(n_values, size=(n_rows, 2)).astype(float)
    return X, rng.integers(2, size=n_rows)


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        if a is None or b is None:
            assert a is b
        else:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


# drop_zero_weights


def test_no_weights_change_nothing():
    X, y = table(5)
    out = drop_zero_weights(X, y, None)
    assert out[0] is X
    assert out[1] is y
    assert out[2] is None


def test_rows_of_weight_zero_are_left_out():
    X, y = table(4)
    out = drop_zero_weights(X, y, np.array([0.0, 1.0, 0.0, 2.0]))
    assert_same(out, (X[[1, 3]], y[[1, 3]], np.array([1.0, 2.0])))


def test_equal_weights_are_no_weights():
    X, y = table(3)
    assert drop_zero_weights(X, y, np.full(3, 0.7))[2] is None
    assert drop_zero_weights(X, y, np.array([0.0, 0.7, 0.7]))[2] is None


# merge_repeated_rows


def test_equal_rows_are_merged_and_their_weights_added():
    X = np.array([[2.0, 0.0], [1.0, 5.0], [2.0, 0.0]])
    out = merge_repeated_rows(X, np.array([1, 0, 1]), np.array([0.5, 1.0, 2.0]))
    assert_same(
        out, (np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([0, 1]), np.array([1, 2.5]))
    )


def test_rows_with_different_targets_stay_apart():
    X = np.array([[1.0], [1.0]])
    out = merge_repeated_rows(X, np.array([1, 0]), None)
    assert_same(out, (X, np.array([0, 1]), None))


def test_rows_repeated_equally_often_have_no_weights():
    X = np.array([[1.0], [2.0], [1.0], [2.0]])
    assert merge_repeated_rows(X, np.array([0, 1, 0, 1]), None)[2] is None


def test_targets_may_have_several_columns():
    X, Y = np.array([[1.0], [1.0], [1.0]]), np.array([[0, 1], [0, 0], [0, 1]])
    out = merge_repeated_rows(X, Y, None)
    assert_same(
        out,
        (np.ones((2, 1)), np.array([[0, 0], [0, 1]]), np.array([1.0, 2.0])),
    )


def test_float32_rows_stay_float32():
    X = np.array([[0.1], [0.2]], dtype=np.float32)
    out = merge_repeated_rows(X, np.array([1e-12, 1.0]), None)
    assert_same(out, (X, np.array([1e-12, 1.0]), None))


@given(st.integers(1, 30), st.integers(0, 10_000))
def test_weights_are_repetition_bit_for_bit(n_rows, seed):
    X, y = table(n_rows, seed)
    times = np.random.default_rng(seed).integers(1, 4, size=n_rows)
    repeated = merge_repeated_rows(X.repeat(times, axis=0), y.repeat(times), None)
    assert_same(repeated, merge_repeated_rows(X, y, times.astype(float)))


@given(st.integers(1, 30), st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(n_rows, seed):
    X, y = table(n_rows, seed)
    order = np.random.default_rng(seed).permutation(n_rows)
    assert_same(
        merge_repeated_rows(X, y, None), merge_repeated_rows(X[order], y[order], None)
    )


@given(st.integers(1, 30), st.integers(0, 10_000))
def test_the_order_of_weighted_rows_does_not_matter(n_rows, seed):
    X, y = table(n_rows, seed)
    rng = np.random.default_rng(seed)
    order, weight = rng.permutation(n_rows), rng.random(n_rows) + 0.1
    assert_same(
        merge_repeated_rows(X, y, weight),
        merge_repeated_rows(X[order], y[order], weight[order]),
    )


# validation_split


@given(st.integers(4, 300), st.floats(0.1, 0.6), st.integers(0, 2**32 - 1))
def test_every_row_either_trains_or_validates(n_rows, fraction, seed):
    train, valid = validation_split(n_rows, fraction, None, seed)
    assert sorted([*train, *valid]) == list(range(n_rows))
    assert len(valid) == np.ceil(fraction * n_rows)
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()


def test_the_seed_decides():
    first = validation_split(100, 0.2, None, 1)
    assert_same(first, validation_split(100, 0.2, None, 1))
    assert not np.array_equal(first[1], validation_split(100, 0.2, None, 2)[1])


def test_classes_keep_their_shares():
    groups = np.repeat([0, 1, 2], [60, 30, 10])
    train, valid = validation_split(100, 0.2, groups, 0)
    assert np.bincount(groups[valid]).tolist() == [12, 6, 2]
    assert np.bincount(groups[train]).tolist() == [48, 24, 8]


def test_the_row_of_a_class_with_one_row_trains():
    groups = np.array([0] * 20 + [1] * 20 + [2])
    for seed in range(10):
        train, valid = validation_split(41, 0.2, groups, seed)
        assert 40 in train
        assert sorted([*train, *valid]) == list(range(41))


def test_a_class_with_two_rows_is_on_both_sides():
    groups = np.array([0] * 20 + [1] * 20 + [2] * 2)
    for seed in range(10):
        train, valid = validation_split(42, 0.3, groups, seed)
        assert set(groups[train]) == {0, 1, 2}
        assert len(valid) == 13


def test_more_classes_than_validation_rows_still_split():
    groups = np.arange(20).repeat(2)
    train, valid = validation_split(40, 0.1, groups, 0)
    assert len(valid) == 4
    assert len(train) == 36


def test_too_few_rows_get_a_sentence_that_names_the_parameter():
    with pytest.raises(ValueError, match=r"validation_fraction|early_stopping"):
        validation_split(1, 0.1, None, 0)
    with pytest.raises(ValueError, match=r"validation_fraction|early_stopping"):
        validation_split(3, 0.1, np.array([0, 1, 2]), 0)


def test_rows_with_missing_values_merge_in_one_order():
    X = np.array([[np.nan, 1.0], [2.0, 1.0], [np.nan, 1.0], [np.nan, 0.0]])
    y = np.zeros(4)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0]):
        merged, _, weight = merge_repeated_rows(X[order], y, None)
        np.testing.assert_array_equal(merged, [[2, 1], [np.nan, 0], [np.nan, 1]])
        assert weight.tolist() == [1, 1, 2]


def test_whole_numbers_are_merged_too():
    X = np.array([[2, 9], [1, 9], [2, 9]], dtype=np.uint8)
    merged, y, weight = merge_repeated_rows(X, np.array([1, 0, 1]), None)
    assert merged.tolist() == [[1, 9], [2, 9]]
    assert merged.dtype == np.uint8
    assert (y.tolist(), weight.tolist()) == ([0, 1], [1, 2])


# fold_numbers


@given(st.integers(2, 60), st.integers(2, 8), st.integers(1, 4), st.integers(0, 99))
def test_folds_have_equally_many_rows_and_equally_many_of_each_class(
    n_rows, n_folds, n_classes, seed
):
    groups = np.random.default_rng(seed).integers(n_classes, size=n_rows)
    generator = torch.Generator().manual_seed(seed)
    folds = fold_numbers(n_rows, n_folds, groups, generator)
    assert folds.shape == (n_rows,)
    for rows in (folds, *(folds[groups == k] for k in range(n_classes))):
        assert np.ptp(np.bincount(rows, minlength=n_folds)) <= 1


def test_the_generator_deals_the_folds():
    def deal(seed):
        generator = torch.Generator().manual_seed(seed)
        return fold_numbers(50, 5, None, generator)

    np.testing.assert_array_equal(deal(0), deal(0))
    assert (deal(0) != deal(1)).any()
    assert (np.diff(deal(0)) != 1).any()
