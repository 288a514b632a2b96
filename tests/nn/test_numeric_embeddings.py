import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import (
    PBLDEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    PiecewiseLinearEncoding,
    random_numbers_from,
)


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


@pytest.fixture
def x():
    return torch.randn(7, 3, generator=torch.Generator().manual_seed(1))


def array(tensor):
    return tensor.detach().numpy()


def encode_by_definition(x, edges):
    """Equation 1 of Gorishniy et al. (2022), a number and a bin at a time."""
    n_bins = len(edges) - 1
    out = np.zeros(n_bins)
    for t in range(n_bins):
        left, right = edges[t], edges[t + 1]
        if x < left and t > 0:
            out[t] = 0
        elif x >= right and t < n_bins - 1:
            out[t] = 1
        else:
            out[t] = (x - left) / (right - left)
    return out


@pytest.mark.parametrize("n_bins", [1, 2, 5])
def test_bins_fill_up_by_definition(n_bins):
    rows = torch.randn(100, 3)
    encoding = PiecewiseLinearEncoding(3, n_bins)
    encoding.fit_to(rows)
    x = torch.cat([rows, torch.tensor([[-9.0] * 3, [9.0] * 3]), encoding.edges.T])
    expected = [
        [
            encode_by_definition(value, edges)
            for value, edges in zip(row, bins, strict=True)
        ]
        for row in x.double().numpy()
        for bins in [encoding.edges.double().numpy()]
    ]
    np.testing.assert_allclose(encoding(x), expected, rtol=1e-4, atol=1e-4)


def test_edges_are_quantiles_of_the_rows():
    rows = torch.randn(103, 3)
    encoding = PiecewiseLinearEncoding(3, 10)
    encoding.fit_to(rows)
    expected = np.quantile(rows.double().numpy(), np.linspace(0, 1, 11), axis=0).T
    np.testing.assert_allclose(encoding.edges, expected, rtol=1e-6)


def test_edges_are_normal_quantiles_before():
    edges = PiecewiseLinearEncoding(2, 4).edges
    expected = norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(edges, [expected, expected], rtol=1e-6, atol=1e-7)


def test_bins_without_values_of_their_own_stay_empty():
    encoding = PiecewiseLinearEncoding(3, 6)
    rows = [[0.0, 5.0, 0.0]] * 5 + [[0.0, 5.0, 1.0]] * 4 + [[1.0, 5.0, 2.0]] * 4
    encoding.fit_to(torch.tensor(rows))
    np.testing.assert_array_equal(encoding.edges[0], [0, *[1] * 6])
    out = encoding(torch.tensor([[0.25, 7.0, 1.5], [-1.0, 3.0, 3.0]]))
    np.testing.assert_allclose(out[0, 0], [0.25, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(out[1, 0], [-1, 0, 0, 0, 0, 0])
    assert not out[:, 1].any()  # a feature that never varies
    np.testing.assert_allclose(out[0, 2], [1, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(out[1, 2], [1, 2, 0, 0, 0, 0])


def test_bins_of_no_width_to_speak_of_are_merged():
    encoding = PiecewiseLinearEncoding(1, 3)
    encoding.fit_to(torch.tensor([[0.0], [1e-7], [1.0], [1.0 + 2e-7]]))
    np.testing.assert_array_equal(encoding.edges, [[0, 1, 1, 1]])
    assert encoding(torch.tensor([[2.0]])).abs().max() <= 2


def test_a_value_of_many_rows_leaves_bins_for_the_others():
    rows = torch.cat([torch.zeros(950, 1), torch.linspace(1, 2, 50).unsqueeze(1)])
    encoding = PiecewiseLinearEncoding(1, 10)
    encoding.fit_to(rows[torch.randperm(1000)])
    assert (encoding.edges == 0).sum() == 1
    assert (encoding.edges >= 1).sum() == 9
    np.testing.assert_allclose(encoding.edges[0, 2:].diff(), 1 / 9, atol=0.03)


def test_few_different_values_are_the_edges():
    encoding = PiecewiseLinearEncoding(1, 4)
    encoding.fit_to(torch.tensor([[3.0], [0.0], [0.0], [7.0], [3.0], [0.0]]))
    np.testing.assert_array_equal(encoding.edges, [[0, 3, 7, 7, 7]])


def test_few_rows_make_few_bins():
    rows = torch.randn(100, 2)
    few = PiecewiseLinearEncoding(2, 9, rows_per_bin=25)
    few.fit_to(rows)
    all_bins = PiecewiseLinearEncoding(2, 4)
    all_bins.fit_to(rows)
    np.testing.assert_array_equal(few.edges[:, :5], all_bins.edges)
    np.testing.assert_array_equal(few.edges[:, 5:], all_bins.edges[:, -1:].expand(2, 5))
    assert not few(rows)[..., 4:].any()
    fewest = PiecewiseLinearEncoding(2, 9, rows_per_bin=1000)
    fewest.fit_to(rows)
    assert len(fewest.edges[0].unique()) == 2


@given(
    rows=st.lists(
        st.lists(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=2), min_size=1
    ),
    n_bins=st.integers(1, 9),
)
def test_any_rows_give_growing_edges_and_finite_numbers(rows, n_bins):
    encoding, rows = PiecewiseLinearEncoding(2, n_bins), torch.tensor(rows)
    encoding.fit_to(rows)
    assert (encoding.edges.diff() >= 0).all()
    out = encoding(rows)
    assert out.isfinite().all()
    assert ((out >= -1e-3) & (out <= 1 + 1e-3)).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.zeros(0, 3), r"needs rows of finite numbers.* got 0 rows"),
        (torch.tensor([[0.0, 1, float("nan")]]), r"got 1 rows of which 1 hold NaN"),
        (torch.tensor([[0.0, 1, float("inf")]]), r"got 1 rows of which 1 hold NaN"),
    ],
)
def test_edges_need_finite_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        PiecewiseLinearEncoding(3).fit_to(rows)


def test_fitting_draws_nothing_and_keeps_the_dtype_and_the_buffer():
    encoding = PiecewiseLinearEncoding(3, 4).double()
    edges = encoding.edges
    encoding.fit_to(torch.randn(50, 3))
    assert encoding.edges is edges
    assert edges.dtype == torch.float64
    assert not edges.requires_grad


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_a_linear_layer_of_each_feature_follows_its_encoding(x, activation, residual):
    module = PiecewiseLinearEmbedding(3, 5, 4, activation, residual)
    torch.nn.init.normal_(module.linear.weight)
    encoded, w = array(module.encoding(x)), array(module.linear.weight)
    expected = np.einsum("bft,ftd->bfd", encoded, w)
    if residual:
        straight, b = map(array, (module.straight.weight, module.straight.bias))
        expected += x.numpy()[:, :, None] * straight + b
    else:
        expected += array(module.linear.bias)
    if activation:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-4, atol=1e-5)


def test_the_piecewise_part_starts_at_zero_beside_a_straight_one(x):
    module = PiecewiseLinearEmbedding(3)
    assert torch.equal(module(x), module.straight(x))
    assert PiecewiseLinearEmbedding(3, residual=False).linear.weight.any()


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("lite", [False, True])
def test_waves_of_each_feature_go_through_a_linear_layer(x, activation, lite):
    module = PeriodicEmbedding(3, 5, 0.5, 4, lite, activation)
    phase = 2 * np.pi * x.numpy()[:, :, None] * array(module.frequencies)
    waves = np.concatenate([np.cos(phase), np.sin(phase)], -1)
    if lite:
        expected = waves @ array(module.linear.weight).T
    else:
        expected = np.einsum("bfw,fwd->bfd", waves, array(module.linear.weight))
    expected = expected + array(module.linear.bias)
    if activation:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-4, atol=1e-5)


def test_shifted_waves_and_the_number_itself_are_joined(x):
    module = PBLDEmbedding(3, 5, 0.5, 4)
    phase = 2 * np.pi * x.numpy()[:, :, None] * array(module.frequencies)
    waves = np.cos(phase + array(module.shifts))
    linear = np.einsum("bfw,fwd->bfd", waves, array(module.linear.weight))
    linear += array(module.linear.bias)
    expected = np.concatenate([linear, x.numpy()[:, :, None]], -1)
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-4, atol=1e-5)


def test_frequencies_start_as_asked():
    cut = array(PeriodicEmbedding(40, 500, 0.2).frequencies)
    assert 0.5 < np.abs(cut).max() <= 0.6
    np.testing.assert_allclose(cut.std(), 0.2, rtol=0.05)
    module = PBLDEmbedding(40, 500, 0.2)
    assert np.abs(array(module.frequencies)).max() > 0.6
    np.testing.assert_allclose(array(module.frequencies).std(), 0.2, rtol=0.05)
    assert 3.1 < np.abs(array(module.shifts)).max() <= np.float32(np.pi)


@pytest.mark.parametrize(
    "module",
    [
        PiecewiseLinearEncoding,
        PiecewiseLinearEmbedding,
        PeriodicEmbedding,
        PBLDEmbedding,
    ],
)
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3, 1)])
def test_another_shape_is_refused(module, shape):
    with pytest.raises(
        ArchitectureError, match=r"takes a tensor of shape \(batch, 3\)"
    ):
        module(3)(torch.zeros(shape))


def test_bins_follow_their_edges():
    """They are kept from call to call, but not past a change of the edges."""
    rows = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    other = PiecewiseLinearEncoding(2, 6)
    other.fit_to(3 * rows)
    encoding = PiecewiseLinearEncoding(2, 6)
    encoding(rows)
    encoding.load_state_dict(other.state_dict())
    assert torch.equal(encoding(rows), other(rows))
    encoding.edges = 2 * encoding.edges  # which is exact
    assert torch.equal(encoding(2 * rows), other(rows))


def test_bins_seen_in_a_prediction_serve_in_training():
    embedding = PiecewiseLinearEmbedding(2)
    with torch.inference_mode():
        embedding(torch.zeros(1, 2))
    embedding(torch.zeros(1, 2, requires_grad=True)).sum().backward()
    assert embedding.linear.weight.grad is not None
