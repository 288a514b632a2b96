"""The list of ops, and that torch's layers are all among them."""

import inspect

import pandas as pd
import pytest
from torch import nn

import torchlearners.nn as own
from torchlearners import graph
from torchlearners.graph import Layer, list_ops
from torchlearners.params import REQUIRED

# Modules of torch that have no node, and why.
LEFT_OUT = {
    "Container": "holds modules",
    "Sequential": "is >>",
    "ModuleList": "holds modules",
    "ModuleDict": "holds modules",
    "ParameterList": "holds weights",
    "ParameterDict": "holds weights",
    "Module": "is the base of all",
    "RNNBase": "is the base of RNN, GRU and LSTM",
    "RNNCellBase": "is the base of the cells",
    "SyncBatchNorm": "is for several processes",
    "TransformerEncoder": "takes layer objects; write TransformerEncoderLayer(8) * 6",
    "TransformerDecoder": "takes layer objects; nodes are repeated by *",
    "AdaptiveLogSoftmaxWithLoss": "is a loss",
    "LinearCrossEntropyLoss": "is a loss",
}


def layers_of_torch():
    for name, cls in vars(nn).items():
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            continue
        home = cls.__module__
        loss = home == "torch.nn.modules.loss"
        if loss or name.startswith("Lazy") or not home.startswith("torch.nn.modules."):
            continue
        if name not in LEFT_OUT:
            yield name


LAYERS = sorted(set(layers_of_torch()))
# Further parameters, and defaults other than torch's.
OTHER = {
    "LayerNorm": {"n_dims": 1},
    "RMSNorm": {"n_dims": 1},
    "Softmax": {"dim": -1},
    "LogSoftmax": {"dim": -1},
    "Softmin": {"dim": -1},
}
SKIPPED = {"self", "device", "dtype", "inplace", "batch_first"}
# Arguments of single layers that are no parameters.
DROPPED = {
    "Dropout": set(),
    "Hardtanh": {"min_value", "max_value"},
    "LayerNorm": {"normalized_shape"},
    "RMSNorm": {"normalized_shape"},
    "MultiheadAttention": {"kdim", "vdim"},
    "Transformer": {"custom_encoder", "custom_decoder"},
    **{f"MaxPool{n}d": {"return_indices"} for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": {"return_indices"} for n in (1, 2, 3)},
    **{f"FractionalMaxPool{n}d": {"return_indices"} for n in (2, 3)},
}


def test_what_is_left_out_exists_in_some_torch():
    assert not set(LEFT_OUT) & set(LAYERS)
    assert len(LAYERS) > 110


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_of_torch_is_a_node(name):
    node = getattr(graph, name)
    assert issubclass(node, Layer)
    theirs = getattr(nn, name)
    if not issubclass(node._class, theirs):
        assert node._class is getattr(own, name)


def signature_of(cls):
    """Return arguments and defaults; those of RNNs are written with *args."""
    if issubclass(cls, nn.RNNBase):
        arguments = signature_of_function(nn.RNNBase)
        arguments.pop("mode")
        if cls is not nn.LSTM:
            arguments.pop("proj_size")
        return arguments | ({"nonlinearity": "tanh"} if cls is nn.RNN else {})
    return signature_of_function(cls)


def signature_of_function(function):
    return {
        a.name: REQUIRED if a.default is a.empty else a.default
        for a in inspect.signature(function).parameters.values()
        if not a.name.startswith("_")
        and a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)
    }


@pytest.mark.parametrize("name", LAYERS)
def test_a_node_has_the_arguments_and_defaults_of_the_layer(name):
    node = getattr(graph, name)
    without = SKIPPED | set(node._fills) | DROPPED.get(name, set())
    expected = {
        k: v for k, v in signature_of(getattr(nn, name)).items() if k not in without
    } | OTHER.get(name, {})
    found = {k: f.default for k, f in node._fields.items() if k != "name"}
    assert found == expected


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_by_position_are_in_the_order_of_the_layer(name):
    node = getattr(graph, name)
    if issubclass(node._class, nn.RNNBase) or name in OTHER:
        return
    positions = [k for k, f in node._fields.items() if not f.kw_only]
    theirs = [k for k in signature_of(getattr(nn, name)) if k in positions]
    assert positions == theirs


def test_normalized_dimensions_stand_first():
    assert graph.LayerNorm(2).n_dims == 2
    assert graph.RNN(8, 2, "relu").nonlinearity == "relu"


def test_every_exported_node_is_listed_and_every_listed_one_exported():
    # What others derive from, and what the operators make.
    bases = {"Node", "Op", "Layer", "Ingress", "Sequence", "Parallel"}
    exported = {
        name
        for name in graph.__all__
        if isinstance(getattr(graph, name), type)
        and issubclass(getattr(graph, name), graph.Node)
    }
    assert {row["name"] for row in list_ops()} == exported - bases


def test_a_row_says_what_goes_in_and_out():
    rows = {row["name"]: row for row in list_ops()}
    assert rows["LSTM"] == {
        "name": "LSTM",
        "group": "recurrent",
        "filled": ["input_size"],
        "inputs": ["input"],
        "outputs": ["output", "hidden", "cell"],
        "module": "torch.nn.LSTM",
    }
    assert rows["Concat"]["inputs"] == ["*"]
    assert rows["MultiheadAttention"]["inputs"][:2] == ["query", "[key]"]
    assert rows["Dropout"]["module"] == "torchlearners.nn.Dropout"
    assert rows["Numeric"]["outputs"] == []


def test_the_list_prints_and_becomes_a_data_frame():
    ops = list_ops()
    lines = str(ops).splitlines()
    assert lines[0].split() == [
        "name",
        "group",
        "filled",
        "inputs",
        "outputs",
        "module",
    ]
    assert len(lines) == len(ops) + 1
    assert pd.DataFrame(ops)["group"].nunique() > 10
