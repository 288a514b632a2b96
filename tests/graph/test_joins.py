"""How nodes are joined, and what the expression looks like."""

import pytest
from torch import nn

from torchlearners import graph
from torchlearners.graph import (
    GELU,
    LSTM,
    Choice,
    Head,
    Linear,
    MultiheadAttention,
    Numeric,
    Param,
    ReLU,
    Repeat,
    Residual,
    Sum,
)

EXPRESSIONS = [
    "Linear(8) >> ReLU() >> Head()",
    "Linear(8) | Linear(4) >> ReLU() | Dropout(0.1)",
    "(Linear(8) | Linear(8)) >> Sum() >> Head(False)",
    "Linear(8) * 2 >> Head()",
    "(Linear(8) >> ReLU()) * 3",
    "Linear(8) * 2 * 3",
    "(Linear(8) | ReLU()) * 2",
    "Repeat(Linear(8), 2, name='block')",
    "Residual(Linear(8) >> ReLU(), Linear(8)) >> Head()",
    "Choice({'a': ReLU(), 'b': GELU()}, 'b')",
    "MultiheadAttention(2)(query=Numeric(), key=Numeric() >> Linear(4))",
    "(Linear(8) * 2)(Numeric())",
    "(Linear(8) >> ReLU())(Numeric())",
    "LSTM(4)['hidden'] >> Head()",
    "Linear(Param('width', 8)) >> Linear(Param('width', 8), False)",
    "Linear(8, name='first') >> Tap('code') >> Concat(name='all')",
    "Conv2d(4, 3, padding='same') >> MaxPool2d((2, 2)) >> Flatten()",
    "Columns([0, 1]) >> Linear(3) | Columns(slice(2, None, None))",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_repr_is_the_expression(text):
    network = eval(text, vars(graph).copy())
    assert repr(network) == text
    assert repr(eval(repr(network), vars(graph).copy())) == text


def test_sequences_bind_tighter_than_branches_and_repetitions_tightest():
    a, b, c, d = Linear(1), Linear(2), Linear(3), Linear(4)
    assert (a >> b | c >> d * 2).branches[0].steps == [a, b]
    assert (a >> b | c >> d * 2).branches[1].steps[1].segment is d


def test_joining_is_associative():
    a, b, c = Linear(1), Linear(2), Linear(3)
    assert ((a >> b) >> c).steps == (a >> (b >> c)).steps == [a, b, c]
    assert ((a | b) | c).branches == (a | (b | c)).branches == [a, b, c]


def test_joining_leaves_the_parts_as_they_were():
    start = Linear(1) >> ReLU()
    start >> Head()
    assert repr(start) == "Linear(1) >> ReLU()"


@pytest.mark.parametrize(
    ("join", "words"),
    [
        (lambda: Linear(3) >> ReLU, r"the class ReLU. Write ReLU\("),
        (lambda: Linear >> ReLU(), r"the class Linear. Write Linear\("),
        (lambda: Linear(3) | ReLU, "the class ReLU"),
        (lambda: Linear(3) >> nn.ReLU(), r"Pretrained\(module\)"),
        (lambda: nn.ReLU() >> Linear(3), r"Pretrained\(module\)"),
        (lambda: nn.ReLU() | Linear(3), r"Pretrained\(module\)"),
        (lambda: Linear(3) >> 3, "takes nodes; got 3"),
        (lambda: 3 >> Linear(3), "takes nodes; got 3"),
        (lambda: Linear(3)(3), "a call takes nodes; got 3"),
        (lambda: Linear(3)(query=nn.ReLU()), r"Pretrained\(module\)"),
        (lambda: LSTM(3)[0], "such as 'weights'; got 0"),
        (lambda: list(Linear(3)), "not iterable"),
        (lambda: (Residual(nn.ReLU()) >> Head()).named(), r"Pretrained\(module\)"),
        (lambda: (Repeat(ReLU, 2) >> Head()).named(), r"Write ReLU\("),
        (lambda: (Choice([ReLU(), GELU()]) >> Head()).named(), "Choice takes a dict"),
        (lambda: (Choice({}) >> Head()).named(), "at least one node"),
    ],
)
def test_what_is_no_node_is_told_how_to_become_one(join, words):
    with pytest.raises(TypeError, match=words):
        join()


def test_inputs_by_name_are_shown_in_their_order():
    network = MultiheadAttention(2)(Numeric(), value=Numeric())
    assert list(network.named()) == ["numeric_1", "numeric_2", "multihead_attention_1"]
    assert repr(Sum()(Numeric(), Linear(Param("n", 2)))) == (
        "Sum()(Numeric(), Linear(Param('n', 2)))"
    )
