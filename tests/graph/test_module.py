"""The module of a network that is no chain."""

import copy
import gc
import pickle
import weakref

import torch
from torch import nn

from torchlearners.graph import (
    LSTM,
    Concat,
    Fn,
    Graph,
    Head,
    Linear,
    Numeric,
    Pretrained,
    ReLU,
    Residual,
    Sum,
    Tap,
)

NETWORK = Residual(Linear(4) >> ReLU()) >> Head()


def test_children_are_called_like_the_nodes():
    module = NETWORK.build((None, 4))
    assert isinstance(module, Graph)
    assert [name for name, _ in module.named_children()] == [
        "linear_1", "relu_1", "residual_1", "head_1"
    ]  # fmt: skip
    assert list(module.state_dict())[-1] == "head_1.bias"


def test_copies_compute_the_same():
    module = NETWORK.build((None, 4))
    x = torch.rand(3, 4)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x), module(x))
    again = NETWORK.build((None, 4))
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(x), module(x))


def test_values_are_let_go_once_nothing_reads_them():
    alive = []

    def remember(x):
        gc.collect()
        alive.append(sum(ref() is not None for ref in refs))
        y = x + 1
        refs.append(weakref.ref(y))
        return y

    refs = []
    start = Numeric()
    chain = start >> Fn(remember) >> Fn(remember) >> Fn(remember) >> Fn(remember)
    module = ((chain | start) >> Sum() >> Head()).build((None, 3))
    alive.clear()
    refs.clear()
    with torch.no_grad():
        module(torch.rand(2, 3))
    assert alive == [0, 1, 1, 1]


def test_outputs_that_nobody_reads_are_let_go():
    network = LSTM(4)["hidden"] >> Fn(torch.flatten, {"start_dim": 1}) >> Head()
    module = network.build((None, 5, 2))
    assert module(torch.rand(3, 5, 2)).shape == (3, 1)
    assert module._n_slots < 8


def test_a_value_may_be_read_twice():
    twice = Linear(4) >> (Tap("a") | Tap("b")) >> Concat() >> Head()
    module = twice.build((None, 3))
    x = torch.rand(2, 3)
    h = module.linear_1(x)
    assert torch.equal(module(x), module.head_1(torch.cat([h, h], 1)))


class Pair(nn.Module):
    def forward(self, x):
        return [x, x + 1]


def test_lists_are_outputs_as_well_as_tuples():
    module = (Pretrained(Pair()) >> Linear(2)).build((None, 3))
    assert module(torch.ones(1, 3)).shape == (1, 2)


def test_gradients_reach_all_weights():
    module = NETWORK.build((None, 4))
    module(torch.rand(3, 4)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
