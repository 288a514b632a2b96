from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.quality import _results


def row(**values):
    first = {"data": "adult", "learner": "mlp", "seed": 0, "max_rows": 10, "value": 0.5}
    return first | values


def test_rows_come_back_with_numbers_and_empty_texts(tmp_path):
    path = tmp_path / "new" / "results.csv"
    _results.append(path, row())
    _results.append(path, row(seed=1, value=None, error='two\nlines, "quoted"'))
    table = _results.read(path)
    assert table["value"].iloc[0] == 0.5
    assert np.isnan(table["value"].iloc[1])
    assert table["error"].tolist() == ["", 'two lines, "quoted"']
    assert _results.keys(table) == {("adult", "mlp", 0, 10), ("adult", "mlp", 1, 10)}


def test_a_file_that_is_not_there_has_no_rows(tmp_path):
    assert _results.read(tmp_path / "results.csv").empty


def test_the_last_of_two_rows_of_one_fit_counts(tmp_path):
    path = tmp_path / "results.csv"
    _results.append(path, row(value=None, error="failed"))
    _results.append(path, row(value=0.7))
    table = _results.read(path)
    assert table["value"].tolist() == [0.7]
    assert table["error"].tolist() == [""]


def test_an_unfinished_line_is_closed_and_not_read(tmp_path):
    path = tmp_path / "results.csv"
    _results.append(path, row())
    with path.open("a") as file:
        file.write("adult,mlp,1,10,")
    assert len(_results.read(path)) == 1
    _results.append(path, row(seed=2))
    assert _results.read(path)["seed"].tolist() == [0, 2]


def test_many_writers_lose_no_row(tmp_path):
    path = tmp_path / "results.csv"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: _results.append(path, row(seed=i)), range(100)))
    assert sorted(_results.read(path)["seed"]) == list(range(100))
    assert len(path.read_text().splitlines()) == 101


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown columns \\['speed'\\]"):
        _results.append(tmp_path / "results.csv", row(speed=1))


def test_a_file_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text(",".join(["a"] * len(_results.COLUMNS)) + "\n")
    with pytest.raises(ValueError, match="write to another file"):
        _results.read(path)
