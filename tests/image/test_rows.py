import warnings

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

from torchlearners.exceptions import PixelRangeWarning
from torchlearners.image import PixelRows, PixelSchema


def rows_of(X, **settings):
    rows = PixelRows(**settings)
    return rows.check(BaseEstimator(), X, reset=True), rows


def zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("shape", "data_format", "size", "last"),
    [
        ((5, 9, 7), "auto", (1, 9, 7), False),
        ((5, 9, 7, 3), "auto", (3, 9, 7), True),
        ((5, 3, 9, 7), "auto", (3, 9, 7), False),
        ((5, 9, 7, 4), "auto", (4, 9, 7), True),
        ((5, 3, 9, 3), "channels_last", (3, 3, 9), True),
        ((5, 2, 9, 7), "channels_first", (2, 9, 7), False),
        ((5, 64), "auto", (1, 8, 8), False),
        ((5, 192), "auto", (3, 8, 8), False),
        ((5, 192), "channels_last", (3, 8, 8), True),
        ((5, 4), "auto", (1, 1, 4), False),
        ((5, 49), "auto", (1, 1, 49), False),
        ((5, 65), "auto", (1, 1, 65), False),
    ],
)
def test_the_layout_is_seen_from_the_shape(shape, data_format, size, last):
    X, rows = rows_of(zeros(*shape), data_format=data_format)
    assert rows.size == size
    assert rows.channels_last == last
    assert X.shape == (5, np.prod(size))


@pytest.mark.parametrize("shape", [(5, 3, 9, 3), (5, 9, 9, 9), (5, 1, 1, 1)])
def test_an_ambiguous_layout_is_an_error_that_names_the_parameter(shape):
    with pytest.raises(ValueError, match="data_format='channels_last' or"):
        rows_of(zeros(*shape))


def test_a_flat_row_unfolds_to_image_shape():
    _, rows = rows_of(zeros(5, 12), image_shape=(3, 4))
    assert rows.size == (1, 3, 4)
    _, rows = rows_of(zeros(5, 24), image_shape=(2, 3, 4), data_format="channels_last")
    assert rows.size == (4, 2, 3)
    with pytest.raises(ValueError, match="12 values, but a row of X has 13"):
        rows_of(zeros(5, 13), image_shape=(3, 4))


def test_uint8_is_never_copied():
    X = zeros(5, 8, 8, 3)
    found, _ = rows_of(X)
    assert found.dtype == np.uint8
    assert np.shares_memory(found, X)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, bool])
def test_other_dtypes_become_float32(dtype):
    X, _ = rows_of(zeros(5, 8, 8, dtype=dtype))
    assert X.dtype == np.float32


def test_tensors_and_nested_lists_are_images_too():
    array = np.arange(5 * 9 * 7, dtype=np.float32).reshape(5, 9, 7)
    for X in (torch.tensor(array), array.tolist(), list(array)):
        found, rows = rows_of(X)
        assert np.array_equal(found, array.reshape(5, -1))
        assert rows.size == (1, 9, 7)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (zeros(2, 3, 4, 5, 6), "3 dimensions, or 4"),
        (zeros(0, 8, 8), "0 sample"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.full((2, 8, 8), "a"), "arrays of numbers"),
        ([np.zeros((8, 8)), np.zeros((8, 9))], "different sizes"),
        (zeros(5), "Expected 2D array"),
    ],
)
def test_what_is_no_set_of_images_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        rows_of(X)


def test_images_of_another_shape_than_in_fit_are_refused():
    _, rows = rows_of(zeros(5, 8, 8))
    with pytest.raises(ValueError, match=r"\(9, 8\), but those .* had \(8, 8\)"):
        rows.check(BaseEstimator(), zeros(5, 9, 8), reset=False)


def test_a_change_of_range_after_fit_is_warned_of():
    _, rows = rows_of(zeros(5, 8, 8))
    with pytest.warns(PixelRangeWarning, match="largest here is 255"):
        rows.check(BaseEstimator(), np.full((5, 8, 8), 255.0), reset=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows.check(BaseEstimator(), np.full((5, 8, 8), 0.9), reset=False)
    _, rows = rows_of(np.full((5, 8, 8), 16.0))
    with pytest.warns(PixelRangeWarning, match="largest here is 16"):
        rows.check(BaseEstimator(), zeros(5, 8, 8), reset=False)


def test_the_state_makes_the_same_rows():
    _, rows = rows_of(zeros(5, 8, 8, 3))
    assert PixelRows(**rows.state()) == rows


def test_uint8_stays_uint8_in_the_tensor_and_is_padded():
    tensor = PixelSchema(n_scaled=0).tensor(np.full((3, 4), 7, np.uint8), pad_to=4)
    assert tensor.dtype == torch.uint8
    assert tensor.tolist() == [[7] * 4] * 3 + [[0] * 4]


def test_tables_are_scaled_column_by_column():
    schema = PixelSchema(n_scaled=2)
    X = np.array([[1.0, 1e6], [3.0, 1e6 + 2]])
    assert schema.fit(X, None).tensor(X).tolist() == [[-1, -1], [1, 1]]
