import numpy as np
import pandas as pd
import pytest

from benchmarks.quality._data import SETS, rows_of
from benchmarks.quality._exchange import (
    load_predictions,
    load_rows,
    save_predictions,
    save_rows,
)


def test_rows_come_back_from_a_file_as_they_were(data_dir, tmp_path):
    rows = rows_of(data_dir, SETS["penguins"], seed=0)
    save_rows(tmp_path / "rows.npz", rows.X_train, rows.y_train, rows.X_test)
    X_train, y_train, X_test = load_rows(tmp_path / "rows.npz")
    for back, X in ((X_train, rows.X_train), (X_test, rows.X_test)):
        pd.testing.assert_frame_equal(
            back, X.reset_index(drop=True), check_categorical=False
        )
        assert list(back["color"].cat.categories) == list(X["color"].cat.categories)
    assert y_train.tolist() == rows.y_train.tolist()


def test_the_file_of_rows_holds_no_targets_of_test_rows(data_dir, tmp_path):
    rows = rows_of(data_dir, SETS["penguins"], seed=0)
    save_rows(tmp_path / "rows.npz", rows.X_train, rows.y_train, rows.X_test)
    with np.load(tmp_path / "rows.npz") as arrays:
        assert [name for name in arrays.files if name.startswith("y")] == ["y_train"]


def test_predictions_come_back_from_a_file_as_they_were(tmp_path):
    arrays = {"predict": np.array([1.5, 2.5])}
    save_predictions(tmp_path / "p.npz", {"n_iter": None}, arrays)
    facts, back = load_predictions(tmp_path / "p.npz")
    assert facts == {"n_iter": None}
    assert list(back) == ["predict"]
    assert back["predict"] == pytest.approx([1.5, 2.5])
