import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from torchlearners.base._calibration import best_temperature

rng = np.random.RandomState(0)
LOGITS = 2 * rng.normal(size=(4000, 3))
CODES = np.array([rng.choice(3, p=p) for p in softmax(LOGITS, axis=1)])
LABELS = (rng.uniform(size=LOGITS.shape) < 1 / (1 + np.exp(-LOGITS))).astype(int)


def log_loss(logits, codes, weight=None):
    rows = -log_softmax(logits, axis=1)[np.arange(len(codes)), codes]
    return np.average(rows, weights=weight)


@pytest.mark.parametrize("codes", [CODES, LABELS])
@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_logits_that_are_too_large_by_a_factor_are_divided_by_it(codes, factor):
    assert best_temperature(factor * LOGITS, codes, None) == pytest.approx(
        factor, rel=0.06
    )


def test_no_temperature_nearby_has_a_smaller_log_loss():
    weight = rng.uniform(size=len(CODES))
    best = best_temperature(3 * LOGITS, CODES, weight)
    least = log_loss(3 * LOGITS / best, CODES, weight)
    for other in (0.97 * best, 1.03 * best):
        assert least < log_loss(3 * LOGITS / other, CODES, weight)


def test_weights_are_repetition_and_rows_of_weight_zero_do_not_count():
    weight = np.arange(len(CODES)) % 3
    repeated = np.repeat(np.arange(len(CODES)), weight)
    expected = best_temperature(LOGITS[repeated], CODES[repeated], None)
    assert best_temperature(LOGITS, CODES, weight) == pytest.approx(expected, rel=1e-4)


def test_temperatures_of_perfect_and_of_useless_logits_are_finite():
    perfect = 9.0 * np.eye(3)[CODES]
    assert 0.01 <= best_temperature(perfect, CODES, None) < 0.3
    assert 99 < best_temperature(-perfect, CODES, None) <= 100
