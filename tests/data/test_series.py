import datetime as dt

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from torchlearners.data._series import ArrayColumn, FrameColumn, column_of, seconds

TIMES = [dt.datetime(1960, 1, 1), None, dt.datetime(2020, 1, 1, 12, 30, 0, 5)]
SECONDS = [-315619200.0, np.nan, 1577881800.000005]
LASTING = [dt.timedelta(microseconds=996), None, dt.timedelta(seconds=-1.5)]
LIBRARIES = [pd, pl]


def series(values):
    return FrameColumn(nw.from_native(values, series_only=True))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "number"),
        ([1.5, 2], "number"),
        ([True, False], "number"),
        (["a", None], "text"),
        (TIMES, "time"),
        (LASTING, "duration"),
    ],
)
def test_the_dtype_of_a_series_tells_its_kind(library, values, kind):
    assert series(library.Series(values)).kind == kind


def test_more_dtypes_of_series():
    assert series(pd.Series(pd.Categorical(["a"]))).kind == "category"
    assert series(pd.Series(pd.cut([1, 2], 2))).kind == "category"
    assert series(pl.Series(["a"], dtype=pl.Categorical)).kind == "category"
    assert series(pl.Series(["a"], dtype=pl.Enum(["a"]))).kind == "category"
    assert series(pl.Series([dt.date(2020, 1, 1)])).kind == "time"
    assert series(pd.Series([True, None], dtype="boolean")).kind == "number"
    assert series(pd.Series([1, "a"], dtype=object)).kind is None
    assert series(pl.Series([None])).kind is None
    assert series(pl.Series([[1]])).kind is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1]), "number"),
        (np.array([True]), "number"),
        (np.array([1.0], dtype=np.float32), "number"),
        (np.array(["2020"], dtype="M8[D]"), "time"),
        (np.array([1], dtype="m8[s]"), "duration"),
        (np.array(["a"]), "text"),
        (np.array(["a", 1], dtype=object), None),
    ],
)
def test_the_dtype_of_an_array_tells_its_kind(values, kind):
    assert ArrayColumn(values).kind == kind


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(TIMES),
        pd.Series(TIMES).astype("datetime64[ns]"),
        pd.Series(TIMES).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
        pl.Series(TIMES),
        pl.Series(TIMES).dt.replace_time_zone("UTC"),
    ],
    ids=["pandas", "nanoseconds", "zone", "polars", "polars with a zone"],
)
def test_times_are_seconds_since_1970(values):
    np.testing.assert_array_equal(series(values).seconds(), SECONDS)


def test_dates_are_seconds_at_midnight():
    dates = pl.Series([dt.date(1969, 12, 31), None])
    np.testing.assert_array_equal(series(dates).seconds(), [-86400, np.nan])


@pytest.mark.parametrize("library", LIBRARIES)
def test_durations_are_seconds_to_the_microsecond(library):
    found = series(library.Series(LASTING)).seconds()
    np.testing.assert_array_equal(found, [0.000996, np.nan, -1.5])


def test_seconds_of_arrays():
    values = np.array(["1960-01-01", "NaT"], dtype="M8[D]")
    np.testing.assert_array_equal(ArrayColumn(values).seconds(), SECONDS[:2])
    assert seconds(np.array([3], dtype="m8[m]")).tolist() == [180]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([1.0, np.nan]),
        pl.Series([1, None]),
        pl.Series([True, None]),
        pl.Series([1.0, float("nan")]),
    ],
)
def test_missing_numbers_are_nan(values):
    np.testing.assert_array_equal(series(values).numbers(), [1, np.nan])


def test_every_missing_object_is_found():
    values = [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), "", 0, [np.nan]]
    array = np.empty(8, dtype=object)
    array[:] = values
    assert ArrayColumn(array).missing().tolist() == [True] * 5 + [False] * 3
    assert series(pd.Series(["a", None, np.nan])).missing().tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "values",
    [
        ["b", None, "a", "b"],
        pd.Series(["b", None, "a", "b"]),
        pd.Series(["b", None, "a", "b"], dtype=object),
        pd.Categorical(["b", None, "a", "b"], categories=["c", "a", "b"]),
        pl.Series(["b", None, "a", "b"]),
        pl.Series(["b", None, "a", "b"], dtype=pl.Categorical),
        pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["c", "a", "b"])),
        pd.Series([2, None, 1, 2]),
        pl.Series([2.5, None, 1.5, 2.5]),
        pl.Series(TIMES + TIMES[:1]),
    ],
    ids=str,
)
def test_codes_stand_for_the_values_of_a_column(values):
    if isinstance(values, list):
        column = ArrayColumn(np.array(values, dtype=object))
    else:
        column = series(pd.Series(values) if hasattr(values, "codes") else values)
    codes, distinct = column.factorized
    missing = column.missing()
    assert ((codes == -1) == missing).all()
    given = np.array(column.values(), dtype=object)
    assert [distinct[code] for code in codes[~missing]] == given[~missing].tolist()
    assert len(distinct) == len(set(distinct))


def test_a_column_of_any_table():
    X = np.array([[1.0, 2.0], [0.0, 4.0]])
    for table in (X, sparse.csr_matrix(X), sparse.csr_array(X)):
        assert column_of(table, 1).values() == [2, 4]
    for frame in (pd.DataFrame(X, columns=["a", "b"]), pl.DataFrame(X)):
        assert column_of(nw.from_native(frame), 1).values() == [2, 4]


@pytest.mark.parametrize(
    "names",
    [[1, 0], [("a", 1), ("a", 0)], pd.MultiIndex.from_product([["a"], [1, 0]])],
    ids=["numbers", "tuples", "levels"],
)
def test_a_column_is_found_by_its_place_whatever_its_name(names):
    frame = pd.DataFrame([[1, "x"], [2, "y"]]).set_axis(names, axis=1)
    assert column_of(nw.from_native(frame), 1).values() == ["x", "y"]
