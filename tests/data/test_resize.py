import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from torchlearners.data import resize_image
from torchlearners.data._resize import RESIZES, check_size


def picture(height, width, channels=3):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (channels, 4, 4)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.tensor(small)[None], (height, width))
    return smooth[0].to(torch.uint8)


sides = st.integers(1, 40)


@given(sides, sides, sides, sides, st.sampled_from(RESIZES))
def test_the_result_has_the_size_asked_for(height, width, out_height, out_width, how):
    out = resize_image(picture(height, width), (out_height, out_width), how)
    assert out.shape == (3, out_height, out_width)
    assert out.dtype == torch.uint8


@pytest.mark.parametrize("resize", RESIZES)
def test_an_image_of_that_size_stays_as_it_is(resize):
    image = picture(9, 12)
    torch.testing.assert_close(resize_image(image, (9, 12), resize), image)


@pytest.mark.parametrize("size", [(10, 10), (30, 17), (90, 100)])
def test_squashing_is_that_of_pillow(size):
    image = picture(50, 40)
    pil = Image.fromarray(image.permute(1, 2, 0).numpy())
    expected = np.asarray(pil.resize(size[::-1], Image.Resampling.BILINEAR))
    out = resize_image(image, size).permute(1, 2, 0).numpy()
    assert np.abs(out.astype(int) - expected).max() <= 1


def test_cropping_keeps_the_middle_and_the_ratio():
    image = torch.zeros(1, 4, 12, dtype=torch.uint8)
    image[:, :, 4:8] = 200
    assert (resize_image(image, (4, 4), "crop") == 200).all()
    assert (resize_image(image.mT, (4, 4), "crop") == 200).all()


def test_padding_keeps_all_of_the_image_and_adds_black():
    image = torch.full((1, 4, 12), 200, dtype=torch.uint8)
    out = resize_image(image, (12, 12), "pad")
    assert (out[:, 4:8] == 200).all()
    assert not out[:, :4].any()
    assert not out[:, 8:].any()


@pytest.mark.parametrize("resize", RESIZES)
def test_a_square_is_resized_alike_by_all(resize):
    image = picture(40, 40)
    expected = resize_image(image, (16, 16), "squash")
    torch.testing.assert_close(resize_image(image, (16, 16), resize), expected)


@pytest.mark.parametrize("resize", RESIZES)
def test_a_uniform_image_stays_uniform(resize):
    image = torch.full((3, 33, 45), 77, dtype=torch.uint8)
    out = resize_image(image, (20, 8), resize)
    assert set(out.unique().tolist()) <= ({77} if resize != "pad" else {0, 77})


def test_what_is_no_way_to_resize_is_refused():
    with pytest.raises(ValueError, match=r"'squash', 'crop', 'pad'\. Got 'fit'"):
        resize_image(picture(4, 4), (2, 2), "fit")


def test_a_size_is_one_number_or_two():
    assert check_size(None) is None
    assert check_size(8) == (8, 8)
    assert check_size(np.int64(8)) == (8, 8)
    assert check_size([8, 9]) == (8, 9)
    for wrong in (0, -1, 2.0, True, (1, 2, 3), (4, 0), "8"):
        with pytest.raises(ValueError, match="size must be None"):
            check_size(wrong)
