import copy
import pickle

import pytest
import torch
from torch import nn

from torchlearners.nn import Dropout


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def dropout(p, seed=0):
    layer = Dropout(p)
    layer.generator = seeded(seed)
    return layer


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_values_are_zero_or_rescaled(p):
    x = torch.linspace(1, 2, 1000)
    out = dropout(p)(x)
    kept = out != 0
    torch.testing.assert_close(out[kept], x[kept] / (1 - p), rtol=1e-6, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_p_and_the_mean_is_kept(p):
    n = 100_000
    out = dropout(p)(torch.ones(n))
    spread = (p * (1 - p) / n) ** 0.5
    share = (out == 0).double().mean().item()
    assert abs(share - p) < 4 * spread
    assert abs(out.double().mean().item() - 1) < 4 * spread / (1 - p)


def test_each_call_draws_a_new_mask():
    layer = dropout(0.5)
    x = torch.ones(100)
    assert not torch.equal(layer(x), layer(x))


def test_the_mask_comes_from_the_generator():
    x = torch.ones(100)
    assert torch.equal(dropout(0.5, seed=1)(x), dropout(0.5, seed=1)(x))
    assert not torch.equal(dropout(0.5, seed=1)(x), dropout(0.5, seed=2)(x))


def test_the_global_random_state_is_neither_read_nor_written():
    layer = dropout(0.5)
    x = torch.ones(100)
    before = torch.get_rng_state()
    first = layer(x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(dropout(0.5)(x), first)
    torch.set_rng_state(before)


def test_gradients_pass_where_values_pass():
    x = torch.ones(100, requires_grad=True)
    out = dropout(0.5)(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_evaluation_returns_its_input():
    layer = dropout(0.5).eval()
    x = torch.randn(5, generator=seeded())
    assert layer(x) is x


def test_no_dropout_returns_its_input_and_draws_nothing():
    layer = dropout(0.0)
    before = layer.generator.get_state()
    x = torch.ones(5)
    assert layer(x) is x
    assert torch.equal(layer.generator.get_state(), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_shape_and_dtype_are_kept(dtype):
    out = dropout(0.5)(torch.ones(2, 3, 4, dtype=dtype))
    assert out.shape == (2, 3, 4)
    assert out.dtype == dtype


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_a_rate_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\), got"):
        Dropout(p)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["deepcopy", "copy", "pickle"],
)
def test_a_copy_has_the_rate_but_not_the_generator(duplicate):
    module = nn.Sequential(dropout(0.25).eval())
    layer = duplicate(module[0])
    assert layer.p == 0.25
    assert not layer.training
    assert layer.generator is None
    assert module[0].generator is not None


def test_the_repr_shows_the_rate():
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"
