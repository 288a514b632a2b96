import numpy as np
import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import (
    BatchEnsembleLinear,
    ExpandMembers,
    LinearEnsemble,
    ScaleEnsemble,
    random_numbers_from,
)


@pytest.fixture(autouse=True)
def same_numbers():
    with random_numbers_from(torch.Generator().manual_seed(0)):
        yield


def array(tensor):
    return tensor.detach().numpy()


@pytest.fixture
def x():
    return torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))


def test_each_member_scales_what_goes_in_and_out_of_the_shared_weights(x):
    module = BatchEnsembleLinear(6, 3, 4, scaling_init="normal")
    torch.nn.init.normal_(module.s)
    w, r, s, b = map(array, (module.weight, module.r, module.s, module.bias))
    expected = np.stack(
        [((x[:, i].numpy() * r[i]) @ w.T) * s[i] + b[i] for i in range(4)], 1
    )
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-4, atol=1e-5)
    module.bias = None
    np.testing.assert_allclose(array(module(x)), expected - b, rtol=1e-4, atol=1e-5)


def test_members_start_alike_apart_from_what_goes_in():
    module = BatchEnsembleLinear(6, 3, 4)
    assert torch.equal(module.r, torch.ones(4, 6))
    assert torch.equal(module.s, torch.ones(4, 3))
    assert torch.equal(module.bias, module.bias[:1].expand(4, 3))
    out = module(ExpandMembers(4)(torch.ones(2, 6)))
    torch.testing.assert_close(out, out[:, :1].expand(-1, 4, -1))


def test_each_member_of_a_linear_ensemble_has_weights_of_its_own(x):
    module = LinearEnsemble(6, 3, 4)
    w, b = array(module.weight), array(module.bias)
    expected = np.einsum("bki,kio->bko", x.numpy(), w) + b
    np.testing.assert_allclose(array(module(x)), expected, rtol=1e-4, atol=1e-5)
    assert LinearEnsemble(6, 3, 4, bias=False).bias is None


def test_scalings_differ_between_members(x):
    module = ScaleEnsemble(6, 4)
    np.testing.assert_array_equal(array(module(x)), x.numpy() * array(module.weight))
    assert len(np.unique(array(module.weight), axis=0)) > 1


def test_expanded_rows_are_the_same_memory():
    x = torch.randn(5, 2, 3)
    out = ExpandMembers(4)(x)
    assert out.shape == (5, 4, 2, 3)
    assert out.data_ptr() == x.data_ptr()
    assert torch.equal(out, torch.stack([x] * 4, 1))


@pytest.mark.parametrize(
    "make",
    [ScaleEnsemble, lambda d, k, s: BatchEnsembleLinear(d, 2, k, scaling_init=s)],
)
def test_scalings_start_as_asked(make):
    def scalings(init):
        module = make(500, 40, init)
        return array(module.r if hasattr(module, "r") else module.weight)

    np.testing.assert_array_equal(scalings("ones"), np.ones((40, 500)))
    signs = scalings("random-signs")
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 0.05
    normal = scalings("normal")
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05


def test_weights_start_within_one_over_the_root_of_in_features():
    for module in [LinearEnsemble(100, 50, 8), BatchEnsembleLinear(100, 50, 8)]:
        for tensor in (module.weight, module.bias):
            assert tensor.abs().max() <= 0.1
            assert tensor.abs().max() > 0.09


def test_features_of_a_chunk_start_with_one_scaling():
    module = ScaleEnsemble(6, 4, "normal", scaling_chunks=[2, 1, 3])
    w = array(module.weight)
    for chunk in (w[:, :2], w[:, 2:3], w[:, 3:]):
        np.testing.assert_array_equal(chunk, chunk[:, :1].repeat(chunk.shape[1], 1))
    assert np.unique(w).size == 12


@pytest.mark.parametrize(
    "module",
    [ScaleEnsemble(6, 4), BatchEnsembleLinear(6, 3, 4), LinearEnsemble(6, 3, 4)],
)
@pytest.mark.parametrize("shape", [(5, 6), (5, 1, 6), (5, 4, 1)])
def test_another_shape_is_refused(module, shape):
    with pytest.raises(ArchitectureError, match=r"takes a tensor of shape \(batch, 4"):
        module(torch.zeros(shape))
