"""What a resumed run must share with its checkpoint: data and callbacks."""

from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping

from torchlearners import ImageClassifier, MLPClassifier, MLPRegressor
from torchlearners.base._identity import data_identity
from torchlearners.callbacks import (
    Checkpoint,
    EarlyStopping,
    Freeze,
    JsonLines,
    Schedule,
    TimeLimit,
    WeightAveraging,
    callback,
    read_checkpoint,
)
from torchlearners.data import ImageColumn
from torchlearners.training import TensorData

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
W = np.linspace(0.5, 1.5, 40)
VALID = {"X_val": X[:10], "y_val": Y[:10], "sample_weight_val": W[:10]}
DATA = {"X": X, "y": Y, "sample_weight": W, **VALID}


def learner(folder, *callbacks, **settings):
    settings = {"max_epochs": 1, "batch_size": 8, "lr": 0.01, **settings}
    return MLPClassifier(
        preset="simple",
        hidden_layer_sizes=4,
        random_state=0,
        callbacks=[*callbacks, Checkpoint(folder=folder)],
        **settings,
    )


def refusal(run, other, data, other_data, folder):
    """Return why a run does not go on from the checkpoint of another one."""
    run.fit(**data)
    attributes = dict(vars(other))
    with pytest.raises(ValueError, match="Cannot resume") as caught:
        other.fit(**other_data, resume=folder)
    assert vars(other) == attributes
    return str(caught.value)


def swapped(values, a=0, b=1):
    values = values.copy()
    values[[a, b]] = values[[b, a]]
    return values


ORDER = np.arange(40)[::-1]
LATER = {"X_val": X[10:20], "y_val": Y[10:20], "sample_weight_val": W[10:20]}
OTHER_DATA = {
    "labels flipped": ({"y": 1 - Y}, "training targets"),
    "labels permuted": ({"y": np.roll(Y, 1)}, "training targets"),
    "one label": ({"y": np.r_[1 - Y[:1], Y[1:]]}, "training targets"),
    "rows reordered": (
        {"X": X[ORDER], "y": Y[ORDER], "sample_weight": W[ORDER]},
        "training data",
    ),
    "two rows swapped": ({"X": swapped(X)}, "training data"),
    "weights of rows": ({"sample_weight": W[::-1].copy()}, "training weights"),
    "other X_val": ({"X_val": -X[:10]}, "validation data"),
    "other y_val": ({"y_val": 1 - Y[:10]}, "validation targets"),
    "other validation weights": (
        {"sample_weight_val": W[10:20]},
        "validation weights of the rows",
    ),
    "other validation rows": (LATER, "validation data"),
}


@pytest.mark.parametrize("case", OTHER_DATA)
def test_other_data_are_refused_by_name(tmp_path, case):
    change, aspect = OTHER_DATA[case]
    # Of the same mean and spread, so that nothing else tells them apart.
    other = {**DATA, **change}
    found = refusal(learner(tmp_path), learner(tmp_path), DATA, other, tmp_path)
    assert f"another digest of the {aspect}" in found or (
        # An order of sums, or weights, moves the last bits of the scaling.
        aspect.startswith("training") and "scaling" in found
    )


def test_labels_that_are_flipped_are_named_as_targets(tmp_path):
    runs = learner(tmp_path), learner(tmp_path)
    found = refusal(*runs, {"X": X, "y": Y}, {"X": X, "y": 1 - Y}, tmp_path)
    assert "another digest of the training targets ('" in found
    assert found.endswith("start a new one in another folder.")


def test_values_to_learn_that_are_permuted_are_refused(tmp_path):
    def regressor():
        return MLPRegressor(
            preset="simple", max_epochs=1, callbacks=[Checkpoint(folder=tmp_path)]
        ).set_params(random_state=0, batch_size=8)

    values = np.arange(40.0)
    runs = regressor(), regressor()
    data = {"X": X, "y": values}, {"X": X, "y": values[::-1].copy()}
    assert "training targets" in refusal(*runs, *data, tmp_path)


IMAGES = RNG.integers(0, 256, size=(20, 8, 8), dtype=np.uint8)
OTHER_IMAGES = {
    "inverted": 255 - IMAGES,
    "one pixel": np.r_[IMAGES[:1] ^ 1, IMAGES[1:]],
    "reordered": IMAGES[::-1].copy(),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("case", OTHER_IMAGES)
def test_other_images_are_refused(tmp_path, case, streamed):
    def images(pixels):
        column = ImageColumn(list(pixels), channels=1) if streamed else pixels
        return {"X": column, "y": Y[:20]}

    def made():
        return ImageClassifier(
            max_epochs=1,
            random_state=0,
            preprocessing=None,
            batch_size=8,
            callbacks=[Checkpoint(folder=tmp_path)],
        ).set_params(**({"decode": "batches", "image_size": 8} if streamed else {}))

    data = images(IMAGES), images(OTHER_IMAGES[case])
    assert "digest of the training data" in refusal(made(), made(), *data, tmp_path)


def ends(net, **kwargs):
    net.stop_training = False


def goes_on(net, **kwargs):
    net.stop_training = False


def closure(value):
    def stage(net, **kwargs):
        net.seen = value

    return stage


class Custom(Callback):
    def __init__(self, rate=0.1, log=None):
        self.rate = rate
        self.log = [] if log is None else log

    def on_epoch_end(self, net, **kwargs):
        self.log.append(self.rate)


average = WeightAveraging
OTHER_CALLBACKS = {
    "EMA decay": (average(), average(decay=0.9), "decay"),
    "ema to swa": (average(), average(kind="swa"), "kind"),
    "swa start": (
        average(kind="swa"),
        average(kind="swa", start=0.5),
        "start",
    ),
    "every epoch": (average(), average(every="epoch"), "every"),
    "a function": (
        callback(on_epoch_end=ends),
        callback(on_epoch_end=goes_on),
        "on_epoch_end",
    ),
    "a lambda": (
        callback(on_epoch_end=lambda net, **kwargs: 1),
        callback(on_epoch_end=lambda net, **kwargs: 2),
        "on_epoch_end",
    ),
    "what a function holds": (
        callback(on_epoch_end=closure(1)),
        callback(on_epoch_end=closure(2)),
        "on_epoch_end",
    ),
    "a partial": (
        callback(on_epoch_end=partial(ends, a=1)),
        callback(on_epoch_end=partial(ends, a=2)),
        "on_epoch_end",
    ),
    "a parameter of the user's": (Custom(), Custom(rate=0.2), "rate"),
    "a parameter of skorch's": (
        GradientNormClipping(1.0),
        GradientNormClipping(2.0),
        "gradient_clip_value",
    ),
    "a score": (
        EpochScoring("accuracy", name="a"),
        EpochScoring("f1", name="a"),
        "scoring",
    ),
    "a schedule": (Schedule(policy="step"), Schedule(policy="cosine"), "policy"),
    "a function of a schedule": (
        Schedule(policy=lambda t: 1 - t),
        Schedule(policy=lambda t: 1 - t / 2),
        "policy",
    ),
    "what is frozen": (Freeze(select="*.bias"), Freeze(select="*.weight"), "select"),
    "what stops": (
        EarlyStopping(patience=3, min_delta=0.1),
        EarlyStopping(patience=3),
        "min_delta",
    ),
}


@pytest.mark.parametrize("case", OTHER_CALLBACKS)
def test_other_callbacks_are_refused_by_name(tmp_path, case):
    one, other, parameter = OTHER_CALLBACKS[case]
    runs = learner(tmp_path, ("own", one)), learner(tmp_path, ("own", other))
    found = refusal(*runs, DATA, DATA, tmp_path)
    assert f"another callback 'own': {parameter} (" in found


def test_a_callback_replaced_by_one_of_another_class_is_refused(tmp_path):
    runs = learner(tmp_path, ("own", Custom())), learner(tmp_path, ("own", average()))
    found = refusal(*runs, DATA, DATA, tmp_path)
    assert "another list of callbacks ('own: Custom') than this run" in found


def test_what_a_callback_notes_is_no_other_run(tmp_path):
    given = Custom(log=[])
    made = learner(tmp_path, given, callback(on_epoch_end=counter()))
    made.fit(**DATA)
    assert given.log == [0.1]
    assert made.set_params(max_epochs=2).fit(**DATA, resume=tmp_path).n_iter_ == 2
    assert given.log == [0.1, 0.1]


def counter():
    n = 0

    def count(net, **kwargs):
        nonlocal n
        n += 1

    return count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TimeLimit(seconds=90), TimeLimit(seconds=99)),
        (EarlyStopping(patience=3), EarlyStopping(patience=4)),
    ],
    ids=["time", "patience"],
)
def test_how_long_it_runs_may_change(tmp_path, one, other):
    learner(tmp_path, ("own", one)).fit(**DATA)
    resumed = learner(tmp_path, ("own", other), max_epochs=2)
    assert resumed.fit(**DATA, resume=tmp_path).n_iter_ == 2


def test_where_it_is_noted_may_change(tmp_path):
    run, a, b = (tmp_path / name for name in ("run", "a", "b"))
    learner(run, JsonLines(path=a)).fit(**DATA)
    made = learner(run, JsonLines(path=b), max_epochs=2)
    assert made.fit(**DATA, resume=run).n_iter_ == 2


def test_without_checkpoints_no_digest_is_computed(tmp_path):
    net = learner(tmp_path).set_params(callbacks=None).fit(**DATA).net_
    assert not [aspect for aspect in net.identity if "digest" in aspect]
    learner(tmp_path).fit(**DATA)
    digests = {
        aspect: value
        for aspect, value in read_checkpoint(tmp_path)["identity"].items()
        if "digest" in aspect
    }
    assert len(set(digests.values())) == len(digests) == 6


def test_shape_and_dtype_are_part_of_a_digest():
    zeros = torch.zeros(4, 1)
    found = {
        data_identity(TensorData(x, zeros), None)["digest of the training data"]
        for x in (zeros, zeros.view(2, 2), zeros.int(), torch.zeros(5, 1))
    }
    assert len(found) == 4
