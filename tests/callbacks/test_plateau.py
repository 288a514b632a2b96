import math

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from torchlearners.callbacks import Plateau

FALLING = [5, 4, 3, 3, 3, 2.99999, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def ours(policy, scores, **kwargs):
    state, factors = policy.begin(), []
    for score in scores:
        state = policy.follow(state, score, **kwargs)
        factors.append(state["factor"])
    return factors


def theirs(scores, **settings):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, eps=0, **settings)
    factors = []
    for score in scores:
        scheduler.step(score)
        factors.append(optimizer.param_groups[0]["lr"])
    return factors


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("cooldown", [0, 2])
@pytest.mark.parametrize("greater", [False, True])
def test_decays_come_when_torchs_come(patience, cooldown, greater):
    scores = [10 - s for s in FALLING] if greater else FALLING
    settings = {"patience": patience, "cooldown": cooldown, "factor": 0.5}
    got = ours(Plateau(**settings), scores, greater_is_better=greater)
    mode = "max" if greater else "min"
    np.testing.assert_allclose(got, theirs(scores, mode=mode, **settings))
    assert got[-1] < 1


def test_a_first_nan_does_not_hide_later_improvements():
    scores = [math.nan, 3.0, 2.0, 1.0, 0.5]
    assert ours(Plateau(patience=1), scores) == [1.0] * 5


def test_nans_count_as_no_improvement():
    got = ours(Plateau(patience=1, factor=0.5), [1.0, math.nan, math.nan])
    assert got == [1.0, 1.0, 0.5]


def test_equal_negative_scores_are_no_improvement():
    got = ours(Plateau(patience=0, factor=0.5), [-10, -10], greater_is_better=True)
    assert got == [1.0, 0.5]
