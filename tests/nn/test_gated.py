import numpy as np
import pytest
import torch
from scipy.special import erf, expit

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import GEGLU, ReGLU, SwiGLU

OPENED = {
    ReGLU: lambda g: np.maximum(g, 0),
    GEGLU: lambda g: g * 0.5 * (1 + erf(g / np.sqrt(2))),
    SwiGLU: lambda g: g * expit(g),
}


@pytest.mark.parametrize("unit", OPENED)
def test_the_second_half_opens_the_first(unit):
    x = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))
    values, gates = np.split(x.double().numpy(), 2, axis=-1)
    expected = values * OPENED[unit](gates)
    np.testing.assert_allclose(unit()(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unit", OPENED)
def test_an_odd_number_of_features_is_refused(unit):
    with pytest.raises(ArchitectureError, match=rf"{unit.__name__}.* must be even"):
        unit()(torch.zeros(5, 3))
