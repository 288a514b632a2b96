import colorsys
import math

import pytest
import torch

from torchlearners.augmentation import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    ImageBatch,
)
from torchlearners.augmentation._color import change_colors


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(shape=(4, 3, 6, 5)):
    return torch.rand(shape, generator=seeded())


def changed(images, **factors):
    factors = {k: torch.full((len(images),), float(v)) for k, v in factors.items()}
    return change_colors(ImageBatch(images), **factors).images


def luma(images):
    red, green, blue = images.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_neutral_factors_change_nothing():
    images = random_images()
    same = changed(images, brightness=1, contrast=1, saturation=1, hue=0)
    torch.testing.assert_close(same, images)
    of_bytes = (images * 255).to(torch.uint8)
    same = changed(of_bytes, brightness=1, contrast=1, saturation=1, hue=0)
    assert torch.equal(same, of_bytes)


@pytest.mark.parametrize("factor", [0, 0.5, 1.3])
def test_brightness_multiplies(factor):
    images = random_images()
    expected = (images * factor).clamp(max=1)
    torch.testing.assert_close(changed(images, brightness=factor), expected)


@pytest.mark.parametrize("factor", [0, 0.5, 1.3])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_contrast_moves_away_from_the_mean_gray(factor, channels):
    images = random_images((4, channels, 6, 5))
    gray = luma(images) if channels == 3 else images.mean(1)
    mean = gray.mean((1, 2)).view(-1, 1, 1, 1)
    expected = (mean + factor * (images - mean)).clamp(0, 1)
    torch.testing.assert_close(changed(images, contrast=factor), expected)


@pytest.mark.parametrize("factor", [0, 0.5, 1.3])
def test_saturation_moves_away_from_gray(factor):
    images = random_images()
    gray = luma(images).unsqueeze(1)
    expected = (gray + factor * (images - gray)).clamp(0, 1)
    torch.testing.assert_close(changed(images, saturation=factor), expected)


def test_all_at_once_is_one_after_the_other():
    # Near the middle, where nothing is cut off.
    images = 0.4 + 0.2 * random_images()
    factors = {"brightness": 1.1, "contrast": 0.8, "saturation": 1.3, "hue": 0.1}
    expected = images
    for name, factor in factors.items():
        expected = changed(expected, **{name: factor})
    torch.testing.assert_close(changed(images, **factors), expected)


def test_a_turned_hue_keeps_brightness_and_gray():
    images = 0.4 + 0.2 * random_images()
    for hue in (-0.3, 0.1, 0.5):
        turned = changed(images, hue=hue)
        torch.testing.assert_close(luma(turned), luma(images), atol=1e-3, rtol=0)
    gray = images[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(changed(gray, hue=0.3), gray, atol=1e-3, rtol=0)


def test_the_whole_circle_of_hues_is_where_it_began_and_two_steps_are_one():
    images = 0.4 + 0.2 * random_images()
    torch.testing.assert_close(changed(images, hue=1), images, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        changed(changed(images, hue=0.1), hue=0.2),
        changed(images, hue=0.3),
        atol=1e-4,
        rtol=0,
    )


@pytest.mark.parametrize("hue", [1 / 3, -1 / 3])
def test_a_third_of_the_circle_turns_red_about_as_far_as_hsv_does(hue):
    red = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1)
    turned = changed(red, hue=hue).flatten().tolist()
    apart = abs(colorsys.rgb_to_hsv(*turned)[0] - colorsys.rgb_to_hsv(0.6, 0.4, 0.4)[0])
    assert min(apart, 1 - apart) == pytest.approx(1 / 3, abs=0.08)


def test_images_without_three_channels_have_no_colors():
    images = random_images((3, 1, 4, 4))
    assert torch.equal(Grayscale(p=1)(images, seeded()), images)
    op = ColorJitter(brightness=0, contrast=0, saturation=0.5, hue=0.5)
    torch.testing.assert_close(op(images, seeded()), images)


def test_jitter_is_within_its_bounds_and_different_for_each_image():
    images = torch.full((2000, 3, 1, 1), 0.5)
    factors = ColorJitter(brightness=0.3, contrast=0, saturation=0)(images, seeded())
    factors = factors[:, 0, 0, 0] / 0.5
    assert 0.7 - 1e-5 <= factors.min() < 0.71
    assert 1.29 < factors.max() <= 1.3 + 1e-5
    assert abs(factors.mean() - 1) < 0.02


def test_grayscale_makes_the_channels_equal_to_the_brightness():
    images = random_images()
    gray = Grayscale(p=1)(images, seeded())
    torch.testing.assert_close(gray, luma(images).unsqueeze(1).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_blur_spreads_a_point_as_a_gaussian(dtype):
    images = torch.zeros(1, 2, 21, 25, dtype=dtype)
    images[:, :, 10, 12] = 1
    blurred = GaussianBlur(p=1, sigma=(2, 2))(images, seeded())
    x = torch.arange(-6, 7).double()
    weights = (-0.5 * (x / 2) ** 2).exp()
    weights /= weights.sum()
    expected = weights.view(-1, 1) * weights
    for channel in blurred[0]:
        seen = channel[4:17, 6:19].double()
        torch.testing.assert_close(seen, expected, atol=1e-6, rtol=0)
        assert math.isclose(channel.sum(), 1, abs_tol=1e-5)


def test_a_blur_of_one_color_is_that_color():
    images = torch.full((3, 3, 4, 5), 77, dtype=torch.uint8)
    assert torch.equal(GaussianBlur(p=1, sigma=(3, 3))(images, seeded()), images)


def test_a_blur_of_width_zero_changes_nothing():
    images = random_images()
    assert torch.equal(GaussianBlur(p=1, sigma=(0, 0))(images, seeded()), images)
