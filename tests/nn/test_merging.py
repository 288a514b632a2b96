import numpy as np
import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import (
    Attend,
    Concat,
    Mean,
    Product,
    Stack,
    Sum,
    random_numbers_from,
)


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


def branches(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("n_branches", [1, 2, 3])
def test_values_are_added_multiplied_and_averaged(n_branches):
    inputs = branches(*[(5, 2, 3)] * n_branches)
    values = np.stack([x.numpy() for x in inputs])
    for module, expected in [(Sum(), values.sum(0)), (Mean(), values.mean(0))]:
        np.testing.assert_allclose(module(*inputs), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Product()(*inputs), values.prod(0), rtol=1e-5)


@pytest.mark.parametrize("module", [Sum(), Product(), Mean()])
def test_sizes_of_one_are_repeated(module):
    one, other = branches((5, 1, 3), (5, 2, 1))
    full = module(one.expand(5, 2, 3), other.expand(5, 2, 3))
    assert torch.equal(module(one, other), full)


@pytest.mark.parametrize("module", [Sum(), Product(), Mean(), Concat(), Stack()])
@pytest.mark.parametrize("other", [(3,), (1, 3), (3, 3), (5, 1, 3)])
def test_the_batch_is_never_repeated_nor_taken_for_another_dimension(module, other):
    with pytest.raises(ArchitectureError, match=r"equally many rows and dimensions"):
        module(torch.zeros(5, 3), torch.zeros(other))


@pytest.mark.parametrize("module", [Sum(), Product(), Mean()])
def test_sizes_that_do_not_fit_are_refused(module):
    with pytest.raises(ArchitectureError, match=r"got shapes \(5, 3\), \(5, 4\)\.$"):
        module(torch.zeros(5, 3), torch.zeros(5, 4))


@pytest.mark.parametrize("module", [Sum(), Product(), Mean(), Concat(), Stack()])
def test_no_branch_at_all_is_refused(module):
    with pytest.raises(ArchitectureError, match=r"merges at least one tensor"):
        module()


@pytest.mark.parametrize(
    ("dim", "axis", "shapes"),
    [
        (-1, 2, [(5, 2, 3), (5, 2, 4), (5, 2, 1)]),
        (1, 1, [(5, 2, 3), (5, 4, 3)]),
        (-2, 1, [(5, 2, 3), (5, 4, 3)]),
    ],
)
def test_concat_joins_along_a_dimension(dim, axis, shapes):
    inputs = branches(*shapes)
    expected = np.concatenate([x.numpy() for x in inputs], axis)
    np.testing.assert_array_equal(Concat(dim)(*inputs), expected)


def test_concat_refuses_other_sizes_that_differ():
    with pytest.raises(ArchitectureError, match=r"equal sizes outside of dimension 2"):
        Concat()(torch.zeros(5, 2, 3), torch.zeros(5, 4, 3))


@pytest.mark.parametrize(("dim", "axis"), [(1, 1), (2, 2), (-1, 2)])
def test_stack_joins_along_a_new_dimension(dim, axis):
    inputs = branches((5, 3), (5, 3))
    expected = np.stack([x.numpy() for x in inputs], axis)
    np.testing.assert_array_equal(Stack(dim)(*inputs), expected)


def test_stack_refuses_shapes_that_differ():
    with pytest.raises(ArchitectureError, match=r"with equal shapes"):
        Stack()(torch.zeros(5, 3), torch.zeros(5, 1))


@pytest.mark.parametrize("module", [Concat(-2), Stack(-3)])
def test_a_dimension_that_turns_out_to_be_the_batch_is_refused(module):
    with pytest.raises(ArchitectureError, match=r"is the batch"):
        module(torch.zeros(5, 3), torch.zeros(5, 3))


def test_attend_weighs_each_branch_by_the_softmax_of_its_score():
    inputs = branches((5, 2, 3), (5, 2, 3), (5, 2, 3))
    module = Attend(3)
    values = np.stack([x.numpy() for x in inputs])
    score = module.score.weight.detach().numpy()[0]
    weights = np.exp(np.einsum("rbtd,d->rbt", values, score))
    weights /= weights.sum(0)
    expected = np.einsum("rbt,rbtd->btd", weights, values)
    np.testing.assert_allclose(module(*inputs).detach(), expected, rtol=1e-4, atol=1e-6)


def test_attend_returns_a_single_branch_as_it_is():
    (x,) = branches((5, 3))
    torch.testing.assert_close(Attend(3)(x), x)


def test_attend_does_not_depend_on_the_order_of_branches():
    module, (a, b) = Attend(3), branches((5, 3), (5, 3))
    torch.testing.assert_close(module(a, b), module(b, a))


@pytest.mark.parametrize("shapes", [[(5, 4), (5, 4)], [(5, 3), (5, 4)]])
def test_attend_refuses_branches_of_another_size(shapes):
    with pytest.raises(ArchitectureError, match=r"Attend\(in_features=3\) merges"):
        Attend(3)(*branches(*shapes))
