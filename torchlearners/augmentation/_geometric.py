"""Ops that move what an image shows: flips, crops, rotations and affine maps."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from torchlearners._compat import Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._op import ImageOp, log_uniform, uniform
from torchlearners.augmentation._warp import (
    PaddingMode,
    padding_mode_param,
    shift,
    warp,
)
from torchlearners.params import SequenceOf, non_negative, param, positive

_angle = [Interval(Real, 0, 180, closed="both")]
_slant = [Interval(Real, 0, 90, closed="left")]


class HorizontalFlip(ImageOp):
    """Mirror left and right.

    Not for images where that is another thing, such as digits and letters.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import HorizontalFlip
    >>> images = torch.tensor([[[[1, 2, 3]]]], dtype=torch.uint8)
    >>> HorizontalFlip(p=1)(images, torch.Generator())
    tensor([[[[3, 2, 1]]]], dtype=torch.uint8)
    """

    p: float = param(default=0.5)
    keypoint_pairs: Any = param(
        default=(),
        check=[list, tuple],
        doc="Pairs of keypoint numbers that change places, as a left and a right eye "
        "do: ``[(0, 1)]``.",
    )

    def change(self, batch: ImageBatch) -> ImageBatch:
        """Return the mirrored batch."""
        flipped = _flip(batch, axis=0)
        if flipped.keypoints is None:
            return flipped
        order = list(range(flipped.keypoints.shape[1]))
        for a, b in self.keypoint_pairs:
            order[a], order[b] = order[b], order[a]
        return replace(flipped, keypoints=flipped.keypoints[:, order])


class VerticalFlip(ImageOp):
    """Mirror up and down; for images without an up, such as those from above.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import VerticalFlip
    >>> images = torch.tensor([[[[1], [2], [3]]]], dtype=torch.uint8)
    >>> VerticalFlip(p=1)(images, torch.Generator()).flatten()
    tensor([3, 2, 1], dtype=torch.uint8)
    """

    p: float = param(default=0.5)

    def change(self, batch: ImageBatch) -> ImageBatch:
        """Return the mirrored batch."""
        return _flip(batch, axis=1)


class PadCrop(ImageOp):
    """Pad all sides, then crop to the old size at a random place.

    In other words: shift by whole pixels, which costs less than interpolating.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import PadCrop
    >>> images = torch.arange(1, 5, dtype=torch.uint8).view(1, 1, 1, 4)
    >>> PadCrop(pad=0.5)(images, torch.Generator().manual_seed(0))
    tensor([[[[0, 1, 2, 3]]]], dtype=torch.uint8)
    """

    pad: float = param(
        default=0.125,
        check=[Interval(Real, 0, 1, closed="both")],
        tune=(0.0, 0.25),
        doc="Width of the padding as a share of the side it stands beside; 0.125 is 4 "
        "pixels for images of 32.",
    )
    padding_mode: PaddingMode = padding_mode_param("zeros")

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw shifts, in pixels."""
        return {
            name: _whole(len(batch), round(self.pad * side), generator)
            for name, side in zip(("down", "right"), batch.size, strict=True)
        }

    def change(self, batch: ImageBatch, down: Tensor, right: Tensor) -> ImageBatch:
        """Return the shifted batch."""
        return shift(batch, down, right, self.padding_mode)


class ResizedCrop(ImageOp):
    """Crop a part of random area and shape, and resize it to the whole [1]_.

    {parameters}

    References
    ----------
    .. [1] Szegedy et al. (2015). Going deeper with convolutions. CVPR.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import ResizedCrop
    >>> ResizedCrop()(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    scale: tuple[float, float] = param(
        default=(0.3, 1.0),
        check=[SequenceOf([Interval(Real, 0, 1, closed="right")], length=2)],
        doc="Smallest and largest area of the part, as a share of the image's.",
    )
    ratio: tuple[float, float] = param(
        default=(3 / 4, 4 / 3),
        check=[SequenceOf(positive, length=2)],
        doc="Least and greatest ratio of the part's width to its height, times that of "
        "the image. A part that would be too long is as long as the image.",
    )

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw parts as shares of the image: their sizes, and where they begin."""
        n = len(batch)
        area = uniform(n, *self.scale, generator)
        ratio = log_uniform(n, *self.ratio, generator)
        size = torch.stack([area * ratio, area / ratio], 1).sqrt().clamp(max=1)
        free = torch.rand(n, 2, generator=generator, device=generator.device)
        return {"size": size, "start": free * (1 - size)}

    def change(self, batch: ImageBatch, size: Tensor, start: Tensor) -> ImageBatch:
        """Return the batch of the parts."""
        sides = size.new_tensor([batch.size[1], batch.size[0]])
        forward = torch.cat(
            [torch.diag_embed(1 / size), (-start * sides / size).unsqueeze(2)], dim=2
        )
        # Between the border and the centres of the outermost pixels, black would
        # shine through.
        return warp(batch, forward, "replicate")


class Affine(ImageOp):
    """Rotate, scale, shear and shift about the centre of the image.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Affine
    >>> op = Affine(degrees=10, translate=0.1, scale=(0.9, 1.1), shear=5)
    >>> op(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    degrees: float = param(
        default=10.0,
        check=_angle,
        tune=(0.0, 30.0),
        doc="Largest angle of the rotation to either side, in degrees.",
    )
    translate: float = param(
        default=0.1,
        check=non_negative,
        tune=(0.0, 0.3),
        doc="Largest shift in each direction, as a share of the side.",
    )
    scale: tuple[float, float] = param(
        default=(0.9, 1.1),
        check=[SequenceOf(positive, length=2)],
        doc="Smallest and largest factor of the size of what is shown.",
    )
    shear: float = param(
        default=0.0,
        check=_slant,
        tune=(0.0, 20.0),
        doc="Largest angle by which vertical lines lean to either side, in degrees.",
    )
    padding_mode: PaddingMode = padding_mode_param("zeros")

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw angles, factors and shifts."""

        def around_zero(most: float) -> Tensor:
            return uniform(len(batch), -most, most, generator)

        return {
            "degrees": around_zero(self.degrees),
            "shear": around_zero(self.shear),
            "scale": log_uniform(len(batch), *self.scale, generator),
            "right": around_zero(self.translate),
            "down": around_zero(self.translate),
        }

    def change(self, batch: ImageBatch, **drawn: Tensor) -> ImageBatch:
        """Return the moved batch."""
        return warp(batch, affine_map(batch.size, **drawn), self.padding_mode)


class Rotation(ImageOp):
    """Rotate about the centre of the image.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Rotation
    >>> Rotation(degrees=30)(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    degrees: float = param(
        default=15.0,
        check=_angle,
        tune=(0.0, 45.0),
        doc="Largest angle to either side, in degrees.",
    )
    padding_mode: PaddingMode = padding_mode_param("zeros")

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw angles."""
        angle = uniform(len(batch), -self.degrees, self.degrees, generator)
        return {"degrees": angle}

    def change(self, batch: ImageBatch, degrees: Tensor) -> ImageBatch:
        """Return the rotated batch."""
        return warp(batch, affine_map(batch.size, degrees), self.padding_mode)


def affine_map(
    size: tuple[int, int],
    degrees: Tensor,
    shear: Tensor | None = None,
    shear_y: Tensor | None = None,
    scale: Tensor | None = None,
    right: Tensor | None = None,
    down: Tensor | None = None,
) -> Tensor:
    """Return the maps that shear, then scale, rotate and shift about the centre.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images.
    degrees : torch.Tensor of shape (n,)
        Counter-clockwise as seen, in degrees. So are the angles `shear` and `shear_y`,
        by which vertical lines lean to the right and horizontal ones rise.
    shear, shear_y, scale, right, down : torch.Tensor of shape (n,), or None
        Shifts are shares of the width and the height.

    Returns
    -------
    torch.Tensor of shape (n, 2, 3)
    """
    height, width = size
    zeros = torch.zeros_like(degrees)
    shear = zeros if shear is None else shear.deg2rad().tan()
    shear_y = zeros if shear_y is None else shear_y.deg2rad().tan()
    scale = zeros + 1 if scale is None else scale
    cos, sin = degrees.deg2rad().cos() * scale, degrees.deg2rad().sin() * scale
    # y points down: [[cos, sin], [-sin, cos]] @ [[1, -shear], [-shear_y, 1]]
    a, b = cos - sin * shear_y, sin - cos * shear
    c, d = -sin - cos * shear_y, cos + sin * shear
    x, y = width / 2, height / 2
    to_x = x - a * x - b * y + (0 if right is None else right * width)
    to_y = y - c * x - d * y + (0 if down is None else down * height)
    return torch.stack([a, b, to_x, c, d, to_y], 1).view(-1, 2, 3)


def _flip(batch: ImageBatch, axis: int) -> ImageBatch:
    """Mirror along x (axis 0) or y (axis 1)."""
    side = batch.size[1 - axis]
    boxes, points = batch.boxes, batch.keypoints
    if boxes is not None:
        boxes = [_flip_boxes(box, axis, side) for box in boxes]
    if points is not None:
        points = points.clone()
        points[:, :, axis] = side - points[:, :, axis]
    return replace(
        batch,
        images=batch.images.flip(3 - axis),
        boxes=boxes,
        masks=None if batch.masks is None else batch.masks.flip(2 - axis),
        keypoints=points,
    )


def _flip_boxes(boxes: Tensor, axis: int, side: int) -> Tensor:
    flipped = boxes.clone()
    flipped[:, axis] = side - boxes[:, axis + 2]
    flipped[:, axis + 2] = side - boxes[:, axis]
    gone = (boxes[:, 2:] <= boxes[:, :2]).any(1, keepdim=True)
    return flipped.masked_fill(gone, 0.0)


def _whole(n: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw whole numbers from -most to most."""
    return torch.randint(
        -most, most + 1, (n,), generator=generator, device=generator.device
    )
