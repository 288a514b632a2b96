"""Hiding a part of each image."""

from __future__ import annotations

from numbers import Real
from typing import Literal

import torch
from torch import Tensor

from torchlearners._compat import Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._op import ImageOp, log_uniform, uniform
from torchlearners.augmentation._warp import to_dtype
from torchlearners.params import SequenceOf, one_of, param, positive


class Erasing(ImageOp):
    """Hide a rectangle of random area, shape and place: cutout [1]_ [2]_.

    Boxes, masks and keypoints stay: what they tell of is there, but hidden.

    {parameters}

    References
    ----------
    .. [1] DeVries and Taylor (2017). Improved regularization of convolutional neural
       networks with cutout. arXiv:1708.04552.
    .. [2] Zhong et al. (2020). Random erasing data augmentation. AAAI.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Erasing
    >>> op = Erasing(p=1, area=(0.25, 0.25), ratio=(1, 1))
    >>> op(torch.ones(1, 1, 4, 4), torch.Generator()).sum()
    tensor(12.)
    """

    p: float = param(default=0.5)
    area: tuple[float, float] = param(
        default=(0.02, 0.25),
        check=[SequenceOf([Interval(Real, 0, 1, closed="both")], length=2)],
        doc="Smallest and largest area, as a share of the image's.",
    )
    ratio: tuple[float, float] = param(
        default=(0.5, 2.0),
        check=[SequenceOf(positive, length=2)],
        doc="Least and greatest ratio of width to height, times that of the image. A "
        "rectangle that would be too long is as long as the image.",
    )
    fill: Literal["zeros", "mean", "noise"] = param(
        default="zeros",
        check=one_of("zeros", "mean", "noise"),
        tune=["zeros", "mean", "noise"],
        doc="What is shown instead: black, the image's mean of each channel, or "
        "random values between black and white.",
    )

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw rectangles, in whole pixels, and noise where it is wanted."""
        n, device = len(batch), generator.device
        area = uniform(n, *self.area, generator)
        ratio = log_uniform(n, *self.ratio, generator)
        drawn = {}
        shares = {"height": (area / ratio).sqrt(), "width": (area * ratio).sqrt()}
        for (name, share), side in zip(shares.items(), batch.size, strict=True):
            length = (share.clamp(max=1) * side).round()
            start = torch.rand(n, generator=generator, device=device)
            drawn[name] = length
            drawn[f"{name}_start"] = (start * (side - length + 1)).floor()
        if self.fill == "noise":
            drawn["noise"] = torch.rand(
                batch.images.shape, generator=generator, device=device
            )
        return drawn

    def change(
        self,
        batch: ImageBatch,
        height: Tensor,
        height_start: Tensor,
        width: Tensor,
        width_start: Tensor,
        noise: Tensor | None = None,
    ) -> ImageBatch:
        """Return the batch with hidden rectangles."""
        images = batch.images
        hidden = rectangles(batch.size, height_start, height, width_start, width)
        if noise is not None:
            fill = to_dtype(noise * batch.white, images)
        elif self.fill == "mean":
            floats = images if images.is_floating_point() else images.float()
            fill = to_dtype(floats.mean((2, 3), keepdim=True), images)
        else:
            return batch.with_images(images.masked_fill(hidden, 0))
        return batch.with_images(torch.where(hidden, fill, images))


def rectangles(
    size: tuple[int, int], top: Tensor, height: Tensor, left: Tensor, width: Tensor
) -> Tensor:
    """Return which pixels lie in one rectangle for each image.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images.
    top, height, left, width : torch.Tensor of shape (n,)
        In whole pixels.

    Returns
    -------
    torch.Tensor of shape (n, 1, `size`[0], `size`[1])
        Bools.
    """

    def within(side: int, start: Tensor, length: Tensor) -> Tensor:
        place = torch.arange(side, device=start.device)
        start = start.unsqueeze(1)
        return (place >= start) & (place < start + length.unsqueeze(1))

    rows, columns = within(size[0], top, height), within(size[1], left, width)
    return (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)
