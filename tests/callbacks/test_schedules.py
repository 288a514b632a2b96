"""The closed forms, against formulas written anew and against torch's schedulers."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.optim import lr_scheduler

from torchlearners.callbacks import (
    SCHEDULES,
    Cosine,
    CosineWarmRestarts,
    CosLog4,
    Exponential,
    FlatCosine,
    MultiStep,
    OneCycle,
    Plateau,
    Policy,
    Step,
    WarmUp,
)

TOTAL = 20


def shown(value):
    """Name a test by its policy; functions print with an address that changes."""
    return repr(value) if isinstance(value, Policy | Plateau) else None


def torch_trace(make, n=TOTAL):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    values = []
    for _ in range(n):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def trace(policy, n=TOTAL):
    return [policy.factor_at(t, n) for t in range(n)]


@pytest.mark.parametrize(
    ("policy", "make"),
    [
        (Step(step_size=3, gamma=0.5), lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
        (
            MultiStep(milestones=(4, 9), gamma=0.3),
            lambda o: lr_scheduler.MultiStepLR(o, [4, 9], 0.3),
        ),
        (Exponential(gamma=0.8), lambda o: lr_scheduler.ExponentialLR(o, 0.8)),
        (Cosine(), lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
        (
            Cosine(min_factor=0.1),
            lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=0.1),
        ),
        (
            CosineWarmRestarts(period=3, growth=2, min_factor=0.01),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.01),
        ),
        (
            CosineWarmRestarts(period=4),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
        ),
        (
            WarmUp(length=5, start=0.1),
            lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, total_iters=5),
        ),
    ],
    ids=shown,
)
def test_a_trace_is_that_of_torch(policy, make):
    np.testing.assert_allclose(trace(policy), torch_trace(make), atol=1e-12)


@pytest.mark.parametrize("anneal", ["cos", "linear"])
def test_one_cycle_is_torchs_where_both_are_continuous(anneal):
    n = 2000  # torch counts steps up to n - 1, which vanishes for many steps
    policy = OneCycle(anneal=anneal)
    theirs = torch_trace(
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=1.0, total_steps=n, anneal_strategy=anneal, cycle_momentum=False
        ),
        n,
    )
    np.testing.assert_allclose(trace(policy, n), theirs, atol=2e-3)


def test_one_cycle_passes_its_corners():
    policy = OneCycle(max_factor=2, pct_start=0.25, div_factor=4, final_div_factor=10)
    got = [policy.factor_at(t, 8) for t in (0, 2, 8)]
    np.testing.assert_allclose(got, [0.5, 2, 0.05])


def test_coslog4_has_four_waves_that_start_and_end_at_zero():
    def by_hand(p):
        return math.sin(math.pi * math.log2(1 + 15 * p)) ** 2

    grid = np.linspace(0, 1, 301)
    got = [CosLog4().factor_at(7 * p, 7) for p in grid]
    np.testing.assert_allclose(got, [by_hand(p) for p in grid], atol=1e-12)
    peaks = [(2**k - 1) / 15 for k in (0.5, 1.5, 2.5, 3.5)]
    np.testing.assert_allclose([CosLog4().factor_at(p, 1) for p in peaks], 1)


def test_flat_cosine_is_flat_then_a_cosine():
    got = [FlatCosine(start=0.4).factor_at(t, 10) for t in range(11)]
    wanted = [1.0] * 4 + [math.cos(math.pi / 2 * k / 6) ** 2 for k in range(7)]
    np.testing.assert_allclose(got, wanted, atol=1e-12)


@pytest.mark.parametrize("length", [4, 0.2])
def test_what_follows_a_warm_up_sees_the_epochs_left(length):
    policy = WarmUp(length=length, start=0, then="cosine")
    got = trace(policy)
    np.testing.assert_allclose(got[:4], [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(got[4:], trace(Cosine(), 16))


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"plateau"}))
def test_every_closed_form_stays_within_zero_and_one(name):
    policy = SCHEDULES[name]()
    policy.check()
    values = [policy.factor_at(t, 100) for t in np.linspace(0, 100, 777)]
    assert min(values) >= 0
    assert max(values) <= 1


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_is_cloned_and_printed_like_an_estimator(name):
    policy = SCHEDULES[name](hyperparameter="momentum")
    assert repr(clone(policy)) == repr(policy)
    assert "momentum" in repr(policy)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Step(step_size=0), "step_size"),
        (MultiStep(milestones=3), "milestones"),
        (Cosine(min_factor=2), "min_factor"),
        (CosineWarmRestarts(growth=0.5), "growth"),
        (OneCycle(anneal="cosine"), "anneal"),
        (WarmUp(length=1.5), "length"),
        (WarmUp(then="cosin"), "Did you mean 'cosine'"),
        (WarmUp(then="plateau"), "cannot be followed"),
        (WarmUp(then=Plateau()), "cannot be followed"),
        (WarmUp(then=Step(gamma=-1)), "gamma"),
        (Plateau(factor=1.0), "factor"),
    ],
    ids=shown,
)
def test_a_parameter_out_of_range_is_an_error_that_names_it(policy, message):
    with pytest.raises(ValueError, match=message):
        policy.check()


def test_a_policy_without_a_form_says_so():
    with pytest.raises(NotImplementedError, match="Policy does not define factor_at"):
        Policy().factor_at(0, 1)
