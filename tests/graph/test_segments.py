"""Repetitions, bridges and choices."""

import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    Choice,
    Concat,
    Dropout,
    Head,
    Linear,
    Numeric,
    ReLU,
    Repeat,
    Residual,
    Sum,
)
from torchlearners.nn import random_numbers_from


def test_repetitions_have_weights_of_their_own():
    network = (Linear(4) * 3).build((None, 4))
    assert list(network.state_dict()) == [
        f"linear_1__{i}.{part}" for i in (1, 2, 3) for part in ("weight", "bias")
    ]
    assert not torch.equal(network[0].weight, network[1].weight)


def test_no_repetition_leaves_the_segment_out():
    assert (Linear(4) >> ReLU() * 0 >> Head()).shapes((None, 2)).steps == [
        "linear_1", "head_1"
    ]  # fmt: skip
    alone = Repeat(Linear(4), 0).build((None, 2))
    assert alone(torch.ones(1, 2)).tolist() == [[1, 1]]


def test_repetitions_can_be_nested():
    network = ((Linear(4) >> ReLU()) * 2 >> Linear(3)) * 2 >> Head()
    assert network.shapes((None, 4)).steps == [
        "linear_1__1__1", "relu_1__1__1", "linear_1__1__2", "relu_1__1__2",
        "linear_2__1",
        "linear_1__2__1", "relu_1__2__1", "linear_1__2__2", "relu_1__2__2",
        "linear_2__2",
        "head_1",
    ]  # fmt: skip


def test_repetitions_vary_by_their_number():
    network = Repeat(Linear(8), 3, vary=lambda i: {"out_features": 8 - i}) >> Head()
    table = network.shapes((None, 2))
    assert [row["output"][0].shape[1] for row in table] == [8, 7, 6, 1]
    assert repr(network.segment if hasattr(network, "segment") else network.steps[0])


def test_varied_repetitions_can_be_nested():
    inner = Repeat(Linear(8), 2, vary=lambda i: {"out_features": 10 + i})
    network = Repeat(inner >> ReLU(), 2, vary=lambda i: {"repeat_1__n": 2 - i})
    table = network.shapes((None, 2))
    assert table.steps == [
        "linear_1__1__1", "linear_1__1__2", "relu_1__1", "linear_1__2__1", "relu_1__2"
    ]  # fmt: skip


@pytest.mark.parametrize("other", [GELU(), GELU() >> Dropout(), Residual(Linear(4))])
def test_a_varied_repetition_may_replace_nodes(other):
    network = Repeat(
        Linear(4) >> ReLU(), 2, vary=lambda i: {"relu_1": other} if i else {}
    )
    table = (network >> Head()).shapes((None, 4))
    assert table.steps[:3] == ["linear_1__1", "relu_1__1", "linear_1__2"]
    assert "relu_1__2" not in table.steps


@pytest.mark.parametrize(("n", "words"), [(-1, "n"), (2.5, "n"), ("3", "n")])
def test_a_number_of_repetitions_that_is_none_is_refused(n, words):
    with pytest.raises(ValueError, match=f"'{words}' parameter of Repeat"):
        (Linear(3) * n).build((None, 2))


def test_what_vary_returns_must_be_parameters_of_the_segment():
    network = Repeat(Linear(3) >> ReLU(), 2, vary=lambda i: {"linear_2__bias": False})
    with pytest.raises(ValueError, match="Did you mean 'linear_1__bias'"):
        network.build((None, 2))


def test_a_bridge_adds_its_input():
    block = Residual(Linear(3)).build((None, 3))
    x = torch.rand(2, 3)
    assert torch.equal(block(x), x + block.linear_1(x))


def test_a_shortcut_fits_the_input():
    block = Residual(Linear(5) >> ReLU(), Linear(5)).build((None, 3))
    x = torch.rand(2, 3)
    expected = block.linear_2(x) + block.relu_1(block.linear_1(x))
    assert torch.equal(block(x), expected)


def test_a_bridge_needs_the_shape_it_takes():
    with pytest.raises(ArchitectureError, match=r"feature=3.*feature=5.*shortcut="):
        Residual(Linear(5)).build((None, 3))
    with pytest.raises(ArchitectureError, match="it has 1 and 2"):
        Residual(Linear(3) | Linear(3)).build((None, 3))


def test_a_bridge_needs_an_input_in_a_network_of_ingress_nodes():
    network = (Numeric() | Residual(Linear(3))) >> Concat() >> Head()
    with pytest.raises(ArchitectureError, match=r"residual_1.*has no input"):
        network.build((None, 3))


@pytest.mark.parametrize(("active", "step"), [(None, "relu_1"), ("b", "gelu_1")])
def test_one_of_several_is_chosen(active, step):
    choice = Choice({"a": ReLU(), "b": GELU()}, active)
    assert (Linear(3) >> choice).shapes((None, 2)).steps == ["linear_1", step]


def test_an_unknown_choice_is_refused():
    choice = Choice({"relu": ReLU(), "gelu": GELU()}, "gelo")
    with pytest.raises(ArchitectureError, match=r"Did you mean 'gelu'.*segments are"):
        (Linear(3) >> choice).build((None, 2))


def test_choices_may_begin_with_ingress_nodes_that_are_computed_once():
    start = Choice({"a": Numeric() >> Linear(3), "b": Numeric()})
    network = (start >> Linear(2) >> ReLU() | start >> Linear(2)) >> Sum() >> Head()
    steps = network.shapes((None, 2)).steps
    assert steps.count("linear_1") == 1
    assert "linear_1__2" not in steps


def test_one_seed_gives_one_network():
    network = Residual(Linear(4) * 2) >> Head()
    builds = []
    for _ in range(2):
        with random_numbers_from(torch.Generator().manual_seed(1)):
            builds.append(network.build((None, 4)).state_dict())
    assert all(torch.equal(v, builds[1][k]) for k, v in builds[0].items())
