import numpy as np
import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import (
    CategoricalEmbedding,
    CategoricalTokenizer,
    CLSToken,
    NumericTokenizer,
    OneHotEmbedding,
    random_numbers_from,
)


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


def array(tensor):
    return tensor.detach().numpy()


def test_the_cls_token_stands_before_the_others():
    module, x = CLSToken(4), torch.randn(5, 3, 4)
    out = module(x)
    assert torch.equal(out[:, 1:], x)
    for row in out:
        assert torch.equal(row[:1], module.weight)


def test_a_number_scales_the_vector_of_its_feature():
    module, x = NumericTokenizer(3, 4), torch.randn(5, 3)
    w, b = array(module.weight), array(module.bias)
    expected = np.einsum("bf,fd->bfd", x.numpy(), w) + b[None]
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-5, atol=1e-6)
    bare = NumericTokenizer(3, 4, bias=False)
    assert not bare(torch.zeros(2, 3)).any()


def test_a_category_has_a_vector_of_its_own():
    module, codes = CategoricalTokenizer((2, 3), 4), torch.tensor([[0, 0], [1, 2]])
    table, bias = array(module.weight), array(module.bias)
    assert table.shape == (5, 4)
    np.testing.assert_allclose(array(module(codes)), table[[[0, 2], [1, 4]]] + bias)
    bare = CategoricalTokenizer((2, 3), 4, bias=False)
    np.testing.assert_array_equal(
        array(bare(codes)), array(bare.weight)[[[0, 2], [1, 4]]]
    )


@pytest.mark.parametrize("initialization", ["uniform", "normal"])
@pytest.mark.parametrize(
    "make",
    [
        lambda how: CLSToken(4096, how),
        lambda how: NumericTokenizer(64, 64, initialization=how),
        lambda how: CategoricalTokenizer((64,), 64, initialization=how),
    ],
)
def test_the_size_of_the_first_entries_is_one_over_the_root_of_d_token(
    make, initialization
):
    module = make(initialization)
    entries = array(module.weight) * module.d_token**0.5
    if initialization == "uniform":
        assert 0.99 < np.abs(entries).max() <= 1
        np.testing.assert_allclose(entries.std(), 3**-0.5, rtol=0.05)
    else:
        assert np.abs(entries).max() > 2
        np.testing.assert_allclose(entries.std(), 1, rtol=0.06)


@pytest.mark.parametrize(
    "make",
    [lambda: CategoricalTokenizer((2, 3), 4), lambda: CategoricalEmbedding((2, 3))],
)
@pytest.mark.parametrize(
    ("code", "column", "size"), [(2, 0, 2), (-1, 0, 2), (3, 1, 3), (-1, 1, 3)]
)
def test_a_code_outside_of_its_column_is_refused(make, code, column, size):
    codes = torch.zeros(4, 2, dtype=torch.int64)
    codes[2, column] = code
    message = rf"Code {code} in column {column}, row 2 .* its {size} categories"
    with pytest.raises(ValueError, match=message):
        make()(codes)


@pytest.mark.parametrize(
    "make",
    [lambda: CategoricalTokenizer((2, 3), 4), lambda: CategoricalEmbedding((2, 3))],
)
def test_codes_are_integers_of_either_size(make):
    module, codes = make(), torch.tensor([[1, 2]])
    assert torch.equal(module(codes.int()), module(codes))
    with pytest.raises(ArchitectureError, match=r"takes integer codes.*float32"):
        module(codes.float())


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (CLSToken(4), torch.zeros(5, 4)),
        (CLSToken(4), torch.zeros(5, 2, 3)),
        (NumericTokenizer(3, 4), torch.zeros(5, 1)),
        (CategoricalTokenizer((2, 3), 4), torch.zeros(5, 1, dtype=torch.int64)),
        (CategoricalEmbedding((2, 3)), torch.zeros(5, 3, dtype=torch.int64)),
    ],
)
def test_another_number_of_columns_is_refused(module, x):
    with pytest.raises(ArchitectureError, match=r"takes a tensor of shape"):
        module(x)


def test_embeddings_of_a_row_are_joined():
    module = CategoricalEmbedding((2, 3), embedding_dim=(1, 4))
    codes = torch.tensor([[0, 2], [1, 0]])
    first, second = (array(table.weight) for table in module.tables)
    expected = np.concatenate([first[[0, 1]], second[[2, 0]]], 1)
    np.testing.assert_array_equal(array(module(codes)), expected)


@pytest.mark.parametrize(
    ("embedding_dim", "dims"),
    [("auto", [2, 6, 21, 600]), (8, [8] * 4), (np.array([1, 2, 3, 4]), [1, 2, 3, 4])],
)
def test_sizes_of_embeddings_follow_the_rule_or_the_argument(embedding_dim, dims):
    module = CategoricalEmbedding((2, 10, 100, 100_000), embedding_dim)
    assert [table.embedding_dim for table in module.tables] == dims
    assert module.out_features == sum(dims)


def test_few_levels_become_indicators_and_many_learned_vectors():
    module = OneHotEmbedding((2, 3, 4, 10, 11))
    assert module.widths == [1, 1, 3, 9, 8]
    assert module.out_features == 22
    codes = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 3, 9, 10], [1, 2, 1, 1, 0]])
    out = module(codes).detach()
    assert not out[0, :14].any()
    assert out[1:, 0].tolist() == [1, 1]
    assert out[1:, 1].tolist() == [-1, 1]
    assert out[1:, 2:5].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert out[1:, 5:14].argmax(1).tolist() == [8, 0]
    assert out[1:, 5:14].sum(1).tolist() == [1, 1]
    vectors = module.tables[-1].weight.detach()
    assert torch.equal(out[:, 14:], vectors[[0, 10, 0]])


def test_indicators_are_not_trained_and_not_in_the_state():
    module = OneHotEmbedding((3, 4))
    assert not list(module.parameters())
    assert not module.state_dict()


def test_a_column_without_levels_becomes_a_zero():
    assert OneHotEmbedding((1,))(torch.tensor([[0]])).tolist() == [[0.0]]


@pytest.mark.parametrize("code", [-1, 4])
def test_one_hot_refuses_a_code_outside_of_its_column(code):
    with pytest.raises(ValueError, match=f"Code {code} in column 1, row 0"):
        OneHotEmbedding((3, 4))(torch.tensor([[1, code]]))
