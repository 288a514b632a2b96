import math

import pytest
import torch

from torchlearners.augmentation import ImageBatch
from torchlearners.augmentation._warp import inside, shift, take_pixels, warp

MODES = ["zeros", "replicate", "reflect"]


def images_of(height=5, width=7, dtype=torch.uint8, n=2):
    numbers = torch.arange(n * 3 * height * width).view(n, 3, height, width) % 251
    return numbers.to(dtype)


def maps(*rows):
    return torch.tensor(rows, dtype=torch.float32).view(-1, 2, 3)


IDENTITY = [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_identity_moves_nothing(mode, dtype):
    images = images_of(dtype=dtype)
    batch = ImageBatch(images, masks=images[:, 0].long(), max_value=255)
    moved = warp(batch, maps(IDENTITY, IDENTITY), mode)
    torch.testing.assert_close(moved.images, images, atol=1e-3, rtol=0)
    assert torch.equal(moved.masks, batch.masks)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("right", "down"), [(1, 0), (-2, 3), (0, -1), (4, 2)])
def test_a_map_by_whole_pixels_is_a_shift(mode, right, down):
    images = images_of()
    masks = images[:, 0].long()
    points = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0)) * 5
    boxes = [torch.tensor([[1.0, 1, 4, 3], [5, 0, 7, 2]]), torch.zeros(0, 4)]
    batch = ImageBatch(images, boxes, masks, points, mask_fill=7)
    steps = torch.tensor([down, 0]), torch.tensor([right, 0])
    shifted = shift(batch, *steps, mode)
    warped = warp(batch, maps([1, 0, right, 0, 1, down], IDENTITY), mode)
    assert torch.equal(shifted.images, warped.images)
    assert torch.equal(shifted.masks, warped.masks)
    torch.testing.assert_close(shifted.keypoints, warped.keypoints)
    torch.testing.assert_close(shifted.boxes, warped.boxes)
    assert torch.equal(shifted.images[1], images[1])


def test_padding_shows_black_the_border_or_the_mirror_image():
    images = torch.tensor([1, 2, 3, 4], dtype=torch.uint8).view(1, 1, 1, 4)
    batch = ImageBatch(images, masks=images[:, 0], mask_fill=9)
    shown = {}
    for mode in MODES:
        moved = shift(batch, torch.tensor([0]), torch.tensor([2]), mode)
        shown[mode] = moved.images.flatten().tolist(), moved.masks.flatten().tolist()
    assert shown["zeros"] == ([0, 0, 1, 2], [9, 9, 1, 2])
    assert shown["replicate"] == ([1, 1, 1, 2], [1, 1, 1, 2])
    assert shown["reflect"] == ([2, 1, 1, 2], [2, 1, 1, 2])


def test_far_away_rows_are_mirrored_again_and_again():
    index, outside = inside(torch.arange(-5, 7), 3, "reflect")
    assert index.tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]
    assert outside.tolist() == [True] * 5 + [False] * 3 + [True] * 4


def test_pixels_are_taken_by_their_numbers():
    images = images_of(2, 3)
    index = torch.tensor([5, 4, 3, 2, 1, 0]).view(1, 2, 3).expand(2, 2, 3)
    assert torch.equal(take_pixels(images, index), images.flip(2, 3))


def test_a_quarter_turn_is_exact():
    # (x, y) goes to (y, width - x): counter-clockwise as seen, in a square.
    images = images_of(6, 6)
    batch = ImageBatch(images, masks=images[:, 0].int())
    turn = maps([0, 1, 0, -1, 0, 6]).expand(2, 2, 3)
    moved = warp(batch, turn, "zeros")
    assert torch.equal(moved.images, images.rot90(1, (2, 3)))
    assert torch.equal(moved.masks, batch.masks.rot90(1, (1, 2)))


def test_large_numbers_in_masks_stay_exact():
    masks = torch.tensor([[[2**40 + 1, 2**40 + 3]]])
    batch = ImageBatch(torch.zeros(1, 1, 1, 2), masks=masks)
    assert torch.equal(warp(batch, maps(IDENTITY), "zeros").masks, masks)


def test_a_box_is_cut_to_what_is_seen_of_it():
    # A square turned by 45 degrees about the origin, whose upper half is outside.
    half = math.sqrt(0.5)
    boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    batch = ImageBatch(torch.zeros(1, 1, 10, 10), boxes=boxes)
    turn = maps([half, half, 0, -half, half, 0])
    seen = warp(batch, turn, "zeros").boxes[0]
    # Its corners: (0, 0), (2.8, -2.8), (5.7, 0), (2.8, 2.8).
    wide = 4 * math.sqrt(2)
    torch.testing.assert_close(seen, torch.tensor([[0.0, 0, wide, wide / 2]]))


def test_a_box_around_the_whole_image_is_the_image():
    boxes = [torch.tensor([[-50.0, -50.0, 60.0, 60.0]])]
    batch = ImageBatch(torch.zeros(1, 1, 10, 8), boxes=boxes)
    half = math.sqrt(0.5)
    moved = warp(batch, maps([half, half, 0, -half, half, 0]), "zeros").boxes[0]
    assert torch.equal(moved, torch.tensor([[0.0, 0, 8, 10]]))


def test_boxes_that_leave_the_image_are_zeros_and_never_come_back():
    boxes = [torch.tensor([[0.0, 0, 2, 2]])]
    batch = ImageBatch(torch.zeros(1, 1, 10, 10), boxes=boxes)
    gone = warp(batch, maps([1, 0, -5, 0, 1, 0]), "zeros")
    assert torch.equal(gone.boxes[0], torch.zeros(1, 4))
    back = warp(gone, maps([0.6, 0.8, 5, -0.8, 0.6, 5]), "zeros")
    assert torch.equal(back.boxes[0], torch.zeros(1, 4))


def test_keypoints_may_leave_the_image():
    points = torch.tensor([[[1.0, 2.0]]])
    batch = ImageBatch(torch.zeros(1, 1, 4, 4), keypoints=points)
    moved = shift(batch, torch.tensor([0]), torch.tensor([-3]), "zeros")
    assert moved.keypoints.tolist() == [[[-2.0, 2.0]]]
