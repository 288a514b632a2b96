import numpy as np
import pytest
import torch
from sklearn import metrics

from torchlearners.callbacks import Measures
from torchlearners.callbacks._fast_metrics import FAST
from torchlearners.data import ClassTarget

REGRESSION = {f for f in FAST if f.__name__.endswith("_error") or f is metrics.r2_score}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("function", FAST, ids=lambda f: f.__name__)
def test_a_twin_has_the_value_of_scikit_learn(function, ties, weighted):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = rng.integers(2, size=57)
        response = rng.uniform(size=57)
        if ties:
            response = response.round(1)
        if function in REGRESSION:
            y = rng.normal(10, 3, 57)
        if function is metrics.accuracy_score:
            response = rng.integers(2, size=57)
        weight = rng.uniform(0.5, 2, 57) if weighted else None
        expected = function(y, response, sample_weight=weight)
        got = FAST[function](y, response, weight)
        assert got == pytest.approx(expected, rel=1e-13)


def test_log_loss_of_three_classes_has_the_value_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.integers(3, size=57), rng.dirichlet([1, 1, 1], 57)
    expected = metrics.log_loss(y, p)
    assert FAST[metrics.log_loss](y, p, None) == pytest.approx(expected, rel=1e-13)


def test_a_twin_that_does_not_agree_is_not_used(monkeypatch):
    calls = []

    def wrong(y, predicted, weight):
        calls.append(1)
        return 0.123

    monkeypatch.setitem(FAST, metrics.accuracy_score, wrong)
    measures = Measures(measures=["accuracy"], target=ClassTarget(np.arange(2)))
    measures.initialize()
    outputs, y = np.eye(2, dtype=np.float32), torch.tensor([0, 1])
    values = [measures.values(outputs, y) for _ in range(3)]
    assert values == [{"accuracy": 1.0}] * 3
    assert len(calls) == 1


def test_a_twin_is_not_asked_about_outputs_that_are_not_finite():
    measures = Measures(measures=["neg_log_loss"], target=ClassTarget(np.arange(2)))
    measures.initialize()
    outputs, y = np.eye(2, dtype=np.float32), torch.tensor([0, 1])
    measures.values(outputs, y)
    outputs[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"'neg_log_loss'.*NaN"):
        measures.values(outputs, y)
