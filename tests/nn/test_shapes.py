import numpy as np
import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import Permute, Reshape, Select, Squeeze, Unsqueeze


def counting(*shape):
    return torch.arange(float(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [(6, (5, 6)), ((2, 3), (5, 2, 3)), ((3, -1), (5, 3, 2)), ([-1], (5, 6))],
)
def test_reshape_keeps_the_values_of_each_row(shape, wanted):
    x = counting(5, 3, 2)
    np.testing.assert_array_equal(Reshape(shape)(x), x.numpy().reshape(wanted))


def test_reshape_to_nothing_gives_one_number_a_row():
    assert torch.equal(Reshape(())(counting(5, 1)), counting(5))


def test_reshape_knows_the_free_size_of_a_batch_without_rows():
    assert Reshape((2, -1))(torch.zeros(0, 6)).shape == (0, 2, 3)


@pytest.mark.parametrize("shape", [(4,), (4, -1), (12,), (2, 2)])
def test_reshape_refuses_rows_of_another_size(shape):
    with pytest.raises(ArchitectureError, match=r"cannot hold the 6 values of a row"):
        Reshape(shape)(torch.zeros(4, 6))


@pytest.mark.parametrize("dim", [1, -2])
def test_squeeze_removes_a_dimension_of_size_one(dim):
    assert torch.equal(Squeeze(dim)(counting(5, 1, 3)), counting(5, 3))


def test_squeeze_refuses_a_dimension_of_another_size():
    message = r"Squeeze\(dim=2\) removes a dimension of size 1, but it has size 3"
    with pytest.raises(ArchitectureError, match=message):
        Squeeze(2)(torch.zeros(5, 1, 3))


@pytest.mark.parametrize(
    ("dim", "wanted"),
    [(1, (5, 1, 3)), (2, (5, 3, 1)), (-1, (5, 3, 1)), (-2, (5, 1, 3))],
)
def test_unsqueeze_inserts_a_dimension(dim, wanted):
    assert torch.equal(Unsqueeze(dim)(counting(5, 3)), counting(*wanted))


@pytest.mark.parametrize("dims", [(0, 3, 1, 2), (-4, -1, 1, -2)])
def test_permute_reorders_the_dimensions(dims):
    x = counting(5, 2, 3, 4)
    np.testing.assert_array_equal(Permute(dims)(x), x.numpy().transpose(0, 3, 1, 2))


def test_permute_refuses_another_number_of_dimensions():
    with pytest.raises(ArchitectureError, match=r"takes a tensor of 3 dimensions"):
        Permute((0, 2, 1))(torch.zeros(5, 2))


@pytest.mark.parametrize("dims", [(1, 0, 2), (-2, 0, 2)])
def test_permute_does_not_move_the_batch(dims):
    with pytest.raises(ValueError, match=r"dims must start with 0, the batch"):
        Permute(dims)


@pytest.mark.parametrize(
    ("dim", "index", "slices"),
    [(1, 0, np.s_[:, 0]), (1, -1, np.s_[:, -1]), (-1, 2, np.s_[:, :, 2])],
)
def test_select_takes_one_slice(dim, index, slices):
    x = counting(5, 3, 4)
    np.testing.assert_array_equal(Select(dim, index)(x), x.numpy()[slices])


@pytest.mark.parametrize("index", [3, -4])
def test_select_refuses_a_slice_that_does_not_exist(index):
    with pytest.raises(ArchitectureError, match=rf"no slice {index} among 3"):
        Select(1, index)(torch.zeros(5, 3))


@pytest.mark.parametrize(
    ("module", "last"),
    [(Squeeze(-2), 1), (Select(-2, 0), 1), (Unsqueeze(-3), 2)],
    ids=["Squeeze", "Select", "Unsqueeze"],
)
def test_a_dimension_that_turns_out_to_be_the_batch_is_refused(module, last):
    message = rf"dimension {module.dim} is the batch.*choose from 1 to {last}"
    with pytest.raises(ArchitectureError, match=message):
        module(torch.zeros(1, 3))


@pytest.mark.parametrize("module", [Squeeze(2), Select(-3, 0), Unsqueeze(3)])
def test_a_dimension_that_does_not_exist_is_refused(module):
    with pytest.raises(ArchitectureError, match=r"does not exist"):
        module(torch.zeros(5, 3))
