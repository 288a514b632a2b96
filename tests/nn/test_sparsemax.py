import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import Entmax15, Sparsemax

# What a score above its threshold becomes.
PROBABILITY = {
    Sparsemax: lambda distance: distance,
    Entmax15: lambda distance: (distance / 2) ** 2,
}
of_both = pytest.mark.parametrize("function", PROBABILITY)


def scores(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_bisection(function, row):
    """Return what the definition says, with the threshold found numerically."""

    def probabilities(threshold):
        return PROBABILITY[function](np.maximum(row - threshold, 0))

    threshold = brentq(
        lambda t: probabilities(t).sum() - 1, row.min() - 9, row.max(), xtol=1e-14
    )
    return probabilities(threshold)


@of_both
@pytest.mark.parametrize("scale", [1e-3, 1.0, 3.0, 100.0])
def test_the_probabilities_are_those_of_the_definition(function, scale):
    x = scores(20, 12, scale=scale)
    expected = np.stack([by_bisection(function, row) for row in x.numpy()])
    np.testing.assert_allclose(function()(x), expected, atol=1e-10)
    np.testing.assert_allclose(function()(x.float()), expected, atol=1e-5)


@of_both
def test_probabilities_sum_to_one_and_many_are_exactly_zero(function):
    p = function()(scores(200, 30, scale=2.0).float())
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert (p >= 0).all()
    assert (p == 0).float().mean() > 0.5


def test_entmax_keeps_more_scores_than_sparsemax():
    x = scores(200, 30)
    assert ((Entmax15()(x) > 0) >= (Sparsemax()(x) > 0)).all()
    assert (Entmax15()(x) > 0).sum() > (Sparsemax()(x) > 0).sum()


@of_both
def test_gradients_are_exact(function):
    x = scores(6, 5).requires_grad_()
    assert torch.autograd.gradcheck(function(), (x,))
    assert torch.autograd.gradgradcheck(function(), (x,))


@of_both
def test_ties_and_single_scores_have_finite_gradients(function):
    for x in (torch.zeros(2, 4), torch.ones(2, 1), torch.tensor([[5.0, 5.0, -1e6]])):
        x.requires_grad_()
        p = function()(x)
        expected = (x == x.max(1, keepdim=True).values).float()
        np.testing.assert_allclose(p.detach(), expected / expected.sum(1, True))
        (p * torch.arange(p.shape[1])).sum().backward()
        assert x.grad.isfinite().all()


@of_both
def test_a_constant_added_to_all_scores_changes_nothing(function):
    x = scores(5, 7)
    torch.testing.assert_close(function()(x + 1000), function()(x))


@of_both
@pytest.mark.parametrize("dim", [1, -2])
def test_another_dimension_can_sum_to_one(function, dim):
    x = scores(5, 3, 4)
    moved = function()(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(function(dim)(x), moved)


@of_both
@pytest.mark.parametrize("dim", [-2, 2])
def test_the_batch_and_missing_dimensions_are_refused(function, dim):
    with pytest.raises(ArchitectureError, match=r"got shape \(5, 3\)"):
        function(dim)(torch.zeros(5, 3))
