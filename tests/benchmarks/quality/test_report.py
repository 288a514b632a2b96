import math

import pandas as pd
import pytest

from benchmarks.quality import _ranks, _results, report


def test_scores_are_means_over_seeds_with_errors_negative(scores):
    assert scores.loc["adult"].tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert scores.loc["diamonds"].tolist() == pytest.approx([-2, -1, -3])


def test_the_best_of_each_data_set_is_bold_and_failures_are_told(results):
    table = report.quality_table(results)
    assert table.loc["adult (roc_auc)", "a"] == "**0.9000 ± 0.1414**"
    assert table.loc["diamonds (log10 rmse)", "b"] == "**1.0000 ± 0.1414**"
    assert table.loc["penguins (accuracy)", "b"] == "failed"


def test_a_summary_has_the_best_mean_rank_first(results, scores):
    table = report.summary(results, _ranks.ranks(scores), scores)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["mean rank"].tolist() == ["1.62", "1.75", "2.62"]
    assert table["fits that failed"].tolist() == [0, 1, 0]
    assert table["fit, sum of CPU s"].tolist() == ["12", "12", "12"]


def test_the_command_writes_tables_and_a_picture(path, capsys):
    report.main(["--results", str(path)])
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == text.strip()
    assert "At most 50 training rows (max_rows=50)." in text
    assert "- penguins, b, seed 1: ValueError: no" in text
    ranks = pd.read_csv(path.with_name("results_ranks.csv"), index_col="data")
    assert ranks.loc["adult"].tolist() == [1, 2, 3]
    wins = pd.read_csv(path.with_name("results_wins.csv"), index_col=0)
    assert wins.loc["a", "b"] == 2
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_learners_can_be_chosen(path, capsys):
    report.main(["--results", str(path), "--learners", "b,c"])
    assert "| a |" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no results of \\['d'\\]"):
        report.main(["--results", str(path), "--learners", "b,d"])


def test_results_of_several_limits_are_not_mixed(path, capsys):
    key = {"data": "adult", "learner": "a", "seed": 0, "max_rows": 0}
    _results.append(path, key | {"metric": "roc_auc", "value": 0.5})
    with pytest.raises(SystemExit, match="choose by --max-rows"):
        report.main(["--results", str(path)])
    with pytest.raises(SystemExit, match="no results of max_rows 7"):
        report.main(["--results", str(path), "--max-rows", "7"])
    report.main(["--results", str(path), "--max-rows", "0"])
    assert "All training rows" in capsys.readouterr().out


def test_a_file_without_results_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="has no results"):
        report.main(["--results", str(tmp_path / "none.csv")])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.91, 0.93], "0.9200 ± 0.0141"),
        ([150.0, 152.0], "151.0 ± 1.4"),
        ([50000.0, 50200.0], "50100 ± 141"),
        ([0.5], "0.5000"),
        ([0.5, math.nan], "failed"),
    ],
)
def test_decimals_suit_the_size_of_the_mean(values, text):
    assert report.cell(pd.Series(values)) == text
