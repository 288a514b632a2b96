"""Images of several sizes become images of one size."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
from torch.nn import functional as F

RESIZES = ("squash", "crop", "pad")


def resize_image(
    image: torch.Tensor, size: tuple[int, int], resize: str = "squash"
) -> torch.Tensor:
    """Return an image in another size, by bilinear interpolation with antialiasing.

    Parameters
    ----------
    image : torch.Tensor of uint8 of shape (channels, height, width)
    size : tuple of int
        Height and width of the result, in pixels.
    resize : {"squash", "crop", "pad"}, default="squash"
        "squash" stretches both sides to `size` and so changes the ratio of the sides.
        "crop" keeps the ratio and cuts off what is too much of the longer side, half of
        it at either end. "pad" keeps the ratio and all of the image, and fills what is
        missing of the shorter side with black, half of it at either end.

    Returns
    -------
    torch.Tensor of uint8 of shape (channels, height, width)

    Examples
    --------
    >>> import torch
    >>> from torchlearners.data import resize_image
    >>> image = torch.full((1, 2, 4), 9, dtype=torch.uint8)
    >>> resize_image(image, (4, 4), resize="pad")[0].tolist()
    [[0, 0, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9], [0, 0, 0, 0]]
    """
    check_resize(resize)
    height, width = image.shape[1:]
    if (height, width) == tuple(size):
        return image
    if resize != "squash":
        pick = max if resize == "crop" else min
        scale = pick(size[0] / height, size[1] / width)
        inner = [
            # The side that decides is exact, whatever the rounding of the scale.
            wanted if abs(side * scale - wanted) < 1e-6 else max(1, round(side * scale))
            for side, wanted in zip((height, width), size, strict=True)
        ]
    else:
        inner = list(size)
    if inner != [height, width]:
        # Of bytes with channels last it takes a quarter of the time, but torch gives
        # wrong values for results that are one pixel wide.
        whole = image[None].contiguous(memory_format=torch.channels_last)
        values = F.interpolate(
            whole if min(inner) > 1 else whole.float(),
            inner,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        if values.dtype != torch.uint8:
            values = values.round_().clamp_(0, 255).to(torch.uint8)
        image = values[0]
    if inner == list(size):
        return image
    if resize == "crop":
        top, left = ((a - b) // 2 for a, b in zip(inner, size, strict=True))
        return image[:, top : top + size[0], left : left + size[1]]
    out = image.new_zeros(len(image), *size)
    top, left = ((b - a) // 2 for a, b in zip(inner, size, strict=True))
    out[:, top : top + inner[0], left : left + inner[1]] = image
    return out


def check_resize(resize: object) -> None:
    """Raise unless this names a way to resize.

    Parameters
    ----------
    resize : object
    """
    if resize not in RESIZES:
        names = ", ".join(map(repr, RESIZES))
        raise ValueError(f"resize must be one of {names}. Got {resize!r}.")


def check_size(size: Any) -> tuple[int, int] | None:
    """Return height and width in pixels.

    Parameters
    ----------
    size : int, pair of int or None

    Returns
    -------
    tuple of int or None
    """
    if size is None:
        return None
    pair = size if isinstance(size, tuple | list) else (size, size)
    whole = [isinstance(n, Integral) and not isinstance(n, bool) for n in pair]
    if len(pair) != 2 or not all(whole) or min(pair) < 1:
        raise ValueError(
            "size must be None, a number of pixels, or (height, width) in pixels. "
            f"Got {size!r}."
        )
    return int(pair[0]), int(pair[1])
