import json
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import (
    EarlyStopping,
    JsonLines,
    Measures,
    history_frame,
)
from torchlearners.data import ClassTarget

X, Y = load_iris(return_X_y=True)


def fit(path, callbacks=(), **params):
    params = {"preset": "simple", "max_epochs": 3, "random_state": 0, **params}
    learner = MLPClassifier(**params, callbacks=[*callbacks, JsonLines(path=path)])
    return learner.fit(X, Y)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_epoch_is_a_line_with_what_the_history_has(tmp_path):
    path = tmp_path / "log.jsonl"
    fitted = fit(path, early_stopping=True)
    expected = [
        {k: v for k, v in row.items() if k != "batches"} for row in fitted.history_
    ]
    assert rows(path) == expected


def test_lines_are_there_while_training_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    seen = []

    class Look(EarlyStopping):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(len(rows(path)) if path.exists() else 0)

    learner = MLPClassifier(
        preset="simple", max_epochs=3, callbacks=[JsonLines(path=path), Look()]
    )
    learner.fit(X, Y)
    assert seen == [0, 1, 2]


def test_another_training_is_added_and_a_continued_one_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    warm = fit(path, warm_start=True)
    warm.fit(X, Y)
    fit(path, max_epochs=1)
    assert [row["epoch"] for row in rows(path)] == [1, 2, 3, 4, 5, 6, 1]


def test_epochs_that_are_trained_again_are_there_once(tmp_path):
    path = tmp_path / "log.jsonl"
    warm = fit(path, warm_start=True)
    # What a killed process had written after the checkpoint, the last line in part.
    with path.open("a") as file:
        file.write('{"epoch": 4, "train_loss": 9.0}\n{"epoch": 5, "tra')
    warm.fit(X, Y)
    assert [row["epoch"] for row in rows(path)] == [1, 2, 3, 4, 5, 6]
    assert rows(path)[3]["train_loss"] != 9.0
    assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]


def test_epochs_that_were_not_written_any_more_are_added(tmp_path):
    path = tmp_path / "log.jsonl"
    warm = fit(path, warm_start=True)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    warm.fit(X, Y)
    assert [row["epoch"] for row in rows(path)] == [1, 2, 3, 4, 5, 6]


def test_measures_of_an_early_last_epoch_are_in_its_line(tmp_path):
    class StopAfterTwo(EarlyStopping):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = len(net.history) == 2

    path = tmp_path / "log.jsonl"
    measures = Measures(
        measures=["accuracy"], target=ClassTarget(np.arange(3)), eval_every=5
    )
    learner = MLPClassifier(
        preset="simple",
        callbacks=[measures, JsonLines(path=path), StopAfterTwo()],
        early_stopping=True,
    )
    learner.fit(X, Y)
    assert ["valid_accuracy" in row for row in rows(path)] == [False, True]


def test_what_json_does_not_have_becomes_null(tmp_path):
    class Odd(EarlyStopping):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("valid_odd", float("nan"))
            net.history.record("numpy", np.float32(0.5))
            net.history.record("list", [1])

    path = tmp_path / "log.jsonl"
    fit(path, [Odd()], early_stopping=False)
    row = rows(path)[0]
    assert (row["valid_odd"], row["numpy"], row["list"]) == (None, 0.5, "[1]")


def test_the_history_as_a_frame_has_a_row_an_epoch(tmp_path):
    frame = history_frame(fit(tmp_path / "log.jsonl", early_stopping=True).history_)
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.index.name == "epoch"
    assert {"train_loss", "valid_loss", "dur"} <= set(frame.columns)
    assert "batches" not in frame


def test_epochs_without_a_measure_are_nan():
    history = [{"epoch": 1}, {"epoch": 2, "valid_r2": 0.5}]
    assert history_frame(history)["valid_r2"].isna().tolist() == [True, False]


def test_a_missing_pandas_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        history_frame([])
