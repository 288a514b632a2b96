import pytest
import torch
from torch.nn import functional as F

from torchlearners.nn import ParametricActivation

x = torch.linspace(-4, 4, 12).reshape(4, 3)


@pytest.mark.parametrize("name", ["elu", "gelu", "mish", "relu", "selu", "silu"])
def test_it_starts_as_the_activation_itself(name):
    layer = ParametricActivation(3, name)
    torch.testing.assert_close(layer(x), getattr(F, name)(x))


def test_each_unit_goes_from_the_identity_towards_the_activation_and_beyond():
    layer = ParametricActivation(3, "selu")
    layer.weight.data = torch.tensor([0.0, 0.3, 2.0])
    expected = x + layer.weight * (F.selu(x) - x)
    torch.testing.assert_close(layer(x), expected)
    assert torch.equal(layer(x)[:, 0], x[:, 0])


def test_the_share_learns():
    layer = ParametricActivation(3, "relu")
    layer(x).square().sum().backward()
    expected = (2 * F.relu(x) * (F.relu(x) - x)).sum(0)
    torch.testing.assert_close(layer.weight.grad, expected)
