"""Layers of torch.nn as nodes."""

import numpy as np
import pytest
import torch

from torchlearners.data import DataSpec
from torchlearners.graph import (
    GRU,
    LSTM,
    AvgPool2d,
    Categorical,
    CategoricalEmbedding,
    Conv1d,
    Conv2d,
    Flatten,
    Identity,
    LayerNorm,
    Linear,
    MaxPool2d,
    Sigmoid,
    TensorSpec,
    Transformer,
)
from torchlearners.graph._op import trace


def output(node, *shape, dtype=torch.float32):
    return node.shapes(TensorSpec((None, *shape), dtype=dtype))[-1]["output"][0]


def test_sizes_may_be_numpys():
    assert output(Linear(np.int64(3)), 2).shape == (None, 3)


def test_nothing_changes_in_identity():
    network = Categorical() >> Identity() >> CategoricalEmbedding()
    assert network.shapes(DataSpec(0, 1, (3, 4)))[-1]["output"][0].shape == (None, 6)


@pytest.mark.parametrize(
    ("node", "shape", "text"),
    [
        (Linear(3), (5, 8), "(batch, 5, feature=3)"),
        (Conv1d(3, 2), (4, 9), "(batch, channel=3, width=8)"),
        (Conv2d(3, 2), (4, 9, 9), "(batch, channel=3, height=8, width=8)"),
        (MaxPool2d(2), (4, 9, 9), "(batch, channel=4, height=4, width=4)"),
        (Flatten(), (4, 9, 9), "(batch, feature=324)"),
        (Flatten(2), (4, 9, 9), "(batch, 4, feature=81)"),
        (LSTM(3, bidirectional=True), (4, 9), "(batch, token=4, feature=6)"),
        (GRU(3), (None, 9), "(batch, token, feature=3)"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_dimensions_have_names(node, shape, text):
    assert str(output(node, *shape)) == text


def test_functions_of_whole_numbers_return_what_torch_returns():
    assert output(Sigmoid(), 3, dtype=torch.int64).dtype == torch.float32


def test_several_dimensions_are_normalized_together():
    assert LayerNorm(2).build((None, 4, 5))[0].normalized_shape == (4, 5)


def test_a_transformer_takes_source_and_target():
    small = Transformer(2, 1, 1, 8)
    module = small(Linear(4), Linear(4)).build((None, 3, 5))
    assert module(torch.rand(2, 3, 5)).shape == (2, 3, 4)


@pytest.mark.parametrize(
    "node",
    [
        Conv2d(5, 3),
        Conv2d(5, (1, 3), padding=(0, 1), stride=2),
        Conv2d(5, 3, dilation=2, padding=1),
        MaxPool2d(2),
        MaxPool2d(3, stride=2, padding=1),
        AvgPool2d((2, 3)),
    ],
)
def test_windows_know_their_output_by_rule(node):
    spec = TensorSpec((None, 4, 11, 14))
    known = node.known_output([spec])
    (traced,) = trace(lambda: node.make_module([spec], ("output",)), [spec])
    assert known.shape == traced.shape


@pytest.mark.parametrize(
    "node", [Conv2d(5, 3, padding="same"), MaxPool2d(2, ceil_mode=True), Conv2d(5, 99)]
)
def test_other_windows_are_traced(node):
    assert node.known_output([TensorSpec((None, 4, 11, 14))]) is None
