import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss
from torch import nn
from torch.nn import functional as F

from torchlearners.training import Gaussian, Quantile

GENERATOR = torch.Generator().manual_seed(0)
LEVELS = (0.05, 0.3, 0.5, 0.9)
Y = torch.randn(40, 2, generator=GENERATOR, dtype=torch.float64)
OUTPUT = torch.randn(40, 8, generator=GENERATOR, dtype=torch.float64)
MEMBERS = torch.randn(40, 5, 8, generator=GENERATOR, dtype=torch.float64)
TIMES = torch.randint(0, 3, (40,), generator=GENERATOR)
FLOATS = st.floats(-1e6, 1e6, width=32)
LOSSES = [Quantile(quantiles=LEVELS), Gaussian(), Gaussian(min_std=0.3)]


def outputs_for(loss):
    return OUTPUT[:, : 2 * loss.outputs_per_value]


# Quantile


def test_the_pinball_loss_is_that_of_scikit_learn():
    loss = Quantile(quantiles=LEVELS).build()(OUTPUT, Y)
    # The outputs of the first target stand first.
    by_target = OUTPUT.numpy().reshape(40, 2, 4)
    expected = [
        mean_pinball_loss(Y[:, i].numpy(), by_target[:, i, j], alpha=alpha)
        for i in range(2)
        for j, alpha in enumerate(LEVELS)
    ]
    assert_allclose(loss.item(), np.mean(expected), rtol=1e-12)


def test_half_the_absolute_error_is_the_pinball_loss_of_the_median():
    loss = Quantile(quantiles=(0.5,)).build()(OUTPUT[:, :2], Y)
    assert_allclose(loss.item(), F.l1_loss(OUTPUT[:, :2], Y).item() / 2, rtol=1e-12)


@given(
    arrays(np.float32, (7, 5), elements=FLOATS),
    st.lists(st.floats(0.05, 0.95), min_size=2, max_size=20),
)
def test_quantiles_never_cross(outputs, asked):
    at = np.sort(asked)
    values = Quantile().read_quantiles(outputs, at)
    assert values.shape == (7, 1, len(at))
    assert (np.diff(values, axis=-1) >= 0).all()


@given(
    arrays(np.float32, (7, 5), elements=st.floats(-100, 100, width=32)),
    arrays(np.float32, (7, 1), elements=st.floats(-100, 100, width=32)),
)
def test_sorted_quantiles_have_no_greater_loss(outputs, y):
    # Sorting is what `read_quantiles` does; each row gains or stays as it is.
    criterion = Quantile()
    sorted_outputs = criterion.read_quantiles(outputs, np.array(criterion.quantiles))
    assert_array_equal(sorted_outputs[:, 0], np.sort(outputs))
    y = torch.as_tensor(y, dtype=torch.float64)
    before = criterion.rows(torch.as_tensor(outputs, dtype=torch.float64), y)
    after = criterion.rows(torch.as_tensor(sorted_outputs[:, 0]), y)
    assert (after <= before + 1e-9).all()


@given(arrays(np.float32, (3, 5), elements=FLOATS), st.floats(0.05, 0.95))
def test_quantiles_in_between_are_those_of_a_line(outputs, at):
    loss = Quantile()
    found = loss.read_quantiles(outputs, np.array([at]))[:, 0, 0]
    knots = np.sort(outputs.astype(np.float64))
    expected = [np.interp(at, loss.quantiles, row) for row in knots]
    assert_allclose(found, expected, rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize(
    ("quantiles", "expected"),
    [
        ((0.25, 0.5, 0.75), 2.0),
        ((0.4, 0.6), 1.5),
        ((0.6, 0.9), 1.0),
        ((0.1, 0.2), 2.0),
        ((0.9,), 1.0),
    ],
)
def test_the_point_is_the_median_or_the_quantile_next_to_it(quantiles, expected):
    outputs = np.arange(1.0, len(quantiles) + 1)[None, ::-1]
    assert_allclose(Quantile(quantiles=quantiles).read_points(outputs), [[expected]])


@pytest.mark.parametrize("asked", [(0.5, 0.96), (0.01,)])
def test_quantiles_outside_the_trained_ones_are_refused(asked):
    with pytest.raises(ValueError, match=r"trained, 0\.05 to 0\.95, got \[0\.(96|01)"):
        Quantile().read_quantiles(np.zeros((1, 5)), np.array(asked))


@pytest.mark.parametrize(
    "quantiles", [(), (0.5, 0.1), (0.1, 0.1), (0.0, 0.5), (0.5, 1.0), 0.5, "median"]
)
def test_quantiles_that_are_not_ascending_probabilities_are_refused(quantiles):
    with pytest.raises(ValueError, match="quantiles") as error:
        Quantile(quantiles=quantiles).build()
    assert repr(quantiles) in str(error.value)


def test_the_quantiles_of_an_ensemble_are_the_means_of_the_members_sorted_ones():
    loss = Quantile(quantiles=LEVELS)
    joined = loss.join_members(MEMBERS).numpy()
    at = np.array(LEVELS)
    each = [loss.read_quantiles(MEMBERS[:, i].numpy(), at) for i in range(5)]
    assert_allclose(loss.read_quantiles(joined, at), np.mean(each, axis=0), rtol=1e-12)


# Gaussian


@pytest.mark.parametrize("min_std", [1e-3, 0.3])
def test_the_negative_log_likelihood_is_that_of_the_normal_distribution(min_std):
    loss = Gaussian(min_std=min_std)
    output = outputs_for(loss)
    mean, raw = output[:, ::2], output[:, 1::2]
    std = min_std + F.softplus(raw)
    expected = -norm(mean.numpy(), std.numpy()).logpdf(Y.numpy()).mean()
    assert_allclose(loss.build()(output, Y).item(), expected, rtol=1e-12)
    theirs = nn.GaussianNLLLoss(full=True)(mean, Y, std.square())
    assert_allclose(loss.build()(output, Y).item(), theirs.item(), rtol=1e-9)
    assert_allclose(loss.read_std(output.numpy()), std.numpy(), rtol=1e-12)
    assert_array_equal(loss.read_points(output.numpy()), mean.numpy())


def test_quantiles_are_those_of_the_normal_distribution():
    loss = Gaussian()
    output = outputs_for(loss).numpy()
    at = np.array([0.001, 0.5, 0.84, 0.999])
    mean, std = loss.read_points(output), loss.read_std(output)
    expected = norm(mean[..., None], std[..., None]).ppf(at)
    assert_allclose(loss.read_quantiles(output, at), expected, rtol=1e-12)


@given(arrays(np.float32, (7, 2), elements=FLOATS))
def test_a_standard_deviation_is_never_below_the_least(outputs):
    assert (Gaussian(min_std=0.01).read_std(outputs) >= 0.01).all()


@pytest.mark.parametrize("raw", [-1e30, -200.0, 200.0, 1e30])
@pytest.mark.parametrize("error", [0.0, 1e4])
def test_value_and_gradient_are_finite_whatever_the_standard_deviation(raw, error):
    output = torch.tensor([[error, raw]], requires_grad=True)
    value = Gaussian().build()(output, torch.zeros(1, 1))
    value.backward()
    assert value.isfinite()
    assert output.grad.isfinite().all()


@pytest.mark.parametrize("min_std", [1e-3, 0.3])
def test_the_normal_distribution_of_an_ensemble_has_the_moments_of_the_mixture(min_std):
    loss = Gaussian(min_std=min_std)
    members = MEMBERS[..., :4]
    each = [members[:, i].numpy() for i in range(5)]
    means = np.array([loss.read_points(m) for m in each])
    stds = np.array([loss.read_std(m) for m in each])
    joined = loss.join_members(members).numpy()
    assert_allclose(loss.read_points(joined), means.mean(axis=0), rtol=1e-12)
    # E[y^2] - E[y]^2 of the mixture.
    variance = (stds**2 + means**2).mean(axis=0) - means.mean(axis=0) ** 2
    assert_allclose(loss.read_std(joined), np.sqrt(variance), rtol=1e-9)


@pytest.mark.parametrize("raw", [-1e4, -30.0, 30.0, 1e4])
def test_members_that_agree_are_joined_to_one_of_them(raw):
    loss = Gaussian()
    members = torch.tensor([0.25, raw]).expand(3, 4, 2)
    joined = loss.join_members(members).numpy()
    one = members[:, 0].numpy()
    assert_allclose(loss.read_points(joined), loss.read_points(one), rtol=1e-6)
    assert_allclose(loss.read_std(joined), loss.read_std(one), rtol=1e-5)


@pytest.mark.parametrize("min_std", [0.0, -1.0])
def test_the_least_standard_deviation_is_positive(min_std):
    with pytest.raises(ValueError, match="min_std"):
        Gaussian(min_std=min_std).build()


# Both


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_weights_are_repetition(loss):
    output, criterion = outputs_for(loss), loss.build()
    weighted = criterion(output, Y, TIMES.double())
    rows = torch.arange(40).repeat_interleave(TIMES)
    repeated = criterion(output[rows], Y[rows], None)
    assert_allclose(weighted.item(), repeated.item(), rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_several_targets_cost_the_mean_of_each(loss):
    output, n = outputs_for(loss), loss.outputs_per_value
    each = [loss.rows(output[:, i * n : (i + 1) * n], Y[:, i : i + 1]) for i in (0, 1)]
    assert_allclose(loss.rows(output, Y), torch.stack(each).mean(dim=0), rtol=1e-12)


@pytest.mark.parametrize("loss", [Quantile(quantiles=LEVELS), Gaussian()], ids=repr)
def test_the_gradient_is_that_of_finite_differences(loss):
    output = outputs_for(loss)[:5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss.rows(x, Y[:5]), output)
