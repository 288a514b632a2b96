import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression

from torchlearners import MLPClassifier, MLPRegressor, TabNetPretrainer
from torchlearners.data import (
    ColumnEncoder,
    check_features,
    check_labels,
    check_range,
    check_weights,
    refuse_mask,
    without_mask,
)

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def checked(X, y="no_validation"):
    return check_features(DummyRegressor(), X, y, reset=True)


# check_features


@pytest.mark.parametrize(
    "X",
    [
        ROWS,
        np.array(ROWS),
        np.array(ROWS, order="F"),
        np.array(ROWS, dtype=np.int64),
        np.array(ROWS, dtype=np.float16),
        torch.tensor(ROWS),
        torch.tensor(ROWS, requires_grad=True),
        torch.tensor(ROWS).T.contiguous().T,
        pd.DataFrame(ROWS, columns=["a", "b"]),
        pl.DataFrame(ROWS, schema=["a", "b"], orient="row"),
        np.array(ROWS, dtype=object),
    ],
    ids=[
        "list",
        "array",
        "fortran",
        "int",
        "half",
        "tensor",
        "tensor in a graph",
        "transposed tensor",
        "pandas",
        "polars",
        "object",
    ],
)
def test_every_container_becomes_the_same_array(X):
    out = checked(X)
    assert type(out) is np.ndarray
    assert out.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(out, ROWS)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int8, np.float64),
        (bool, np.float64),
    ],
)
def test_float32_stays_float32_and_everything_else_becomes_float64(given, kept):
    assert checked(np.ones((2, 2), dtype=given)).dtype == kept


def test_feature_names_and_their_number_are_remembered_and_compared():
    learner = DummyRegressor()
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    check_features(learner, frame, reset=True)
    assert learner.n_features_in_ == 2
    assert list(learner.feature_names_in_) == ["a", "b"]
    check_features(learner, frame, reset=False)
    with pytest.raises(ValueError, match="feature names should match"):
        check_features(learner, frame[["b", "a"]], reset=False)
    with pytest.raises(ValueError, match="unseen at fit time"):
        check_features(learner, frame.assign(c=0), reset=False)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        ("text", "Expected a 2D array-like or DataFrame, got str instead"),
        (b"text", "Expected a 2D array-like or DataFrame, got bytes instead"),
        ({"a": [1]}, "Expected a 2D array-like or DataFrame, got dict instead"),
        ([1.0, 2.0], "Expected 2D array, got 1D array instead"),
        (np.ones((2, 2, 2)), "Found array with dim 3"),
        (np.empty((0, 2)), "Found array with 0 sample"),
        (np.empty((2, 0)), "Found array with 0 feature"),
        ([[1.0, np.inf]], "contains infinity"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "neither a number nor a bool"),
        (np.array([[1]], dtype="m8[s]"), "neither a number nor a bool"),
        (np.array([[b"a"]]), "neither a number nor a bool"),
        ([["a", "b"]], "could not convert string to float"),
        (np.ones((2, 2), dtype=complex), "Complex data not supported"),
        (sparse.csr_matrix(np.eye(2)), "[Ss]parse"),
        (sparse.dok_array(np.eye(2)), "[Ss]parse"),
    ],
)
def test_bad_features_get_a_sentence_that_helps(X, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        checked(X)


FRAMES = [
    pd.DataFrame({"age": [1.0, 2.0], "town": ["a", "b"]}),
    pd.DataFrame({"age": [1.0, 2.0], "town": pd.Categorical(["a", "b"])}),
    pd.DataFrame({"age": [1.0, 2.0], "town": pd.to_datetime(["2020", "2021"])}),
    pl.DataFrame({"age": [1.0, 2.0], "town": ["a", "b"]}),
    pl.DataFrame({"age": [1.0, 2.0]}).with_columns(
        town=pl.Series(["a", "b"]).cast(pl.Categorical)
    ),
]


@pytest.mark.parametrize("X", FRAMES)
def test_a_column_that_is_not_numeric_is_named(X):
    with pytest.raises(
        ValueError, match=r"Column 'town' of X holds .*not numeric"
    ) as e:
        checked(X)
    assert "OrdinalEncoder" in str(e.value)


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_values_beyond_float32_are_refused_in_fit(value):
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        checked([[value], [0.0]], [0.0, 1.0])


def test_the_target_is_checked_with_the_features():
    X, y = checked(ROWS, [1, 2, 3])
    np.testing.assert_array_equal(X, ROWS)
    assert y.tolist() == [1, 2, 3]
    _, y = checked(ROWS, torch.tensor([1.0, 2.0, 3.0], requires_grad=True))
    assert y.tolist() == [1, 2, 3]
    _, y = checked(ROWS, [[1, 2], [3, 4], [5, 6]])
    assert y.shape == (3, 2)


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        ([1.0, 2.0], "inconsistent numbers of samples"),
        ([1.0, np.nan, 2.0], "Input y contains NaN"),
        ([1.0, np.inf, 2.0], "Input y contains infinity"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_bad_targets_get_a_sentence_that_helps(y, sentence):
    with pytest.raises(ValueError, match=sentence):
        checked(ROWS, y)


def test_a_classifier_takes_words_as_target():
    _, y = check_features(DummyClassifier(), ROWS, ["a", "b", "a"], reset=True)
    assert y.tolist() == ["a", "b", "a"]


def test_another_number_of_features_is_refused():
    learner = DummyRegressor()
    check_features(learner, ROWS, reset=True)
    with pytest.raises(ValueError, match="X has 3 features, but DummyRegressor is"):
        check_features(learner, np.ones((2, 3)), reset=False)


def test_with_an_encoder_tables_and_sparse_matrices_pass():
    learner, columns = MLPRegressor(preset="simple"), ColumnEncoder()
    table = check_features(learner, FRAMES[0], reset=True, columns=columns)
    assert table.shape == (2, 2)
    assert list(learner.feature_names_in_) == ["age", "town"]
    y = check_features(learner, FRAMES[0], [1, 2], reset=True, columns=columns)[1]
    assert list(learner.feature_names_in_) == ["age", "town"]
    assert y.tolist() == [1, 2]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_features(learner, FRAMES[0], [1], reset=True, columns=columns)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        check_features(learner, FRAMES[0], [1, np.nan], reset=True, columns=columns)
    eye = check_features(
        learner, sparse.dok_array(np.eye(2)), reset=True, columns=columns
    )
    assert eye.format == "csr"


def test_the_tag_of_the_learner_decides_on_missing_values():
    rows = [[1.0, np.nan]]
    assert np.isnan(
        check_features(MLPRegressor(preset="simple"), rows, reset=True)[0, 1]
    )
    with pytest.raises(ValueError, match=r"Input X contains NaN\."):
        check_features(LinearRegression(), rows, reset=True)


# check_range


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_column_with_infinity_is_named(value, dtype):
    X = np.array([[np.nan, 1.0, 2.0], [0.0, value, value]], dtype=dtype)
    for given in (X, sparse.csr_matrix(X)):
        with pytest.raises(ValueError, match=r"infinity.*in column 'b'"):
            check_range(given, ["a", "b", "c"])
        with pytest.raises(ValueError, match=r"infinity.*in column 1"):
            check_range(given)


def test_missing_and_large_values_are_in_range():
    check_range(np.array([[np.nan, 1e300]]))
    check_range(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="too large"):
        check_range(np.array([[np.nan, 1e300]]), None, 1e38)


# check_labels


@pytest.mark.parametrize(
    "y",
    [[1, 2, 1], ["a", "b", "a"], [True, False, True], (0.0, 1.0, 0.0)],
)
def test_labels_keep_their_values(y):
    assert check_labels(y).tolist() == list(y)


def test_objects_of_one_type_are_labels():
    y = np.array(["a", "bb"], dtype=object)
    assert check_labels(y) is y


def test_a_column_of_labels_is_flattened_with_scikit_learns_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        y = check_labels([[1], [2]])
    assert y.tolist() == [1, 2]


def test_a_label_matrix_may_be_sparse():
    y = check_labels(sparse.csr_matrix(np.eye(2)))
    np.testing.assert_array_equal(y, np.eye(2))


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_labels_are_counted(missing):
    y = np.array(["a", missing, "b", missing], dtype=object)
    with pytest.raises(ValueError, match="y contains 2 missing labels"):
        check_labels(y)


def test_labels_of_several_types_are_refused():
    with pytest.raises(ValueError, match="y mixes labels of types int, str"):
        check_labels(np.array(["a", 1, "b"], dtype=object))


# check_weights


def test_no_weights_stay_none():
    assert check_weights(None, np.zeros((2, 1))) is None


@pytest.mark.parametrize("given", [[1, 2], np.array([1, 2], dtype=np.float32), (1, 2)])
def test_weights_become_float64(given):
    weight = check_weights(given, np.zeros((2, 1)))
    assert weight.dtype == np.float64
    assert weight.tolist() == [1.0, 2.0]


def test_one_number_weighs_every_row():
    assert check_weights(3.0, np.zeros((2, 1))).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1.0], r"sample_weight.shape == \(1,\), expected \(2,\)"),
        ([[1.0], [2.0]], "must be 1D"),
        ([1.0, -1.0], "Negative values in data passed to `sample_weight`"),
        ([0.0, 0.0], "at least one non-zero"),
        ([1.0, np.nan], "sample_weight contains NaN"),
        ([1.0, np.inf], "sample_weight contains infinity"),
        (["a", "b"], "could not convert string to float"),
    ],
)
def test_bad_weights_get_a_sentence_that_helps(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_weights(given, np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2], np.int8), [1.0, None]),
        (np.array([True, False]), [1.0, None]),
        (np.array([1, 2], np.float32), [1.0, None]),
        (np.array(["a", "b"]), ["a", None]),
        (np.array(["a", 1], dtype=object), ["a", None]),
        (np.array(["2020", "2021"], "M8[Y]"), [np.datetime64("2020"), None]),
    ],
)
def test_what_is_masked_is_missing(values, expected):
    found = without_mask(np.ma.array(values, mask=[False, True]))
    assert found[0] == expected[0]
    assert found[1] is None or found[1] != found[1]
    plain = without_mask(np.ma.array(values))
    assert type(plain) is np.ndarray
    assert plain.dtype == values.dtype


def test_a_mask_without_effect_is_no_reason_to_refuse():
    refuse_mask(np.ma.array([1, 2]), "y")
    with pytest.raises(ValueError, match="sample_weight is a masked array with 1"):
        check_weights(np.ma.array([1, 2], mask=[0, 1]), np.zeros((2, 1)))


class Arrow:
    """Like a Dataset of Hugging Face."""

    __module__ = "datasets.arrow_dataset"


TENSORS = torch.utils.data.TensorDataset(torch.zeros(4, 2))


@pytest.mark.parametrize(
    ("X", "remedy"),
    [
        (pl.LazyFrame({"a": [1, 2]}), r"X is a LazyFrame, .* X\.collect\(\)"),
        (TENSORS, r"X is a TensorDataset, .* X, y = dataset\.tensors"),
        (torch.utils.data.DataLoader(TENSORS), r"X is a DataLoader, .* batch_size"),
        (Arrow(), r"X is a Arrow, .* X\.to_pandas\(\)"),
    ],
)
def test_rows_that_are_not_read_yet_are_refused_with_a_remedy(X, remedy):
    with pytest.raises(TypeError, match=remedy):
        MLPClassifier().fit(X, [0, 1])
    with pytest.raises(TypeError, match=remedy):
        TabNetPretrainer().fit(X)


class ArrowTable:
    """Like a table of pyarrow, whose columns are no names."""

    column_names = ("a", "b")
    columns = ([1.0, 3.0, 5.0], [1.0, 3.0, 5.0])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.columns, dtype=dtype).T


def test_equal_columns_of_other_names_are_no_duplicates():
    X = np.repeat([[1.0], [3.0], [5.0]], 2, axis=1)
    np.testing.assert_array_equal(checked(ArrowTable()), X)
