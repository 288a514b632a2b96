import numpy as np
import pytest
import torch
from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import FTTransformerBlock, bind_generator, random_numbers_from


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


@pytest.fixture
def x():
    return torch.randn(5, 6, 12, generator=torch.Generator().manual_seed(1))


def block(*args, **kwargs):
    """Return a block in which no parameter has a special value, in double precision."""
    module = FTTransformerBlock(*args, **kwargs).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def norm(x, layer):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return scaled * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def linear(x, layer):
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def by_definition(module, x):
    """Return the attention weights and the output, in numpy."""
    n_asking = 1 if module.query == "first" else x.shape[1]
    normed = x if module.before_attention is None else norm(x, module.before_attention)
    d_head = module.d_token // module.n_heads
    heads = (x.shape[0], -1, module.n_heads, d_head)
    q = linear(normed[:, :n_asking], module.queries).reshape(heads)
    k, v = np.split(linear(normed, module.keys_values), 2, -1)
    scores = np.einsum("bqhd,bkhd->bhqk", q, k.reshape(heads)) / np.sqrt(d_head)
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    seen = np.einsum("bhqk,bkhd->bqhd", weights, v.reshape(heads))
    seen = seen.reshape(x.shape[0], n_asking, -1)
    x = x[:, :n_asking] + linear(seen, module.joined_heads)
    hidden = linear(norm(x, module.ffn[0]), module.ffn[1])
    if module.activation == "reglu":
        values, gates = np.split(hidden, 2, -1)
        hidden = values * np.maximum(gates, 0)
    else:
        hidden = np.maximum(hidden, 0)
    return weights, x + linear(hidden, module.ffn[4])


@pytest.mark.parametrize("query", ["all", "first"])
@pytest.mark.parametrize("attention_norm", [True, False])
@pytest.mark.parametrize("activation", ["reglu", "relu"])
@pytest.mark.parametrize("n_heads", [1, 3])
def test_the_block_is_what_the_paper_says(
    x, query, attention_norm, activation, n_heads
):
    module = block(
        12, n_heads, activation=activation, attention_norm=attention_norm, query=query
    ).eval()
    weights, out = by_definition(module, x.double().numpy())
    np.testing.assert_allclose(module(x.double()).detach(), out, atol=1e-9)
    shown = module.attention_map(x.double()).detach()
    np.testing.assert_allclose(shown, weights, atol=1e-9)
    assert shown.shape == (5, n_heads, out.shape[1], 6)


def test_training_without_dropout_is_evaluation(x):
    module = FTTransformerBlock(12, 3, 0.0, ffn_dropout=0.0)
    assert torch.equal(module(x), module.eval()(x))


def test_both_ways_to_attend_agree(x):
    module = block(12, 3, attention_dropout=1e-12, ffn_dropout=0.0)
    bind_generator(module, torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x.double()), module.eval()(x.double()))


def test_first_is_the_first_token_of_all(x):
    every, first = FTTransformerBlock(12, 3), FTTransformerBlock(12, 3, query="first")
    first.load_state_dict(every.state_dict())
    torch.testing.assert_close(first.eval()(x), every.eval()(x)[:, :1])


@pytest.mark.parametrize(
    "which", ["attention_dropout", "ffn_dropout", "residual_dropout"]
)
def test_every_dropout_draws_while_training_only(x, which):
    rates = {"attention_dropout": 0.0, "ffn_dropout": 0.0, "residual_dropout": 0.0}
    module = FTTransformerBlock(12, 3, **rates | {which: 0.5})
    generator = torch.Generator().manual_seed(0)
    bind_generator(module, generator)
    assert not torch.equal(module(x), module(x))
    state = generator.get_state()
    module.eval()
    assert torch.equal(module(x), module(x))
    assert torch.equal(generator.get_state(), state)


def test_attention_dropout_zeroes_weights_and_rescales_the_rest(x):
    module = block(12, 1, attention_dropout=0.25)
    bind_generator(module, torch.Generator().manual_seed(0))
    seen = []
    module.drop_weights.register_forward_hook(lambda m, args, out: seen.append(out))
    module(x.double())
    (dropped,) = seen
    kept = dropped != 0
    whole = module.attention_map(x.double())
    torch.testing.assert_close(dropped[kept], whole[kept] / 0.75)
    assert 0.1 < 1 - kept.double().mean() < 0.4


def test_tokens_may_stand_in_any_order(x):
    module, order = FTTransformerBlock(12, 3).eval(), torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


@pytest.mark.parametrize("activation", ["reglu", "geglu", "swiglu", "relu", "gelu"])
def test_every_activation_keeps_the_shape(x, activation):
    assert FTTransformerBlock(12, 3, activation=activation).eval()(x).shape == x.shape


@pytest.mark.parametrize(
    ("d_token", "multiplier", "hidden"),
    [(192, 4 / 3, 256), (96, 4 / 3, 128), (8, 4 / 3, 10), (8, 0.01, 1), (8, 4, 32)],
)
def test_hidden_units_are_the_multiple_rounded_down(d_token, multiplier, hidden):
    module = FTTransformerBlock(d_token, ffn_d_hidden_multiplier=multiplier)
    assert module.ffn[4].in_features == hidden
    assert module.ffn[1].out_features == 2 * hidden


def test_biases_of_the_attention_start_at_zero():
    module = FTTransformerBlock(16)
    for layer in (module.queries, module.keys_values, module.joined_heads):
        assert not layer.bias.any()


@pytest.mark.parametrize("shape", [(5, 12), (5, 6, 13)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ArchitectureError, match=r"of shape \(batch, tokens, 12\)"):
        FTTransformerBlock(12, 3)(torch.zeros(shape))
