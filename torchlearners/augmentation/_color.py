"""Ops that change colours and sharpness, and move nothing."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional as F

from torchlearners._compat import Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._op import ImageOp, uniform
from torchlearners.augmentation._warp import to_dtype
from torchlearners.params import SequenceOf, fraction, non_negative, param

# Rows of RGB to YIQ: brightness, and two colours to turn for another hue (NTSC, 1953).
_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)


class ColorJitter(ImageOp):
    """Change brightness, contrast, saturation and hue.

    All four are one linear map of the colours of an image, applied at once and cut off
    at black and white at the end. The hue turns in YIQ space, which keeps brightness
    and costs nothing extra. Images with other than three channels only change in
    brightness and contrast.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import ColorJitter
    >>> ColorJitter(hue=0.05)(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    brightness: float = param(
        default=0.2,
        check=fraction,
        tune=(0.0, 0.5),
        doc="The factor is within this of 1; 0 is black.",
    )
    contrast: float = param(
        default=0.2,
        check=fraction,
        tune=(0.0, 0.5),
        doc="The factor is within this of 1; 0 is the image's mean gray.",
    )
    saturation: float = param(
        default=0.2,
        check=fraction,
        tune=(0.0, 0.5),
        doc="The factor is within this of 1; 0 is gray.",
    )
    hue: float = param(
        default=0.0,
        check=[Interval(Real, 0, 0.5, closed="both")],
        tune=(0.0, 0.1),
        doc="Most of the circle of hues that is gone either way; 0.5 is any hue.",
    )

    needs_range = True

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw factors, and parts of the circle."""

        def around(middle: float, most: float) -> Tensor:
            return uniform(len(batch), middle - most, middle + most, generator)

        return {
            "brightness": around(1, self.brightness),
            "contrast": around(1, self.contrast),
            "saturation": around(1, self.saturation),
            "hue": around(0, self.hue),
        }

    def change(self, batch: ImageBatch, **drawn: Tensor) -> ImageBatch:
        """Return the batch in other colours."""
        return change_colors(batch, **drawn)


class Grayscale(ImageOp):
    """Take the colours away; the channels stay, and are equal.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Grayscale
    >>> red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    >>> Grayscale(p=1)(red, torch.Generator()).flatten()
    tensor([76, 76, 76], dtype=torch.uint8)
    """

    p: float = param(default=0.1)

    needs_range = True

    def change(self, batch: ImageBatch) -> ImageBatch:
        """Return the batch without colours."""
        none = torch.zeros(len(batch), device=batch.images.device)
        return change_colors(batch, saturation=none)


class GaussianBlur(ImageOp):
    """Blur by a Gaussian of random width.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import GaussianBlur
    >>> GaussianBlur()(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    p: float = param(default=0.5)
    sigma: tuple[float, float] = param(
        default=(0.1, 1.0),
        check=[SequenceOf(non_negative, length=2)],
        doc="Smallest and largest standard deviation, in pixels.",
    )

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw widths."""
        return {"sigma": uniform(len(batch), *self.sigma, generator)}

    def change(self, batch: ImageBatch, sigma: Tensor) -> ImageBatch:
        """Return the blurred batch."""
        images = batch.images
        n, channels, height, width = images.shape
        # As wide as the widest, so that a result does not depend on the batch.
        radius = math.ceil(3 * max(self.sigma))
        steps = torch.arange(-radius, radius + 1, device=images.device)
        weights = (-0.5 * (steps / sigma.clamp(min=1e-3).unsqueeze(1)) ** 2).exp()
        weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(
            channels, 0
        )
        floats = images if images.is_floating_point() else images.float()
        # Each channel of each image is a channel with a kernel of its own.
        flat = floats.reshape(1, n * channels, height, width)
        weights = weights.to(flat)[:, None, :, None]
        for kernel, pad in (
            (weights, (0, 0, radius, radius)),
            (weights.mT, (radius, radius, 0, 0)),
        ):
            padded = F.pad(flat, pad, mode="replicate")
            flat = F.conv2d(padded, kernel, groups=n * channels)
        return batch.with_images(to_dtype(flat.view(images.shape), images))


def change_colors(
    batch: ImageBatch,
    brightness: Tensor | None = None,
    contrast: Tensor | None = None,
    saturation: Tensor | None = None,
    hue: Tensor | None = None,
) -> ImageBatch:
    """Change brightness, then contrast, saturation and hue, by factors of each image.

    Parameters
    ----------
    batch : ImageBatch
    brightness, contrast, saturation : torch.Tensor of shape (n,), or None
        Factors; 1 changes nothing.
    hue : torch.Tensor of shape (n,), or None
        Parts of the circle of hues; 0 changes nothing.

    Returns
    -------
    ImageBatch
    """
    images = batch.images
    n, channels = images.shape[:2]
    floats = (images if images.is_floating_point() else images.float()).flatten(2)
    luma = _luma(channels).to(floats)
    eye = torch.eye(channels).to(floats)

    # The colours become matrix @ colours + offset; each change is put in front.
    matrix, offset = eye.expand(n, -1, -1), floats.new_zeros(n, channels, 1)
    if brightness is not None:
        matrix = matrix * brightness.to(floats).view(n, 1, 1)
    if contrast is not None:
        factor = contrast.to(floats).view(n, 1, 1)
        mean = luma @ (matrix @ floats.mean(2, keepdim=True) + offset)
        matrix = matrix * factor
        offset = offset * factor + (1 - factor) * mean.unsqueeze(1)
    if channels == 3:
        yiq = _YIQ.to(floats)
        if saturation is not None:
            factor = saturation.to(floats).view(n, 1, 1)
            change = factor * eye + (1 - factor) * luma
            matrix, offset = change @ matrix, change @ offset
        if hue is not None:
            angle = hue.to(floats) * (2 * math.pi)
            cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
            turn = [zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos]
            change = yiq.inverse() @ torch.stack(turn, 1).view(n, 3, 3) @ yiq
            matrix, offset = change @ matrix, change @ offset
    changed = torch.baddbmm(offset, matrix, floats).clamp_(0, batch.white)
    return batch.with_images(to_dtype(changed.view(images.shape), images))


def _luma(channels: int) -> Tensor:
    """Return what each channel adds to the brightness."""
    return _YIQ[0] if channels == 3 else torch.full((channels,), 1 / channels)
