import numpy as np
import pytest
import torch

from torchlearners.augmentation import (
    OP_TABLE,
    ImageBatch,
    RandAugment,
    TrivialAugment,
)
from torchlearners.augmentation._geometric import affine_map
from torchlearners.augmentation._rand_augment import apply_ops
from torchlearners.augmentation._warp import warp


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(shape=(2, 3, 8, 10)):
    return torch.randint(0, 256, shape, generator=seeded()).to(torch.uint8)


def applied(name, images, strength=0.0):
    n = len(images)
    ops = torch.full((n,), list(OP_TABLE).index(name))
    batch = images if isinstance(images, ImageBatch) else ImageBatch(images)
    return apply_ops(batch, ops, torch.full((n,), float(strength)), "zeros").images


def drawn_by(op, n=20_000):
    batch = ImageBatch(torch.zeros(n, 1, 1, 1))
    return op.draw(batch, seeded()).values()


@pytest.mark.parametrize("op", [RandAugment(n_ops=3), TrivialAugment()], ids=str)
def test_every_op_of_the_table_is_equally_likely(op):
    ops, _ = drawn_by(op)
    assert ops.shape[1] == (3 if isinstance(op, RandAugment) else 1)
    for column in ops.unbind(1):
        shares = column.bincount() / len(column)
        expected = 1 / len(OP_TABLE)
        assert len(shares) == len(OP_TABLE)
        spread = (expected * (1 - expected) / len(column)) ** 0.5
        assert (shares - expected).abs().max() < 4.5 * spread


@pytest.mark.parametrize("magnitude", [0, 0.3, 1])
def test_strengths_are_those_of_the_table_times_the_magnitude(magnitude):
    ops, strength = drawn_by(RandAugment(magnitude=magnitude))
    for number, (name, allowed) in enumerate(OP_TABLE.items()):
        seen = strength[ops == number]
        expected = magnitude * allowed.rand_augment
        assert torch.allclose(seen.abs(), torch.tensor(float(expected))), name
        positive = (seen > 0).double().mean().item()
        if expected:
            assert abs(positive - (0.5 if allowed.signed else 1)) < 0.05, name


def test_trivial_strengths_are_spread_evenly_up_to_those_of_the_table():
    ops, strength = drawn_by(TrivialAugment())
    for number, (name, allowed) in enumerate(OP_TABLE.items()):
        seen = strength[ops == number]
        most = allowed.trivial_augment
        assert seen.abs().max() <= most, name
        if most:
            assert abs(seen.abs().mean() / most - 0.5) < 0.05, name
            assert (seen.min() < 0) == allowed.signed, name


@pytest.mark.parametrize("name", [*OP_TABLE])
def test_an_op_without_strength_changes_nothing_but_for_those_that_have_none(name):
    images = random_images()
    changed = applied(name, images, 0.0)
    alike = (changed.int() - images.int()).abs().max() <= 1
    assert bool(alike) == (name not in {"autocontrast", "equalize"})


@pytest.mark.parametrize(
    ("name", "strength", "parts"),
    [
        ("rotate", 25.0, {"degrees": 25.0}),
        ("shear_x", -10.0, {"shear": -10.0}),
        ("shear_y", 10.0, {"shear_y": 10.0}),
        ("translate_x", 0.3, {"right": 0.3}),
        ("translate_y", -0.2, {"down": -0.2}),
    ],
)
def test_ops_that_move_are_the_affine_maps_of_their_names(name, strength, parts):
    batch = ImageBatch(random_images())
    parts = {key: torch.full((2,), value) for key, value in parts.items()}
    forward = affine_map(batch.size, **{"degrees": torch.zeros(2), **parts})
    expected = warp(batch, forward, "zeros").images
    assert torch.equal(applied(name, batch, strength), expected)


def test_a_factor_is_one_and_the_strength():
    images = torch.full((1, 3, 2, 2), 100, dtype=torch.uint8)
    assert (applied("brightness", images, -0.5) == 50).all()
    images[0, 0] = 200
    gray = applied("saturation", images, -1.0)
    assert (gray == 130).all()  # 100 + 0.299 * 100
    assert (applied("contrast", images, -1.0) == 130).all()


def test_posterizing_keeps_the_upper_bits():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(applied("posterize", images, 4), images & 0b11110000)
    assert torch.equal(applied("posterize", images, 0), images)


def test_solarizing_inverts_what_is_brighter_than_the_threshold():
    images = torch.tensor([0, 100, 127, 129, 255], dtype=torch.uint8).view(1, 1, 1, 5)
    assert applied("solarize", images, 0.5).flatten().tolist() == [0, 100, 127, 126, 0]
    assert applied("solarize", images, 1).flatten().tolist() == [0, 155, 128, 126, 0]


def test_autocontrast_reaches_from_black_to_white_in_each_channel():
    images = (random_images() // 4) + 60
    images[1, 2] = 77
    changed = applied("autocontrast", images)
    assert changed[0].amin((1, 2)).tolist() == [0, 0, 0]
    assert changed[0].amax((1, 2)).tolist() == [255, 255, 255]
    assert (changed[1, 2] == 77).all()


def test_equalizing_is_the_textbook_table_of_each_channel():
    rng = np.random.default_rng(0)
    images = (rng.beta(2, 5, size=(3, 2, 20, 30)) * 255).astype(np.uint8)
    images[2, 1] = 9
    changed = applied("equalize", torch.from_numpy(images)).numpy()
    for image, seen in zip(images.reshape(6, -1), changed.reshape(6, -1), strict=True):
        below = np.bincount(image, minlength=256).cumsum()
        first = below[image.min()]
        if first == len(image):
            expected = image
        else:
            expected = np.round((below - first) / (len(image) - first) * 255)[image]
        assert np.abs(expected.astype(int) - seen.astype(int)).max() <= 1


def test_sharpening_moves_away_from_a_mean_of_the_neighbors():
    images = torch.zeros(1, 1, 5, 5)
    images[0, 0, 2, 2] = 0.5
    blurred = applied("sharpness", images, -1.0)[0, 0]
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 0.5 / 13
    expected[2, 2] = 0.5 * 5 / 13
    torch.testing.assert_close(blurred, expected)
    sharper = applied("sharpness", images, 0.5)[0, 0]
    assert sharper[2, 2] > 0.5
    assert sharper[2, 1] == 0


def test_ops_of_one_image_follow_each_other():
    images = random_images((1, 3, 8, 8))
    for seed in range(20):
        op = RandAugment(n_ops=2, magnitude=0.7)
        batch = ImageBatch(images)
        generator = seeded(seed)
        torch.rand(1, generator=generator)  # of p
        ops, strength = op.draw(batch, generator).values()
        for i in range(2):
            batch = apply_ops(batch, ops[:, i], strength[:, i], "zeros")
        assert torch.equal(op(images, seeded(seed)), batch.images)


def test_boxes_move_with_ops_that_move():
    boxes = [torch.tensor([[2.0, 2, 6, 6]])]
    batch = ImageBatch(torch.zeros(1, 1, 8, 10), boxes=boxes)
    ops = torch.tensor([list(OP_TABLE).index("translate_x")])
    moved = apply_ops(batch, ops, torch.tensor([0.3]), "zeros")
    torch.testing.assert_close(moved.boxes, [torch.tensor([[5.0, 2, 9, 6]])])


def test_parameters_are_checked():
    for op in (RandAugment(n_ops=0), RandAugment(magnitude=9)):
        with pytest.raises(ValueError, match="parameter of RandAugment"):
            op(random_images(), seeded())
