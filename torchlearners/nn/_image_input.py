"""Stored rows of pixels on their way into a network of images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torchlearners.nn._arguments import ShowsArguments, checked
from torchlearners.params import boolean, one_of, optional, positive_int

# Means and standard deviations of red, green and blue.
Constants = tuple[tuple[float, ...], tuple[float, ...]]

# Of the pixels of ImageNet's training images.
_IMAGENET: Constants = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_ROWS_AT_ONCE = 256


class ImageInput(ShowsArguments):
    """Turn stored rows of pixels into normalized float32 images, batch by batch.

    Whole numbers of uint8 are divided by 255; floats are taken as they are. So only a
    batch is ever held as floats, on the device of the network.

    Parameters
    ----------
    channels, height, width : int
        Sizes of an image.
    channels_last : bool, default=False
        Whether the channels of a pixel stand side by side in a row.
    normalize : {"standard", "imagenet"}, pair of tuple of float or None, default=None
        "standard" brings each channel to mean 0 and standard deviation 1 over the
        training rows, which `fit_to` looks at. "imagenet" does so with the constants of
        ImageNet [1]_, which pretrained networks want; a pair are such constants, means
        and standard deviations of red, green and blue. Images of one channel get their
        means over the three. None leaves the pixels alone.

    References
    ----------
    .. [1] Deng, Dong, Socher, Li, Li and Fei-Fei (2009). ImageNet: a large-scale
       hierarchical image database. CVPR.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ImageInput
    >>> rows = torch.tensor([[0, 255, 0, 255]], dtype=torch.uint8)
    >>> ImageInput(channels=1, height=2, width=2)(rows)
    tensor([[[[0., 1.],
              [0., 1.]]]])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        channels_last: bool = False,
        normalize: str | Constants | None = None,
    ) -> None:
        super().__init__()
        self.channels = checked("channels", channels, positive_int)
        self.height = checked("height", height, positive_int)
        self.width = checked("width", width, positive_int)
        self.channels_last = checked("channels_last", channels_last, boolean)
        kinds = optional([*one_of("standard", "imagenet"), tuple])
        self.normalize = checked("normalize", normalize, kinds)
        mean, std = torch.zeros(channels), torch.ones(channels)
        constants = _IMAGENET if normalize == "imagenet" else normalize
        if isinstance(constants, tuple):
            if channels not in (1, 3):
                raise ValueError(
                    f"normalize={normalize!r} is for images of 1 or 3 channels, got "
                    f'channels={channels}. Take "standard" or None.'
                )
            mean, std = (torch.tensor(numbers) for numbers in constants)
            if channels == 1:
                mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        self.register_buffer("mean", mean.reshape(-1, 1, 1))
        self.register_buffer("std", std.reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return images (batch, channels, height, width) of `x` (batch, n_values)."""
        return (self.images(x) - self.mean) / self.std

    def images(self, x: Tensor) -> Tensor:
        """Return the images before they are normalized.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, channels * height * width)
            uint8 or floats.

        Returns
        -------
        torch.Tensor of shape (batch, channels, height, width)
            float32; of uint8 in [0, 1].
        """
        x = self.unfold(x)
        # In memory channels come last, which convolutions are fastest with.
        floats = x.to(torch.float32, memory_format=torch.channels_last)
        return floats / 255 if x.dtype == torch.uint8 else floats

    def unfold(self, x: Tensor) -> Tensor:
        """Return rows (batch, n_values) as images, of the numbers that they are.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, channels * height * width)

        Returns
        -------
        torch.Tensor of shape (batch, channels, height, width)
            Looks into the memory of `x`.
        """
        if self.channels_last:
            x = x.unflatten(1, (self.height, self.width, self.channels))
            return x.permute(0, 3, 1, 2)
        return x.unflatten(1, (self.channels, self.height, self.width))

    def fold(self, images: Tensor) -> Tensor:
        """Return the rows that `unfold` makes these images of.

        Parameters
        ----------
        images : torch.Tensor of shape (batch, channels, height, width)

        Returns
        -------
        torch.Tensor of shape (batch, channels * height * width)
        """
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        return images.flatten(1)

    def fit_to(self, x: Any) -> None:
        """Learn mean and standard deviation of each channel from training rows.

        Parameters
        ----------
        x : torch.Tensor of shape (n_rows, channels * height * width)
            Ignored unless `normalize` is "standard". Of uint8 it may be anything else
            that has a length and the method `split` of tensors, which is called once.
        """
        if self.normalize != "standard":
            return
        if isinstance(x, Tensor) and x.dtype != torch.uint8:
            parts = x.cpu().split(_ROWS_AT_ONCE)
            mean = self._mean_over(parts, torch.zeros(self.channels, 1, 1), power=1)
            std = self._mean_over(parts, mean, power=2).sqrt()
        else:
            mean, std = self._of_bytes(x)
        tiny = 1e-6 * mean.abs().clamp(min=1e-6)
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std <= tiny, 1.0, std))

    def _of_bytes(self, x: Any) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, of how often each byte is there."""
        counts = torch.zeros(self.channels, 256, dtype=torch.int64)
        first = 256 * torch.arange(self.channels).reshape(-1, 1, 1)
        for part in x.split(_ROWS_AT_ONCE):
            codes = self.unfold(part.cpu()) + first
            found = torch.bincount(codes.flatten(), minlength=counts.numel())
            counts += found.reshape(counts.shape)
        share = counts.double() / counts.sum(1, keepdim=True)
        values = torch.arange(256, dtype=torch.float64) / 255
        mean = (share * values).sum(1, keepdim=True)
        std = (share * (values - mean) ** 2).sum(1, keepdim=True).sqrt()
        return mean[..., None], std[..., None]

    def _mean_over(
        self, parts: tuple[Tensor, ...], origin: Tensor, power: int
    ) -> Tensor:
        """Return the mean of each channel's powers of distances, in float64."""
        total = torch.zeros(self.channels, dtype=torch.float64)
        for part in parts:
            values = (self.images(part).double() - origin) ** power
            total += values.sum(dim=(0, 2, 3))
        n_pixels = sum(map(len, parts)) * self.height * self.width
        return (total / n_pixels).reshape(-1, 1, 1)
