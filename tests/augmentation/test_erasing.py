import pytest
import torch

from torchlearners.augmentation import Erasing
from torchlearners.augmentation._erasing import rectangles


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def hidden_by(op, n=2000, size=(40, 60)):
    """Return which pixels are hidden, (n, height, width)."""
    return op(torch.ones(n, 1, *size), seeded())[:, 0] == 0


def test_the_area_is_within_its_bounds_and_spread_evenly():
    area = hidden_by(Erasing(p=1, area=(0.1, 0.3))).double().mean((1, 2))
    # Sides are rounded to pixels.
    assert 0.09 < area.min() < 0.12
    assert 0.28 < area.max() < 0.32
    assert abs(area.mean() - 0.2) < 0.01


@pytest.mark.parametrize("ratio", [(1, 1), (0.25, 4)])
def test_what_is_hidden_is_one_rectangle_of_a_shape_within_its_bounds(ratio):
    hidden = hidden_by(Erasing(p=1, area=(0.1, 0.2), ratio=ratio), n=200)
    height = hidden.any(2).sum(1)
    width = hidden.any(1).sum(1)
    assert torch.equal(height * width, hidden.sum((1, 2)))
    shapes = (width / 60) / (height / 40)
    assert shapes.min() > ratio[0] * 0.85
    assert shapes.max() < ratio[1] * 1.15
    for rows in hidden.any(2):
        ends = rows.nonzero()
        assert ends.max() - ends.min() + 1 == rows.sum()


def test_the_rectangle_is_anywhere_and_always_whole():
    hidden = hidden_by(Erasing(p=1, area=(0.25, 0.25), ratio=(1, 1)))
    assert (hidden.sum((1, 2)) == 600).all()
    first_row = hidden.any(2).int().argmax(1)
    assert first_row.min() == 0
    assert first_row.max() == 20
    assert abs(first_row.double().mean() - 10) < 0.6


def test_areas_of_nothing_and_everything():
    assert not hidden_by(Erasing(p=1, area=(0, 0)), n=3).any()
    assert hidden_by(Erasing(p=1, area=(1, 1), ratio=(1, 1)), n=3).all()


def test_all_channels_are_hidden_alike():
    hidden = Erasing(p=1)(torch.ones(20, 3, 9, 9), seeded()) == 0
    assert torch.equal(hidden, hidden[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_mean_is_that_of_each_channel(dtype):
    images = torch.zeros(1, 2, 4, 4, dtype=dtype)
    images[:, 0, :, 2:] = 1 if dtype == torch.float32 else 200
    everything = Erasing(p=1, area=(1, 1), ratio=(1, 1), fill="mean")
    mean = everything(images, seeded())[0, :, 0, 0].tolist()
    assert mean == ([0.5, 0.0] if dtype == torch.float32 else [100, 0])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_noise_is_spread_evenly_from_black_to_white(dtype):
    white = 255 if dtype == torch.uint8 else 1
    images = torch.zeros(1, 3, 100, 100, dtype=dtype)
    everything = Erasing(p=1, area=(1, 1), ratio=(1, 1), fill="noise")
    noise = everything(images, seeded()).double() / white
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(noise.std() - 12**-0.5) < 0.01


def test_rectangles_are_those_of_their_numbers():
    place = [torch.tensor([v]) for v in (1, 2, 0, 3)]
    expected = torch.zeros(1, 1, 4, 5, dtype=torch.bool)
    expected[:, :, 1:3, 0:3] = True
    assert torch.equal(rectangles((4, 5), *place), expected)
