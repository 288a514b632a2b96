import numpy as np
import pytest

from benchmarks.quality._scores import scores_of


def test_scores_of_numbers_equal_those_by_hand():
    scores = scores_of(np.array([0.0, 2.0]), {"predict": np.array([1.0, 4.0])})
    assert scores == pytest.approx({"rmse": 2.5**0.5, "mae": 1.5, "r2": 1 - 5 / 2})


def test_predictions_that_are_no_numbers_are_an_error():
    with pytest.raises(ValueError, match="NaN or infinite"):
        scores_of(np.zeros(2), {"predict": np.array([np.nan, 1])})


def test_scores_of_two_classes_equal_those_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    arrays = {
        "classes": np.array(["no", "yes"]),
        "predict_proba": probabilities,
        "predict": np.array(["no", "yes", "no", "yes"]),
    }
    scores = scores_of(np.array(["no", "no", "yes", "yes"]), arrays)
    assert scores["accuracy"] == 0.5
    assert scores["roc_auc"] == 0.75
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.3, 0.8]).mean())


def test_a_class_that_training_rows_lacked_counts_as_missed():
    arrays = {
        "classes": np.array(["a", "c"]),
        "predict_proba": np.array([[0.8, 0.2], [0.8, 0.2], [0.1, 0.9]]),
        "predict": np.array(["a", "a", "c"]),
    }
    scores = scores_of(np.array(["a", "b", "c"]), arrays)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["balanced_accuracy"] == pytest.approx(2 / 3)
    assert scores["log_loss"] > 10
    assert "roc_auc" not in scores
