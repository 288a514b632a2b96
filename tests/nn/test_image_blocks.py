import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import ChannelNorm2d, ConvNeXtBlock, PatchTokens, PoolPositions


def images(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_channels_of_each_pixel_are_normalized():
    x = ChannelNorm2d(16)(images(3, 16, 4, 5))
    assert x.mean(dim=1).abs().max() < 1e-5
    assert (x.var(dim=1, correction=0) - 1).abs().max() < 1e-3


def test_a_block_begins_as_almost_nothing():
    x = images(2, 8, 5, 6)
    assert torch.allclose(ConvNeXtBlock(8)(x), x, atol=1e-4)
    assert not torch.allclose(ConvNeXtBlock(8, layer_scale=1.0)(x), x, atol=1e-2)
    with pytest.raises(ValueError, match="must be odd"):
        ConvNeXtBlock(8, kernel_size=4)


def test_patches_are_tokens_in_reading_order():
    module = PatchTokens(1, 4, 6, d_token=1, patch_size=2)
    with torch.no_grad():
        module.patches.weight.fill_(0.25)
        module.patches.bias.zero_()
        module.places.zero_()
    x = torch.arange(6.0).reshape(2, 3).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert module(x[None, None]).flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_patches_at_the_edge_are_filled_up():
    module = PatchTokens(3, 5, 7, d_token=8, patch_size=4)
    x = images(2, 3, 5, 7)
    moved = x.clone()
    moved[:, :, -1, -1] += 1
    assert module(x).shape == (2, 4, 8)
    assert not module(x).equal(module(moved))
    with pytest.raises(ArchitectureError, match="takes a tensor of shape"):
        module(images(2, 3, 5, 8))


@pytest.mark.parametrize(
    ("shape", "size"), [((6,), 6), ((9, 6), 6), ((6, 2, 4), 48), ((6, 3, 6), 6)]
)
def test_small_maps_are_kept_and_others_averaged(shape, size):
    assert PoolPositions(max_positions=8)(images(2, *shape)).shape == (2, size)


def test_five_dimensions_are_no_map():
    with pytest.raises(ValueError, match="2 to 4 dimensions"):
        PoolPositions()(images(2, 3, 4, 5, 6))
