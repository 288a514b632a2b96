import datetime as dt
import json

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from torchlearners.data import ColumnEncoder

LIBRARIES = [pd, pl]


def fitted(frame, **kwargs):
    table = nw.from_native(frame)
    return ColumnEncoder(**kwargs).fit(table, table.columns)


def encoded(frame, **kwargs):
    return fitted(frame, **kwargs).matrix(nw.from_native(frame))


def objects(*rows):
    return np.array(rows, dtype=object)


# Arrays of numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_of_numbers_is_passed_on_itself(dtype):
    X = np.ones((3, 2), dtype=dtype)
    columns = ColumnEncoder().fit(X)
    assert columns.matrix(X) is X
    assert (columns.n_numeric, columns.cardinalities) == (2, ())
    # Missing only later: the mean is the schema's task.
    later = np.full((1, 2), np.nan, dtype=dtype)
    assert columns.matrix(later) is later


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_with_missing_values_gets_an_indicator(dtype):
    X = np.array([[1, np.nan, 2], [3, 4, np.nan], [5, 6, 7]], dtype=dtype)
    columns = ColumnEncoder().fit(X, ["a", "b", "c"])
    out = columns.matrix(X)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out[:, :3], X)
    assert out[:, 3:].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert (columns.n_scaled, columns.n_numeric) == (3, 5)
    assert columns.feature_names == ("a", "b", "c", "b is missing", "c is missing")


def test_rows_of_weight_zero_teach_nothing():
    X = np.array([[1.0, 1.0], [np.nan, 2.0], [3.0, 1.0]])
    columns = ColumnEncoder([1]).fit(X, weight=np.array([1.0, 0.0, 2.0]))
    assert columns.indicators == []
    assert columns.levels == [[1]]


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("chosen", [None, [2], [2, 0]])
def test_a_sparse_matrix_stays_sparse(kind, chosen):
    X = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, np.nan, 3.0], [0, 0, 7]])
    columns = ColumnEncoder(chosen).fit(kind(X))
    dense = ColumnEncoder(chosen).fit(X)
    assert columns.state() == dense.state()
    found = columns.matrix(kind(X))
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), dense.matrix(X))
    weight = np.array([1.0, 2.0, 0.0, 1.0])
    columns.fit(kind(X), weight=weight)
    assert columns.state() == dense.fit(X, weight=weight).state()


def test_entries_of_a_sparse_matrix_that_come_twice_are_added():
    twice = sparse.csr_matrix(([1.0, np.nan, 2.0], [0, 1, 0], [0, 3]), shape=(1, 2))
    found = ColumnEncoder().fit(twice).matrix(twice)
    np.testing.assert_array_equal(found.toarray(), [[3, np.nan, 1]])
    assert twice.nnz == 3


def test_only_rows_that_train_teach_levels_and_indicators():
    often = [level for level in "abcdefghi" for _ in range(2)]
    frame = pd.DataFrame(
        {"a": pd.Categorical([*often, "j", "j", "k"]), "b": 1.0, "c": 2.0}
    )
    frame.loc[0, "b"] = frame.loc[20, "c"] = np.nan
    weight = np.r_[np.ones(20), 2.0]
    for table in (nw.from_native(frame), frame[["b", "c"]].to_numpy()):
        columns = ColumnEncoder().fit(table, weight=weight, rows=np.arange(19))
        assert columns.indicators == [table.shape[1] - 2]
    table = nw.from_native(frame)
    columns = ColumnEncoder().fit(table, frame.columns, rows=np.arange(19))
    assert columns.levels == [list("abcdefghi")]
    assert columns.has_rare == [True]
    assert columns.matrix(table)[18:, -1].tolist() == [10, 10, 10]


def test_the_kind_of_a_column_is_that_of_all_rows():
    mixed = pd.DataFrame({"a": pd.Series([1, 2, "unknown"], dtype=object)})
    columns = ColumnEncoder().fit(nw.from_native(mixed), rows=np.array([0, 1]))
    assert (columns.kinds, columns.levels) == (["category"], [[1, 2]])


# categorical_features


@pytest.mark.parametrize("chosen", [[2, 0], (0, 2), np.array([True, False, True])])
def test_columns_of_an_array_are_chosen_by_number_or_mask(chosen):
    X = np.array([[7, 0.5, 3], [5, 1.5, 3]])
    columns = ColumnEncoder(chosen).fit(X)
    assert columns.levels == [[5, 7], [3]]
    assert columns.cardinalities == (3, 2)
    assert columns.matrix(X).tolist() == [[0.5, 2, 1], [1.5, 1, 1]]


@pytest.mark.parametrize("chosen", ["from_dtype", None, [], [False, False]])
def test_no_column_of_an_array_is_categorical_by_itself(chosen):
    X = np.ones((2, 2))
    assert ColumnEncoder(chosen).fit(X).matrix(X) is X


def test_columns_are_chosen_by_name():
    X = np.array([[7.0, 0.5]])
    columns = ColumnEncoder(["city"]).fit(X, ["city", "age"])
    assert columns.kinds == ["category", "number"]
    assert columns.feature_names == ("age", "city")


def test_arrays_of_objects_hold_what_the_user_says():
    X = objects(["a", 1, None], ["b", None, 2.5])
    columns = ColumnEncoder([0])
    assert columns.takes_objects
    out = columns.fit(X).matrix(X)
    np.testing.assert_array_equal(out, [[1, np.nan, 0, 1, 1], [np.nan, 2.5, 1, 0, 2]])


@pytest.mark.parametrize(
    ("chosen", "names", "sentence"),
    [
        ([1.5], None, r"must be an array-like of bool, int or str, got: \[1.5\]"),
        ([0, "a"], ["a", "b"], "must be an array-like of bool, int or str"),
        ([[0]], None, "must be an array-like of bool, int or str"),
        ([2], None, r"must be in \[0, n_features - 1\], got: \[2\], with 2 features"),
        ([-1], None, r"must be in \[0, n_features - 1\]"),
        ([True], None, r"must have shape \(n_features,\), got: \(1,\)"),
        (["a"], None, "on data without feature names, got: 'a'"),
        (["z"], ["a", "b"], r"'z' which is not a valid .*names: \['a', 'b'\]"),
    ],
)
def test_a_choice_that_does_not_fit_is_explained(chosen, names, sentence):
    with pytest.raises(ValueError, match=f"categorical_features.*{sentence}"):
        ColumnEncoder(chosen).fit(np.ones((3, 2)), names)


@pytest.mark.parametrize("chosen", [None, ["a"]])
def test_strings_that_are_left_out_are_refused(chosen):
    with pytest.raises(ValueError, match=r"Column 'b' of X .* leaves it out. Add it"):
        fitted(pd.DataFrame({"a": [1], "b": ["x"]}), categorical=chosen)


# Columns of a frame


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_kind_of_column_has_its_place(library):
    frame = library.DataFrame(
        {
            "town": ["b", None, "a"],
            "age": [1.0, None, 3.0],
            "born": [dt.datetime(1970, 1, 2), None, dt.datetime(1969, 12, 31)],
            "old": [True, False, True],
            "took": [dt.timedelta(seconds=2), dt.timedelta(0), dt.timedelta(days=1)],
            "n": [1, 2, 3],
        }
    )
    columns = fitted(frame)
    assert columns.feature_names == (
        *("age", "born", "old", "took", "n"),
        *("age is missing", "born is missing"),
        "town",
    )
    np.testing.assert_array_equal(
        columns.matrix(nw.from_native(frame)),
        [
            [1, 86400, 1, 2, 1, 0, 0, 2],
            [np.nan, np.nan, 0, 0, 2, 1, 1, 0],
            [3, -86400, 1, 86400, 3, 0, 0, 1],
        ],
    )


def test_a_nullable_bool_is_a_number():
    frame = pd.DataFrame(
        {"a": pd.array([True, None], dtype="boolean"), "b": ["x", "y"]}
    )
    np.testing.assert_array_equal(encoded(frame), [[1, 0, 1], [np.nan, 1, 2]])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2.5], "number"),
        ([True, None, False], "number"),
        ([dt.date(1970, 1, 2), None], "time"),
        (["a", None, 1], "category"),
        ([None, None], "category"),
    ],
)
def test_the_values_of_an_object_column_tell_its_kind(values, kind):
    frame = pd.DataFrame({"a": pd.Series(values, dtype=object), "b": "x"})
    assert fitted(frame).kinds[0] == kind


def test_dates_as_objects_are_times():
    dates = pd.Series([dt.date(1970, 1, 2), None], dtype=object)
    np.testing.assert_array_equal(
        encoded(pd.DataFrame({"a": dates})), [[86400, 0], [np.nan, 1]]
    )


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([b"a", b"b"]),
        pd.Series([{1}, {2}], dtype=object),
        pd.Series([1 + 1j, 2]).astype(object),
        pl.Series("a", [[1], [2]]),
        pl.Series("a", [dt.time(1), dt.time(2)]),
    ],
    ids=["bytes", "sets", "complex", "lists", "times of day"],
)
def test_other_columns_are_refused_by_name(values):
    frame = (pl if isinstance(values, pl.Series) else pd).DataFrame({"a": values})
    with pytest.raises(ValueError, match=r"Column 'a' of X .* neither numbers nor"):
        fitted(frame)


def test_of_many_levels_those_of_one_row_share_the_code_of_unseen_ones():
    often = [level for level in "abcdefghi" for _ in range(2)]
    encoder = fitted(pd.DataFrame({"a": [*often, "once", None]}))
    assert encoder.levels == [list("abcdefghi")]
    assert encoder.cardinalities == (11,)
    codes = encoder.matrix(
        nw.from_native(pd.DataFrame({"a": ["once", "new", None, "b"]}))
    )
    assert codes[:, -1].tolist() == [10, 10, 0, 2]


def test_of_few_levels_each_has_its_own_code():
    encoder = fitted(pd.DataFrame({"a": list("abcdefghi")}))
    assert encoder.cardinalities == (10,)
    codes = encoder.matrix(nw.from_native(pd.DataFrame({"a": ["a", "new", None]})))
    assert codes[:, -1].tolist() == [1, 0, 0]


def test_a_level_of_one_row_is_not_rare_where_its_weight_is_that_of_two():
    levels = np.array([*range(9), *range(9), 9, 10], float)[:, None]
    weight = np.array([1.0] * 18 + [2.0, 1.0])
    twice = ColumnEncoder(categorical=[0]).fit(np.vstack([levels, [[9.0]]]))
    for scale in (1.0, 0.1):
        encoder = ColumnEncoder(categorical=[0]).fit(levels, weight=weight * scale)
        assert encoder.levels == twice.levels == [list(map(float, range(10)))]
        assert encoder.has_rare == [True]


def test_text_is_refused_with_a_remedy():
    text = [f"sentence {i}" for i in range(1001)]
    with pytest.raises(ValueError, match=r"Column 'a' of X holds 1001 .*Tfidf") as e:
        fitted(pd.DataFrame({"a": text}))
    assert "TargetEncoder" in str(e.value)
    assert fitted(pd.DataFrame({"a": text[:1000] * 2})).cardinalities == (1001,)
    assert fitted(pd.DataFrame({"a": text * 3})).cardinalities == (1002,)


def test_a_categorical_dtype_may_have_any_number_of_levels():
    many = [f"level {i}" for i in range(4000)] * 2
    frame = pd.DataFrame({"a": pd.Categorical(many)})
    assert fitted(frame).cardinalities == (4001,)
    assert set(encoded(frame)[:, 0]) == set(range(1, 4001))
    frame = pd.DataFrame({"a": many})
    assert fitted(frame, categorical=["a"]).cardinalities == (4001,)


def test_only_levels_that_occur_count():
    frame = pd.DataFrame({"a": pd.Categorical(["b"], categories=["a", "b", "c"])})
    assert fitted(frame).levels == [["b"]]


def test_levels_are_sorted_whatever_the_order_of_rows():
    one = pd.DataFrame({"a": pd.Series(["b", 2, "a", 10], dtype=object)})
    assert fitted(one).levels == fitted(one[::-1]).levels == [[2, 10, "a", "b"]]


def test_intervals_are_levels_by_their_text():
    frame = pd.DataFrame({"a": pd.cut([1, 2, 3], [0, 1, 3])})
    assert fitted(frame).levels == [["(0, 1]", "(1, 3]"]]


def test_infinity_is_found_with_the_name_of_its_column():
    frame = pd.DataFrame({"town": ["x"], "b": [1.0], "a": [np.inf]})
    with pytest.raises(ValueError, match=r"infinity .* in column 'a'"):
        encoded(frame)


# Other rows than those of fit


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_and_unseen_levels_have_code_zero(library):
    columns = fitted(library.DataFrame({"a": ["x", "y"]}))
    later = library.DataFrame({"a": ["y", None, "new"]})
    assert columns.matrix(nw.from_native(later)).tolist() == [[2], [0], [0]]
    nothing = library.DataFrame({"a": [None, None]})
    assert columns.matrix(nw.from_native(nothing)).tolist() == [[0], [0]]


def test_numbers_are_one_level_whatever_their_type():
    columns = ColumnEncoder([0]).fit(np.array([[1.0], [2.0]]))
    for later in (objects([2], [True], [None]), np.array([[2.0], [1.0], [np.nan]])):
        assert columns.matrix(later).tolist() == [[2], [1], [0]]


NUMBERS = pd.DataFrame({"a": [1.0, 2.0], "b": "x"})
STRINGS = pd.DataFrame({"a": ["1", "2"], "b": "x"})
TIMES = pd.DataFrame({"a": pd.to_datetime(["2020", "2021"]), "b": "x"})
DATES = pd.DataFrame(
    {"a": pd.Series([dt.date(2020, 1, 1)] * 2, dtype=object), "b": "x"}
)


@pytest.mark.parametrize(
    ("then", "now", "sentence"),
    [
        (NUMBERS, STRINGS, "held numbers in fit, and now holds String"),
        (NUMBERS, TIMES, "held numbers in fit, and now holds Datetime"),
        (NUMBERS, DATES, "held numbers in fit, and now holds date"),
        (STRINGS, NUMBERS, "held strings in fit, and now holds numbers"),
        (TIMES, NUMBERS, "held times in fit, and now holds Float64 values"),
        (TIMES, STRINGS, "held times in fit, and now holds String values"),
    ],
)
def test_a_column_that_changes_its_kind_is_refused(then, now, sentence):
    with pytest.raises(ValueError, match=f"Column 'a' of X {sentence}"):
        fitted(then).matrix(nw.from_native(now))


def test_dates_and_times_are_one_kind():
    out = fitted(TIMES).matrix(nw.from_native(DATES))
    assert out[0, 0] == encoded(TIMES)[0, 0]


@pytest.mark.parametrize("then", [NUMBERS, TIMES])
def test_a_numeric_column_may_be_all_missing_later(then):
    later = pd.DataFrame({"a": pd.Series([None, None], dtype=object), "b": "x"})
    out = fitted(then).matrix(nw.from_native(later))
    np.testing.assert_array_equal(out, [[np.nan, 1]] * 2)


# State


def test_the_state_is_plain_and_encodes_alike():
    frame = pd.DataFrame(
        {"a": ["x", None, "z"], "b": [1.0, None, 2.0], "c": pd.to_datetime("2020")}
    )
    columns = fitted(frame, categorical="from_dtype")
    state = json.loads(json.dumps(columns.state()))
    assert set(state) == {"names", "kinds", "levels", "has_rare", "indicators"}
    copy, table = ColumnEncoder(**state), nw.from_native(frame)
    np.testing.assert_array_equal(copy.matrix(table), columns.matrix(table))
    assert copy.feature_names == columns.feature_names


def test_takes_objects_where_there_is_more_than_numbers():
    assert not ColumnEncoder().takes_objects
    assert not ColumnEncoder(None).takes_objects
    assert not fitted(pd.DataFrame({"a": [1]})).takes_objects
    assert fitted(pd.DataFrame({"a": ["x"]})).takes_objects


def test_each_column_of_the_matrix_knows_where_it_comes_from():
    X = np.array([[1, 0.5, 7, np.nan], [2, np.nan, 8, 3.0]])
    columns = ColumnEncoder(categorical=[0, 2]).fit(X)
    assert columns.sources == [1, 3, 1, 3, 0, 2]
    assert len(columns.sources) == columns.matrix(X).shape[1]
    assert ColumnEncoder(None).fit(X[:, [0]]).sources == [0]
