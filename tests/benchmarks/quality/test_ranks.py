import numpy as np
import pytest

from benchmarks.quality import _ranks


def test_a_learner_that_failed_with_one_seed_is_last(scores):
    assert scores.loc["penguins", "b"] == -np.inf
    assert _ranks.ranks(scores).loc["penguins"].tolist() == [1, 3, 2]


def test_ranks_share_ties_and_equal_those_by_hand(scores):
    table = _ranks.ranks(scores)
    assert table.loc["adult"].tolist() == [1, 2, 3]
    assert table.loc["titanic"].tolist() == [2.5, 1, 2.5]
    assert table.loc["diamonds"].tolist() == [2, 1, 3]
    assert table.mean().tolist() == pytest.approx([6.5 / 4, 7 / 4, 10.5 / 4])


def test_wins_equal_those_by_hand(scores):
    table = _ranks.wins(scores)
    assert table.loc["a"].tolist() == [0, 2, 3]
    assert table.loc["b"].tolist() == [2, 0, 3]
    assert table.loc["c"].tolist() == [0, 1, 0]


def test_the_critical_difference_equals_the_one_in_the_paper():
    # Demsar (2006), section 3.2.2: four learners, fourteen data sets.
    assert _ranks.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_only_seeds_that_all_learners_have_are_compared(results):
    one_less = results[
        ~((results["learner"] == "a") & (results["data"] == "adult"))
        | (results["seed"] == 0)
    ]
    scores = _ranks.compared_scores(one_less, ["a", "b", "c"])
    assert scores.loc["adult"].tolist() == pytest.approx([0.8, 0.7, 0.6])


def test_a_data_set_that_one_learner_has_not_run_is_left_out(results):
    part = results[~((results["learner"] == "a") & (results["data"] == "adult"))]
    scores = _ranks.compared_scores(part, ["a", "b", "c"])
    assert sorted(scores.index) == ["diamonds", "penguins", "titanic"]


def test_a_learner_for_one_kind_of_task_is_not_ranked(results):
    no_classes = (results["learner"] == "c") & (results["data"] != "diamonds")
    assert _ranks.complete_learners(results) == ["a", "b", "c"]
    assert _ranks.complete_learners(results[~no_classes]) == ["a", "b"]
