"""Random networks: what is predicted is what happens."""

import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from torchlearners import graph
from torchlearners.graph import (
    GELU,
    GRU,
    BatchNorm1d,
    Choice,
    Concat,
    Dropout,
    Flatten,
    Head,
    LayerNorm,
    Linear,
    Mean,
    MultiheadAttention,
    ReLU,
    Repeat,
    Residual,
    Sum,
    Tensor,
)
from torchlearners.nn import random_numbers_from

WIDTHS = st.sampled_from([2, 4, 6])


@st.composite
def layers(draw):
    """A node that takes any (batch, ..., even number of features)."""
    kind = draw(st.sampled_from(["linear", "same", "norm", "choice", "tokens"]))
    if kind == "linear":
        return Linear(draw(WIDTHS), bias=draw(st.booleans()))
    if kind == "same":
        return draw(st.sampled_from([ReLU, GELU, Dropout]))()
    if kind == "choice":
        return Choice({"a": ReLU(), "b": Linear(4)}, draw(st.sampled_from("ab")))
    if kind == "tokens":
        return draw(st.sampled_from([MultiheadAttention(2), GRU(4)]))
    return LayerNorm()


def joined(parts):
    """Nodes that are made of others, with one input and one output again."""
    chains = st.lists(parts, min_size=1, max_size=3).map(_chain)

    @st.composite
    def segments(draw):
        kind = draw(st.sampled_from(["chain", "merge", "concat", "residual", "repeat"]))
        if kind == "chain":
            return draw(chains)
        if kind == "repeat":
            return Repeat(draw(chains), draw(st.integers(0, 2)))
        width = draw(WIDTHS)
        if kind == "residual":
            return Residual(draw(chains) >> Linear(width), Linear(width))
        branches = draw(chains) >> Linear(width) | draw(chains) >> Linear(width)
        merge = Concat() if kind == "concat" else draw(st.sampled_from([Sum, Mean]))()
        return branches >> merge

    return segments()


def _chain(nodes):
    chain = nodes[0]
    for node in nodes[1:]:
        chain = chain >> node
    return chain


SEGMENTS = st.recursive(layers(), joined, max_leaves=6)


@st.composite
def networks(draw):
    shape = draw(st.integers(1, 3)), draw(WIDTHS)
    if draw(st.booleans()):
        return draw(SEGMENTS) >> Flatten() >> BatchNorm1d() >> Head(), shape
    start = Tensor(shape) >> Linear(4)
    one, two = (start >> draw(SEGMENTS) >> Linear(2) for _ in range(2))
    return (one | two) >> Sum() >> Flatten() >> Head(), shape


def built(network, data, seed=0):
    with random_numbers_from(torch.Generator().manual_seed(seed)):
        return network.build(data).eval()


@settings(max_examples=60)
@given(networks(), st.integers(1, 4))
def test_every_step_has_the_predicted_shape(case, n_rows):
    network, shape = case
    table = network.shapes((None, *shape), n_outputs=3)
    module = network.build((None, *shape), n_outputs=3).eval()
    seen = {}
    for name, child in module.named_children():
        child.register_forward_hook(
            lambda m, args, output, name=name: seen.__setitem__(name, output)
        )
    assert module(torch.rand(n_rows, *shape)).shape == (n_rows, 3)
    assert sum(p.numel() for p in module.parameters()) == table.n_parameters
    assert [s for s in table.steps if s in seen] == list(seen)
    for row in table:
        if row["step"] not in seen:
            continue  # an ingress node that takes the rows as they are
        found = seen[row["step"]]
        tensors = found if isinstance(found, tuple) else (found,)
        for spec, tensor in zip(row["output"], tensors, strict=True):
            assert (n_rows, *spec.shape[1:]) == tuple(tensor.shape)
            assert spec.dtype == tensor.dtype
            assert len(spec.names) == tensor.ndim


@settings(max_examples=30)
@given(SEGMENTS, st.integers(1, 3), WIDTHS)
def test_what_is_predicted_of_unknown_tokens_is_true(segment, n_tokens, width):
    for guess, sure in zip(
        segment.shapes((None, None, width)),
        segment.shapes((None, n_tokens, width)),
        strict=True,
    ):
        for one, two in zip(guess["output"], sure["output"], strict=True):
            pairs = zip(one.shape, two.shape, strict=True)
            assert all(a is None or a == b for a, b in pairs)


@settings(max_examples=30)
@given(networks())
def test_copies_and_expressions_build_the_same_network(case):
    network, shape = case
    data = (None, *shape)
    text = repr(network)
    weights = built(network, data).state_dict()
    for other in (clone(network), copy.deepcopy(network)):
        assert repr(other) == text
        again = built(other, data).state_dict()
        assert list(again) == list(weights)
        assert all(torch.equal(v, weights[k]) for k, v in again.items())
    assert repr(eval(text, vars(graph).copy())) == text
    assert repr(network) == text


@settings(max_examples=30)
@given(networks())
def test_every_parameter_has_one_name_and_can_be_set(case):
    network, _ = case
    params = network.get_params()
    nodes = [v for v in params.values() if isinstance(v, graph.Node)]
    assert len(nodes) == len({id(node) for node in nodes})
    text = repr(network)
    for key, value in params.items():
        assert repr(network.set_params(**{key: value})) == text
