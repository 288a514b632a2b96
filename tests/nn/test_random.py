import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import distributions, nn
from torch.nn import functional as F

from torchlearners.nn import (
    Dropout,
    bind_generator,
    draws_unbound_numbers,
    random_numbers_from,
)

X = torch.linspace(-2, 2, 4 * 3 * 8).reshape(4, 3, 8)
NEGATIVE = -X.abs() - 1
IMAGES = torch.linspace(-2, 2, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)
VOLUMES = torch.linspace(-2, 2, 2 * 3 * 8 * 8 * 8).reshape(2, 3, 8, 8, 8)

# Built once: their weights do not matter, their randomness in forward does.
LSTM = nn.LSTM(8, 8, num_layers=2, dropout=0.5)
GRU = nn.GRU(8, 8, num_layers=2, dropout=0.5)
RNN = nn.RNN(8, 8, num_layers=2, dropout=0.5)
ATTENTION = nn.MultiheadAttention(8, 2, dropout=0.5)
ENCODER = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)
TRANSFORMER = nn.Transformer(8, 2, 1, 1, 16, dropout=0.5, batch_first=True)

DRAWS = {
    # initial weights
    "Linear": lambda: nn.Linear(3, 3).weight,
    "Linear bias": lambda: nn.Linear(3, 3).bias,
    "Embedding": lambda: nn.Embedding(3, 3).weight,
    "Conv1d": lambda: nn.Conv1d(3, 3, 3).weight,
    "Conv2d": lambda: nn.Conv2d(3, 3, 3).weight,
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 3, 3).weight,
    "LSTM weights": lambda: nn.LSTM(3, 3).weight_ih_l0,
    "GRUCell": lambda: nn.GRUCell(3, 3).weight_hh,
    "Bilinear": lambda: nn.Bilinear(3, 3, 3).weight,
    "MultiheadAttention weights": lambda: nn.MultiheadAttention(8, 2).in_proj_weight,
    "TransformerEncoderLayer weights": lambda: (
        nn.TransformerEncoderLayer(8, 2, 16).linear1.weight
    ),
    "orthogonal_": lambda: nn.init.orthogonal_(torch.empty(4, 4)),
    "trunc_normal_": lambda: nn.init.trunc_normal_(torch.empty(9)),
    "kaiming_normal_": lambda: nn.init.kaiming_normal_(torch.empty(3, 3)),
    "xavier_uniform_": lambda: nn.init.xavier_uniform_(torch.empty(3, 3)),
    "sparse_": lambda: nn.init.sparse_(torch.empty(9, 9), 0.5),
    # layers
    "Dropout": lambda: nn.Dropout()(X),
    "Dropout in place": lambda: nn.Dropout(inplace=True)(X.clone()),
    "Dropout1d": lambda: nn.Dropout1d()(X),
    "Dropout2d": lambda: nn.Dropout2d()(IMAGES),
    "Dropout3d": lambda: nn.Dropout3d()(VOLUMES),
    "AlphaDropout": lambda: nn.AlphaDropout()(X),
    "FeatureAlphaDropout": lambda: nn.FeatureAlphaDropout()(X),
    "our Dropout without generator": lambda: Dropout()(X),
    "RReLU": lambda: nn.RReLU()(NEGATIVE),
    "RReLU in place": lambda: nn.RReLU(inplace=True)(NEGATIVE.clone()),
    "LSTM": lambda: LSTM(X)[0],
    "GRU": lambda: GRU(X)[0],
    "RNN": lambda: RNN(X)[0],
    "MultiheadAttention": lambda: ATTENTION(X, X, X)[0],
    "MultiheadAttention without weights": lambda: ATTENTION(
        X, X, X, need_weights=False
    )[0],
    "TransformerEncoderLayer": lambda: ENCODER(X),
    "Transformer": lambda: TRANSFORMER(X, X),
    "FractionalMaxPool2d": lambda: nn.FractionalMaxPool2d(2, output_size=5)(IMAGES),
    "FractionalMaxPool3d": lambda: nn.FractionalMaxPool3d(2, output_size=5)(VOLUMES),
    # functions
    "F.dropout": lambda: F.dropout(X, 0.5),
    "F.alpha_dropout": lambda: F.alpha_dropout(X, 0.5, training=True),
    "F.feature_alpha_dropout": lambda: F.feature_alpha_dropout(X, 0.5, training=True),
    "F.gumbel_softmax": lambda: F.gumbel_softmax(X),
    "F.rrelu": lambda: F.rrelu(NEGATIVE, training=True),
    "F.scaled_dot_product_attention": lambda: F.scaled_dot_product_attention(
        X, X, X, dropout_p=0.5
    ),
    "torch.dropout": lambda: torch.dropout(X, 0.5, True),
    "torch.native_dropout": lambda: torch.native_dropout(X, 0.5, True)[0],
    "torch.feature_dropout": lambda: torch.feature_dropout(IMAGES, 0.5, True),
    "torch.feature_dropout_": lambda: torch.feature_dropout_(IMAGES.clone(), 0.5, True),
    "torch.feature_alpha_dropout_": lambda: torch.feature_alpha_dropout_(
        IMAGES.clone(), 0.5, True
    ),
    "torch.rand": lambda: torch.rand(9),
    "torch.randn": lambda: torch.randn(9),
    "torch.randint": lambda: torch.randint(1000, (9,)),
    "torch.randperm": lambda: torch.randperm(50),
    "torch.rand_like": lambda: torch.rand_like(X),
    "torch.randn_like": lambda: torch.randn_like(X),
    "torch.randint_like": lambda: torch.randint_like(X, 1000),
    "torch.normal": lambda: torch.normal(torch.zeros(9), torch.ones(9)),
    "torch.bernoulli": lambda: torch.bernoulli(torch.full((99,), 0.5)),
    "torch.binomial": lambda: torch.binomial(
        torch.full((50,), 100.0), torch.full((50,), 0.5)
    ),
    "torch.multinomial": lambda: torch.multinomial(torch.ones(50), 9),
    "torch.poisson": lambda: torch.poisson(torch.full((50,), 9.0)),
    "Tensor.normal_": lambda: X.new_empty(9).normal_(),
    "Tensor.uniform_": lambda: X.new_empty(9).uniform_(),
    "Tensor.random_": lambda: X.new_empty(9).random_(1000),
    "Tensor.exponential_": lambda: X.new_empty(9).exponential_(),
    # distributions
    "Normal": lambda: distributions.Normal(torch.zeros(9), 1.0).sample(),
    "Categorical": lambda: distributions.Categorical(torch.ones(50)).sample((9,)),
    "Gamma": lambda: distributions.Gamma(torch.ones(9), 1.0).sample(),
    "Beta": lambda: distributions.Beta(torch.ones(9), 1.0).sample(),
    "Dirichlet": lambda: distributions.Dirichlet(torch.ones(9)).sample(),
}
EACH_DRAW = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def drawn(draw, seed):
    with random_numbers_from(torch.Generator().manual_seed(seed)):
        return draw().detach()


@EACH_DRAW
def test_the_same_seed_gives_the_same_numbers(draw):
    assert torch.equal(drawn(draw, seed=1), drawn(draw, seed=1))


@EACH_DRAW
def test_another_seed_gives_other_numbers(draw):
    assert not torch.equal(drawn(draw, seed=1), drawn(draw, seed=2))


@EACH_DRAW
def test_the_second_draw_differs_from_the_first(draw):
    with random_numbers_from(torch.Generator().manual_seed(1)):
        assert not torch.equal(draw(), draw())


@EACH_DRAW
def test_the_global_random_state_is_not_touched(draw):
    before = torch.get_rng_state()
    drawn(draw, seed=1)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    assert torch.equal(after, before)


@EACH_DRAW
def test_the_global_random_state_does_not_matter(draw):
    before = torch.get_rng_state()
    first = drawn(draw, seed=1)
    torch.manual_seed(77)
    second = drawn(draw, seed=1)
    torch.set_rng_state(before)
    assert torch.equal(first, second)


def test_numbers_are_those_the_generator_gives():
    with random_numbers_from(torch.Generator().manual_seed(5)):
        drawn = torch.rand(3), torch.rand_like(torch.empty(3)), torch.randn(3)
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(drawn[0], torch.rand(3, generator=generator))
    assert torch.equal(drawn[1], torch.rand(3, generator=generator))
    assert torch.equal(drawn[2], torch.randn(3, generator=generator))


def test_an_explicit_generator_stays_in_charge():
    mine = torch.Generator().manual_seed(3)
    ours = torch.Generator().manual_seed(4)
    before = ours.get_state()
    with random_numbers_from(ours):
        numbers = torch.rand(3, generator=mine)
    assert torch.equal(numbers, torch.rand(3, generator=mine.manual_seed(3)))
    assert torch.equal(ours.get_state(), before)


def test_the_innermost_context_wins():
    with (
        random_numbers_from(torch.Generator().manual_seed(1)),
        random_numbers_from(torch.Generator().manual_seed(2)),
    ):
        inner = torch.rand(3)
    assert torch.equal(inner, drawn(lambda: torch.rand(3), seed=2))


def test_the_context_can_be_switched_off():
    generator = torch.Generator().manual_seed(1)
    before, given = torch.get_rng_state(), generator.get_state()
    with random_numbers_from(generator, when=False):
        torch.rand(3)
    written = not torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(before)
    assert written
    assert torch.equal(generator.get_state(), given)


def test_an_error_gives_the_global_random_state_back():
    before = torch.get_rng_state()
    with (
        random_numbers_from(torch.Generator().manual_seed(1)),
        pytest.raises(ValueError, match="dropout probability"),
    ):
        F.dropout(X, 7.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_intercepted_after_the_context():
    before = torch.get_rng_state()
    drawn(lambda: torch.rand(3), seed=1)
    a = torch.rand(3)
    torch.set_rng_state(before)
    assert torch.equal(a, torch.rand(3))
    torch.set_rng_state(before)


def test_eight_threads_do_not_disturb_each_other():
    # One weight-free step of each kind: passed generators and borrowed state.
    def work(seed):
        with random_numbers_from(torch.Generator().manual_seed(seed)):
            return torch.stack(
                [F.dropout(X + torch.randn_like(X) * torch.rand(1)) for _ in range(40)]
            )

    alone = [work(seed) for seed in range(8)]
    ready = threading.Barrier(8)

    def at_once(seed):
        ready.wait()
        return work(seed)

    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(at_once, range(8)))
    assert [torch.equal(a, b) for a, b in zip(alone, together, strict=True)] == (
        [True] * 8
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_the_context_holds_for_its_own_thread_only():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    state = torch.get_rng_state()
    with random_numbers_from(generator), ThreadPoolExecutor(1) as pool:
        pool.submit(torch.rand, 3).result()
    torch.set_rng_state(state)
    assert torch.equal(generator.get_state(), before)


# bind_generator


def test_every_dropout_of_ours_is_bound():
    inner = Dropout(0.1)
    module = nn.Sequential(Dropout(0.2), nn.Sequential(nn.Linear(2, 2), inner))
    generator = torch.Generator()
    bind_generator(module, generator)
    assert module[0].generator is generator
    assert inner.generator is generator
    assert not hasattr(module[1][0], "generator")


# One context in another


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_inner_of_two_contexts_answers_and_the_outer_one_is_left_alone(draw):
    inner, outer = (torch.Generator().manual_seed(seed) for seed in (1, 2))
    before = outer.get_state()
    with random_numbers_from(outer), random_numbers_from(inner):
        nested = draw()
    with random_numbers_from(torch.Generator().manual_seed(1)):
        alone = draw()
    assert torch.equal(outer.get_state(), before)
    assert torch.equal(torch.as_tensor(nested), torch.as_tensor(alone))


# draws_unbound_numbers


class Foreign(nn.Module):
    pass


@pytest.mark.parametrize(
    ("module", "unbound"),
    [
        (nn.Linear(2, 2), False),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2)), False),
        (nn.Conv2d(1, 1, 1), False),
        (nn.LSTM(2, 2), False),
        (nn.MultiheadAttention(2, 1), False),
        (Dropout(0.1), False),
        (nn.Sequential(nn.Linear(2, 2), Dropout(0.1)), False),
        (nn.Dropout(0.1), True),
        (nn.Dropout2d(0.1), True),
        (nn.AlphaDropout(0.1), True),
        (nn.FeatureAlphaDropout(0.1), True),
        (nn.RReLU(), True),
        (nn.FractionalMaxPool2d(2, output_size=2), True),
        (nn.FractionalMaxPool3d(2, output_size=2), True),
        (nn.LSTM(2, 2, num_layers=2, dropout=0.1), True),
        (nn.GRU(2, 2, num_layers=2, dropout=0.1), True),
        (nn.MultiheadAttention(2, 1, dropout=0.1), True),
        (nn.TransformerEncoderLayer(2, 1, 2), True),
        (Foreign(), True),
        (nn.Sequential(nn.Linear(2, 2), nn.Sequential(Foreign())), True),
        (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.1))), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_module_that_may_ask_the_global_state_is_recognized(module, unbound):
    assert draws_unbound_numbers(module) is unbound


@pytest.mark.timeout(20)
def test_in_contexts_inside_each_other_the_inner_generator_answers_alone():
    outer, inner = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    before = outer.get_state()
    ones = torch.ones(50)
    with random_numbers_from(outer), random_numbers_from(inner):
        nested = torch.nn.functional.dropout(ones)
    with random_numbers_from(torch.Generator().manual_seed(2)):
        assert torch.equal(torch.nn.functional.dropout(ones), nested)
    assert torch.equal(outer.get_state(), before)
