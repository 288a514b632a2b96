import math

import pytest
import torch

from torchlearners.augmentation import (
    Affine,
    HorizontalFlip,
    ImageBatch,
    PadCrop,
    ResizedCrop,
    Rotation,
    VerticalFlip,
)
from torchlearners.augmentation._geometric import affine_map


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(shape=(6, 3, 10, 14)):
    return torch.randint(0, 256, shape, generator=seeded()).to(torch.uint8)


@pytest.mark.parametrize("flip", [HorizontalFlip(), VerticalFlip()], ids=str)
@pytest.mark.parametrize("p", [0.5, 1])
def test_a_flip_twice_is_what_was(flip, p):
    batch = ImageBatch(
        random_images(),
        boxes=[torch.tensor([[1.0, 2, 5, 6]])] * 6,
        masks=random_images((6, 1, 10, 14))[:, 0],
        keypoints=torch.randint(0, 10, (6, 4, 2), generator=seeded()).float(),
    )
    flip.set_params(p=p)
    once = flip(batch, seeded())
    twice = flip(once, seeded())
    assert not torch.equal(once.images, batch.images)
    assert torch.equal(twice.images, batch.images)
    assert torch.equal(twice.masks, batch.masks)
    assert torch.equal(twice.keypoints, batch.keypoints)
    assert all(map(torch.equal, twice.boxes, batch.boxes))


def test_flips_mirror_the_axis_of_their_name():
    images = random_images()
    assert torch.equal(HorizontalFlip(p=1)(images, seeded()), images.flip(3))
    assert torch.equal(VerticalFlip(p=1)(images, seeded()), images.flip(2))


def test_a_flip_exchanges_the_sides_of_a_box():
    boxes = [torch.tensor([[1.0, 2, 5, 6], [0, 0, 0, 0]])]
    batch = ImageBatch(random_images((1, 1, 10, 14)), boxes=boxes)
    across = HorizontalFlip(p=1)(batch, seeded()).boxes[0]
    assert across.tolist() == [[9, 2, 13, 6], [0, 0, 0, 0]]
    upside_down = VerticalFlip(p=1)(batch, seeded()).boxes[0]
    assert upside_down.tolist() == [[1, 4, 5, 8], [0, 0, 0, 0]]


def test_left_and_right_keypoints_change_places():
    points = torch.tensor([[[1.0, 1.0], [4.0, 1.0], [2.0, 3.0]]])
    batch = ImageBatch(torch.zeros(1, 1, 5, 10), keypoints=points)
    flipped = HorizontalFlip(p=1, keypoint_pairs=[(0, 1)])(batch, seeded())
    assert flipped.keypoints.tolist() == [[[6, 1], [9, 1], [8, 3]]]


def test_a_padded_crop_shifts_by_every_number_of_pixels_equally_often():
    images = torch.zeros(5000, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 1
    shifted = PadCrop(pad=0.22)(images, seeded())  # 2 pixels
    rows, columns = shifted[:, 0].nonzero()[:, 1:].unbind(1)
    assert len(rows) == 5000
    for places in (rows, columns):
        shares = places.bincount(minlength=9) / 5000
        assert shares[[0, 1, 7, 8]].sum() == 0
        assert (shares[2:7] - 0.2).abs().max() < 4 * (0.16 / 5000) ** 0.5
    assert abs(torch.corrcoef(torch.stack([rows, columns]).float())[0, 1]) < 0.06


def test_a_padded_crop_without_padding_moves_nothing():
    images = random_images()
    assert torch.equal(PadCrop(pad=0)(images, seeded()), images)


def test_a_padded_crop_makes_uint8_images_without_floats(monkeypatch):
    def refuse(*args):
        raise AssertionError("a float copy")

    monkeypatch.setattr(torch.Tensor, "float", refuse)
    for op in (PadCrop(), HorizontalFlip(), VerticalFlip()):
        assert op(random_images(), seeded()).dtype == torch.uint8


@pytest.mark.parametrize("ratio", [(1, 1), (0.5, 2)])
def test_a_resized_crop_has_an_area_within_its_scale(ratio):
    n = 2000
    corners = torch.tensor([[0.0, 0.0], [40.0, 20.0]]).expand(n, 2, 2)
    batch = ImageBatch(torch.zeros(n, 1, 20, 40), keypoints=corners)
    moved = ResizedCrop(scale=(0.2, 0.5), ratio=ratio)(batch, seeded()).keypoints
    # The image is as much larger than before as the part was smaller.
    width, height = (moved[:, 1] - moved[:, 0]).div(torch.tensor([40, 20])).unbind(1)
    area = 1 / (width * height)
    assert 0.2 - 1e-5 <= area.min() < 0.22
    assert 0.48 < area.max() <= 0.5 + 1e-5
    assert abs(area.mean() - 0.35) < 0.01
    shape = height / width
    assert ratio[0] - 1e-4 <= shape.min()
    assert shape.max() <= ratio[1] + 1e-4
    # The part lies in the image, so the image's corners do not.
    assert (moved[:, 0] <= 1e-4).all()
    assert (moved[:, 1] >= torch.tensor([40, 20]) - 1e-4).all()


def test_a_resized_crop_of_everything_is_the_image():
    images = random_images()
    whole = ResizedCrop(scale=(1, 1), ratio=(1, 1))(images, seeded())
    assert torch.equal(whole, images)


def test_a_resized_crop_has_no_dark_border():
    images = torch.full((50, 1, 8, 8), 200, dtype=torch.uint8)
    assert (ResizedCrop()(images, seeded()) == 200).all()


@pytest.mark.parametrize("op", [Rotation(degrees=30), Affine(degrees=30)], ids=str)
def test_angles_are_spread_evenly_to_both_sides(op):
    n = 4000
    points = torch.tensor([[20.0, 20.0], [21.0, 20.0]]).expand(n, 2, 2)
    batch = ImageBatch(torch.zeros(n, 1, 40, 40), keypoints=points)
    there = op(batch, seeded()).keypoints
    x, y = (there[:, 1] - there[:, 0]).unbind(1)
    angle = torch.atan2(-y, x).rad2deg()
    assert 29 < angle.max() <= 30.01
    assert -30.01 <= angle.min() < -29
    assert abs(angle.mean()) < 1
    assert abs(angle.abs().mean() - 15) < 1


def test_a_rotation_keeps_lengths_and_the_centre():
    points = torch.tensor([[7.0, 5.0], [9.0, 5.0]]).expand(50, 2, 2)
    batch = ImageBatch(torch.zeros(50, 1, 10, 14), keypoints=points)
    there = Rotation(degrees=180)(batch, seeded()).keypoints
    torch.testing.assert_close(there[:, 0], points[:, 0])
    lengths = (there[:, 1] - there[:, 0]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((50,), 2.0))


def test_an_affine_map_is_what_its_parameters_say():
    def of(x, y, **parts):
        one = {name: torch.tensor([value]) for name, value in parts.items()}
        forward = affine_map((10, 20), **{"degrees": torch.zeros(1), **one})[0]
        return (forward @ torch.tensor([x, y, 1.0])).tolist()

    assert of(15.0, 5.0) == pytest.approx([15, 5])
    assert of(15.0, 5.0, degrees=90.0) == pytest.approx([10, 0])  # it goes up
    assert of(15.0, 7.0, scale=2.0) == pytest.approx([20, 9])
    assert of(15.0, 7.0, right=0.25, down=-0.5) == pytest.approx([20, 2])
    # What is above the centre goes right by its height, and what is right of it up.
    assert of(10.0, 1.0, shear=45.0) == pytest.approx([14, 1])
    assert of(13.0, 5.0, shear_y=45.0) == pytest.approx([13, 2])


def test_affine_without_any_change_changes_nothing():
    op = Affine(degrees=0, translate=0, scale=(1, 1), shear=0)
    images = random_images()
    assert torch.equal(op(images, seeded()), images)


def test_scales_are_as_often_half_as_double():
    points = torch.tensor([[10.0, 10.0], [11.0, 10.0]]).expand(4000, 2, 2)
    batch = ImageBatch(torch.zeros(4000, 1, 20, 20), keypoints=points)
    there = Affine(degrees=0, scale=(0.5, 2))(batch, seeded()).keypoints
    logs = (there[:, 1] - there[:, 0]).norm(dim=1).log()
    assert abs(logs.mean()) < 0.03
    assert abs(logs.max() - math.log(2)) < 0.01


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (PadCrop(padding_mode="edge"), "padding_mode"),
        (PadCrop(pad=2), "pad"),
        (ResizedCrop(scale=(0, 1)), "scale"),
        (ResizedCrop(ratio=(1, 2, 3)), "ratio"),
        (Affine(shear=90), "shear"),
        (Rotation(degrees=-1), "degrees"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_an_error(op, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        op(random_images(), seeded())
