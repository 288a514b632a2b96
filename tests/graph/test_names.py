"""Names of steps."""

import pytest

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    LSTM,
    GRUCell,
    Head,
    Linear,
    PReLU,
    ReLU,
    SiLU,
    Tap,
)
from torchlearners.graph._names import snake_case


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("ReLU", "relu"),
        ("ReLU6", "relu6"),
        ("PReLU", "prelu"),
        ("LeakyReLU", "leaky_relu"),
        ("GELU", "gelu"),
        ("SiLU", "silu"),
        ("GLU", "glu"),
        ("SwiGLU", "swi_glu"),
        ("Conv2d", "conv2d"),
        ("BatchNorm1d", "batch_norm1d"),
        ("MultiheadAttention", "multihead_attention"),
        ("LSTM", "lstm"),
        ("GRUCell", "gru_cell"),
        ("CLSToken", "cls_token"),
        ("RMSNorm", "rms_norm"),
        ("LogSoftmax", "log_softmax"),
    ],
)
def test_a_class_name_becomes_a_word(name, word):
    assert snake_case(name) == word


def test_steps_are_numbered_by_kind_in_the_order_written():
    network = Linear(1) >> ReLU() >> Linear(2) >> (GELU() | SiLU() | ReLU())
    assert list(network.named()) == [
        "linear_1", "relu_1", "linear_2", "gelu_1", "silu_1", "relu_2"
    ]  # fmt: skip


def test_a_given_name_that_looks_like_a_number_is_stepped_over():
    network = Linear(1) >> Linear(2, name="linear_1") >> Linear(3) >> Head()
    assert list(network.named()) == ["linear_2", "linear_1", "linear_3", "head_1"]
    assert network.get_params()["linear_1__out_features"] == 2


def test_a_node_used_twice_has_one_name():
    relu = ReLU()
    network = Linear(1) >> relu >> Linear(2) >> relu
    assert list(network.named()) == ["linear_1", "relu_1", "linear_2"]
    assert network.shapes((None, 1)).steps == [
        "linear_1", "relu_1", "linear_2", "relu_1__2"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Linear(1, name="a") >> Linear(2, name="a"), "Two nodes are called 'a'"),
        (Tap("a") >> Tap("a"), "another name="),
        (Linear(1, name="a__b") >> Head(), "word without '__'"),
        (Linear(1, name="a b") >> Head(), "word without '__'"),
        (Linear(1, name=3) >> Head(), "name=3"),
        (Linear(1, name="training") >> Head(), "Choose another"),
        (PReLU(name="forward") >> Head(), "Choose another"),
        (LSTM(3, name="append") >> GRUCell(3), "Choose another"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_name_that_cannot_be_one_is_refused(network, words):
    with pytest.raises(ArchitectureError, match=words):
        network.build((None, 4))
