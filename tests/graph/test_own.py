"""Nodes that are no layers of torch."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from torchlearners.graph import (
    Attend,
    Concat,
    Entmax15,
    Fn,
    GhostBatchNorm1d,
    Head,
    Linear,
    Permute,
    Pretrained,
    Product,
    Select,
    Sparsemax,
    Squeeze,
    Stack,
    Sum,
    TabNetEncoder,
    Tap,
    TensorSpec,
    Unsqueeze,
)

SPEC = TensorSpec((None, 4, 6), ("batch", "token", "feature"))


def test_a_pretrained_module_is_copied_for_each_network():
    module = nn.Linear(4, 2)
    node = Pretrained(module)
    one, two = node.build((None, 4)), node.build((None, 4))
    with torch.no_grad():
        one.pretrained_1.weight.zero_()
    assert torch.equal(two.pretrained_1.weight, module.weight)
    assert module.weight.abs().sum() > 0


def test_a_frozen_module_stays_as_it_is():
    module = nn.Linear(4, 2)
    network = (Pretrained(module, freeze=True) >> Head()).build((None, 4))
    frozen = [p.requires_grad for p in network.parameters()]
    assert frozen == [False, False, True, True]
    assert all(p.requires_grad for p in module.parameters())


def test_a_pretrained_module_is_looked_at_without_running_it():
    class Deaf(nn.Linear):
        def forward(self, x):
            seen.append(x.device.type)
            return super().forward(x)

    seen = []
    module = Deaf(4, 2)
    (Pretrained(module) >> Head()).shapes((None, 4))
    assert set(seen) == {"meta"}
    assert module.weight.device.type == "cpu"


def test_a_function_becomes_a_step():
    network = Fn(torch.clamp, {"max": 0.5}) >> Linear(2)
    x = torch.tensor([[0.2, 0.9]])
    built = network.build((None, 2))
    assert built.fn_1(x).tolist() == [pytest.approx([0.2, 0.5])]
    assert pickle.loads(pickle.dumps(network)).get_params()["fn_1__kwargs"] == {
        "max": 0.5
    }


def test_a_function_of_several_inputs_merges():
    network = (Linear(2) | Linear(2)) >> Fn(torch.maximum) >> Head()
    assert network.build((None, 3))(torch.rand(4, 3)).shape == (4, 1)


def test_a_head_has_as_many_outputs_as_it_is_told():
    head = Head(bias=False)
    assert head.for_task(3).make_module([TensorSpec((None, 2))], ()).out_features == 3
    assert head.n_outputs == 1


def test_a_tap_is_named_by_position():
    assert repr(Tap("code")) == "Tap('code')"
    assert (Tap("code") >> Head()).shapes((None, 2)).steps == ["code", "head_1"]


@pytest.mark.parametrize(
    ("merge", "values"),
    [
        (Sum(), [4.0, 6.0]),
        (Product(), [3.0, 8.0]),
        (Concat(), [1.0, 2.0, 3.0, 4.0]),
        (Stack(), [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
def test_branches_are_merged(merge, values):
    one, two = Fn(_first), Fn(_second)
    built = ((one | two) >> merge).build((None, 4))
    assert built(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [values]


def _first(x):
    return x[:, :2]


def _second(x):
    return x[:, 2:]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Permute((0, 2, 1)), "(batch, feature=6, token=4)"),
        (Permute((0, -1, -2)), "(batch, feature=6, token=4)"),
        (Unsqueeze(1), "(batch, 1, token=4, feature=6)"),
        (Unsqueeze(-1), "(batch, token=4, feature=6, 1)"),
        (Select(1, 0), "(batch, feature=6)"),
        (Select(-1, 0), "(batch, token=4)"),
        (Unsqueeze(2) >> Squeeze(2), "(batch, token=4, feature=6)"),
        ((Linear(6) | Linear(6)) >> Attend(), "(batch, token=4, feature=6)"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_names_move_with_their_dimensions(node, text):
    assert str(node.shapes(SPEC)[-1]["output"][0]) == text


def test_selected_outputs_agree_with_numpy():
    x = np.arange(24.0, dtype=np.float32).reshape(1, 4, 6)
    built = Select(1, -1).build((None, 4, 6))
    assert np.array_equal(built(torch.from_numpy(x)).numpy(), x[:, -1])


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (TabNetEncoder(n_d=5), "(batch, feature=5)"),
        (GhostBatchNorm1d(), "(batch, feature=6)"),
        (Sparsemax(), "(batch, feature=6)"),
        (Entmax15(1), "(batch, feature=6)"),
    ],
    ids=repr,
)
def test_parts_of_tabnet_know_their_output_without_a_run(node, text, monkeypatch):
    monkeypatch.setattr("torchlearners.graph._op.trace", None)
    assert str(node.shapes((None, 6))[-1]["output"][0]) == text


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (TabNetEncoder(group_sizes=[1, 2]), "must sum to in_features=6"),
        (GhostBatchNorm1d(momentum=2.0), "momentum must be"),
        (Sparsemax(0), "other than 0, which is the batch"),
        (Sparsemax(2), "takes a tensor with that dimension"),
    ],
    ids=repr,
)
def test_parts_of_tabnet_that_do_not_fit_are_refused(node, sentence):
    with pytest.raises(ValueError, match=sentence):
        (node >> Head()).build((None, 6))
