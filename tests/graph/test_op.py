"""Ops, and torch modules as ops."""

import pickle

import pytest
import torch
from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GRU,
    Fn,
    Head,
    Layer,
    Linear,
    MultiheadAttention,
    Op,
    TensorSpec,
    as_op,
    size_of,
)
from torchlearners.graph._op import trace
from torchlearners.nn import random_numbers_from


class Scale(nn.Module):
    def __init__(self, n_features, start=1.0, *, power):
        super().__init__()
        self.factor = nn.Parameter(torch.full((n_features,), start))
        self.power = power

    def forward(self, x):
        return x * self.factor**self.power


ScaleOp = as_op(Scale, {"n_features": size_of(-1)}, name="ScaleOp")


def test_a_module_class_becomes_a_node_class():
    assert issubclass(ScaleOp, Layer)
    node = ScaleOp(2.0, power=2)
    assert repr(node >> Head()) == "ScaleOp(2.0, power=2) >> Head()"
    assert pickle.loads(pickle.dumps(node)).start == 2.0
    assert node.build((None, 3)).scale_op_1(torch.ones(1, 3)).tolist() == [[4, 4, 4]]


def test_what_the_input_does_not_decide_must_be_given():
    with pytest.raises(TypeError, match="ScaleOp needs a value for 'power'"):
        ScaleOp()
    with pytest.raises(TypeError, match="Did you mean 'power'"):
        ScaleOp(powre=2)


def test_arguments_that_nodes_have_themselves_are_refused():
    class Named(nn.Module):
        def __init__(self, name, check=True):
            super().__init__()

    with pytest.raises(ValueError, match=r"\['check', 'name'\].*leave_out="):
        as_op(Named)


def test_other_defaults_can_be_given():
    other = as_op(Scale, {"n_features": size_of(-1)}, defaults={"power": 3})
    assert other().power == 3


def test_sizes_are_read_from_any_input():
    specs = [TensorSpec((None, 3)), TensorSpec((None, 4, 5))]
    assert size_of(-1)(specs) == 3
    assert size_of(1, 1)(specs) == 4
    assert size_of(2)(specs) is None


@pytest.mark.parametrize("size", [1, 2, 10, 30, 80])
def test_strides_do_not_make_an_unknown_size_known(size):
    spec = TensorSpec((None, 3, None))
    (result,) = trace(lambda: nn.MaxPool1d(size), [spec])
    assert result.shape == (None, 3, None)
    (result,) = trace(lambda: nn.Conv1d(3, 2, 1, stride=2 * size), [spec])
    assert result.shape == (None, 2, None)


def test_what_does_not_depend_on_an_unknown_size_is_known():
    spec = TensorSpec((None, 3, None))
    (result,) = trace(lambda: nn.AdaptiveAvgPool1d(4), [spec])
    assert result.shape == (None, 3, 4)


def test_sizes_that_are_all_known_are_known_afterwards():
    (result,) = trace(nn.ReLU, [TensorSpec((5, 3))])
    assert result.shape == (5, 3)


def test_a_module_that_the_meta_device_cannot_run_is_run_on_zeros():
    class Looks(nn.Module):
        def forward(self, x):
            return x.new_zeros(len(x), 1 + int(x.sum().item()))

    (result,) = trace(Looks, [TensorSpec((None, 3))])
    assert result.shape == (None, 1)


def test_an_unknown_size_that_must_be_known_is_told():
    with pytest.raises(ArchitectureError, match="unknown sizes must be known"):
        trace(lambda: nn.Unflatten(1, (2, 3)), [TensorSpec((None, None))])


def test_a_prediction_allocates_no_weights():
    large = Linear(10**6) >> Linear(10**6) >> Head()
    assert large.shapes((None, 10**6)).n_parameters > 10**12


def test_an_op_without_module_says_so():
    class Empty(Op):
        """Nothing."""

    with pytest.raises(NotImplementedError, match=r"Empty does not define make_module"):
        Empty().make_module([], ())


def test_a_prediction_ignores_the_random_numbers_and_contexts_around_it():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    noisy = Fn(lambda x: x + torch.rand_like(x)) >> GRU(4) >> MultiheadAttention(2)
    with random_numbers_from(generator), torch.autocast("cpu"):
        table = noisy.shapes((None, 5, 3))
    assert torch.equal(generator.get_state(), before)
    assert {row["output"][0].dtype for row in table} == {torch.float32}
