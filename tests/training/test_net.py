import copy
import json
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import accuracy_score, r2_score
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)
from skorch.dataset import Dataset as SkorchDataset
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.base import RegressorLearner
from torchlearners.exceptions import ArchitectureError, NonFiniteLossError
from torchlearners.nn import add_penalty
from torchlearners.training import (
    OPTIMIZERS,
    TensorData,
    load_net_state,
    net_state,
    torch_threads,
)

X, y = make_classification(300, 6, n_informative=4, random_state=0)
X_VAL, Y_VAL = X[:70], y[:70]
X_REG, Y_REG = make_regression(200, 5, noise=5.0, random_state=0)
HOOKS = [
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_grad_computed",
]


def classifier(**params):
    """Return a learner that does five batches an epoch."""
    defaults = {
        "preset": "simple",
        "hidden_layer_sizes": 8,
        "lr": 1e-3,
        "max_epochs": 3,
        "batch_size": 64,
        "random_state": 0,
        "device": "cpu",
        "early_stopping": False,  # all rows train
    }
    return MLPClassifier(**{**defaults, **params})


def fit(*callbacks, valid=True, **params):
    given = {"X_val": X_VAL, "y_val": Y_VAL} if valid else {}
    return classifier(callbacks=list(callbacks), **params).fit(X, y, **given)


def callback_of(learner, cls):
    (found,) = (c for _, c in learner.net_.callbacks_ if isinstance(c, cls))
    return found


def weights_of(net):
    return {name: value.clone() for name, value in net.module_.state_dict().items()}


def assert_equal_weights(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


class Recorder(Callback):
    """Remember every call, and what the module was like at the ends of epochs."""

    def initialize(self):
        self.calls_ = []
        self.modes_ = []
        self.weights_ = []
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train begin")
        self.X_, self.y_ = X, y
        self.module_ = copy.deepcopy(net.module_)
        self.state_ = net.generator.get_state()

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train end")

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls_.append("epoch begin")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls_.append("epoch end")
        self.weights_.append(weights_of(net))
        self.datasets_ = dataset_train, dataset_valid

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.calls_.append("batch begin" if training else "valid begin")
        self.modes_.append((training, net.module_.training))

    def on_batch_end(
        self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs
    ):
        self.calls_.append("batch end" if training else "valid end")
        assert y_pred.shape == (len(batch[1]), 2)
        assert loss.shape == ()

    def on_grad_computed(
        self, net, named_parameters, batch=None, training=None, **kwargs
    ):
        self.calls_.append("gradient")
        assert [name for name, _ in named_parameters] == [
            name for name, _ in net.module_.named_parameters()
        ]
        self.gradients_ = [p.grad is not None for _, p in named_parameters]


class BestLosses(Callback):
    """Replace the validation loss by a given curve."""

    def __init__(self, losses=(3.0, 1.0, 2.0, 2.0, 2.0)):
        self.losses = losses

    def on_epoch_end(self, net, **kwargs):
        i = len(net.history) - 1
        net.history.record("valid_loss", self.losses[i])
        net.history.record(
            "valid_loss_best", self.losses[i] == min(self.losses[: i + 1])
        )


# Hooks


def test_hooks_are_called_in_skorchs_order():
    recorder = callback_of(fit(Recorder(), max_epochs=2), Recorder)
    epoch = [
        "epoch begin",
        *["batch begin", "gradient", "batch end"] * 5,
        *["valid begin", "valid end"],
        "epoch end",
    ]
    assert recorder.calls_ == ["train begin", *epoch, *epoch, "train end"]
    assert recorder.gradients_ == [True] * 4


def test_without_validation_rows_there_are_no_validation_batches():
    recorder = callback_of(fit(Recorder(), valid=False, max_epochs=1), Recorder)
    assert not any("valid" in call for call in recorder.calls_)
    assert recorder.datasets_[1] is None


def test_hooks_get_the_tensors_the_net_trains_on():
    recorder = callback_of(fit(Recorder(), max_epochs=1), Recorder)
    train, valid = recorder.datasets_
    assert recorder.X_ is train.X
    assert recorder.y_ is train.y
    assert (len(train), len(valid)) == (300, 70)


def test_hooks_that_a_callback_does_not_override_are_not_called(monkeypatch):
    def unwanted(*args, **kwargs):
        raise AssertionError("called")

    for hook in HOOKS:
        monkeypatch.setattr(Callback, hook, unwanted)
    assert fit(BestLosses()).n_iter_ == 3


def test_a_hook_overridden_in_a_parent_class_is_called():
    class Child(Recorder):
        pass

    assert "gradient" in callback_of(fit(Child(), max_epochs=1), Child).calls_


def test_the_module_trains_in_training_batches_and_evaluates_elsewhere():
    learner = fit(
        Recorder(), EpochScoring("accuracy", use_caching=False), normalization="batch"
    )
    modes = callback_of(learner, Recorder).modes_
    assert set(modes) == {(True, True), (False, False)}
    assert not any(m.training for m in learner.net_.module_.modules())


def test_batch_norm_does_not_learn_from_validation_rows():
    def fitted(shift):
        learner = classifier(normalization="batch", restore_best=False, patience=99)
        return learner.fit(X, y, X_val=X_VAL + shift, y_val=Y_VAL).net_

    assert_equal_weights(weights_of(fitted(0.0)), weights_of(fitted(100.0)))


# History


@pytest.mark.parametrize("valid", [True, False])
def test_history_has_one_row_an_epoch(valid):
    history = fit(valid=valid).history_
    keys = {"epoch", "batches", "dur"}
    for prefix in ("train", "valid") if valid else ("train",):
        keys |= {f"{prefix}_{k}" for k in ("loss", "loss_best", "batch_count")}
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        assert set(row) == keys
        assert row["train_batch_count"] == 5
        assert row.get("valid_batch_count", 1) == 1
        assert row["dur"] > 0
        assert type(row["train_loss"]) is float
        assert type(row["train_loss_best"]) is bool
    assert history[2]["train_loss"] < history[0]["train_loss"]


def test_the_flag_of_the_best_loss_is_right():
    rows = fit(lr=0.3, max_epochs=12, patience=99).history_
    for prefix in ("train", "valid"):
        losses = [row[f"{prefix}_loss"] for row in rows]
        flags = [row[f"{prefix}_loss_best"] for row in rows]
        assert flags == [a < min([*losses[:i], np.inf]) for i, a in enumerate(losses)]
        assert True in flags[1:]
        assert False in flags


def test_without_a_callback_on_batches_an_epoch_has_one_summary_row():
    for row in fit(EpochLength()).history_:
        assert row["batches"] == [
            {
                "train_loss": row["train_loss"],
                "train_batch_size": 300,
                "valid_loss": row["valid_loss"],
                "valid_batch_size": 70,
            }
        ]


class EpochLength(Callback):
    def on_epoch_end(self, net, **kwargs):
        pass


def test_a_callback_that_only_begins_batches_costs_no_rows():
    hook = {"on_batch_begin": lambda self, net, **kw: None}
    follower = type("Follower", (Callback,), hook)()
    assert [len(row["batches"]) for row in fit(follower).history_] == [1, 1, 1]


def test_with_a_callback_on_batches_each_batch_has_a_row():
    hook = {"on_batch_end": lambda self, net, **kw: None}
    follower = type("Follower", (Callback,), hook)()
    followed = fit(follower).history_
    for row, plain in zip(followed, fit().history_, strict=True):
        train, valid = row["batches"][:5], row["batches"][5:]
        sizes = [batch["train_batch_size"] for batch in train]
        assert sizes == [64, 64, 64, 64, 44]
        assert [batch["valid_batch_size"] for batch in valid] == [70]
        mean = np.average([batch["train_loss"] for batch in train], weights=sizes)
        assert row["train_loss"] == pytest.approx(mean, rel=1e-12)
        assert row["train_loss"] == plain["train_loss"]
        assert row["valid_loss"] == valid[0]["valid_loss"] == plain["valid_loss"]


def test_the_losses_in_history_are_those_of_the_rows():
    learner = fit(restore_best=False, lr=0.05)
    logits = torch.tensor(learner.decision_function(X_VAL))
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor(Y_VAL).double())
    assert learner.history_[-1]["valid_loss"] == pytest.approx(expected.item(), 1e-5)


def test_the_loss_of_an_epoch_weighs_batches_by_their_weights():
    weight = np.random.default_rng(0).uniform(0.1, 9, size=300)
    learner = classifier(lr=1e-30, max_epochs=1).fit(X, y, sample_weight=weight)
    logits = torch.tensor(learner.decision_function(X))
    rows = F.binary_cross_entropy_with_logits(
        logits, torch.tensor(y).double(), reduction="none"
    )
    expected = np.average(rows.numpy(), weights=weight)
    assert learner.history_[0]["train_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_the_size_of_a_batch_is_its_number_of_rows_also_with_weights(followed, scale):
    weight = np.linspace(1, 2, 300) * scale
    callbacks = [Recorder()] if followed else None
    learner = classifier(callbacks=callbacks).fit(X, y, sample_weight=weight)
    for row in learner.history_:
        assert sum(batch["train_batch_size"] for batch in row["batches"]) == 300


# skorch's callbacks


def test_gradient_norm_clipping_shortens_the_step():
    def step(*callbacks):
        learner = fit(
            Recorder(),
            *callbacks,
            valid=False,
            optimizer="sgd",
            lr=1.0,
            max_epochs=1,
            batch_size=300,
        )
        before = callback_of(learner, Recorder).module_.state_dict()
        after = weights_of(learner.net_)
        return torch.cat([(after[k] - before[k]).ravel() for k in after]).norm().item()

    clip = GradientNormClipping(gradient_clip_value=0.01)
    assert step() > 0.05
    assert step(clip) == pytest.approx(0.01, rel=1e-3)


def test_a_schedule_by_epochs_follows_its_closed_form():
    learner = fit(LRScheduler("StepLR", step_size=2, gamma=0.5), lr=0.08, max_epochs=5)
    rates = [row["event_lr"] for row in learner.history_]
    assert rates == [0.08, 0.08, 0.04, 0.04, 0.02]
    assert learner.net_.optimizer_.param_groups[0]["lr"] == 0.02


def test_a_schedule_by_batches_follows_its_closed_form():
    learner = fit(
        LRScheduler("StepLR", step_size=3, gamma=0.5, step_every="batch"),
        lr=0.08,
        max_epochs=2,
        valid=False,
    )
    rates = [b["event_lr"] for row in learner.history_ for b in row["batches"]]
    assert rates == [0.08 * 0.5 ** (i // 3) for i in range(10)]


def test_a_schedule_changes_the_training():
    callback = LRScheduler("LambdaLR", lr_lambda=lambda epoch: float(epoch == 0))
    learner = fit(Recorder(), callback, max_epochs=3)
    first, second, third = callback_of(learner, Recorder).weights_
    assert_equal_weights(first, second)
    assert_equal_weights(second, third)


def test_a_schedule_can_follow_a_loss():
    callback = LRScheduler(
        torch.optim.lr_scheduler.ReduceLROnPlateau,
        monitor="valid_loss",
        patience=0,
        factor=0.1,
    )
    learner = fit(BestLosses(), callback, lr=1.0, max_epochs=5)
    assert learner.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(1e-3)


def test_a_schedule_survives_a_warm_start():
    learner = fit(
        LRScheduler("StepLR", step_size=1, gamma=0.5), warm_start=True, max_epochs=2
    )
    learner.fit(X, y)
    assert len(learner.history_[:, "event_lr"]) == 4


def test_a_checkpoint_is_written_where_the_validation_loss_improves(tmp_path):
    learner = fit(
        Recorder(),
        BestLosses(),
        Checkpoint(dirname=str(tmp_path), f_params="{last_epoch[epoch]}.pt"),
        max_epochs=5,
    )
    assert {p.name for p in tmp_path.glob("?.pt")} == {"1.pt", "2.pt"}
    assert learner.history_[:, "event_cp"] == [True, True, False, False, False]
    weights = callback_of(learner, Recorder).weights_
    for epoch in (1, 2):
        saved = torch.load(tmp_path / f"{epoch}.pt", weights_only=True)
        assert_equal_weights(saved, weights[epoch - 1])
    history = json.loads((tmp_path / "history.json").read_text())
    assert len(history) == 2


@pytest.mark.parametrize("settings", [{}, {"f_criterion": None}], ids=repr)
def test_a_checkpoint_brings_the_best_weights_back(tmp_path, settings):
    learner = fit(
        Recorder(),
        BestLosses(),
        Checkpoint(dirname=str(tmp_path), load_best=True, **settings),
        max_epochs=5,
        restore_best=False,
    )
    weights = callback_of(learner, Recorder).weights_
    assert_equal_weights(weights_of(learner.net_), weights[1])


def test_a_checkpoint_can_save_everything_it_is_asked_to(tmp_path):
    said = []
    fit(Checkpoint(dirname=str(tmp_path), sink=said.append), max_epochs=1)
    assert said
    assert not [text for text in said if "Unable" in text]


@pytest.mark.parametrize("use_caching", [True, False])
def test_an_accuracy_on_validation_rows_is_scikit_learns(use_caching):
    scoring = EpochScoring("accuracy", lower_is_better=False, use_caching=use_caching)
    learner = fit(scoring, lr=0.05, restore_best=False)
    row = learner.history_[-1]
    assert row["accuracy"] == accuracy_score(Y_VAL, learner.predict(X_VAL))
    assert row["accuracy"] > 0.6
    assert type(row["accuracy_best"]) is bool


def test_an_accuracy_on_training_rows_is_scikit_learns():
    scoring = EpochScoring("accuracy", on_train=True, use_caching=False)
    learner = fit(scoring, lr=0.05, valid=False)
    assert learner.history_[-1]["accuracy"] == learner.score(X, y) > 0.6


def test_a_cached_accuracy_on_training_rows_is_that_before_the_step():
    scoring = EpochScoring("accuracy", on_train=True, use_caching=True)
    settings = {"lr": 0.05, "valid": False, "batch_size": 300}
    learner = fit(scoring, max_epochs=4, **settings)
    for n in (1, 2, 3):
        earlier = fit(max_epochs=n, **settings)
        assert learner.history_[n]["accuracy"] == earlier.score(X, y)


@pytest.mark.parametrize("use_caching", [True, False])
def test_an_r2_of_a_regressor_is_scikit_learns(use_caching):
    learner = MLPRegressor(
        preset="simple",
        hidden_layer_sizes=8,
        lr=0.05,
        max_epochs=5,
        callbacks=[EpochScoring("r2", use_caching=use_caching)],
        restore_best=False,
        random_state=0,
    ).fit(X_REG, Y_REG, X_val=X_REG[:50], y_val=Y_REG[:50])
    expected = r2_score(Y_REG[:50], learner.predict(X_REG[:50]))
    assert learner.history_[-1]["r2"] == pytest.approx(expected, rel=1e-5)


def test_a_score_of_our_own_sees_the_net():
    def n_outputs(net, X, y):
        return net.forward(X).shape[1]

    learner = fit(EpochScoring(n_outputs, name="n", use_caching=False))
    assert learner.history_[:, "n"] == [2, 2, 2]


@pytest.mark.parametrize("n_valid", [20, 200])
def test_a_progress_bar_counts_the_batches(capsys, n_valid):
    learner = classifier(callbacks=[ProgressBar()]).fit(
        X, y, X_val=X[:n_valid], y_val=y[:n_valid]
    )
    bar = callback_of(learner, ProgressBar).pbar_
    assert bar.disable, "not closed"
    assert bar.n == 6
    assert bar.total == 6
    assert bar.postfix.startswith("valid_loss=")
    assert "0/6" in capsys.readouterr().err


def test_skorchs_early_stopping_stops_without_an_error():
    learner = fit(
        BestLosses(), EarlyStopping(patience=2), Recorder(), max_epochs=5, patience=99
    )
    assert learner.n_iter_ == 4
    calls = callback_of(learner, Recorder).calls_
    assert calls[-2:] == ["epoch end", "train end"]


def test_skorchs_early_stopping_loads_the_best_weights():
    learner = fit(
        Recorder(),
        BestLosses(),
        EarlyStopping(patience=2, load_best=True),
        max_epochs=5,
        restore_best=False,
    )
    best = callback_of(learner, Recorder).weights_[1]
    assert_equal_weights(weights_of(learner.net_), best)


def test_a_print_log_prints_a_line_an_epoch():
    lines = []
    fit(PrintLog(sink=lines.append))
    assert len(lines) == 5
    assert re.search(r"epoch +train_loss +valid_loss +dur", lines[0])
    assert re.match(r" +3 ", lines[-1])


@pytest.mark.parametrize("follower", [[], [Recorder()]], ids=["summary", "batches"])
@pytest.mark.parametrize("on_train", [True, False], ids=["train", "valid"])
def test_passing_a_loss_through_gives_the_loss_of_the_epoch(follower, on_train):
    name = "train_loss" if on_train else "valid_loss"
    plain = fit().history_[:, name]
    learner = fit(*follower, PassthroughScoring(name, on_train=on_train))
    assert learner.history_[:, name] == pytest.approx(plain, rel=1e-12)


def test_passing_a_loss_through_works_with_small_weights():
    callback = PassthroughScoring("train_loss", on_train=True)
    weight = np.linspace(1e-6, 2e-6, 300)
    learner = classifier(callbacks=[callback]).fit(X, y, sample_weight=weight)
    assert len(learner.history_[:, "train_loss_best"]) == 3


def test_frozen_weights_stay():
    learner = fit(Recorder(), Freezer("linear_1.*"), valid=False)
    before = callback_of(learner, Recorder).module_.state_dict()
    after = weights_of(learner.net_)
    assert torch.equal(before["linear_1.weight"], after["linear_1.weight"])
    assert not torch.equal(before["head_1.weight"], after["head_1.weight"])


def test_weights_may_be_unfrozen_later():
    class Unfreeze(Callback):
        def on_epoch_begin(self, net, **kwargs):
            net.module_[0].requires_grad_(len(net.history) > 2)

    learner = fit(Recorder(), Unfreeze(), max_epochs=3, valid=False)
    recorder = callback_of(learner, Recorder)
    before = recorder.module_.state_dict()["linear_1.weight"]
    _, second, third = (w["linear_1.weight"] for w in recorder.weights_)
    assert torch.equal(before, second)
    assert not torch.equal(second, third)


# Steps


def batches_of(recorder, n_epochs, batch_size):
    """Yield the batches of a fit, from the state its generator began with."""
    generator = torch.Generator()
    generator.set_state(recorder.state_)
    for _ in range(n_epochs):
        order = torch.randperm(len(recorder.X_), generator=generator)
        for rows in order.split(batch_size):
            yield recorder.X_[rows], recorder.y_[rows]


@pytest.mark.parametrize(
    ("name", "cls", "settings"),
    [
        ("adamw", torch.optim.AdamW, {"weight_decay": 0.1, "fused": True}),
        ("sgd", torch.optim.SGD, {"weight_decay": 0.1, "fused": True}),
        ("rmsprop", torch.optim.RMSprop, {"weight_decay": 0.1}),
        (torch.optim.Adagrad, torch.optim.Adagrad, {"weight_decay": 0.1}),
    ],
    ids=["adamw", "sgd", "rmsprop", "torch class"],
)
def test_a_fit_is_a_hand_written_loop_bit_for_bit(name, cls, settings):
    learner = fit(Recorder(), valid=False, optimizer=name, lr=0.02, weight_decay=0.1)
    recorder = callback_of(learner, Recorder)
    module = recorder.module_
    with torch_threads(1):
        optimizer = cls(module.parameters(), lr=0.02, **settings)
        for x, target in batches_of(recorder, n_epochs=3, batch_size=64):
            optimizer.zero_grad()
            F.cross_entropy(module(x), target).backward()
            optimizer.step()
    assert_equal_weights(weights_of(learner.net_), dict(module.state_dict()))


def test_lbfgs_is_given_a_closure():
    learner = fit(Recorder(), valid=False, optimizer="lbfgs", lr=1.0, batch_size=300)
    recorder = callback_of(learner, Recorder)
    assert recorder.calls_.count("gradient") > 3
    assert recorder.calls_.count("batch end") == 3
    module = recorder.module_
    with torch_threads(1):
        optimizer = torch.optim.LBFGS(
            module.parameters(), lr=1.0, history_size=10, line_search_fn="strong_wolfe"
        )

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(module(recorder.X_), recorder.y_)
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(3)]
    assert learner.history_[:, "train_loss"] == losses
    assert losses[2] < losses[0] / 2
    assert_equal_weights(weights_of(learner.net_), dict(module.state_dict()))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name):
    lr = {"sgd": 0.5, "lbfgs": 1.0, "adagrad": 0.1, "radam": 0.2}.get(name, 0.05)
    learner = fit(valid=False, optimizer=name, lr=lr, max_epochs=10, batch_size=300)
    first, *_, last = learner.history_[:, "train_loss"]
    assert last < 0.9 * first
    assert learner.score(X, y) > 0.6


def test_an_optimizer_from_elsewhere_trains():
    class SignDescent(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p -= group["lr"] * p.grad.sign()

    learner = fit(valid=False, optimizer=SignDescent, lr=0.01, max_epochs=5)
    assert type(learner.net_.optimizer_) is SignDescent
    first, *_, last = learner.history_[:, "train_loss"]
    assert last < 0.9 * first


def test_a_last_batch_of_one_row_trains_with_batch_norm():
    learner = classifier(normalization="batch", batch_size=64).fit(X[:129], y[:129])
    assert learner.history_[:, "train_batch_count"] == [2, 2, 2]


def test_foreign_dropout_draws_from_the_fits_generator():
    class Foreign(RegressorLearner):
        def network(self, spec):
            return nn.Sequential(
                nn.Linear(spec.n_numeric, 8),
                nn.Dropout(0.5),
                nn.Linear(8, spec.n_outputs),
            )

    def fitted(seed):
        learner = Foreign(max_epochs=2, random_state=seed, device="cpu")
        return weights_of(learner.fit(X_REG, Y_REG).net_)

    before = torch.get_rng_state()
    first = fitted(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert_equal_weights(fitted(0), first)
    assert not torch.equal(fitted(1)["0.weight"], first["0.weight"])
    torch.set_rng_state(before)


def test_a_network_without_parameters_is_refused():
    class Empty(RegressorLearner):
        def network(self, spec):
            return nn.Identity()

    with pytest.raises(ArchitectureError, match="no parameter to train"):
        Empty().fit(X_REG, Y_REG)


# Losses that are not finite


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("followed", [True, False])
def test_a_loss_that_is_not_finite_stops_training_and_says_where(value, followed):
    n_calls = []

    def loss(output, target):
        if output.requires_grad:  # not where it is tried before the first step
            n_calls.append(1)
        factor = value if len(n_calls) == 8 else 1.0
        return (output[:, 0] - target).square().mean() * factor

    with pytest.raises(
        NonFiniteLossError, match=rf"became {value} in epoch 2, batch 3 of 5 \(lr=0.001"
    ):
        fit(*([Recorder()] if followed else []), valid=False, loss=loss)
    assert len(n_calls) <= 10


def test_a_validation_loss_that_is_not_finite_does_not_stop_training():
    def loss(output, target):
        value = F.cross_entropy(output, target)
        return value if output.requires_grad else value * float("nan")

    learner = fit(loss=loss)
    assert learner.n_iter_ == 3
    assert np.isnan(learner.history_[:, "valid_loss"]).all()


# Ctrl-C


class Interrupt(Callback):
    """Raise what Ctrl-C raises, at one hook of one epoch."""

    def __init__(self, hook, epoch, training=True):
        self.hook = hook
        self.epoch = epoch
        self.training = training

    def _maybe(self, net, hook, training=True):
        here = (hook, len(net.history), training)
        if here == (self.hook, self.epoch, self.training):
            raise KeyboardInterrupt("from the keyboard")

    def on_epoch_begin(self, net, **kwargs):
        self._maybe(net, "on_epoch_begin")

    def on_epoch_end(self, net, **kwargs):
        self._maybe(net, "on_epoch_end")

    def on_batch_end(self, net, training=None, **kwargs):
        self._maybe(net, "on_batch_end", training)

    def on_grad_computed(self, net, **kwargs):
        self._maybe(net, "on_grad_computed")


@pytest.mark.parametrize(
    ("hook", "training", "n_kept"),
    [
        ("on_epoch_begin", True, 2),
        ("on_grad_computed", True, 2),
        ("on_batch_end", True, 2),
        ("on_batch_end", False, 2),
        ("on_epoch_end", True, 3),
    ],
)
def test_an_interrupt_is_raised_again_and_whole_epochs_are_kept(hook, training, n_kept):
    learner = classifier(callbacks=[Recorder(), Interrupt(hook, 3, training)])
    learner.set_params(max_epochs=9)
    with pytest.raises(KeyboardInterrupt, match="from the keyboard"):
        learner.fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert callback_of(learner, Recorder).calls_[-1] == "train end"
    assert [set(row) for row in learner.history_] == [
        set(row) for row in fit(max_epochs=n_kept).history_
    ]
    assert learner.n_iter_ == n_kept
    assert not learner.net_.module_.training


@pytest.mark.parametrize(
    "callback",
    [
        lambda path: Checkpoint(dirname=path, f_criterion=None, load_best=True),
        lambda path: EarlyStopping(load_best=True),
    ],
    ids=["Checkpoint", "EarlyStopping"],
)
def test_an_interrupt_in_the_first_epoch_is_raised_again(tmp_path, callback):
    learner = classifier(
        callbacks=[callback(str(tmp_path)), Interrupt("on_batch_end", 1)]
    )
    with pytest.raises(KeyboardInterrupt, match="from the keyboard"):
        learner.fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert not hasattr(learner, "net_")


# State


def is_plain(value):
    if isinstance(value, dict):
        return all(isinstance(k, str | int) and is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str, np.ndarray)


def tensor_data():
    return TensorData(
        torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.int64)
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_bit_for_bit_from_a_state(name):
    settings = {"optimizer": name, "lr": 0.01, "valid": False, "dropout": 0.3}
    net = fit(**settings).net_
    state = net_state(net)
    other = fit(**settings, random_state=7).net_
    load_net_state(other, state)
    assert other.history.to_list() == net.history.to_list()
    with torch_threads(1):
        net.train_on(tensor_data(), None)
        other.train_on(tensor_data(), None)
    assert_equal_weights(weights_of(other), weights_of(net))
    assert other.history[:, "train_loss"] == net.history[:, "train_loss"]
    assert len(net.history) == 6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_is_plain_and_round_trips(name):
    net = fit(optimizer=name, valid=False).net_
    state = net_state(net)
    assert is_plain(state)
    again = net_state(load_net_state(net, state))
    np.testing.assert_equal(again, state)


def test_a_state_does_not_change_with_the_net():
    net = fit(valid=False).net_
    state = net_state(net)
    before = copy.deepcopy(state)
    with torch_threads(1):
        net.train_on(tensor_data(), None)
    np.testing.assert_equal(state, before)


def test_the_state_of_another_optimizer_is_left_out():
    net = fit(optimizer="sgd", valid=False).net_
    load_net_state(net, net_state(fit(optimizer="adam", valid=False).net_))
    with torch_threads(1):
        net.train_on(tensor_data(), None)
    assert len(net.history) == 6


def test_the_weights_of_another_network_are_refused():
    net = fit(hidden_layer_sizes=8).net_
    before = weights_of(net)
    with pytest.raises(
        ArchitectureError,
        match=r"'head_1.weight' of shape \(2, 9\), .* now ask for \(2, 8\)",
    ):
        load_net_state(net, net_state(fit(hidden_layer_sizes=9).net_))
    assert_equal_weights(weights_of(net), before)


def test_a_loaded_net_evaluates():
    net = fit(dropout=0.5).net_
    net.module_.train()
    assert not load_net_state(net, net_state(net)).module_.training


# Predictions in code space


def test_a_classifier_net_predicts_codes():
    words = np.array(["no", "yes"])[y]
    learner = classifier().fit(X, words)
    rows = learner._schema.tensor(X)
    codes = learner.net_.predict(rows)
    np.testing.assert_array_equal(learner.net_.classes_, [0, 1])
    np.testing.assert_array_equal(learner.classes_[codes], learner.predict(X))
    np.testing.assert_allclose(
        learner.net_.predict_proba(rows), learner.predict_proba(X), atol=1e-6
    )


def test_a_net_predicts_more_rows_than_one_evaluation_batch_holds():
    learner = classifier().fit(X, y)
    rows = learner._schema.tensor(X).repeat(20, 1)
    assert len(rows) > learner.net_.evaluation_batch_size
    many = learner.net_.predict_proba(rows)
    np.testing.assert_allclose(many[:300], many[-300:], atol=1e-6)
    assert many.shape == (6000, 2)


def test_validation_rows_beyond_one_evaluation_batch_count_equally():
    X_many, y_many = X.repeat(15, axis=0), y.repeat(15)
    learner = classifier(restore_best=False, callbacks=[EpochScoring("accuracy")])
    learner.fit(X, y, X_val=X_many, y_val=y_many)
    row = learner.history_[-1]
    assert row["valid_batch_count"] == 2
    assert row["accuracy"] == pytest.approx(learner.score(X, y), rel=1e-12)
    logits = torch.tensor(learner.decision_function(X))
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor(y).double())
    assert row["valid_loss"] == pytest.approx(expected.item(), rel=1e-5)


class Costly(nn.Linear):
    """Adds a term of each row to the loss."""

    def forward(self, x):
        if self.training:
            add_penalty(x.square().sum(1) * self.weight.square().sum())
        return super().forward(x)


class CostlyRegressor(RegressorLearner):
    def network(self, spec):
        return Costly(spec.n_numeric, spec.n_outputs)


@pytest.mark.parametrize("accumulate_grad", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_penalty_of_a_module_is_weighted_by_row(weighted, accumulate_grad):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    weight = rng.uniform(1, 3, 30) if weighted else np.ones(30)
    learner = CostlyRegressor(
        max_epochs=1,
        lr=1e-12,
        batch_size=30 // accumulate_grad,
        accumulate_grad=accumulate_grad,
        random_state=0,
    )
    learner.fit(X, y, sample_weight=weight, X_val=X, y_val=y, sample_weight_val=weight)
    matrix = learner.net_.module_.weight.detach().numpy()
    mean = np.average(X, axis=0, weights=weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    rows = (((X - mean) / std) ** 2).sum(1) * (matrix**2).sum()
    last = learner.history_[-1]
    added = last["train_loss"] - last["valid_loss"]
    np.testing.assert_allclose(added, np.average(rows, weights=weight), rtol=1e-4)


@pytest.mark.parametrize("max_epochs", [1, 3])
def test_epochs_that_load_init_state_loads_come_before_those_of_the_fit(
    tmp_path, max_epochs
):
    def saved():
        return Checkpoint(dirname=tmp_path, monitor=None)

    fit(saved(), max_epochs=2)
    again = fit(LoadInitState(saved()), max_epochs=max_epochs)
    assert again.n_iter_ == 2 + max_epochs
    assert again.history_[:, "epoch"] == list(range(1, 3 + max_epochs))


# What users of skorch call on a net


def test_weights_go_through_a_file_of_safetensors(tmp_path):
    learner, path = fit(max_epochs=1), tmp_path / "weights.safetensors"
    before, device = weights_of(learner.net_), learner.net_.device
    learner.net_.save_params(f_params=path, use_safetensors=True)
    with torch.no_grad():
        for p in learner.net_.module_.parameters():
            p.zero_()
    learner.net_.load_params(f_params=path, use_safetensors=True)
    assert_equal_weights(weights_of(learner.net_), before)
    assert learner.net_.device is device


def test_the_best_checkpoint_is_loaded_from_safetensors(tmp_path):
    files = {"f_optimizer": None, "f_criterion": None, "f_history": None}
    best = Checkpoint(dirname=tmp_path, use_safetensors=True, load_best=True, **files)
    learner = fit(best, max_epochs=2)
    assert learner.n_iter_ == 2
    saved = safetensors.torch.load_file(tmp_path / "params.pt")
    assert_equal_weights(weights_of(learner.net_), saved)


def test_a_net_predicts_a_torch_dataset():
    net, rows = fit(max_epochs=1).net_, torch.tensor(X, dtype=torch.float32)
    expected = net.predict(rows)
    for data in (TensorDataset(rows, torch.zeros(len(X))), SkorchDataset(rows, None)):
        assert_array_equal(net.predict(data), expected)


def test_a_net_says_that_the_learner_fits_and_is_cloned():
    net = fit(max_epochs=1).net_
    for train in (net.fit, net.partial_fit):
        with pytest.raises(TypeError, match="fit or partial_fit of the learner"):
            train(X, y)
    with pytest.raises(TypeError, match="Clone the learner"):
        clone(net)
