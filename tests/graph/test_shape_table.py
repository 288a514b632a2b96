"""The table of steps and shapes."""

import pickle

import pandas as pd

from torchlearners.data import DataSpec
from torchlearners.graph import (
    LSTM,
    Categorical,
    CategoricalEmbedding,
    Concat,
    Conv2d,
    Flatten,
    Head,
    Linear,
    MaxPool2d,
    Numeric,
    ReLU,
    Residual,
    Select,
)

# Without the spaces that fill up the columns.
GOLDEN = """
step input output parameters
numeric_1 (batch, feature=5) (batch, feature=3) 0
categorical_1 (batch, feature=5) (batch, feature=2) int64 0
categorical_embedding_1 (batch, feature=2) int64 (batch, feature=7) 32
concat_1 (batch, feature=3), (batch, feature=7) (batch, feature=10) 0
linear_1 (batch, feature=10) (batch, feature=10) 110
relu_1 (batch, feature=10) (batch, feature=10) 0
residual_1 (batch, feature=10), (batch, feature=10) (batch, feature=10) 0
head_1 (batch, feature=10) (batch, feature=2) 22
"""


def table():
    start = (Numeric() | Categorical() >> CategoricalEmbedding()) >> Concat()
    network = start >> Residual(Linear(10) >> ReLU()) >> Head()
    return network.shapes(DataSpec(n_numeric=3, n_outputs=2, cardinalities=(4, 5)))


def test_a_network_with_branches_prints_as_a_table():
    found = [line.split() for line in str(table()).splitlines()]
    assert found == [line.split() for line in GOLDEN.strip().splitlines()]
    assert len({len(line) for line in str(table()).splitlines()}) == 1


def test_images_are_followed_through_the_network():
    network = Conv2d(4, 3) >> MaxPool2d(2) >> Flatten() >> Head()
    shapes = [str(row["output"][0]) for row in network.shapes((None, 3, 10, 12))]
    assert shapes == [
        "(batch, channel=4, height=8, width=10)",
        "(batch, channel=4, height=4, width=5)",
        "(batch, feature=80)",
        "(batch, feature=1)",
    ]


def test_unknown_sizes_stay_unknown():
    network = Conv2d(4, 3) >> MaxPool2d(10)
    shapes = [str(row["output"][0]) for row in network.shapes((None, 3, None, 30))]
    assert shapes == [
        "(batch, channel=4, height, width=28)", "(batch, channel=4, height, width=2)"
    ]  # fmt: skip


def test_several_outputs_are_all_shown():
    row = LSTM(4)["hidden"].shapes((None, 5, 2))[0]
    assert len(row["output"]) >= 2
    network = LSTM(4)["hidden"] >> Select(1, 0) >> Head()
    assert network.shapes((None, None, 2))[-1]["input"][0].shape == (None, 4)


def test_the_numbers_of_weights_are_those_of_the_network():
    found = table()
    spec = DataSpec(n_numeric=3, n_outputs=2, cardinalities=(4, 5))
    start = (Numeric() | Categorical() >> CategoricalEmbedding()) >> Concat()
    network = (start >> Residual(Linear(10) >> ReLU()) >> Head()).build(spec)
    assert found.n_parameters == sum(p.numel() for p in network.parameters()) == 164


def test_a_table_becomes_a_data_frame_html_and_pickle():
    found = table()
    assert list(pd.DataFrame(found)["step"]) == found.steps
    assert found._repr_html_().count("<tr>") == 9
    assert pickle.loads(pickle.dumps(found)).steps == found.steps
