import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from torchlearners.data import RowSelection, Schema, merge_repeated_rows
from torchlearners.data import _row_selection as module
from torchlearners.data._schema import center_and_scale

FORMS = [np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csr_array]


def holed(n_rows=60, n_columns=7):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, n_columns)) * (rng.rand(n_rows, n_columns) < 0.3)
    X[rng.rand(n_rows, n_columns) < 0.02] = np.nan
    X[:, 3] = 0
    return X


@pytest.fixture(params=[2**17, 25, 1], ids="blocks of {}".format)
def _block_size(request, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_VALUES", request.param)


@pytest.mark.usefixtures("_block_size")
@pytest.mark.parametrize("form", FORMS)
def test_chosen_rows_are_those_of_the_dense_matrix(form):
    X = holed()
    some = RowSelection(form(X))[np.arange(60) % 3 > 0][[5, 2, 2, 39]]
    expected = X[np.arange(60) % 3 > 0][[5, 2, 2, 39]]
    assert some.shape == (4, 7)
    assert len(some) == 4
    blocks = list(some.blocks())
    assert_array_equal(np.concatenate([block for _, block in blocks]), expected)
    assert_array_equal(np.concatenate([np.arange(4)[p] for p, _ in blocks]), range(4))
    assert_array_equal(np.column_stack(list(some.columns())), expected)
    assert_array_equal(np.column_stack(list(some.columns([6, 1]))), expected[:, [6, 1]])
    assert_array_equal(
        np.column_stack(list(some.leading(3).columns())), expected[:, :3]
    )
    assert_array_equal(some.any_missing(), np.isnan(expected).any(axis=0))
    assert_array_equal(RowSelection(form(X)).any_missing(), np.isnan(X).any(axis=0))


@pytest.mark.usefixtures("_block_size")
def test_columns_of_many_dtypes_are_rows_of_one():
    X = holed()
    codes = np.arange(60, dtype=np.int32)
    full = np.column_stack((X, np.isnan(X[:, 4]), codes))
    matrix = module.ColumnMatrix([*X.T, np.isnan(X[:, 4]), codes], np.float64, 60)
    assert matrix.shape == full.shape
    assert_array_equal(np.asarray(matrix), full, strict=True)
    some = RowSelection(matrix)[[5, 2, 2, 39]]
    expected = full[[5, 2, 2, 39]]
    blocks = [block for _, block in some.blocks()]
    assert_array_equal(np.concatenate(blocks), expected, strict=True)
    assert_array_equal(np.column_stack(list(some.columns())), expected, strict=True)
    assert np.shares_memory(some.leading(8).matrix[:, 0], X)
    leading = some.leading(8)
    assert leading.shape == (4, 8)
    assert_array_equal(np.column_stack(list(leading.columns())), expected[:, :8])
    assert_array_equal(some.any_missing(), np.isnan(expected).any(axis=0))


def test_no_columns_have_rows():
    matrix = module.ColumnMatrix([], np.float32, 5)
    assert matrix[:3].shape == (3, 0)
    assert matrix[np.array([4, 4])].shape == (2, 0)


@pytest.mark.parametrize("form", FORMS[:3])
def test_choosing_rows_copies_nothing(form):
    X = form(holed(20_000, 50))
    tracemalloc.start()
    some = RowSelection(X)[np.arange(20_000) % 2 == 0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(some) == 10_000
    assert peak < 0.1 * 20_000 * 50 * 8


@pytest.mark.usefixtures("_block_size")
@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile", None])
@pytest.mark.parametrize("weighted", [False, True])
def test_scaling_has_the_same_bits_in_each_form(form, scaling, weighted):
    X = holed()
    weight = np.linspace(0.1, 3, 60) if weighted else None
    expected = Schema(scaling, n_scaled=5).fit(X, weight)
    found = Schema(scaling, n_scaled=5).fit(form(X), weight)
    assert all(map(_same, found.state().values(), expected.state().values()))
    assert_array_equal(found.tensor(form(X), 4), expected.tensor(X, 4))


def _same(one, other):
    return np.array_equal(one, other) or one is other


@pytest.mark.usefixtures("_block_size")
@pytest.mark.parametrize("weighted", [False, True])
def test_means_do_not_depend_on_blocks_beyond_rounding(weighted):
    X = np.random.RandomState(0).normal(5, 2, size=(60, 4))
    weight = np.arange(1.0, 61.0)
    center, scale = center_and_scale(X, weight if weighted else None)
    share = weight if weighted else None
    mean = np.average(X, axis=0, weights=share)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=share))
    np.testing.assert_allclose(center, mean, rtol=1e-14)
    np.testing.assert_allclose(scale, std, rtol=1e-14)


@pytest.mark.parametrize("form", FORMS[1:])
def test_rows_are_merged_alike_in_each_form(form):
    rng = np.random.RandomState(0)
    X = holed()[rng.randint(20, size=200)]
    y = rng.randint(2, size=200)
    weight = rng.rand(200)
    dense = merge_repeated_rows(X, y, weight)
    found = merge_repeated_rows(RowSelection(form(X)), y, weight)
    (_, block), *_ = found[0].blocks()
    for one, other in zip((block, *found[1:]), dense, strict=True):
        assert_array_equal(one, other)
    # In the order that NumPy gives them, with what is missing last.
    rows = np.column_stack([np.where(np.isnan(X), np.inf, X), y])
    unique, first = np.unique(rows, axis=0, return_index=True)
    assert_array_equal(dense[0], X[first])
    assert len(unique) < 45
