import numpy as np
import pytest
import torch
from torch import nn

from torchlearners.nn import NTKLinear, ScaleFeatures, fit_to_data, random_numbers_from


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


def array(tensor):
    return tensor.detach().numpy()


def rows(n_rows=2000, d=7):
    scale = torch.arange(1.0, d + 1)
    return torch.randn(n_rows, d) * scale + scale


def test_weights_are_scaled_by_the_root_of_the_number_of_inputs():
    layer, x = NTKLinear(7, 5), rows(3)
    nn.init.normal_(layer.bias)
    expected = array(x) @ array(layer.weight).T / np.sqrt(7) + array(layer.bias)
    np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-4, atol=1e-5)
    assert NTKLinear(7, 5, bias=False).bias is None


def test_new_weights_are_standard_normal_and_biases_zero():
    layer = NTKLinear(300, 400)
    assert abs(layer.weight.mean()) < 0.01
    assert abs(layer.weight.std() - 1) < 0.01
    assert not layer.bias.any()


def test_units_have_unit_spread_over_the_rows_a_layer_is_fitted_to():
    net = nn.Sequential(NTKLinear(7, 50), nn.Mish(), NTKLinear(50, 3))
    before, x = array(net[0].weight).copy(), rows()
    fit_to_data(net, x)
    hidden = net[0](x)
    np.testing.assert_allclose(array(hidden).std(0), 1, rtol=1e-4)
    np.testing.assert_allclose(array(net(x)).std(0), 1, rtol=1e-4)
    # Each unit keeps the direction of its weights.
    ratio = array(net[0].weight) / before
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(7, 1), rtol=1e-4)


def test_a_unit_is_zero_inside_the_hull_of_five_rows():
    layer, x = NTKLinear(2, 40), rows(5, 2)
    layer.fit_to(x)
    units = array(layer(x))
    assert (units.min(0) < 0).all()
    assert (units.max(0) > 0).all()


def test_biases_are_spread_as_mixtures_of_five_rows_are():
    layer, x = NTKLinear(1, 20_000), torch.randn(5000, 1)
    layer.fit_to(x)
    # For exponential shares the sum of their squares is 2 / 6 on average.
    zeros = -array(layer.bias)
    assert abs(zeros.mean()) < 0.02
    assert abs(zeros.var() - 1 / 3) < 0.02


def test_a_layer_is_fitted_without_random_numbers():
    layer, x = NTKLinear(7, 5), rows()
    layer.fit_to(x)
    other = NTKLinear(7, 5)
    other.load_state_dict(layer.state_dict())
    generator = torch.Generator().manual_seed(3)
    with random_numbers_from(generator):
        before = generator.get_state()
        layer.fit_to(x)
        assert torch.equal(before, generator.get_state())


@pytest.mark.parametrize("n_rows", [1, 20])
def test_rows_that_are_all_alike_leave_the_weights_and_center_the_units(n_rows):
    layer, x = NTKLinear(7, 5), torch.full((n_rows, 7), 3.0)
    before = layer.weight.detach().clone()
    layer.fit_to(x)
    assert torch.equal(layer.weight, before)
    np.testing.assert_allclose(array(layer(x)), 0, atol=1e-5)


def test_tokens_are_rows_too():
    layer, x = NTKLinear(7, 5), rows().reshape(500, 4, 7)
    layer.fit_to(x)
    np.testing.assert_allclose(array(layer(x)).std((0, 1)), 1, rtol=1e-4)


def test_features_are_multiplied_by_numbers_that_start_at_one():
    layer, x = ScaleFeatures(3), rows(4, 3)
    assert torch.equal(layer(x), x)
    layer.weight.data = torch.tensor([1.0, 0.0, -2.0])
    assert torch.equal(layer(x), x * layer.weight)
