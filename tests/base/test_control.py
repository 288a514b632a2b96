import math

import numpy as np
import pytest
import sklearn
import torch
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, log_loss, zero_one_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners._compat import CallbackSupportMixin
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import (
    SCHEDULES,
    Checkpoint,
    Step,
    TimeLimit,
    WeightAveraging,
    callback,
    checkpoints,
    select,
)
from torchlearners.discovery import all_learners
from torchlearners.exceptions import BatchSplitWarning, NonFiniteLossError
from torchlearners.training import LBFGS, TensorData

X, Y = make_classification(128, 5, weights=[0.7], flip_y=0.3, random_state=0)
X_VAL, Y_VAL = make_classification(60, 5, flip_y=0.3, random_state=1)
VAL = {"X_val": X_VAL, "y_val": Y_VAL}


def learner(*callbacks, cls=MLPClassifier, **settings):
    simple = (
        {"preset": "simple"} if issubclass(cls, (MLPClassifier, MLPRegressor)) else {}
    )
    settings = {
        **simple,
        "hidden_layer_sizes": (8,),
        "lr": 0.01,
        "max_epochs": 10,
        "batch_size": 32,
        "random_state": 0,
        "early_stopping": False,
        **settings,
    }
    return cls(callbacks=list(callbacks), **settings)


def weights(fitted):
    return [p.detach().numpy().copy() for p in fitted.net_.module_.parameters()]


def assert_same_weights(a, b, atol=0.0):
    for ours, theirs in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


def names_of(fitted):
    return [name for name, _ in fitted.net_.callbacks_]


def spy(batches, training=True):
    """Note the rows of each batch."""

    def note(net, batch, **kwargs):
        if kwargs["training"] == training:
            batches.append(batch[0].numpy().copy())

    return callback(on_batch_begin=note)


def spy_targets(targets):
    def note(net, batch, training, **kwargs):
        if training:
            targets.append(batch[1].numpy().copy())

    return callback(on_batch_begin=note)


# Validation

NUMBERED = np.arange(100.0)[:, None]


@pytest.mark.parametrize("sampler", [None, "balanced"])
def test_rows_set_aside_for_validation_never_reach_a_training_batch(sampler):
    train, valid = [], []
    made = learner(
        spy(train),
        spy(valid, training=False),
        preprocessing=None,
        early_stopping=True,
        validation_fraction=0.2,
        batch_size=16,
        sampler=sampler,
    )
    made.fit(NUMBERED, np.arange(100) % 2)
    trained = set(np.concatenate(train).ravel())
    validated = set(np.concatenate(valid).ravel())
    assert len(validated) == 20
    assert trained.isdisjoint(validated)
    if sampler is None:
        assert trained | validated == set(range(100))


def test_given_validation_rows_never_reach_a_training_batch():
    train, valid = [], []
    made = learner(spy(train), spy(valid, training=False), preprocessing=None)
    made.fit(
        NUMBERED, np.arange(100) % 2, X_val=NUMBERED[:9] + 0.5, y_val=[0, 1, 1] * 3
    )
    assert set(np.concatenate(train).ravel()) == set(range(100))
    assert set(np.concatenate(valid).ravel()) == {i + 0.5 for i in range(9)}


def test_validation_rows_do_not_enter_the_scaling():
    plain = learner().fit(X, Y)
    made = learner(early_stopping=False, restore_best=False)
    assert_same_weights(made.fit(X, Y, X_val=1e6 * X_VAL, y_val=Y_VAL), plain)


def test_validation_rows_are_transformed_by_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        last = learner(preprocessing=None).set_fit_request(X_val=True, y_val=True)
        steps = [("scaler", StandardScaler()), ("mlp", last)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(3 * X + 7, Y, X_val=3 * X_VAL + 7, y_val=Y_VAL)
        scaler = StandardScaler().fit(3 * X + 7)
        alone = learner(preprocessing=None).fit(
            scaler.transform(3 * X + 7),
            Y,
            X_val=scaler.transform(3 * X_VAL + 7),
            y_val=Y_VAL,
        )
        history = pipeline[-1].history_
    assert history[:, "valid_loss"] == alone.history_[:, "valid_loss"]
    assert_same_weights(pipeline[-1], alone)


@pytest.mark.parametrize(
    ("eval_every", "epochs"),
    [(1, list(range(1, 11))), (4, [4, 8, 10]), (5, [5, 10]), (99, [10])],
)
def test_validation_rows_are_evaluated_every_few_epochs_and_in_the_last(
    eval_every, epochs
):
    made = learner(eval_every=eval_every, measures_valid="accuracy")
    fitted = made.fit(X, Y, **VAL)
    for name in ("valid_loss", "valid_accuracy"):
        assert [row["epoch"] for row in fitted.history_ if name in row] == epochs


def test_the_epoch_in_which_time_runs_out_is_evaluated():
    fitted = learner(max_time=1e-9, eval_every=4).fit(X, Y, **VAL)
    assert "valid_loss" in fitted.history_[-1]
    assert fitted.best_epoch_ == fitted.n_iter_ == 1


# Measures and early stopping


@pytest.mark.parametrize(
    ("measures", "key", "best"),
    [
        ("accuracy", "valid_accuracy", np.argmax),
        (["neg_log_loss", "accuracy"], "valid_neg_log_loss", np.argmax),
        (["loss", "accuracy"], "valid_loss", np.argmin),
        ([zero_one_loss, "accuracy"], "valid_zero_one_loss", np.argmin),
        (None, "valid_loss", np.argmin),
    ],
)
def test_early_stopping_follows_the_first_measure(measures, key, best):
    made = learner(early_stopping=True, measures_valid=measures, lr=0.05)
    fitted = made.set_params(max_epochs=20).fit(X, Y, **VAL)
    curve = fitted.history_[:, key]
    assert fitted.best_epoch_ == 1 + best(curve)
    assert fitted.best_score_ == curve[fitted.best_epoch_ - 1]


def test_without_early_stopping_the_best_of_given_validation_rows_is_known():
    made = learner(early_stopping=False, lr=0.3, max_epochs=30, patience=1)
    fitted = made.fit(X, Y, **VAL)
    assert fitted.n_iter_ == 30
    assert fitted.best_score_ == min(fitted.history_[:, "valid_loss"])
    assert fitted.stopped_epoch_ is None


def test_measures_of_validation_rows_need_validation_rows():
    made = learner(measures_valid="accuracy")
    with pytest.raises(ValueError, match=r"measures_valid='accuracy' needs validation"):
        made.fit(X, Y)
    assert not hasattr(made, "net_")


def test_the_weights_are_those_of_the_best_score():
    made = learner(early_stopping=True, measures_valid="accuracy", lr=0.1)
    fitted = made.set_params(max_epochs=30, patience=30).fit(X, Y, **VAL)
    assert fitted.best_epoch_ < 30
    assert fitted.best_score_ != fitted.history_[-1, "valid_accuracy"]
    assert accuracy_score(Y_VAL, fitted.predict(X_VAL)) == fitted.best_score_


def test_without_restore_best_the_weights_are_the_last():
    made = learner(early_stopping=True, lr=0.1, patience=3, restore_best=False)
    fitted = made.set_params(max_epochs=30).fit(X, Y, **VAL)
    assert fitted.best_epoch_ == fitted.n_iter_ - 3
    loss = log_loss(Y_VAL, fitted.predict_proba(X_VAL))
    assert loss == pytest.approx(fitted.history_[-1, "valid_loss"], rel=1e-5)


class Curve:
    """A scorer that returns the given values, one after the other."""

    def __init__(self, values):
        self.values = list(values)

    def __call__(self, estimator, X, y):
        return self.values.pop(0)


def follow(values, **settings):
    made = learner(
        early_stopping=True, measures_valid={"own": Curve(values)}, **settings
    )
    return made.fit(X, Y, **VAL)


def test_patience_counts_evaluations():
    fitted = follow([1.0, 2.0, 0.0, 0.0], patience=2, eval_every=2, max_epochs=20)
    assert (fitted.best_epoch_, fitted.stopped_epoch_, fitted.n_iter_) == (4, 8, 8)


def test_a_nan_in_the_first_score_does_not_switch_early_stopping_off():
    fitted = follow([math.nan, 1.0, 3.0, 2.0, 2.0, 2.0], patience=2)
    assert (fitted.best_epoch_, fitted.stopped_epoch_) == (3, 5)
    assert fitted.best_score_ == 3.0


def test_scores_that_are_all_nan_stop_training():
    fitted = follow([math.nan] * 10, patience=3)
    assert (fitted.best_epoch_, fitted.best_score_, fitted.n_iter_) == (None, None, 3)


# Training that diverges


def poison(epoch):
    def spoil(net, **kwargs):
        if len(net.history) == epoch:
            with torch.no_grad():
                next(net.module_.parameters()).fill_(math.nan)

    return callback(on_epoch_begin=spoil)


def test_training_that_diverges_leaves_the_weights_of_the_best_epoch():
    made = learner(poison(5), early_stopping=True)
    with pytest.raises(NonFiniteLossError, match=r"nan in epoch 5, batch 1 of 4"):
        made.fit(X, Y, **VAL)
    assert made.n_iter_ == 4
    assert 1 <= made.best_epoch_ <= 4
    loss = log_loss(Y_VAL, made.predict_proba(X_VAL))
    assert loss == pytest.approx(made.best_score_, rel=1e-5)
    best = learner(early_stopping=True, max_epochs=made.best_epoch_).fit(X, Y, **VAL)
    assert_same_weights(made, best)


@pytest.mark.parametrize(
    ("settings", "data"),
    [({"early_stopping": True}, VAL), ({}, {})],
)
def test_training_that_diverges_at_once_leaves_no_weights(settings, data):
    made = learner(poison(1), **settings)
    with pytest.raises(NonFiniteLossError):
        made.fit(X, Y, **data)
    with pytest.raises(NotFittedError):
        made.predict(X)


def test_training_that_diverges_without_validation_leaves_the_fit_before():
    made = learner().fit(X, Y)
    before = weights(made)
    made.set_params(callbacks=[poison(3)])
    with pytest.raises(NonFiniteLossError):
        made.fit(X, Y)
    np.testing.assert_equal(weights(made), before)


# Gradients


def norms(values):
    def note(net, **kwargs):
        gradients = [p.grad for p in net.module_.parameters()]
        values.append(float(nn.utils.get_total_norm(gradients)))

    return callback(on_batch_end=note)


def test_a_gradient_longer_than_grad_clip_is_shortened():
    free, clipped = [], []
    learner(norms(free), max_epochs=1, shuffle=False).fit(X, Y)
    limit = free[0] / 3
    learner(norms(clipped), max_epochs=1, shuffle=False, grad_clip=limit).fit(X, Y)
    assert clipped[0] == pytest.approx(limit, rel=1e-4)
    assert max(clipped) <= limit * 1.0001


def test_a_shorter_gradient_is_left_alone():
    plain = learner().fit(X, Y)
    assert_same_weights(learner(grad_clip=1e6).fit(X, Y), plain)
    small = learner(grad_clip=1e-3, optimizer="sgd").fit(X, Y)
    before = learner(optimizer="sgd", lr=1e-30).fit(X, Y)
    moved = math.sqrt(
        sum(
            ((a - b) ** 2).sum()
            for a, b in zip(weights(small), weights(before), strict=True)
        )
    )
    assert moved <= 10 * 4 * 0.01 * 1e-3 * 1.001


WEIGHTS = np.random.default_rng(0).uniform(0.1, 5, len(X))


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS])
@pytest.mark.parametrize(
    # One iteration: more of them make rounding errors grow.
    "optimizer",
    ["sgd", "adamw", pytest.param(LBFGS(max_iter=1), id="lbfgs")],
)
def test_accumulated_gradients_are_those_of_the_big_batch(sample_weight, optimizer):
    settings = {"optimizer": optimizer, "max_epochs": 1}
    big = learner(batch_size=64, **settings).fit(X, Y, sample_weight)
    small = learner(batch_size=16, accumulate_grad=4, **settings)
    assert_same_weights(small.fit(X, Y, sample_weight), big, atol=1e-6)
    other = learner(batch_size=16, **settings).fit(X, Y, sample_weight)
    assert any(
        abs(a - b).max() > 1e-5
        for a, b in zip(weights(other), weights(big), strict=True)
    )


def test_accumulation_counts_the_rows_of_a_last_batch_that_is_not_full():
    settings = {"optimizer": "sgd", "max_epochs": 1, "lr": 0.1}
    big = learner(batch_size=64, **settings).fit(X[:101], Y[:101])
    small = learner(batch_size=16, accumulate_grad=4, **settings)
    assert_same_weights(small.fit(X[:101], Y[:101]), big, atol=1e-6)


# Memory


class Small(nn.Sequential):
    """A network that trains on a few rows at a time."""

    def __init__(self, limit, sizes, *layers):
        super().__init__(*layers)
        self.limit = limit
        self.sizes = sizes

    def forward(self, x):
        if self.training and len(x) > self.limit:
            raise torch.OutOfMemoryError("no memory left")
        if self.training:
            self.sizes.append(len(x))
        return super().forward(x)


def small_learner(limit, sizes):
    class SmallClassifier(ClassifierLearner):
        def network(self, spec):
            layers = nn.Linear(spec.n_numeric, 8), nn.ReLU()
            return Small(limit, sizes, *layers, nn.Linear(8, spec.n_outputs))

    settings = {"max_epochs": 2, "batch_size": 32, "random_state": 0, "lr": 0.01}
    return SmallClassifier(optimizer="sgd", early_stopping=False, **settings)


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS])
def test_a_batch_beyond_the_memory_is_computed_in_pieces(sample_weight):
    sizes = []
    whole = small_learner(10**6, []).fit(X, Y, sample_weight)
    with pytest.warns(BatchSplitWarning, match="32 rows does not fit") as caught:
        split = small_learner(8, sizes).fit(X, Y, sample_weight)
    assert len(caught) == 1
    assert sizes == [8] * 32
    assert_same_weights(split, whole, atol=1e-6)


def test_a_row_beyond_the_memory_is_an_error():
    made = small_learner(0, [])
    with (
        pytest.warns(BatchSplitWarning),
        pytest.raises(torch.OutOfMemoryError, match="no memory left"),
    ):
        made.fit(X, Y)
    assert not hasattr(made, "net_")


# Rows of an epoch


def test_balanced_classes_are_equally_likely():
    targets = []
    rare = np.r_[np.zeros(120), np.ones(8)]
    learner(spy_targets(targets), sampler="balanced", max_epochs=20).fit(X, rare)
    drawn = np.concatenate(targets)
    assert len(drawn) == 20 * 128
    assert abs(drawn.mean() - 0.5) < 0.05


def test_balanced_classes_need_classes():
    with pytest.raises(ValueError, match="sampler='balanced' needs one class a row"):
        learner(cls=MLPRegressor, sampler="balanced").fit(X, X[:, 0])


def test_a_function_says_which_rows_make_an_epoch():
    batches, seen = [], []

    def first_forty(data, generator):
        seen.append((type(data), type(generator), len(data)))
        return torch.arange(40).flip(0)

    made = learner(spy(batches), sampler=first_forty, max_epochs=2, preprocessing=None)
    made.fit(NUMBERED, np.arange(100) % 2)
    assert seen == [(TensorData, torch.Generator, 100)] * 2
    assert [len(batch) for batch in batches] == [32, 8] * 2
    assert np.concatenate(batches).ravel().tolist() == [*range(39, -1, -1)] * 2


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_keep_their_order_without_shuffling(shuffle):
    batches = []
    made = learner(spy(batches), shuffle=shuffle, max_epochs=2, preprocessing=None)
    made.fit(NUMBERED, np.arange(100) % 2)
    epochs = np.concatenate(batches).reshape(2, 100)
    assert (epochs == np.arange(100)).all() != shuffle
    assert np.array_equal(epochs[0], epochs[1]) != shuffle
    np.testing.assert_array_equal(np.sort(epochs), [np.arange(100)] * 2)


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [32, 32, 32, 4]), (True, [32, 32, 32])]
)
def test_a_last_batch_that_is_not_full_can_be_left_out(drop_last, sizes):
    batches = []
    made = learner(spy(batches), drop_last=drop_last, max_epochs=1)
    made.fit(NUMBERED, np.arange(100) % 2)
    assert [len(batch) for batch in batches] == sizes


# Parameters that stand for callbacks


def test_callbacks_run_in_a_fixed_order(tmp_path):
    fitted = learner(
        Checkpoint(folder=tmp_path),
        callback(on_epoch_end=lambda net, **kwargs: None),
        TimeLimit(),
        WeightAveraging(),
        early_stopping=True,
        freeze="linear_1.bias",
        measures_train="accuracy",
        measures_valid="accuracy",
        lr_schedule="step",
        max_time=1000,
        verbose=1,
    ).fit(X, Y, **VAL)
    assert names_of(fitted) == [
        "freeze",
        "WeightAveraging",
        "measures_valid",
        "measures_train",
        "FunctionCallback",
        "TimeLimit",
        "lr_schedule",
        "early_stopping",
        "max_time",
        "progress",
        "Checkpoint",
    ]


def test_a_plain_learner_has_no_callbacks():
    assert names_of(learner().fit(X, Y)) == []
    assert names_of(learner().fit(X, Y, **VAL)) == ["early_stopping"]


def test_a_users_callback_can_read_the_measures():
    seen = []

    def note(net, **kwargs):
        seen.append(net.history[-1, "valid_accuracy"])

    made = learner(callback(on_epoch_end=note), measures_valid="accuracy")
    assert seen == made.fit(X, Y, **VAL).history_[:, "valid_accuracy"]


def test_the_callbacks_given_are_those_of_the_net():
    given = [callback(on_epoch_end=lambda net, **kwargs: None), TimeLimit()]
    fitted = learner(*given).fit(X, Y)
    inside = [c for _, c in fitted.net_.callbacks_]
    assert all(a is b for a, b in zip(inside, given, strict=True))
    assert given[1].elapsed_ >= 0


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"plateau"}))
def test_a_schedule_is_chosen_by_name(name):
    fitted = learner(lr_schedule=name).fit(X, Y)
    wanted = [0.01 * SCHEDULES[name]().factor_at(t, 10) for t in range(10)]
    np.testing.assert_allclose(fitted.history_[:, "lr"], wanted)


def test_a_parameter_of_a_schedule_given_by_name_can_be_set():
    made = learner(lr_schedule="step").set_params(
        lr_schedule__step_size=4, lr_schedule__gamma=0.5
    )
    lrs = made.fit(X, Y).history_[:, "lr"]
    np.testing.assert_allclose(lrs, 0.01 * 0.5 ** (np.arange(10) // 4))


def test_fitting_does_not_change_the_schedule_given():
    step = Step(step_size=2)
    made = learner(lr_schedule=step).fit(X, Y)
    assert made.lr_schedule is step
    assert made.fit(X, Y).history_[0, "lr"] == 0.01


@pytest.mark.parametrize("which", ["linear_1.*", select.layers(0)])
def test_frozen_weights_keep_their_initial_values(which):
    initial = learner(lr=1e-30).fit(X, Y).net_.module_.state_dict()
    fitted = learner(freeze=which).fit(X, Y)
    for name, value in fitted.net_.module_.state_dict().items():
        assert torch.equal(value, initial[name]) == name.startswith("linear_1."), name
    assert len(fitted.net_.optimizer_.state) == 2


def test_training_ends_when_its_time_is_over():
    fitted = learner(max_time=0.2, max_epochs=10**6).fit(X, Y)
    assert 1 <= fitted.n_iter_ < 10**6
    assert sum(fitted.history_[:, "dur"]) < 5
    assert learner(max_time=1000).fit(X, Y).n_iter_ == 10


def test_verbose_is_silent_in_a_pipe_unless_it_is_two(capfd):
    learner(verbose=1).fit(X, Y)
    assert capfd.readouterr() == ("", "")
    learner(verbose=2).fit(X, Y)
    out, err = capfd.readouterr()
    assert out == ""
    assert " 10/10 " in err


def test_verbose_changes_neither_weights_nor_checkpoints(tmp_path):
    quiet = learner(Checkpoint(folder=tmp_path, keep=99)).fit(X, Y)
    shown = learner(Checkpoint(folder=tmp_path), verbose=1)
    shown.fit(X, Y, resume=checkpoints(tmp_path)[4])
    assert_same_weights(quiet, shown)


# Going on


def test_resume_and_warm_start_exclude_each_other(tmp_path):
    made = learner(Checkpoint(folder=tmp_path), warm_start=True).fit(X, Y)
    before = weights(made)
    with pytest.raises(ValueError, match="set warm_start=False to resume"):
        made.fit(X, Y, resume=tmp_path)
    np.testing.assert_equal(weights(made), before)


def test_the_first_fit_of_a_warm_start_may_resume(tmp_path):
    straight = learner(Checkpoint(folder=tmp_path, keep=99)).fit(X, Y)
    made = learner(Checkpoint(folder=tmp_path), warm_start=True)
    made.fit(X, Y, resume=checkpoints(tmp_path)[3])
    assert_same_weights(made, straight)


def test_no_path_is_routed_to_fit():
    with sklearn.config_context(enable_metadata_routing=True):
        assert learner().get_metadata_routing().fit.requests["resume"] is False


class FitsItsOwnWay(MLPClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight)


def test_a_fit_of_ones_own_needs_no_resume():
    with sklearn.config_context(enable_metadata_routing=True):
        made = FitsItsOwnWay(max_epochs=1).set_fit_request(sample_weight=True)
        assert made.get_metadata_routing().fit.requests["sample_weight"] is True
    assert made.fit(X, Y).n_iter_ == 1


# scikit-learn's callbacks


class Counter:
    max_estimator_depth = 1

    def __init__(self, tasks):
        self.tasks = tasks

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        return False

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("name", [name for name, _ in all_learners()])
def test_every_learner_takes_scikit_learns_callbacks(name):
    pytest.importorskip("sklearn.callback")
    cls = dict(all_learners())[name]
    tasks = []
    made = cls(max_epochs=3).set_callbacks(Counter(tasks))
    assert isinstance(made, CallbackSupportMixin)
    made.fit(X, Y)
    assert tasks.count("epoch") == 3
    assert len(tasks) == 4


@pytest.mark.parametrize("schedule", ["coslog4", "cosine"])
def test_schedules_do_not_run_in_partial_fit(schedule):
    one = learner(lr_schedule=schedule)
    plain = learner()
    for _ in range(3):
        one.partial_fit(X, Y, classes=np.unique(Y))
        plain.partial_fit(X, Y, classes=np.unique(Y))
    np.testing.assert_array_equal(one.predict_proba(X), plain.predict_proba(X))
    assert len(set(one.history_[:, "train_loss"])) == 3
