"""From an expression to steps, with errors before any training."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

from torchlearners.data import DataSpec
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    LSTM,
    BatchNorm1d,
    Categorical,
    Columns,
    Concat,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    Fn,
    Graph,
    Head,
    Image,
    LayerNorm,
    Linear,
    MaxPool2d,
    MaxUnpool2d,
    MultiheadAttention,
    Numeric,
    Pretrained,
    ReLU,
    Residual,
    Select,
    Softmax,
    Stack,
    Sum,
    Tap,
    Tensor,
    TensorSpec,
)
from torchlearners.graph._joins import Parallel
from torchlearners.nn import random_numbers_from

TOKENS = (None, 5, 8)
IMAGES = (None, 3, 8, 8)

START = Tensor((5, 8))
STARTED = START >> ReLU()

WRONG = [
    ((Linear(3) | Linear(4)) >> Sum(), (None, 2), ["sum_1", "their shapes differ"]),
    ((Linear(3) | Linear(4)) >> Head(), (None, 2), ["it gets 2 inputs", "Merge them"]),
    (Linear(3) | Linear(4), (None, 2), ["2 branches: linear_1", "Concat()"]),
    (Head() >> Head(), (None, 2), ["head_2 comes after head_1", "one Head"]),
    (Head() >> ReLU() >> Head(), (None, 2), ["head_2 comes after head_1"]),
    (
        (Linear(3) | Flatten()) >> Concat(1),
        (None, 2, 2),
        ["different numbers of dimensions"],
    ),
    (
        (Linear(3) | Linear(4)) >> Concat(1),
        TOKENS,
        ["differ only in dimension 1"],
    ),
    (Categorical() >> Linear(3), DataSpec(0, 1, (3,)), ["linear_1", "float numbers"]),
    (Categorical() >> Head(), DataSpec(0, 1, (3,)), ["head_1", "float numbers"]),
    (Head(), IMAGES, ["head_1", "put Flatten()"]),
    (Flatten() >> Head(), (None, 3, None, 8), ["features must be known"]),
    (Linear(3), (None, 5, None), ["in_features", "unknown"]),
    (LayerNorm(), (None, 5, None), ["must be known"]),
    (LayerNorm(3), TOKENS, ["between 1 and 2"]),
    (Conv2d(4, 9), IMAGES, ["conv2d_1", "Kernel size can't be greater"]),
    (Conv2d(4, 3), TOKENS, ["takes an input of 4 dimensions"]),
    (Conv2d(4, 3, groups=2), IMAGES, ["divisible by groups"]),
    (BatchNorm1d(), IMAGES, ["2 or 3 dimensions"]),
    (Linear(0), (None, 2), ["out_features=0", "positive int"]),
    (Linear(2.5), (None, 2), ["out_features=2.5"]),
    (GELU("wrong"), (None, 2), ["gelu_1", "approximate"]),
    (Dropout(3), (None, 2), ["dropout_1", "p must be"]),
    (Parallel([]) >> Concat(), (None, 2), ["no branch"]),
    (Parallel([]), (None, 2), ["no branch"]),
    (LSTM(3)["cel"], TOKENS, ["LSTM has no output 'cel'"]),
    (Residual(Linear(8))["output"], TOKENS, ["only single ops have"]),
    (MultiheadAttention(3), TOKENS, ["embed_dim must be divisible"]),
    (MultiheadAttention(2)(kye=Linear(8)), TOKENS, ["no input 'kye'"]),
    (MultiheadAttention(2)(key=Linear(8)), TOKENS, ["no input 'query'"]),
    (
        MultiheadAttention(2)(Linear(8), query=Linear(8)),
        TOKENS,
        ["two values for 'query'"],
    ),
    (
        MultiheadAttention(2)(query=Linear(8) | Linear(8)),
        TOKENS,
        ["takes one value for 'query'; it gets 2"],
    ),
    ((Linear(3) >> ReLU())(query=Linear(3)), TOKENS, ["no inputs by name"]),
    (MaxUnpool2d(2), IMAGES, ["takes input, indices; it gets 1"]),
    (Linear(3)(), (None, 2), ["takes input; it gets 0 inputs"]),
    (
        Linear(4) >> MultiheadAttention(2)(query=Tensor((5, 8))),
        TOKENS,
        ["has no input"],
    ),
    (
        (STARTED | START >> Linear(8) >> Sum()(STARTED)) >> Sum(),
        TOKENS,
        ["Nothing takes what linear_1"],
    ),
    (Fn(torch.sum), (None, 2), ["first dimension must stay the batch"]),
    (Fn(torch.flatten), (None, 2), ["first dimension must stay the batch"]),
    (Fn(lambda x: [1]), (None, 2), ["returns a list of int"]),
    (Fn(lambda x: x.nonsense), (None, 2), ["fn_1", "nonsense"]),
    (Pretrained(nn.Linear(3, 3)), (None, 2), ["pretrained_1", "shapes cannot be"]),
    (Embedding(5, 3), (None, 2), ["embedding_1"]),
    (Stack(5), (None, 2), ["stack_1"]),
]


@pytest.mark.parametrize(
    ("network", "data", "words"),
    [pytest.param(*case, id=f"{i}") for i, case in enumerate(WRONG)],
)
def test_a_wrong_network_is_refused_in_words(network, data, words):
    for wrong in (network.build, network.shapes):
        with pytest.raises(ArchitectureError) as caught:
            wrong(data)
        for word in words:
            assert word in str(caught.value)
        assert not str(caught.value).endswith("..")


def test_a_chain_is_a_sequential_like_one_written_by_hand():
    network = Linear(8) >> ReLU() >> Linear(4) >> Softmax() >> Head()
    built = network.build((None, 3), n_outputs=2)
    by_hand = nn.Sequential(
        nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.Softmax(-1), nn.Linear(4, 2)
    )
    assert type(built) is nn.Sequential
    assert [type(m) for m in built] == [type(m) for m in by_hand]
    assert [n for n, _ in built.named_children()] == [
        "linear_1", "relu_1", "linear_2", "softmax_1", "head_1"
    ]  # fmt: skip


def test_one_seed_gives_the_weights_of_a_network_written_by_hand():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        built = (Linear(8) >> ReLU() >> Head()).build((None, 3))
    with random_numbers_from(torch.Generator().manual_seed(0)):
        by_hand = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    for mine, other in zip(built.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_building_draws_nothing_from_elsewhere():
    state = torch.get_rng_state()
    network = (Linear(8) | Linear(8)) >> Sum() >> Dropout() >> Head()
    network.shapes((None, 3))
    with random_numbers_from(torch.Generator()):
        network.build((None, 3))
    assert torch.equal(state, torch.get_rng_state())


def test_the_number_of_outputs_is_that_of_the_data():
    network = Linear(3) >> Head()
    assert network.build(DataSpec(2, 4))[-1].out_features == 4
    assert network.build((None, 2))[-1].out_features == 1
    assert network.build(DataSpec(2, 4), n_outputs=7)[-1].out_features == 7


@pytest.mark.parametrize(
    "data",
    [
        (None, 3),
        (5, 3),
        DataSpec(3, 1),
        np.zeros((4, 3)),
        [[1.0, 2.0, 3.0]],
        pd.DataFrame(np.zeros((2, 3))),
        torch.zeros(2, 3),
        TensorSpec((None, 3)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_data_are_described_in_many_ways(data):
    assert (Linear(2) >> Head()).shapes(data).n_parameters == 8 + 3


def test_data_without_features_are_refused():
    with pytest.raises(ValueError, match="have no features"):
        Linear(2).build(np.zeros(5))


def test_queries_keys_and_values_come_from_where_they_are_said_to():
    x = Tensor((5, 8), ("token", "feature"))
    attention = MultiheadAttention(2)(
        query=x >> Linear(4), key=x >> Linear(6), value=x >> Linear(3)
    )
    built = attention.build(TOKENS)
    module = built.multihead_attention_1
    assert (module.embed_dim, module.kdim, module.vdim) == (4, 6, 3)
    rows = torch.rand(2, 5, 8)
    q, k, v = built.linear_1(rows), built.linear_2(rows), built.linear_3(rows)
    assert torch.equal(built(rows), module(q, k, v))


def test_attention_to_itself_and_its_weights():
    x = Tensor((5, 8)) >> MultiheadAttention(2)
    assert x.build(TOKENS)(torch.rand(2, 5, 8)).shape == (2, 5, 8)
    network = (x >> Flatten() | x["weights"] >> Flatten()) >> Concat() >> Head()
    table = network.shapes(TOKENS)
    assert table.steps.count("multihead_attention_1") == 1
    assert [str(s) for s in table[1]["output"]] == [
        "(batch, token=5, feature=8)", "(batch, token=5, token=5)"
    ]  # fmt: skip
    assert network.build(TOKENS)(torch.rand(2, 5, 8)).shape == (2, 1)


def test_an_optional_input_may_be_given():
    x = Tensor((5, 8))
    mask = x >> Fn(lambda values: values[..., 0] > 2)
    network = MultiheadAttention(2)(query=x, key_padding_mask=mask)
    rows = torch.rand(2, 5, 8)
    built = network.build(TOKENS)
    inside = built.multihead_attention_1
    masked = inside(rows, None, None, rows[..., 0] > 2)
    assert torch.equal(built(rows), masked)


def test_pooled_places_lead_back():
    pooled = Image() >> MaxPool2d(2)
    network = MaxUnpool2d(2)(pooled, indices=pooled["indices"])
    image = torch.rand(1, 1, 4, 4)
    found = network.build((None, 1, 4, 4))(image)
    assert (found != 0).sum() == 4
    assert torch.equal(found.max(), image.max())


def test_the_last_state_is_an_output():
    network = LSTM(6, num_layers=2)["cell"] >> Select(1, -1) >> Head()
    assert [str(row["output"][0]) for row in network.shapes(TOKENS)][1:] == [
        "(batch, feature=6)", "(batch, feature=1)"
    ]  # fmt: skip
    assert network.build(TOKENS)(torch.rand(3, 5, 8)).shape == (3, 1)


def test_a_tap_is_a_step_that_can_be_read():
    built = (Linear(4) >> Tap("code") >> Head()).build((None, 2))
    seen = []
    built.code.register_forward_hook(lambda m, args, output: seen.append(output))
    built(torch.rand(3, 2))
    assert seen[0].shape == (3, 4)


def test_names_of_dimensions_are_carried():
    network = Linear(6) >> MultiheadAttention(2) >> LayerNorm() >> Flatten()
    spec = TensorSpec(TOKENS, ("batch", "word", "feature"))
    assert [str(row["output"][0]) for row in network.shapes(spec)] == [
        "(batch, word=5, feature=6)",
        "(batch, token=5, feature=6)",
        "(batch, token=5, feature=6)",
        "(batch, feature=30)",
    ]


def test_weights_are_float32_whatever_the_default_is():
    torch.set_default_dtype(torch.float64)
    try:
        network = (
            Residual(Linear(3) >> GELU() >> LayerNorm() >> BatchNorm1d()) >> Head()
        )
        built = network.build((None, 3))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {p.dtype for p in built.parameters()} == {torch.float32}


def test_clones_build_equal_networks():
    network = (Numeric() >> Linear(4) * 2 | Columns([0])) >> Concat() >> Head()
    weights = []
    for one in (network, clone(network)):
        with random_numbers_from(torch.Generator().manual_seed(3)):
            weights.append(one.build((None, 3)).state_dict())
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())


def test_a_hundred_nodes_are_built_at_once():
    chain = Linear(16)
    for _ in range(50):
        chain = chain >> Linear(16) >> ReLU()
    blocks = Residual(Conv2d(3, 3, padding=1) >> ReLU()) * 25 >> Flatten() >> Head()
    for network, data in ((chain, (None, 16)), (blocks, IMAGES)):
        network.build(data)
        start = time.process_time()
        network.build(data)
        assert time.process_time() - start < 0.5


NETWORKS = {
    "chain": Linear(8) >> ReLU() >> Dropout() >> Head(),
    "dag": (Numeric() >> Linear(4) | Columns([0, 2])) >> Concat() >> Residual(Linear(6))
    >> Head(),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_can_be_exported(name):
    built = NETWORKS[name].build((None, 3)).eval()
    rows = torch.rand(4, 3)
    exported = torch.export.export(built, (rows,)).module()
    torch.testing.assert_close(exported(rows), built(rows))


HAS_COMPILER = bool(shutil.which("c++") or shutil.which("g++"))


@pytest.mark.slow
# Of torch, where it imports its compiler.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "backend",
    [
        "eager",
        pytest.param(
            "inductor",
            marks=pytest.mark.skipif(not HAS_COMPILER, reason="needs a C++ compiler"),
        ),
    ],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_can_be_compiled_in_one_piece(name, backend):
    built = NETWORKS[name].build((None, 3)).eval()
    rows = torch.rand(4, 3)
    compiled = torch.compile(built, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(rows), built(rows))


def test_only_what_is_no_chain_is_a_graph():
    kinds = {name: type(net.build((None, 3))) for name, net in NETWORKS.items()}
    assert kinds == {"chain": nn.Sequential, "dag": Graph}


def test_parts_shared_many_times_over_are_planned_once():
    x = Numeric()
    for _ in range(40):
        x = (x >> Linear(4) | x >> Linear(4)) >> Sum()
    assert len(x.shapes((None, 4))) == 121
