import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from torchlearners.datasets import make_shapes
from torchlearners.datasets._shapes import SHAPES

SCENES = ["boxes", "instances", "mask"]


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("target", ["class", *SCENES])
def test_the_same_seed_makes_the_same_images(target):
    first = make_shapes(5, target=target, random_state=3)
    again = make_shapes(5, target=target, random_state=3)
    other = make_shapes(5, target=target, random_state=4)
    np.testing.assert_array_equal(first[0], again[0])
    for a, b in zip(first[1], again[1], strict=True):
        assert_same(a, b)
    assert (first[0] != other[0]).any()


def test_images_are_bytes_in_gray_or_color():
    X, _ = make_shapes(3, size=20, random_state=0)
    assert X.shape == (3, 20, 20)
    assert X.dtype == np.uint8
    X, _ = make_shapes(3, size=20, color=True, random_state=0)
    assert X.shape == (3, 20, 20, 3)
    assert (X[..., 0] != X[..., 1]).any()


def test_classes_follow_the_order_of_the_shapes():
    # The share of its box that a shape fills tells which one it is.
    filled = {"circle": np.pi / 4, "square": 1, "triangle": 1 / 2, "cross": 5 / 9}
    order = ("cross", "circle", "triangle", "square")
    X, y = make_shapes(60, size=64, shapes=order, noise=0, random_state=0)
    assert set(y) == {0, 1, 2, 3}
    for image, code in zip(X, y, strict=True):
        mask = image == image.max()
        height, width = mask.any(axis=1).sum(), mask.any(axis=0).sum()
        share = mask.sum() / (height * width)
        assert share == pytest.approx(filled[order[code]], abs=0.08)


def test_classes_can_be_learned_by_the_mean_of_neighbors():
    X, y = make_shapes(3000, size=16, random_state=0)
    rows = X.reshape(len(X), -1).astype(float)
    learner = KNeighborsClassifier(3).fit(rows[:2500], y[:2500])
    assert learner.score(rows[2500:], y[2500:]) > 0.6  # by chance: 0.25


def test_brightness_does_not_tell_the_class():
    X, y = make_shapes(2000, random_state=0)
    ground = X[:, 0, 0]
    by_class = [ground[y == code].mean() for code in range(len(SHAPES))]
    assert np.ptp(by_class) < 10


@pytest.mark.parametrize("size", [16, 33, 64])
def test_boxes_masks_and_labels_agree(size):
    n, options = 40, {"size": size, "noise": 0.0, "random_state": 0}
    X, boxes = make_shapes(n, target="boxes", **options)
    _, instances = make_shapes(n, target="instances", **options)
    _, masks = make_shapes(n, target="mask", **options)
    for i in range(n):
        k = len(boxes[i]["labels"])
        assert boxes[i]["boxes"].shape == (k, 4)
        assert boxes[i]["boxes"].dtype == np.float32
        assert instances[i]["masks"].shape == (k, size, size)
        assert instances[i]["masks"].dtype == bool
        for key in ("boxes", "labels"):
            np.testing.assert_array_equal(boxes[i][key], instances[i][key])
        drawn = np.zeros((size, size), dtype=int)
        for (left, top, right, bottom), label, mask in zip(
            boxes[i]["boxes"].astype(int),
            boxes[i]["labels"],
            instances[i]["masks"],
            strict=True,
        ):
            assert mask[top:bottom, left:right].sum() == mask.sum() > 0
            inside = mask[top:bottom, left:right]
            assert inside.any(axis=0).all()
            assert inside.any(axis=1).any()
            assert inside[0].any()
            assert inside[-1].any()
            assert len(np.unique(X[i][mask])) == 1
            drawn += (label + 1) * mask
        np.testing.assert_array_equal(masks[i], drawn)
        np.testing.assert_array_equal(X[i] > 110, drawn > 0)


def test_boxes_do_not_overlap():
    _, y = make_shapes(50, size=32, target="boxes", max_shapes=6, random_state=0)
    for scene in y:
        covered = np.zeros((32, 32), dtype=int)
        for left, top, right, bottom in scene["boxes"].astype(int):
            covered[top:bottom, left:right] += 1
        assert covered.max() == 1


def test_scenes_have_from_one_shape_to_the_most():
    _, y = make_shapes(200, size=64, target="boxes", max_shapes=4, random_state=0)
    counts = np.bincount([len(scene["labels"]) for scene in y])
    assert counts[0] == 0
    assert len(counts) == 5
    assert counts[1:].min() > 30


def test_where_no_more_shapes_fit_fewer_are_drawn():
    _, y = make_shapes(5, size=16, target="boxes", max_shapes=500, random_state=0)
    assert all(1 <= len(scene["labels"]) < 30 for scene in y)


def test_noise_is_a_standard_deviation():
    X, _ = make_shapes(20, size=64, noise=5.0, shapes=["circle"], random_state=0)
    # A corner, which is ground nearly always, and bright enough not to be cut off.
    corners = X[:, :8, :8].astype(float)
    bright = corners[corners.mean(axis=(1, 2)) > 20]
    assert np.median(bright.std(axis=(1, 2))) == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_samples": 0},
        {"size": 8},
        {"shapes": ["star"]},
        {"shapes": "circle"},
        {"target": "box"},
        {"max_shapes": 0},
        {"noise": -1},
        {"color": 3},
    ],
)
def test_a_wrong_argument_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"'{name}' parameter of make_shapes must be"):
        make_shapes(**wrong)


def test_no_shape_at_all_is_an_error():
    with pytest.raises(ValueError, match=r"shapes is empty\. Name some of circle"):
        make_shapes(shapes=[])
