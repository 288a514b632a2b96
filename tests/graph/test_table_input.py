import pytest
import torch

from torchlearners.data import DataSpec
from torchlearners.graph import Head, Linear, OneHotEmbedding, Sequence, table_input


def test_a_table_of_numbers_needs_no_nodes():
    assert table_input(DataSpec(n_numeric=3, n_outputs=1)) == []


@pytest.mark.parametrize("n_numeric", [0, 2])
def test_codes_become_vectors_beside_the_numbers(n_numeric):
    spec = DataSpec(n_numeric=n_numeric, n_outputs=1, cardinalities=(3, 5))
    module = Sequence([*table_input(spec), Head()]).build(spec)
    rows = torch.zeros(4, n_numeric + 2)
    rows[:, -1] = torch.tensor([0, 1, 4, 4])
    out = module(rows)
    assert out.shape == (4, 1)
    assert out[2] == out[3]
    assert len(set(out.flatten().tolist())) == 3


@pytest.mark.parametrize("cardinalities", [(), (3, 5)])
def test_numbers_go_through_a_node_of_their_own(cardinalities):
    spec = DataSpec(n_numeric=2, n_outputs=1, cardinalities=cardinalities)
    steps = Sequence([*table_input(spec, Linear(7)), Head()]).shapes(spec).steps
    assert "linear_1" in steps


@pytest.mark.parametrize("n_numeric", [0, 2])
def test_categories_go_through_a_node_of_their_own(n_numeric):
    spec = DataSpec(n_numeric=n_numeric, n_outputs=1, cardinalities=(3, 5))
    nodes = table_input(spec, categories=OneHotEmbedding())
    module = Sequence([*nodes, Head()]).build(spec)
    assert module.head_1.in_features == n_numeric + 1 + 4
