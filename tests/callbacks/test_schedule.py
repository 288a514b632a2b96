import functools
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_classification
from skorch.callbacks import LRScheduler
from torch.optim import lr_scheduler

from torchlearners import MLPClassifier
from torchlearners.callbacks import (
    SCHEDULES,
    BatchSchedule,
    Checkpoint,
    EarlyStopping,
    Exponential,
    Plateau,
    Policy,
    Schedule,
    Step,
    callback,
    schedule_callback,
)
from torchlearners.training import SGD

X, y = make_classification(90, 5, random_state=0)
N_BATCHES = 6  # 90 rows in batches of 16; the last has 10


def learner(*callbacks, **settings):
    settings = {
        "hidden_layer_sizes": (4,),
        "lr": 0.01,
        "max_epochs": 8,
        "batch_size": 16,
        "random_state": 0,
        "early_stopping": False,
        **settings,
    }
    return MLPClassifier(preset="simple", callbacks=list(callbacks), **settings)


def lrs(fitted):
    return fitted.history_[:, "lr"]


def weights(fitted):
    return [p.detach().numpy().copy() for p in fitted.net_.module_.parameters()]


def spy(values, key="lr"):
    """Note the value that each optimizer step uses."""

    def note(net, **kwargs):
        values.append(net.optimizer_.param_groups[0][key])

    return callback(on_grad_computed=note)


def test_an_epoch_schedule_sets_the_value_before_the_epochs_batches():
    seen = []
    fitted = learner(Schedule(policy=Step(step_size=3)), spy(seen)).fit(X, y)
    wanted = [0.01 * 0.1 ** (t // 3) for t in range(8)]
    np.testing.assert_allclose(lrs(fitted), wanted)
    np.testing.assert_allclose(seen, np.repeat(wanted, N_BATCHES))


def test_a_batch_schedule_sets_the_value_before_each_batch():
    seen = []
    fitted = learner(BatchSchedule(policy="cosine"), spy(seen)).fit(X, y)
    steps = np.arange(8 * N_BATCHES) / (8 * N_BATCHES)
    wanted = 0.01 * 0.5 * (1 + np.cos(np.pi * steps))
    np.testing.assert_allclose(seen, wanted)
    np.testing.assert_allclose(lrs(fitted), wanted[::N_BATCHES])


def test_batches_that_make_one_step_count_as_one():
    seen = []
    schedule = BatchSchedule(policy=lambda t: 1 - t)
    learner(schedule, spy(seen), accumulate_grad=2, drop_last=True).fit(X, y)
    assert len(seen) == 8 * 2
    np.testing.assert_allclose(seen, 0.01 * (1 - np.arange(16) / 16))


def test_a_function_gets_the_share_of_the_training_that_is_done():
    seen = []

    def half(t):
        seen.append(t)
        return 0.5

    fitted = learner(schedule_callback(half), max_epochs=4).fit(X, y)
    assert seen == [0, 0.25, 0.5, 0.75]
    assert lrs(fitted) == [0.005] * 4


def test_a_policy_of_ones_own_is_followed():
    class Halves(Policy):
        def factor_at(self, t, total):
            return 0.5**t

    fitted = learner(Schedule(policy=Halves()), max_epochs=3).fit(X, y)
    np.testing.assert_allclose(lrs(fitted), [0.01, 0.005, 0.0025])


def test_a_constant_factor_changes_no_bit():
    plain = learner().fit(X, y)
    for made in (Schedule, BatchSchedule):
        same = learner(made(policy=lambda t: 1.0)).fit(X, y)
        for a, b in zip(weights(plain), weights(same), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"plateau"}))
def test_every_name_trains(name):
    fitted = learner(schedule_callback(name)).fit(X, y)
    policy = SCHEDULES[name]()
    wanted = [0.01 * policy.factor_at(t, 8) for t in range(8)]
    np.testing.assert_allclose(lrs(fitted), wanted)


# Other hyperparameters


@pytest.mark.parametrize(
    ("name", "optimizer", "start"),
    [("weight_decay", "adamw", 0.1), ("momentum", SGD(momentum=0.8), 0.8)],
)
def test_an_entry_of_the_groups_is_moved(name, optimizer, start):
    schedule = Schedule(policy=Exponential(gamma=0.5, hyperparameter=name))
    fitted = learner(schedule, optimizer=optimizer, weight_decay=0.1).fit(X, y)
    np.testing.assert_allclose(fitted.history_[:, name], start * 0.5 ** np.arange(8))
    assert "lr" not in fitted.history_[-1]


def test_a_beta_is_moved_and_the_other_stays():
    schedule = Schedule(policy=lambda t: 1 - t / 2, hyperparameter="beta1")
    fitted = learner(schedule).fit(X, y)
    wanted = 0.9 * (1 - np.arange(8) / 16)
    np.testing.assert_allclose(fitted.history_[:, "beta1"], wanted)
    betas = fitted.net_.optimizer_.param_groups[0]["betas"]
    assert betas == (pytest.approx(wanted[-1]), 0.999)


def test_the_rate_of_dropout_is_moved():
    schedule = Schedule(policy=lambda t: 1 - t, hyperparameter="dropout")
    fitted = learner(schedule, dropout=0.4).fit(X, y)
    np.testing.assert_allclose(
        fitted.history_[:, "dropout"], 0.4 * (1 - np.arange(8) / 8)
    )
    assert "p=0.05" in repr(fitted.net_.module_)


def test_two_schedules_move_two_hyperparameters():
    fitted = learner(
        schedule_callback("one_cycle"),
        schedule_callback(lambda t: t, hyperparameter="weight_decay"),
        weight_decay=1.0,
    ).fit(X, y)
    assert {"lr", "weight_decay"} <= set(fitted.history_[0])


# Plateau


def test_plateau_decays_when_the_validation_loss_does_not_improve():
    policy = Plateau(factor=0.5, patience=0, threshold=10.0, min_lr=0.002)
    fitted = learner(Schedule(policy=policy)).fit(X, y, X_val=X, y_val=y)
    wanted = [max(0.01 * 0.5 ** max(0, t - 1), 0.002) for t in range(8)]
    np.testing.assert_allclose(lrs(fitted), wanted)


def test_plateau_passes_over_epochs_without_a_score():
    policy = Plateau(factor=0.5, patience=0, threshold=10.0)
    fitted = learner(Schedule(policy=policy), eval_every=3)
    fitted.fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(lrs(fitted)[:6], [0.01] * 6)
    np.testing.assert_allclose(lrs(fitted)[6:], [0.005] * 2)


def rising(net, **kwargs):
    net.history.record("valid_gain", float(len(net.history)))
    net.history.record("valid_own_loss", float(len(net.history)))
    net.history.record("own_gain", float(len(net.history)))


@pytest.mark.parametrize(
    ("settings", "decays"),
    [
        ({"monitor": "valid_gain"}, False),
        ({"monitor": "valid_own_loss"}, True),
        ({"monitor": "valid_gain", "greater_is_better": False}, True),
    ],
)
def test_the_direction_of_plateau_is_that_of_its_score(settings, decays):
    policy = Plateau(patience=0, **settings)
    fitted = learner(callback(on_epoch_end=rising), Schedule(policy=policy))
    fitted.fit(X, y, X_val=X, y_val=y)
    assert (lrs(fitted)[-1] < 0.01) == decays


def test_plateau_follows_the_score_of_early_stopping():
    stopper = EarlyStopping(
        monitor="own_gain", greater_is_better=True, patience=None, restore_best=False
    )
    schedule = Schedule(policy=Plateau(patience=0))
    fitted = learner(
        callback(on_epoch_end=rising), schedule, ("early_stopping", stopper)
    )
    fitted.fit(X, y)
    assert lrs(fitted) == [0.01] * 8


@pytest.mark.parametrize("policy", ["plateau", lr_scheduler.ReduceLROnPlateau])
def test_plateau_without_validation_rows_is_an_error(policy):
    with pytest.raises(ValueError, match="there are no validation rows"):
        learner(Schedule(policy=policy)).fit(X, y)


# torch's schedulers


def torch_lrs(make, n):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = make(optimizer)
    values = []
    for _ in range(n):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", torch.optim.Adam])
def test_a_class_of_torch_is_stepped_per_epoch(optimizer):
    make = functools.partial(lr_scheduler.StepLR, step_size=2, gamma=0.5)
    fitted = learner(schedule_callback(make), optimizer=optimizer).fit(X, y)
    np.testing.assert_allclose(lrs(fitted), torch_lrs(make, 8))


def test_the_number_of_steps_is_filled_in():
    fitted = learner(schedule_callback(lr_scheduler.CosineAnnealingLR)).fit(X, y)
    wanted = torch_lrs(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=8), 8)
    np.testing.assert_allclose(lrs(fitted), wanted)


@pytest.mark.parametrize(
    "given", [{}, {"max_lr": 0.01, "epochs": 8, "steps_per_epoch": N_BATCHES}]
)
def test_one_cycle_of_torch_is_stepped_per_batch(given):
    seen = []
    make = functools.partial(lr_scheduler.OneCycleLR, **given)
    learner(schedule_callback(make), spy(seen)).fit(X, y)
    n = 8 * N_BATCHES
    wanted = torch_lrs(
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=0.01, total_steps=n, cycle_momentum=False
        ),
        n,
    )
    np.testing.assert_allclose(seen, wanted)


def test_reduce_on_plateau_of_torch_gets_the_validation_loss():
    make = functools.partial(
        lr_scheduler.ReduceLROnPlateau, patience=0, threshold=0.99, factor=0.5
    )
    fitted = learner(Schedule(policy=make)).fit(X, y, X_val=X, y_val=y)
    wanted = [0.01 * 0.5 ** max(0, t - 1) for t in range(8)]
    np.testing.assert_allclose(lrs(fitted), wanted)


# Errors


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(policy="cosin"), "The 'policy' parameter"),
        (Schedule(policy=Step(gamma=0.0)), "The 'gamma' parameter"),
        (Schedule(hyperparameter="wieght_decay"), "Did you mean 'weight_decay'"),
        (Schedule(hyperparameter="dropout"), "the network has no dropout module"),
        (Schedule(policy=lambda t: -1.0), r"it must stay in \[0, inf\)"),
        (Schedule(policy=lambda t: math.nan), "it must stay"),
        (Schedule(policy=lambda t: 2.0, hyperparameter="beta1"), r"in \[0, 1\)"),
        (
            Schedule(policy=lr_scheduler.ExponentialLR, hyperparameter="momentum"),
            "learning rate only",
        ),
        (Schedule(policy=lr_scheduler.StepLR), "functools.partial.StepLR"),
        (Schedule(policy=lr_scheduler.CyclicLR), "functools.partial.CyclicLR"),
    ],
)
def test_a_wrong_schedule_is_an_error_that_helps(schedule, message):
    with pytest.raises(ValueError, match=message):
        learner(schedule).fit(X, y)


def test_step_every_is_epoch_or_batch():
    assert type(schedule_callback("cosine", "epoch")) is Schedule
    assert type(schedule_callback("step", "batch")) is BatchSchedule
    assert type(schedule_callback(lr_scheduler.OneCycleLR)) is BatchSchedule
    with pytest.raises(ValueError, match="step_every must be"):
        schedule_callback("step", "epochs")


def test_a_parameter_of_a_schedule_is_a_parameter_of_the_learner():
    tuned = learner(schedule_callback(Exponential()), max_epochs=2)
    tuned.set_params(callbacks__Schedule__policy__gamma=0.5)
    fitted = clone(tuned).fit(X, y)
    np.testing.assert_allclose(lrs(fitted), [0.01, 0.005])


# Going on


def test_a_warm_start_follows_the_schedule_anew():
    fitted = learner(Schedule(policy=Exponential(gamma=0.5)), max_epochs=2)
    fitted.set_params(warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_allclose(lrs(fitted), [0.01, 0.005] * 2)


@pytest.mark.parametrize(
    "schedule",
    [
        schedule_callback("one_cycle"),
        schedule_callback("step"),
        schedule_callback("coslog4"),
        schedule_callback(lambda t: 1 - t, hyperparameter="beta1"),
        Schedule(policy=Plateau(factor=0.5, patience=0, threshold=10.0)),
        schedule_callback(lr_scheduler.OneCycleLR),
        schedule_callback(
            functools.partial(lr_scheduler.MultiStepLR, milestones=[1, 3, 4])
        ),
        schedule_callback(functools.partial(lr_scheduler.ExponentialLR, gamma=0.7)),
        schedule_callback(
            functools.partial(lr_scheduler.LambdaLR, lr_lambda=lambda t: 0.9**t)
        ),
        schedule_callback(
            functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=3)
        ),
        Schedule(
            policy=functools.partial(
                lr_scheduler.ReduceLROnPlateau, patience=1, threshold=0.99
            )
        ),
    ],
)
@pytest.mark.parametrize("epoch", [1, 4])
def test_a_resumed_training_is_the_straight_one_bit_for_bit(tmp_path, schedule, epoch):
    checkpoint = Checkpoint(folder=tmp_path / "run", keep=9)
    straight = learner(schedule, checkpoint, dropout=0.1)
    straight.fit(X, y, X_val=X, y_val=y)
    resumed = learner(schedule, Checkpoint(folder=tmp_path / "other"), dropout=0.1)
    resumed.fit(
        *(X, y),
        X_val=X,
        y_val=y,
        resume=tmp_path / "run" / f"checkpoint-{epoch:06d}.safetensors",
    )
    name = schedule.hyperparameter or "lr"
    assert straight.history_[:, name] == resumed.history_[:, name]
    for a, b in zip(weights(straight), weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


CYCLE = {"base_lr": 1e-4, "max_lr": 0.1, "step_size_up": 4, "cycle_momentum": False}


@pytest.mark.parametrize("of", ["ours", "skorch"])
def test_a_cyclic_rate_starts_at_its_own_base(of):
    seen = []

    def note(net, **kwargs):
        seen.append(net.optimizer_.param_groups[0]["lr"])

    settings = {"lr_schedule": functools.partial(lr_scheduler.CyclicLR, **CYCLE)}
    callbacks = [callback(on_grad_computed=note)]
    if of == "skorch":
        settings = {}
        made = LRScheduler(lr_scheduler.CyclicLR, step_every="batch", **CYCLE)
        callbacks.append(made)
    learner = MLPClassifier(
        preset="simple",
        lr=0.02,
        max_epochs=3,
        batch_size=len(X),
        early_stopping=False,
        callbacks=callbacks,
        **settings,
    ).fit(X, y)
    expected = [1e-4 + (0.1 - 1e-4) * step / 4 for step in range(3)]
    assert_allclose(seen, expected)
    if of == "ours":  # a warm start follows the schedule anew
        seen.clear()
        learner.set_params(warm_start=True).fit(X, y)
        assert_allclose(seen, expected)
