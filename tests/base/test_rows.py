import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit, TimeSeriesSplit
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.base import ClassifierLearner
from torchlearners.base._rows import set_aside, weighted_rows


class LinearClassifier(ClassifierLearner):
    def network(self, spec):
        return nn.Linear(spec.n_columns, spec.n_outputs)


def matrix(n_rows=300, n_columns=8):
    rng = np.random.RandomState(0)
    X = rng.normal(3, size=(n_rows, n_columns)) * (rng.rand(n_rows, n_columns) < 0.2)
    X[:, 0] = rng.randint(3, size=n_rows)
    X[1, 2] = X[5, 4] = np.nan
    return X, (np.nan_to_num(X) @ np.arange(n_columns) > 20).astype(int)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"preprocessing": "robust"},
        {"preprocessing": "quantile"},
        {"preprocessing": None},
        {"batch_size": 1000},
        {"categorical_features": [0, 3]},
        {"class_weight": "balanced"},
        {"early_stopping": False},
    ],
    ids=str,
)
def test_a_fit_on_sparse_rows_is_that_on_dense_ones_bit_for_bit(params, weighted):
    X, y = matrix()
    X = np.concatenate([X, X[:40]])
    y = np.append(y, y[:40])
    weight = np.arange(340.0) % 4 if weighted else None
    parts = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, **params}
    dense = MLPClassifier(**parts).fit(X, y, sample_weight=weight)
    for table in (sparse.csr_matrix(X), sparse.csc_array(X)):
        learner = MLPClassifier(**parts).fit(table, y, sample_weight=weight)
        assert_array_equal(learner.predict_proba(table), dense.predict_proba(X))
        assert learner.history_[:, "train_loss"] == dense.history_[:, "train_loss"]


def test_sparse_rows_validate_and_go_on_as_dense_ones():
    X, y = matrix()
    found = []
    for table in (X, sparse.csr_matrix(X)):
        learner = MLPRegressor(hidden_layer_sizes=(8,), max_epochs=2, random_state=0)
        learner.fit(table, y, X_val=table[:50], y_val=y[:50])
        learner.partial_fit(table, y)
        found.append(learner.predict(table))
    assert_array_equal(*found)


def peak_of_a_fit(X, y, weight=None, **params):
    """Return the most memory that a fit takes, in float32 tensors of X."""
    some = X[:300] if not hasattr(X, "head") else X.head(300)
    learner = LinearClassifier(max_epochs=1, random_state=0, **params)
    clone(learner).fit(some, y[:300])  # imports and caches
    tracemalloc.start()
    learner.fit(X, y, sample_weight=weight)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (4 * X.shape[0] * X.shape[1])


@pytest.mark.parametrize(
    "kind",
    [
        "csr",
        "csr with holes",
        "float64",
        "float64 by column",
        "float64 with holes",
        "float32",
        "float32 with holes",
        "int64",
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_copies_x_once_into_the_tensor_it_trains_on(kind, weighted):
    rng = np.random.default_rng(0)
    table = sparse.random(8000, 400, density=0.01, format="csr", random_state=0)
    y = rng.integers(2, size=8000)
    weight = np.arange(8000) % 3 if weighted else None
    if kind == "csr with holes":
        table.data[:9] = np.nan
    elif kind != "csr":
        table = table.toarray("F" if kind == "float64 by column" else "C")
        table = table.astype(kind.split()[0], copy=False)
        if "holes" in kind:
            table[::100, :9] = np.nan
    assert peak_of_a_fit(table, y, weight) < 1.4


@pytest.mark.parametrize(
    "kind",
    [
        "floats",
        "integers",
        "mixed",
        "codes",
        "nullable",
        pytest.param("times", marks=pytest.mark.slow),
        pytest.param("objects", marks=pytest.mark.slow),
        pytest.param("array of objects", marks=pytest.mark.slow),
        "polars",
        "polars with nulls",
        "polars with times",
    ],
)
def test_a_fit_does_not_copy_the_columns_of_a_table(kind):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=8000)
    X, params = rng.normal(size=(8000, 400)), {}
    X[::100, :9] = np.nan
    if kind == "integers":
        X = np.arange(8000 * 400).reshape(8000, 400)
    if kind == "codes":
        X[:, 9:99] = rng.integers(5, size=(8000, 90))
        params = {"categorical_features": list(range(9, 99))}
    elif kind == "array of objects":
        X = X.astype(object)
        X[:, 9] = "a"
        params = {"categorical_features": [9]}
    elif kind.startswith("polars"):
        polars = pytest.importorskip("polars")
        X = polars.DataFrame(X)
        if kind == "polars with nulls":
            X = X.with_columns(polars.all().fill_nan(None))
            X = X.with_columns(polars.col("column_300").cast(polars.Int32))
            X[7, "column_300"] = None
            X[8, "column_399"] = None
        elif kind == "polars with times":
            X = X.with_columns(polars.all().fill_nan(0).cast(polars.Datetime))
    else:
        X = pd.DataFrame(X)
        X.columns = X.columns.astype(str)
    if kind == "mixed":
        X["9"] = pd.Categorical(rng.integers(20, size=8000).astype(str))
        X["10"] = rng.integers(9, size=8000)
        X["11"] = X["12"] > 0
    elif kind == "nullable":
        X = X.convert_dtypes()
    elif kind == "times":
        half = X.columns[:200]
        X[half] = (1e9 * X[half]).astype("M8[s]")
    elif kind == "objects":
        half = X.columns[:200]
        X[half] = X[half].astype(object).where(X[half].notna(), None)
    assert peak_of_a_fit(X, y, **params) < 1.4


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_large_table_of_numbers_is_learned_from_as_its_array(library):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 5))
    X[::7, 1] = np.nan
    y = (X[:, 0] > 0).astype(int)
    names = list("abcde")
    if library == "pandas":
        table = pd.DataFrame(X, columns=names)
        table["c"] = table["c"].astype("Float64")
    else:
        table = pytest.importorskip("polars").DataFrame(X, names).fill_nan(None)
    found = []
    for rows, few in ((X, X[:9]), (table, table.head(9))):
        learner = MLPClassifier(hidden_layer_sizes=(8,), max_epochs=1, random_state=0)
        learner.fit(rows, y)
        found += [learner.predict_proba(rows)[:9], learner.predict_proba(few)]
    assert_array_equal(found[0], found[2])
    assert_array_equal(found[1], found[3])


@pytest.mark.parametrize("n_rows", [10, 200_000])
@pytest.mark.parametrize("other", ["number", "word"])
@pytest.mark.parametrize("value", [np.inf, -1e200])
def test_a_table_with_values_beyond_float32_is_refused_in_fit(n_rows, other, value):
    table = pd.DataFrame({"a": np.arange(float(n_rows)), "b": 0.0})
    table["c"] = 1 if other == "number" else "x"
    table.loc[3, "b"] = value
    quick = MLPClassifier(hidden_layer_sizes=(2,), max_epochs=1)
    with pytest.raises(ValueError, match=r"infinity or a value too large .* 'b'"):
        quick.fit(table, np.arange(n_rows) % 2)


def first_split(splitter, X, codes, rows):
    learner = MLPClassifier(validation_split=splitter)
    return set_aside(learner, None, rows, X, codes, None, 0)


def test_the_rows_of_a_split_are_found_where_rows_of_weight_zero_are_gone():
    X, codes = np.arange(12.0)[:, None], np.arange(12)
    weight = np.where(np.arange(12) % 3 == 0, 0.0, 1.0 + np.arange(12))
    rows = weighted_rows(X, codes, weight, None)
    train, valid = first_split(TimeSeriesSplit(2), X, codes, rows)
    assert train[1].tolist() == [1, 2]
    assert valid[1].tolist() == [4, 5, 7]
    assert valid[2].tolist() == [5, 6, 8]
    assert [block.ravel().tolist() for _, block in valid[0].blocks()] == [[4, 5, 7]]


def test_a_split_without_rows_that_count_is_an_error():
    X, codes = np.zeros((6, 1)), np.zeros(6)
    rows = weighted_rows(X, codes, np.repeat([1.0, 0.0], 3), None)
    with pytest.raises(ValueError, match=r"leaves 3 rows .* 0 to validate"):
        first_split(PredefinedSplit([-1] * 3 + [0] * 3), X, codes, rows)
