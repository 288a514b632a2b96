"""Where rows enter a network."""

import numpy as np
import pandas as pd
import pytest
import torch

from torchlearners.data import DataSpec
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    Categorical,
    CategoricalEmbedding,
    CategoricalTokenizer,
    Columns,
    Concat,
    Conv2d,
    Flatten,
    Head,
    Image,
    Linear,
    Numeric,
    ReLU,
    Sum,
    Tensor,
    TensorSpec,
)

MIXED = DataSpec(
    n_numeric=3,
    n_outputs=2,
    cardinalities=(4, 5),
    feature_names=("age", "size", "height", "city", "kind"),
)


def test_each_kind_of_column_enters_by_its_own_node():
    network = (
        (Numeric() | Categorical() >> CategoricalEmbedding()) >> Concat() >> Head()
    )
    module = network.build(MIXED)
    rows = torch.tensor([[0.1, 0.2, 0.3, 3, 4], [0.5, 0.6, 0.7, 0, 1]])
    assert module(rows).shape == (2, 2)
    assert module.categorical_1(rows).tolist() == [[3, 4], [0, 1]]


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ([0, 2], [0.1, 0.3]),
        ([2, 0], [0.3, 0.1]),
        (["height", "age"], [0.3, 0.1]),
        (slice(1, 3), [0.2, 0.3]),
        (lambda name: name.endswith("e") and name != "age", [0.2]),
        ([-5], [0.1]),
        (["kind"], [4]),
        ([4, 3], [4, 3]),
        (np.array([1]), [0.2]),
    ],
)
def test_columns_are_chosen_by_number_name_slice_or_function(columns, taken):
    module = Columns(columns).build(MIXED)
    row = torch.tensor([[0.1, 0.2, 0.3, 3, 4]])
    assert module(row).tolist() == [pytest.approx(taken)]


def test_chosen_categories_know_their_levels():
    (row, *_) = (Columns(["kind"]) >> CategoricalTokenizer(4)).shapes(MIXED)
    assert row["output"][0].cardinalities == (5,)
    assert row["output"][0].dtype == torch.int64


def test_a_shared_start_is_computed_once():
    start = Numeric() >> Linear(4)
    network = (start >> ReLU() | start >> GELU()) >> Sum() >> Head()
    assert network.shapes((None, 3)).steps == [
        "numeric_1", "linear_1", "relu_1", "gelu_1", "sum_1", "head_1"
    ]  # fmt: skip


def test_images_enter_as_they_are_or_are_unfolded():
    network = Image() >> Conv2d(2, 3) >> Flatten() >> Head()
    assert network.build((None, 64))(torch.zeros(2, 64)).shape == (2, 1)
    assert network.build((None, 1, 8, 8))(torch.zeros(2, 1, 8, 8)).shape == (2, 1)
    wide = Image(3, height=2).shapes((None, 30))
    assert wide[0]["output"][0].shape == (None, 3, 2, 5)
    rows = torch.arange(4.0)[None]
    assert Image().build((None, 4))(rows).tolist() == [[[[0, 1], [2, 3]]]]


def test_rows_take_any_shape():
    spec = Tensor((2, 3), ("token", "feature")).shapes((None, 6))[0]["output"][0]
    assert str(spec) == "(batch, token=2, feature=3)"
    free = Tensor((None, 3)).shapes((None, 7, 3))[0]["output"][0]
    assert free.shape == (None, 7, 3)


def test_data_frames_bring_the_names_of_their_columns():
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    assert Columns(["b"]).build(frame)(torch.tensor([[1.0, 2.0]])).tolist() == [[2]]


@pytest.mark.parametrize(
    ("network", "data", "words"),
    [
        (Categorical() >> Head(), (None, 3), "no categorical features"),
        (Numeric(), DataSpec(0, 1, (3,)), "no numeric features"),
        (Numeric() >> Head(), (None, 3, 8, 8), r"Begin with Tensor\(shape\) or Image"),
        (Columns([5]), (None, 3), "no column 5; there are 3"),
        (Columns(["agee"]), MIXED, "Did you mean 'age'"),
        (Columns(["a"]), (None, 3), "the data have no names"),
        (Columns([0, 3]), MIXED, "take them by two ingress nodes"),
        (Columns([]), MIXED, "chooses none"),
        (Columns(lambda name: False), MIXED, "chooses none"),
        (Image(), (None, 10), "rows of 10 values cannot become"),
        (Image(5), (None, 3), "rows of 3 values cannot become"),
        (Image(3), (None, 1, 8, 8), "the images have the shape"),
        (Image(1, 9), (None, 1, 8, 8), "the images have the shape"),
        (Tensor((2, 2)), (None, 6), "cannot become"),
        (Tensor((None, 2)), (None, 6), "needs all sizes"),
        (Tensor((2, 2)), (None, 3, 2), "the data have the shape"),
        (Linear(3) >> Head(), MIXED, r"Numeric\(\) \| Categorical\(\)"),
        (
            Numeric() >> Linear(3) >> Numeric(),
            (None, 3),
            "must be the first of its branch",
        ),
        ((Numeric() | Linear(3)) >> Concat(), (None, 3), "each branch must begin"),
        (Numeric() >> CategoricalEmbedding(), (None, 3), r"from Categorical\(\)"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_data_without_what_a_node_takes_are_refused(network, data, words):
    with pytest.raises(ArchitectureError, match=words):
        network.build(data)


def test_a_shape_that_is_no_sequence_is_refused():
    with pytest.raises(ValueError, match="'shape' parameter of Tensor"):
        Tensor(8).build((None, 8))


def test_a_description_of_data_knows_dtypes():
    spec = TensorSpec((None, 4), dtype=torch.int64)
    assert Tensor((4,)).shapes(spec)[0]["output"][0].dtype == torch.int64
