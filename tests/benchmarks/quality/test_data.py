import numpy as np
import pandas as pd

from benchmarks.quality._data import SETS, DataSet, read, rows_of


def test_there_are_fourteen_tables_of_one_target_and_one_of_two():
    tasks = [s.task for s in SETS.values()]
    assert set(tasks) == {"binary", "multiclass", "multioutput", "regression"}
    assert len(tasks) - tasks.count("multioutput") == 14
    assert tasks.count("multioutput") == 1
    assert {s.split for s in SETS.values()} == {"random", "given", "last"}


def test_numbers_are_floats_and_categories_categories_without_ids_and_target(data_dir):
    X, y, split = read(data_dir, SETS["penguins"])
    assert list(X) == ["size", "color", "note"]
    assert X["size"].dtype == np.float64
    assert np.isnan(X.loc[3, "size"])
    assert list(X["color"].cat.categories) == ["NA", "green", "red"]
    assert X["color"].isna().any()
    assert y.dtype.kind == "U"
    assert split is None


def test_columns_that_are_dropped_are_not_seen(data_dir):
    X, _, _ = read(data_dir, DataSet("ames", "regression", "rmse", drop=("size",)))
    assert list(X) == ["color", "note"]


def test_a_log_target_is_the_decimal_logarithm(data_dir):
    X, y, _ = read(data_dir, SETS["ames"])
    np.testing.assert_allclose(y[:3], 3 + 0.1 * X["size"][:3])


def test_a_table_may_have_several_targets(data_dir):
    X, y, _ = read(data_dir, SETS["energy_efficiency"])
    assert list(X) == ["size", "color", "note"]
    assert y.shape == (60, 2)


def test_times_become_their_parts_that_vary(data_dir):
    X, _, _ = read(data_dir, SETS["bike_sharing"])
    assert list(X)[3:] == ["time day", "time day_of_week", "time hour"]
    assert X.loc[25, ["time day", "time day_of_week", "time hour"]].tolist() == [
        2,
        3,
        1,
    ]


def test_a_random_split_is_stratified_and_drawn_with_the_seed(data_dir):
    rows = rows_of(data_dir, SETS["penguins"], seed=0)
    again = rows_of(data_dir, SETS["penguins"], seed=0)
    other = rows_of(data_dir, SETS["penguins"], seed=1)
    assert len(rows.y_test) == 18
    assert rows.X_train.index.equals(again.X_train.index)
    assert not rows.X_train.index.equals(other.X_train.index)
    shares = [pd.Series(y).value_counts(normalize=True) for y in rows_y(rows)]
    np.testing.assert_allclose(*(s.sort_index() for s in shares), atol=0.05)


def rows_y(rows):
    return rows.y_train, rows.y_test


def test_a_given_split_is_kept(data_dir):
    rows = rows_of(data_dir, SETS["adult"], seed=1)
    assert rows.X_test.index.tolist() == list(range(20))
    assert rows.X_train.index.tolist() == list(range(20, 60))


def test_the_last_rows_are_the_test_rows_where_rows_are_in_order_of_time(data_dir):
    rows = rows_of(data_dir, SETS["bike_sharing"], seed=0)
    assert rows.y_train.max() == 47
    assert rows.y_test.tolist() == list(range(48, 60))


def test_max_rows_takes_a_part_of_the_training_rows_alone(data_dir):
    whole = rows_of(data_dir, SETS["adult"], seed=0)
    part = rows_of(data_dir, SETS["adult"], seed=0, max_rows=10)
    other = rows_of(data_dir, SETS["adult"], seed=1, max_rows=10)
    assert len(part.y_train) == 10
    assert set(part.X_train.index) < set(whole.X_train.index)
    assert set(part.X_train.index) != set(other.X_train.index)
    assert part.X_test.equals(whole.X_test)
