import sys

import numpy as np
import pytest

from benchmarks.quality import __main__ as quality
from benchmarks.quality import _results

STAND_IN = """
from sklearn.base import BaseEstimator


class RealMLP_TD_Classifier(BaseEstimator):
    def __init__(self, device=None, n_threads=None, random_state=None):
        assert (device, n_threads, random_state) == ("cpu", 1, 0)

    def fit(self, X, y):
        assert not X.isna()[["size"]].any().any()
        assert str(X["color"].dtype) == "category"
        self.classes_ = sorted(set(y))
        return self

    def predict_proba(self, X):
        return [[0.2, 0.5, 0.3]] * len(X)


class RealMLP_TD_Regressor(RealMLP_TD_Classifier):
    def fit(self, X, y):
        raise ValueError("not\\ntoday")
"""


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results.csv"


@pytest.fixture
def run(data_dir, out):
    def run(*arguments):
        always = ["--data-dir", str(data_dir), "--out", str(out), "--seeds", "1"]
        quality.main([*always, *arguments])
        return _results.read(out)

    return run


def test_a_learner_for_numbers_alone_is_not_planned_for_classes(monkeypatch):
    of_task = {"binary": ["mlp"], "regression": ["mlp", "spline"]}
    monkeypatch.setattr(quality, "names", of_task.__getitem__)
    jobs = quality.plan(["adult", "ames"], ["mlp", "spline"], seeds=1, max_rows=0)
    made = [(job.data, job.learner) for job in jobs]
    assert made == [("adult", "mlp"), ("ames", "mlp"), ("ames", "spline")]


def test_each_fit_gives_a_row_and_is_made_once(run, capsys):
    chosen = ("--data", "penguins,ames", "--learners", "linear", "--max-rows", "30")
    table = run(*chosen)
    assert table["data"].tolist() in (["penguins", "ames"], ["ames", "penguins"])
    assert table["error"].tolist() == ["", ""]
    assert table["n_train"].tolist() == [30, 30]
    assert table["n_test"].tolist() == [18, 18]
    row = table.set_index("data").loc["penguins"]
    assert row["value"] == row["accuracy"] > 0.6
    assert row["rss_peak_mb"] >= row["rss_before_mb"] > 10
    assert "scikit-learn==" in row["versions"]
    assert table.set_index("data").loc["ames", "rmse"] < 0.1
    capsys.readouterr()
    assert len(run(*chosen)) == 2
    assert capsys.readouterr().out == ""


def test_a_peer_is_fitted_by_its_own_interpreter(run, tmp_path, monkeypatch):
    (tmp_path / "pytabkit.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    chosen = ["--data", "penguins,ames", "--learners", "realmlp", "--jobs", "1"]
    assert run(*chosen).empty
    table = run(*chosen, "--peer-python", sys.executable).set_index("data")
    assert 0 < table.loc["penguins", "value"] < 1
    assert table.loc["ames", "error"] == "ValueError: not today"
    assert np.isnan(table.loc["ames", "value"])


def test_fits_that_failed_are_made_again_only_when_asked(run, out):
    _results.append(
        out,
        {"data": "ames", "learner": "linear", "seed": 0, "max_rows": 9, "error": "no"},
    )
    chosen = ["--data", "ames", "--learners", "linear", "--max-rows", "9"]
    assert run(*chosen)["error"].tolist() == ["no"]
    assert run(*chosen, "--retry-errors")["error"].tolist() == [""]


def test_a_fit_over_the_time_limit_is_an_error(run):
    table = run("--data", "ames", "--learners", "linear", "--time-limit", "0.01")
    assert table["error"].tolist() == ["took longer than 0.01 seconds"]


@pytest.mark.parametrize(
    "chosen", [("--data", "iris"), ("--data", "ames", "--learners", "forest")]
)
def test_an_unknown_name_is_an_error_that_lists_the_known(run, chosen):
    with pytest.raises(SystemExit, match=r"unknown .*; known are"):
        run(*chosen)


def test_a_table_that_is_not_in_the_folder_is_an_error(run):
    with pytest.raises(SystemExit, match="has no \\['titanic'\\]"):
        run("--data", "titanic,adult")


def test_an_interrupt_keeps_the_rows_made_so_far(run, out, monkeypatch):
    def interrupted(job, *_):
        if job.data == "ames":
            raise KeyboardInterrupt
        key = dict(zip(_results.KEY, job.key, strict=True))
        return key | {"metric": "accuracy", "value": 1.0}

    monkeypatch.setattr(quality, "run", interrupted)
    chosen = ("--data", "penguins,ames", "--learners", "linear", "--jobs", "1")
    with pytest.raises(SystemExit, match="stopped; the fits made so far are in"):
        run(*chosen)
    assert _results.read(out)["data"].tolist() == ["penguins"]
