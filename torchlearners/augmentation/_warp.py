"""Moving pixels, boxes and keypoints by one affine map for each image."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from torchlearners.augmentation._batch import ImageBatch
from torchlearners.params import one_of, param

PaddingMode = Literal["zeros", "replicate", "reflect"]


def padding_mode_param(default: PaddingMode) -> Any:
    """Declare what an op shows where there was no image."""
    return param(
        default=default,
        check=one_of(*get_args(PaddingMode)),
        doc="What is shown where there was no image: black, the pixels at its border, "
        "or its mirror image. Masks follow; boxes and keypoints know of the image "
        "itself alone.",
    )


# In `torch.nn.functional.grid_sample`, the modes have other names.
_GRID_SAMPLE_MODES = {"zeros": "zeros", "replicate": "border", "reflect": "reflection"}


def warp(batch: ImageBatch, forward: Tensor, padding_mode: str) -> ImageBatch:
    """Move everything in each image by an affine map.

    Images are interpolated linearly, masks take the nearest pixel, and boxes become the
    smallest boxes around what is left of them in the image.

    Parameters
    ----------
    batch : ImageBatch
    forward : torch.Tensor of shape (n, 2, 3)
        From a place (x, y, 1) to where it goes, in pixels. Must be invertible.
    padding_mode : {"zeros", "replicate", "reflect"}

    Returns
    -------
    ImageBatch
    """
    backward = _inverse(forward)
    height, width = batch.size
    device = batch.images.device
    x = torch.arange(width, device=device) + 0.5
    y = (torch.arange(height, device=device) + 0.5).view(-1, 1)
    # Where each pixel's centre comes from, (n, height, width).
    a, b, c, d, e, f = (v.view(-1, 1, 1) for v in backward.flatten(1).unbind(1))
    from_x, from_y = torch.addcmul(a * x + c, b, y), torch.addcmul(d * x + f, e, y)
    points = batch.keypoints
    masks = batch.masks
    if masks is not None:
        rows, outside_y = inside(from_y.floor().long(), height, padding_mode)
        columns, outside_x = inside(from_x.floor().long(), width, padding_mode)
        masks = take_pixels(masks.unsqueeze(1), rows * width + columns).squeeze(1)
        if padding_mode == "zeros":
            masks = masks.masked_fill(outside_x | outside_y, batch.mask_fill)
    return ImageBatch(
        images=_interpolate(batch.images, from_x, from_y, padding_mode),
        boxes=_move_boxes(batch.boxes, forward, backward, batch.size),
        masks=masks,
        keypoints=None if points is None else _move_points(points, forward),
        mask_fill=batch.mask_fill,
        max_value=batch.max_value,
    )


def shift(batch: ImageBatch, down: Tensor, right: Tensor, mode: str) -> ImageBatch:
    """Move everything in each image by whole pixels, without interpolation.

    Parameters
    ----------
    batch : ImageBatch
    down, right : torch.Tensor of shape (n,)
        Whole numbers of pixels.
    mode : {"zeros", "replicate", "reflect"}
        The padding mode.

    Returns
    -------
    ImageBatch
    """
    height, width = batch.size
    device = batch.images.device
    rows = torch.arange(height, device=device) - down.view(-1, 1)
    columns = torch.arange(width, device=device) - right.view(-1, 1)
    rows, outside_y = inside(rows, height, mode)
    columns, outside_x = inside(columns, width, mode)
    index = (rows * width).unsqueeze(2) + columns.unsqueeze(1)
    images = take_pixels(batch.images, index)
    masks = batch.masks
    if masks is not None:
        masks = take_pixels(masks.unsqueeze(1), index).squeeze(1)
    if mode == "zeros":
        outside = outside_y.unsqueeze(2) | outside_x.unsqueeze(1)
        images = images.masked_fill(outside.unsqueeze(1), 0)
        if masks is not None:
            masks = masks.masked_fill(outside, batch.mask_fill)
    move = torch.stack([right, down], 1)
    boxes = batch.boxes
    if boxes is not None:
        boxes = [
            _clipped(box + step.repeat(2).to(box), batch.size)
            for box, step in zip(boxes, move, strict=True)
        ]
    points = batch.keypoints
    return ImageBatch(
        images=images,
        boxes=boxes,
        masks=masks,
        keypoints=None if points is None else points + move.unsqueeze(1).to(points),
        mask_fill=batch.mask_fill,
        max_value=batch.max_value,
    )


def take_pixels(images: Tensor, index: Tensor) -> Tensor:
    """Return other pixels of each image, in a copy of the same dtype.

    Parameters
    ----------
    images : torch.Tensor of shape (n, channels, height, width)
    index : torch.Tensor of shape (n, height, width)
        Row times width plus column of the pixel that comes there.

    Returns
    -------
    torch.Tensor of shape (n, channels, height, width)
    """
    n, channels = images.shape[:2]
    index = index.flatten(1).unsqueeze(1).expand(n, channels, -1)
    return images.flatten(2).gather(2, index).view(images.shape)


def inside(index: Tensor, size: int, mode: str) -> tuple[Tensor, Tensor]:
    """Return row or column numbers that exist, and which of them did not.

    Parameters
    ----------
    index : torch.Tensor
        Whole numbers, also negative or beyond `size`.
    size : int
        How many rows or columns there are.
    mode : {"zeros", "replicate", "reflect"}
        The padding mode.

    Returns
    -------
    tuple of torch.Tensor
        Numbers from 0 to size - 1, and bools.
    """
    outside = (index < 0) | (index >= size)
    if mode == "reflect":
        # The border pixel is mirrored too, as where interpolated images are.
        index = index.remainder(2 * size)
        index = torch.minimum(index, 2 * size - 1 - index)
    return index.clamp(0, size - 1), outside


def to_dtype(values: Tensor, images: Tensor) -> Tensor:
    """Return floats as the dtype of `images`, rounded and cut off for uint8."""
    if images.dtype == torch.uint8:
        return values.round().clamp_(0, 255).to(torch.uint8)
    return values.to(images.dtype)


def _interpolate(images: Tensor, from_x: Tensor, from_y: Tensor, mode: str) -> Tensor:
    height, width = images.shape[2:]
    floats = images if images.is_floating_point() else images.float()
    # Its coordinates reach from -1 at one border to 1 at the other.
    grid = torch.stack([from_x * (2 / width) - 1, from_y * (2 / height) - 1], dim=3)
    mode = _GRID_SAMPLE_MODES[mode]
    moved = F.grid_sample(
        floats, grid.to(floats.dtype), padding_mode=mode, align_corners=False
    )
    return to_dtype(moved, images)


def _inverse(forward: Tensor) -> Tensor:
    linear = torch.linalg.inv(forward[:, :, :2])
    return torch.cat([linear, -linear @ forward[:, :, 2:]], dim=2)


def _move_points(points: Tensor, forward: Tensor) -> Tensor:
    """Return points (n, k, 2) moved by maps (n, 2, 3)."""
    forward = forward.to(points)
    return points @ forward[:, :, :2].mT + forward[:, :, 2].unsqueeze(1)


def _move_boxes(
    boxes: list[Tensor] | None,
    forward: Tensor,
    backward: Tensor,
    size: tuple[int, int],
) -> list[Tensor] | None:
    if not boxes:
        return boxes
    counts = [len(box) for box in boxes]
    numbers = torch.tensor(counts, device=boxes[0].device)
    there, back = (
        m.to(boxes[0]).repeat_interleave(numbers, 0) for m in (forward, backward)
    )
    return list(_move_flat_boxes(torch.cat(boxes), there, back, size).split(counts))


def _move_flat_boxes(
    boxes: Tensor, forward: Tensor, backward: Tensor, size: tuple[int, int]
) -> Tensor:
    """Return the smallest boxes (n, 4) around what is in the image of the moved ones.

    That is the box around the ends of each side, cut at the borders, and those corners
    of the image that the moved box covers. Cutting the box around its four corners
    would be simpler, and too large where a corner is outside.
    """
    left, top, right, bottom = boxes.unbind(1)
    x = torch.stack([left, right, right, left], 1)
    y = torch.stack([top, top, bottom, bottom], 1)
    corners = _move_points(torch.stack([x, y], 2), forward)
    border = boxes.new_tensor([size[1], size[0]])

    # Each side is start + t * way, t in [0, 1]; it is in the image from enter to leave.
    way = corners.roll(-1, 1) - corners
    safe = torch.where(way.abs() < 1e-9, 1e-9, way)
    at_low, at_high = -corners / safe, (border - corners) / safe
    enter = torch.minimum(at_low, at_high).amax(2).clamp(min=0)
    leave = torch.maximum(at_low, at_high).amin(2).clamp(max=1)
    ends = torch.stack([enter, leave], 2).unsqueeze(3)
    cut = (corners.unsqueeze(2) + ends * way.unsqueeze(2)).flatten(1, 2)
    is_cut = (enter <= leave).repeat_interleave(2, 1)

    image_corners = border * boxes.new_tensor([[0, 0], [1, 0], [1, 1], [0, 1]])
    origin = _move_points(image_corners.expand(len(boxes), 4, 2), backward)
    covered = (origin >= boxes[:, None, :2]) & (origin <= boxes[:, None, 2:])

    points = torch.cat([cut, image_corners.expand(len(boxes), 4, 2)], 1)
    valid = torch.cat([is_cut, covered.all(2)], 1).unsqueeze(2)
    low = points.masked_fill(~valid, float("inf")).amin(1)
    high = points.masked_fill(~valid, -float("inf")).amax(1)
    moved = torch.cat([low, high], 1)
    # An empty box has no sides to turn, and one without a valid point is outside.
    gone = ~valid.any(1) | (boxes[:, 2:] <= boxes[:, :2]).any(1, keepdim=True)
    return _clipped(moved.masked_fill(gone, 0.0), size)


def _clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut boxes (n, 4) at the borders; those without area become zeros."""
    border = boxes.new_tensor([size[1], size[0]] * 2)
    boxes = torch.minimum(boxes, border).clamp(min=0)
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(1, keepdim=True)
    return boxes.masked_fill(empty, 0.0)
