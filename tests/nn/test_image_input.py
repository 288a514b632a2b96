import pytest
import torch

from torchlearners.nn import ImageInput, fit_to_data


def pixels(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_rows_are_unfolded_in_either_layout():
    images = pixels(5, 3, 4, 6)
    first = ImageInput(3, 4, 6)(images.flatten(1))
    last = ImageInput(3, 4, 6, channels_last=True)
    assert first.equal(images / 255)
    assert last(images.permute(0, 2, 3, 1).flatten(1)).equal(first)


def test_floats_are_taken_as_they_are():
    rows = pixels(5, 24).double()
    assert ImageInput(1, 4, 6)(rows).flatten(1).equal(rows.float())


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_each_channel_is_normalized_by_what_it_was_fitted_to(scale):
    rows = pixels(600, 3 * 4 * 6) * scale + 1e3 * (scale - 1)
    module = ImageInput(3, 4, 6, normalize="standard")
    fit_to_data(module, rows)
    images = module(rows)
    assert images.mean(dim=(0, 2, 3)).abs().max() < 1e-3
    assert (images.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3


def test_a_constant_channel_becomes_zero():
    module = ImageInput(1, 2, 2, normalize="standard")
    module.fit_to(torch.full((5, 4), 7.0))
    assert module(torch.full((5, 4), 7.0)).abs().max() == 0


def test_the_constants_of_imagenet_are_averaged_for_one_channel():
    assert ImageInput(1, 2, 2, normalize="imagenet").mean.item() == pytest.approx(0.449)
    assert ImageInput(3, 2, 2, normalize="imagenet").std[0].item() == pytest.approx(
        0.229
    )
    with pytest.raises(ValueError, match="1 or 3 channels, got channels=4"):
        ImageInput(4, 2, 2, normalize="imagenet")


def test_without_standard_nothing_is_learned():
    module = ImageInput(1, 2, 2)
    module.fit_to(torch.full((5, 4), 7.0))
    assert module.mean.item() == 0
