import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from torch import nn

from torchlearners import MLPClassifier
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import (
    Checkpoint,
    Freeze,
    GradualUnfreeze,
    Unfreeze,
    callback,
    select,
)
from torchlearners.params import boolean, param
from torchlearners.training import SGD

X, y = make_classification(90, 5, random_state=0)
SETTINGS = {
    "lr": 0.01,
    "max_epochs": 4,
    "batch_size": 16,
    "random_state": 0,
    "early_stopping": False,
}


# The weights of the first layer of an MLP.
FIRST = {"linear_1.weight", "linear_1.bias"}


class NormClassifier(ClassifierLearner):
    affine: bool = param(
        default=True, check=boolean, doc="Whether normalization has weights."
    )

    def network(self, spec):
        body = nn.Sequential(
            nn.Linear(spec.n_numeric, 6), nn.BatchNorm1d(6, affine=self.affine)
        )
        return nn.Sequential(body, nn.ReLU(), nn.Linear(6, spec.n_outputs))


def mlp(*callbacks, **settings):
    layers = {"hidden_layer_sizes": (6, 4)}
    return MLPClassifier(
        preset="simple", callbacks=list(callbacks), **{**SETTINGS, **layers, **settings}
    )


def tensors(learner):
    state = learner.net_.module_.state_dict()
    return {name: value.numpy().copy() for name, value in state.items()}


def start(learner, X=X, y=y):
    """Return the tensors at the start of training."""
    seen = {}

    def note(net, **kwargs):
        state = net.module_.state_dict()
        seen.update({name: value.numpy().copy() for name, value in state.items()})

    learner.set_params(callbacks=[*learner.callbacks, callback(on_train_begin=note)])
    learner.fit(X, y)
    return seen


def changed(before, learner):
    after = tensors(learner)
    return {n for n in before if before[n].tobytes() != after[n].tobytes()}


def with_state(learner):
    optimizer = learner.net_.optimizer_
    named = learner.net_.module_.named_parameters()
    return {n for n, p in named if optimizer.state.get(p)}


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", "adam", SGD(momentum=0.9), "rmsprop", torch.optim.Adam, "nadam"],
    ids=str,
)
def test_frozen_weights_stay_bit_equal_and_own_no_optimizer_state(optimizer):
    freeze = Freeze(select=select.layers(0))
    learner = mlp(freeze, optimizer=optimizer, weight_decay=0.1)
    before = start(learner)
    frozen = FIRST
    assert changed(before, learner) == set(before) - frozen
    assert with_state(learner) == set(before) - frozen


def test_frozen_weights_stay_equal_under_lbfgs():
    learner = mlp(Freeze(select="linear_1"), optimizer="lbfgs", lr=1.0, batch_size=90)
    before = start(learner)
    assert changed(before, learner) == set(before) - {
        "linear_1.weight",
        "linear_1.bias",
    }


def test_frozen_weights_get_no_gradient():
    grads = []

    def note(net, **kwargs):
        grads.append(net.module_[0].weight.grad)

    mlp(Freeze(select="linear_1"), callback(on_grad_computed=note)).fit(X, y)
    assert set(grads) == {None}


def test_freezing_nothing_changes_no_bit():
    a = tensors(mlp().fit(X, y))
    b = tensors(mlp(Freeze(select=select.none())).fit(X, y))
    assert all(a[n].tobytes() == b[n].tobytes() for n in a)


def test_freezing_works_with_clipping_and_accumulation():
    learner = mlp(Freeze(select="linear_1"), grad_clip=0.1, accumulate_grad=2)
    before = start(learner)
    assert changed(before, learner) == set(before) - {
        "linear_1.weight",
        "linear_1.bias",
    }


# Batch normalization


@pytest.mark.parametrize("affine", [True, False])
def test_frozen_batch_normalization_keeps_its_statistics(affine):
    learner = NormClassifier(callbacks=[Freeze(select="0")], affine=affine, **SETTINGS)
    before = start(learner)
    assert changed(before, learner) == {"2.weight", "2.bias"}
    assert not learner.net_.module_[0][1]._forward_pre_hooks


def test_frozen_batch_normalization_works_as_in_prediction():
    learner = NormClassifier(callbacks=[Freeze(select="0")], **SETTINGS)
    modes = []

    def note(net, **kwargs):
        modes.append(net.module_[0][1].training)

    learner.callbacks.append(callback(on_grad_computed=note))
    learner.fit(X, y)
    assert set(modes) == {False}


def test_batch_normalization_with_a_weight_that_trains_learns_its_statistics():
    learner = NormClassifier(callbacks=[Freeze(select="0.1.bias")], **SETTINGS)
    before = start(learner)
    assert changed(before, learner) == set(before) - {"0.1.bias"}


def test_unfrozen_batch_normalization_learns_its_statistics_again():
    moved = []

    def note(net, **kwargs):
        moved.append(bool(net.module_[0][1].running_mean.any()))

    callbacks = [Freeze(select="0"), Unfreeze(at_epoch=3), callback(on_epoch_end=note)]
    NormClassifier(callbacks=callbacks, **SETTINGS).fit(X, y)
    assert moved == [False, False, True, True]


# Unfreezing


@pytest.mark.parametrize("optimizer", ["adamw", torch.optim.Adam, "sgd"])
def test_weights_train_from_the_epoch_on_in_which_they_are_unfrozen(optimizer):
    rows = []

    def note(net, **kwargs):
        rows.append([p.detach().clone() for p in net.module_.parameters()])

    learner = mlp(
        Freeze(select=~select.layers(-1)),
        Unfreeze(select="linear_2", at_epoch=2),
        Unfreeze(select="linear_1", at_epoch=4),
        callback(on_train_begin=note, on_epoch_end=note),
        optimizer=optimizer,
        hidden_layer_sizes=(6, 4),
    )
    learner.fit(X, y)
    names = [name for name, _ in learner.net_.module_.named_parameters()]
    trained = [
        {n.split(".")[0] for n, a, b in zip(names, p, q, strict=True) if (a != b).any()}
        for p, q in itertools.pairwise(rows)
    ]
    head = names[-1].split(".")[0]
    second = names[2].split(".")[0]
    assert second == "linear_2"
    both = {head, second}
    assert trained == [{head}, both, both, {*both, "linear_1"}]


@pytest.mark.parametrize(
    ("share", "max_epochs", "expected"),
    [(0.5, 4, [0, 1, 2, 2]), (1.0, 4, [0, 0, 1, 1]), (0.25, 4, [0, 2, 2, 2])],
)
def test_layers_are_set_free_one_by_one_from_the_last_on(share, max_epochs, expected):
    rows = []

    def note(net, **kwargs):
        rows.append([p.detach().clone() for p in net.module_.parameters()])

    learner = mlp(
        GradualUnfreeze(select=~select.layers(-1), share=share),
        callback(on_train_begin=note, on_epoch_end=note),
        hidden_layer_sizes=(6, 4),
        max_epochs=max_epochs,
    )
    learner.fit(X, y)
    names = [name for name, _ in learner.net_.module_.named_parameters()]
    trained = [
        {n.split(".")[0] for n, a, b in zip(names, p, q, strict=True) if (a != b).any()}
        for p, q in itertools.pairwise(rows)
    ]
    steps = [{names[-1].split(".")[0]}]
    for layer in ("linear_2", "linear_1"):
        steps.append({*steps[-1], layer})
    assert trained == [steps[n] for n in expected]


def test_unfreezing_in_the_first_epoch_is_as_if_never_frozen():
    plain = tensors(mlp().fit(X, y))
    same = tensors(mlp(Freeze(select="linear_1"), Unfreeze(at_epoch=1)).fit(X, y))
    assert all(plain[n].tobytes() == same[n].tobytes() for n in plain)


def test_a_warm_start_freezes_what_had_state():
    learner = mlp(warm_start=True).fit(X, y)
    assert "linear_1.weight" in with_state(learner)
    before = tensors(learner)
    learner.set_params(callbacks=[Freeze(select="linear_1")]).fit(X, y)
    assert changed(before, learner) == set(before) - {
        "linear_1.weight",
        "linear_1.bias",
    }
    assert with_state(learner) == set(before) - FIRST


def test_a_frozen_net_is_trained_on_with_all_weights():
    learner = mlp(Freeze(select="linear_1"), warm_start=True).fit(X, y)
    before = tensors(learner)
    learner.set_params(callbacks=None).fit(X, y)
    assert changed(before, learner) == set(before)


@pytest.mark.parametrize("optimizer", ["adamw", SGD(momentum=0.9), torch.optim.Adam])
@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize(
    "freezing",
    [
        [Freeze(select="linear_1"), Unfreeze(select="linear_1", at_epoch=3)],
        [GradualUnfreeze(select=~select.layers(-1))],
    ],
    ids=["Unfreeze", "GradualUnfreeze"],
)
def test_a_resumed_training_is_the_straight_one_bit_for_bit(
    tmp_path, optimizer, epoch, freezing
):
    def make(folder):
        return mlp(
            *freezing,
            Checkpoint(folder=folder, keep=9),
            optimizer=optimizer,
            max_epochs=5,
        )

    straight = make(tmp_path / "a").fit(X, y)
    resumed = make(tmp_path / "b")
    resumed.fit(X, y, resume=tmp_path / "a" / f"checkpoint-{epoch:06d}.safetensors")
    a, b = tensors(straight), tensors(resumed)
    assert all(a[n].tobytes() == b[n].tobytes() for n in a)
    assert with_state(straight) == with_state(resumed) == set(a)


# Errors


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (
            [Freeze(select="conv")],
            r"glob\('conv'\) selects no parameter.*linear_1.w",
        ),
        ([Freeze()], "leaves nothing to train"),
        ([Freeze(select=3)], "The 'select' parameter of Freeze"),
        ([Unfreeze(select="conv")], "selects no parameter"),
        ([Unfreeze(at_epoch=0)], "The 'at_epoch' parameter of Unfreeze"),
    ],
)
def test_a_wrong_selection_is_an_error_that_helps(callbacks, message):
    with pytest.raises(ValueError, match=message):
        mlp(*callbacks).fit(X, y)


def test_weights_that_the_network_holds_fixed_are_not_unfrozen():
    class Fixed(NormClassifier):
        def build_module(self, spec):
            module = super().build_module(spec)
            module[0][0].weight.requires_grad_(False)
            return module

    with pytest.raises(ValueError, match=r"holds '0.0.weight' fixed"):
        Fixed(callbacks=[Unfreeze(at_epoch=2)], **SETTINGS).fit(X, y)


def test_what_the_network_holds_fixed_is_not_set_free():
    class Fixed(NormClassifier):
        def build_module(self, spec):
            module = super().build_module(spec)
            module[0][0].weight.requires_grad_(False)
            return module

    learner = Fixed(callbacks=[GradualUnfreeze(select="0")], **SETTINGS)
    before = start(learner)
    assert "0.0.weight" not in changed(before, learner)
    assert "0.0.bias" in changed(before, learner)


def test_freezing_half_the_weights_leaves_predictions_finite():
    learner = mlp(Freeze(select="*.bias"), max_epochs=2).fit(X, y)
    assert np.isfinite(learner.predict_proba(X)).all()
