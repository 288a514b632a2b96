"""Images of simple shapes, with classes, boxes or masks that are exactly known."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torchlearners._compat import Interval
from torchlearners.params import (
    SequenceOf,
    boolean,
    check_values,
    non_negative,
    one_of,
    positive_int,
)

SHAPES = ("circle", "square", "triangle", "cross")

# Half the width of a shape, as a share of the width of the image: alone, in a scene.
_ALONE, _IN_SCENE = (0.15, 0.35), (0.08, 0.18)
_TRIES = 50

_CONSTRAINTS: dict[str, Any] = {
    "n_samples": positive_int,
    "size": [Interval(Integral, 16, None, closed="left")],
    "shapes": [SequenceOf(one_of(*SHAPES))],
    "target": one_of("class", "boxes", "instances", "mask"),
    "max_shapes": positive_int,
    "color": boolean,
    "noise": non_negative,
    "random_state": ["random_state"],
}


def make_shapes(
    n_samples: int = 100,
    *,
    size: int = 32,
    shapes: Sequence[str] = SHAPES,
    target: str = "class",
    max_shapes: int = 3,
    color: bool = False,
    noise: float = 10.0,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make images of bright shapes on a dark ground, to classify, detect or segment.

    Each shape has a place, a width and a brightness (or color) of its own, none of
    which tells its kind. Small networks learn such images in seconds.

    Parameters
    ----------
    n_samples : int, default=100
        Number of images.
    size : int, default=32
        Width and height of an image, in pixels; at least 16, and better 64 for scenes.
    shapes : sequence of {"circle", "square", "triangle", "cross"}, default=all of them
        Kinds of shapes. The code of a kind is its place here.
    target : {"class", "boxes", "instances", "mask"}, default="class"
        What `y` is, see Returns. With "class", an image shows one shape; with the
        others a scene of several.
    max_shapes : int, default=3
        Most shapes of a scene; their number is drawn from 1 to this. Fewer are drawn
        where no more fit in. Boxes of shapes do not overlap.
    color : bool, default=False
        Whether images have red, green and blue values.
    noise : float, default=10.0
        Standard deviation of the normal noise of each value, of which 255 is the
        largest.
    random_state : int, RandomState instance or None, default=None
        Seed of the images.

    Returns
    -------
    X : ndarray of shape (n_samples, size, size) or (n_samples, size, size, 3), uint8
        The images.
    y : ndarray of shape (n_samples,), or (n_samples, size, size) for "mask"
        "class": the code of the shape, int64.

        "boxes": objects; each is a dict of ``boxes`` (float32, of shape (k, 4): left,
        top, right and bottom edge in pixels, so that ``right - left`` is the width) and
        ``labels`` (int64, of shape (k,): codes).

        "instances": the same with ``masks`` (bool, of shape (k, size, size)).

        "mask": for each pixel 0, or 1 + the code of its shape, int64.

    Examples
    --------
    >>> from torchlearners.datasets import make_shapes
    >>> X, y = make_shapes(4, random_state=0)
    >>> X.shape, X.dtype, y
    ((4, 32, 32), dtype('uint8'), array([0, 2, 3, 1]))
    >>> X, y = make_shapes(4, target="boxes", random_state=0)
    >>> y[0]
    {'boxes': array([[13., 12., 23., 22.]], dtype=float32), 'labels': array([3])}
    """
    given = {
        "n_samples": n_samples,
        "size": size,
        "shapes": shapes,
        "target": target,
        "max_shapes": max_shapes,
        "color": color,
        "noise": noise,
        "random_state": random_state,
    }
    check_values(_CONSTRAINTS, given, "make_shapes")
    if not len(shapes):
        raise ValueError(f"shapes is empty. Name some of {', '.join(SHAPES)}.")
    rng = check_random_state(random_state)
    n_channels = 3 if color else 1
    X = np.empty((n_samples, size, size, n_channels), dtype=np.uint8)
    scenes = []
    for i in range(n_samples):
        n_shapes = 1 if target == "class" else rng.randint(1, max_shapes + 1)
        codes = rng.randint(len(shapes), size=n_shapes)
        half_widths = _ALONE if target == "class" else _IN_SCENE
        masks = _place([shapes[code] for code in codes], half_widths, size, rng)
        scenes.append((codes[: len(masks)], masks))
        X[i] = _paint(masks, n_channels, noise, rng)
    return X if color else X[..., 0], _targets(scenes, target)


def _place(
    kinds: list[str], half_widths: tuple[float, float], size: int, rng: Any
) -> np.ndarray:
    """Return a mask for each shape, at least for the first; boxes do not overlap."""
    y, x = np.mgrid[:size, :size] + 0.5
    taken = np.zeros((size, size), dtype=bool)
    masks = []
    for kind in kinds:
        for _ in range(_TRIES):
            # Below two pixels, the bars of a cross may fall between the pixels.
            half = max(2.0, size * rng.uniform(*half_widths))
            center = rng.uniform(half, size - half, size=2)
            mask = _inside(kind, (x - center[0]) / half, (y - center[1]) / half)
            left, top, right, bottom = _box(mask)
            if not taken[top:bottom, left:right].any():
                taken[top:bottom, left:right] = True
                masks.append(mask)
                break
        else:
            break
    return np.array(masks)


def _inside(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell which points are inside of a shape that fills -1 to 1."""
    if kind == "circle":
        return np.hypot(x, y) <= 1
    if kind == "triangle":  # upright
        return (np.abs(x) <= (y + 1) / 2) & (y <= 1)
    square = np.maximum(np.abs(x), np.abs(y)) <= 1
    if kind == "cross":
        return square & (np.minimum(np.abs(x), np.abs(y)) <= 1 / 3)
    return square


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom edge; the last two are outside."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _paint(masks: np.ndarray, n_channels: int, noise: float, rng: Any) -> np.ndarray:
    size = masks.shape[1]
    image = np.empty((size, size, n_channels))
    image[:] = rng.uniform(0, 80, size=n_channels)
    for mask in masks:
        image[mask] = rng.uniform(140, 255, size=n_channels)
    image += rng.normal(scale=noise, size=image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _targets(scenes: list[tuple[np.ndarray, np.ndarray]], target: str) -> np.ndarray:
    if target == "class":
        return np.array([codes[0] for codes, _ in scenes], dtype=np.int64)
    if target == "mask":
        # No pixel is of two shapes.
        layers = [(codes[:, None, None] + 1) * masks for codes, masks in scenes]
        return np.array([layer.sum(axis=0) for layer in layers], dtype=np.int64)
    y = np.empty(len(scenes), dtype=object)
    for i, (codes, masks) in enumerate(scenes):
        y[i] = {
            "boxes": np.array([_box(mask) for mask in masks], dtype=np.float32),
            "labels": codes.astype(np.int64),
        }
        if target == "instances":
            y[i]["masks"] = masks
    return y
