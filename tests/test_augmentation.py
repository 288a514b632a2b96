"""What holds for every augmentation."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from torchlearners.augmentation import (
    Affine,
    Augment,
    ColorJitter,
    Erasing,
    GaussianBlur,
    Grayscale,
    HorizontalFlip,
    ImageBatch,
    PadCrop,
    RandAugment,
    ResizedCrop,
    Rotation,
    TrivialAugment,
    VerticalFlip,
    augmentation,
)

SHEARED = Affine(degrees=40, translate=0.3, scale=(0.6, 1.6), shear=20)
MOVING = [
    HorizontalFlip(),
    VerticalFlip(),
    PadCrop(pad=0.3),
    ResizedCrop(scale=(0.2, 1.0)),
    Rotation(degrees=180),
    SHEARED,
]
STAYING = [
    ColorJitter(hue=0.1),
    Grayscale(p=0.5),
    GaussianBlur(),
    Erasing(),
    Erasing(p=1, fill="mean"),
    Erasing(fill="noise"),
]
SEVERAL = [
    RandAugment(n_ops=2, magnitude=0.9),
    TrivialAugment(p=0.9),
    augmentation("light"),
    augmentation("standard"),
    augmentation("strong"),
]
EVERY = [*MOVING, *STAYING, *SEVERAL]
SHAPES = [(5, 3, 16, 12), (5, 1, 9, 14), (1, 3, 8, 8), (3, 2, 5, 5), (2, 3, 1, 1)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw_images(shape=(8, 3, 16, 12), dtype=torch.uint8, seed=0):
    images = torch.rand(shape, generator=seeded(seed))
    return (images * 256).to(dtype) if dtype == torch.uint8 else images.to(dtype)


@pytest.fixture(params=EVERY, ids=lambda op: repr(op)[:40])
def op(request):
    return clone(request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_shape_dtype_and_range_are_kept(op, shape, dtype):
    images = draw_images(shape, dtype)
    for seed in range(3):
        changed = op(images, seeded(seed))
        assert changed.shape == images.shape
        assert changed.dtype == dtype
        assert changed.double().min() >= 0
        assert changed.double().max() <= ImageBatch(images).white + 1e-5


def test_floats_of_another_range_keep_it(op):
    batch = ImageBatch(draw_images(dtype=torch.float32) * 16, max_value=16.0)
    changed = op(batch, seeded()).images
    assert changed.min() >= 0
    assert 8 < changed.max() <= 16 + 1e-4


def test_the_images_given_are_not_written_to(op):
    images = draw_images()
    before = images.clone()
    op(images, seeded()).fill_(7)
    assert torch.equal(images, before)


def test_the_generator_decides_alone(op):
    images = draw_images()
    first = op(images, seeded(1))
    torch.rand(3)
    assert torch.equal(op(images, seeded(1)), first)
    others = [op(images, seeded(seed)) for seed in range(2, 8)]
    assert not all(torch.equal(first, other) for other in others)


def test_the_generator_moves_on_by_the_same_amount_for_any_content(op):
    states = []
    for images in (draw_images(seed=0), draw_images(seed=1), draw_images() * 0):
        generator = seeded()
        op(images, generator)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_global_random_states_are_neither_read_nor_written(op):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    op(draw_images(), seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_an_image_does_not_depend_on_the_others(op):
    images = draw_images()
    others = draw_images(seed=1)
    others[3] = images[3]
    for seed in range(5):
        changed = op(images, seeded(seed))[3]
        assert torch.equal(op(others, seeded(seed))[3], changed)


def test_images_are_changed_differently(op):
    images = draw_images((1, 3, 16, 12)).expand(64, -1, -1, -1)
    changed = op(images, seeded())
    assert len(changed.flatten(1).unique(dim=0)) > 1 or (
        # These do one thing, or nothing.
        isinstance(op, Grayscale)
    )


def test_an_op_is_an_estimator_in_scikit_learns_sense(op):
    copied = clone(op)
    assert repr(copied) == repr(op)
    assert repr(pickle.loads(pickle.dumps(op))) == repr(op)
    images = draw_images()
    assert torch.equal(copied(images, seeded()), op(images, seeded()))
    assert torch.equal(copy.deepcopy(op)(images, seeded()), op(images, seeded()))


@pytest.mark.parametrize("op", [*MOVING, *STAYING, *SEVERAL[:2]], ids=str)
def test_probability_zero_changes_nothing_and_one_is_allowed(op):
    images = draw_images()
    assert torch.equal(clone(op).set_params(p=0)(images, seeded()), images)
    assert clone(op).set_params(p=1)(images, seeded()).shape == images.shape


@pytest.mark.parametrize("op", [*MOVING, *STAYING[:3]], ids=str)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_changed_images_is_p(op, p):
    n = 2000
    images = draw_images((1, 3, 6, 5)).expand(n, -1, -1, -1)
    changed = clone(op).set_params(p=p)(images, seeded())
    share = (changed != images).flatten(1).any(1).double().mean().item()
    # A shift or a part that leaves all as it is, or a blur by nothing, is no change.
    unchanged = 0.25 if isinstance(op, PadCrop | ResizedCrop | GaussianBlur) else 0.0
    spread = 4 * (p * (1 - p) / n) ** 0.5
    assert p * (1 - unchanged) - spread <= share <= p + spread


def test_a_generator_is_asked_for():
    with pytest.raises(TypeError, match=r"must be a torch\.Generator, got None"):
        HorizontalFlip()(draw_images(), None)


@pytest.mark.parametrize("op", [*MOVING, *STAYING, *SEVERAL[:2]], ids=str)
def test_a_probability_beyond_one_is_an_error(op):
    with pytest.raises(ValueError, match="'p' parameter"):
        clone(op).set_params(p=1.5)(draw_images(), seeded())


@pytest.mark.parametrize("op", [*MOVING, *STAYING[:3]], ids=str)
def test_uint8_and_float_images_become_the_same(op):
    images = draw_images()
    of_bytes = op(images, seeded()).double() / 255
    of_floats = op(images.float() / 255, seeded()).double()
    assert (of_bytes - of_floats).abs().max() < 0.51 / 255


# What moves together


@st.composite
def scenes(draw):
    """Images with one rectangle in each: in pixels, as mask, box and corners."""
    n = draw(st.integers(1, 3))
    height, width = draw(st.integers(12, 40)), draw(st.integers(12, 40))
    masks = torch.zeros(n, height, width, dtype=torch.int64)
    boxes = []
    for i in range(n):
        left = draw(st.integers(0, width - 4))
        top = draw(st.integers(0, height - 4))
        right = draw(st.integers(left + 4, width))
        bottom = draw(st.integers(top + 4, height))
        masks[i, top:bottom, left:right] = 1
        boxes.append(torch.tensor([[left, top, right, bottom]]).float())
    flat = torch.cat(boxes)
    corners = torch.stack([flat[:, :2], flat[:, 2:]], 1)
    images = masks.unsqueeze(1).float()
    return ImageBatch(images, boxes=boxes, masks=masks, keypoints=corners)


def box_of_mask(mask):
    rows, columns = mask.nonzero().unbind(1)
    ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.stack(ends).float()


@pytest.mark.parametrize("p", [1, 0.5])
@pytest.mark.parametrize("op", MOVING, ids=str)
@given(scene=scenes(), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_box_is_that_around_its_mask_after_moving(op, p, scene, seed):
    moved = clone(op).set_params(p=p)(scene, seeded(seed))
    # A pixel of a mask is set where its centre is inside, so up to a pixel is lost at
    # the tip of a turned corner, more at a sheared one, and more where the border of
    # the image makes a corner sharper: there the mask may end anywhere inside the box.
    exact = isinstance(op, HorizontalFlip | VerticalFlip | PadCrop)
    slack = 0 if exact else 2.0 if op is SHEARED else 1.1
    for (box,), mask in zip(moved.boxes, moved.masks, strict=True):
        size = torch.tensor(mask.shape[::-1])
        is_cut = bool((box[:2] <= 0).any() or (box[2:] >= size).any())
        if mask.any() and is_cut and not exact:
            around = box_of_mask(mask)
            assert (around[:2] >= box[:2] - slack).all()
            assert (around[2:] <= box[2:] + slack).all()
        elif mask.any():
            torch.testing.assert_close(box, box_of_mask(mask), atol=slack, rtol=0)
        elif not is_cut:
            assert (box[2:] - box[:2]).min() <= slack
        if not (box[2:] - box[:2]).prod():
            assert not mask.any()
            assert torch.equal(box, torch.zeros(4))


@pytest.mark.parametrize("op", MOVING, ids=str)
@given(scene=scenes(), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_mask_is_where_the_image_shows_it(op, scene, seed):
    moved = clone(op).set_params(p=1)(scene, seeded(seed))
    shown = moved.images[:, 0]
    # Half-way values are at the rectangle's border only, in interpolated images.
    assert (shown[moved.masks == 1] > 0.2).all()
    assert (shown[moved.masks == 0] < 0.8).all()


@pytest.mark.parametrize("op", MOVING, ids=str)
@given(scene=scenes(), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_middle_of_opposite_keypoints_is_in_the_mask(op, scene, seed):
    moved = clone(op).set_params(p=1)(scene, seeded(seed))
    for points, mask in zip(moved.keypoints, moved.masks, strict=True):
        x, y = points.mean(0).floor().long().tolist()
        if 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0]:
            assert mask[y, x] == 1


@pytest.mark.parametrize("op", [*STAYING, ColorJitter(p=1)], ids=str)
def test_ops_on_colors_move_nothing(op):
    boxes = [torch.rand(i, 4) for i in range(3)]
    masks = torch.ones(3, 8, 8, dtype=torch.uint8)
    points = torch.rand(3, 2, 2)
    batch = ImageBatch(draw_images((3, 3, 8, 8)), boxes, masks, points)
    changed = op(batch, seeded())
    assert all(map(torch.equal, changed.boxes, boxes))
    assert torch.equal(changed.masks, masks)
    assert torch.equal(changed.keypoints, points)


@pytest.mark.parametrize("op", SEVERAL, ids=str)
@given(scene=scenes(), seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_several_ops_keep_the_mask_inside_of_the_box(op, scene, seed):
    moved = op(scene, seeded(seed))
    for (box,), mask in zip(moved.boxes, moved.masks, strict=True):
        if mask.any():
            around = box_of_mask(mask)
            assert (box[:2] <= around[:2] + 1).all()
            assert (box[2:] >= around[2:] - 1).all()


@pytest.mark.parametrize("op", EVERY, ids=lambda op: repr(op)[:40])
def test_any_number_of_boxes_in_each_image_is_fine(op):
    boxes = [torch.zeros(0, 4), torch.tensor([[1.0, 2, 5, 7], [0, 0, 3, 3]])]
    moved = op(ImageBatch(draw_images((2, 3, 9, 9)), boxes=boxes), seeded())
    assert [tuple(box.shape) for box in moved.boxes] == [(0, 4), (2, 4)]
    assert all(box.dtype == torch.float32 for box in moved.boxes)
    none = [torch.zeros(0, 4)] * 2
    moved = op(ImageBatch(draw_images((2, 3, 9, 9)), boxes=none), seeded())
    assert [len(box) for box in moved.boxes] == [0, 0]


@pytest.mark.parametrize("op", EVERY, ids=lambda op: repr(op)[:40])
def test_images_are_the_same_with_and_without_places(op):
    images = draw_images((3, 3, 9, 9))
    batch = ImageBatch(images, masks=torch.zeros(3, 9, 9, dtype=torch.bool))
    assert torch.equal(op(batch, seeded()).images, op(images, seeded()))


def test_an_empty_batch_stays_empty(op):
    assert op(draw_images((0, 3, 8, 8)), seeded()).shape == (0, 3, 8, 8)


def test_steps_one_after_the_other_are_the_ops_called_in_turn():
    images, generator = draw_images(), seeded()
    expected = Erasing()(HorizontalFlip()(images, generator), generator)
    augment = Augment([HorizontalFlip(), Erasing()])
    assert torch.equal(augment(images, seeded()), expected)
