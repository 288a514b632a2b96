"""Parts of networks of images that torch has not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import non_negative, non_negative_int, positive_int


class ChannelNorm2d(ShowsArguments):
    """Normalize the channels of each pixel, with learned scale and shift.

    Layer normalization of what stands at one place of an image [1]_.

    Parameters
    ----------
    channels : int

    References
    ----------
    .. [1] Ba, Kiros and Hinton (2016). Layer normalization. arXiv:1607.06450.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ChannelNorm2d
    >>> ChannelNorm2d(8)(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = checked("channels", channels, positive_int)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels, height, width) for such an `x`."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(ShowsArguments):
    """Mix each channel over space, then the channels of each pixel [1]_.

    Parameters
    ----------
    channels : int
    kernel_size : int, default=7
        Side of the window, an odd number of pixels.
    expansion : int, default=4
        Hidden units for each channel.
    layer_scale : float, default=1e-6
        First factor of what the block adds, learned for each channel.

    References
    ----------
    .. [1] Liu, Mao, Wu, Feichtenhofer, Darrell and Xie (2022). A ConvNet for the
       2020s. CVPR. arXiv:2201.03545.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ConvNeXtBlock
    >>> ConvNeXtBlock(8)(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        expansion: int = 4,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        self.channels = checked("channels", channels, positive_int)
        self.kernel_size = checked("kernel_size", kernel_size, positive_int)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}.")
        self.expansion = checked("expansion", expansion, positive_int)
        self.layer_scale = checked("layer_scale", layer_scale, non_negative)
        self.over_space = nn.Conv2d(
            channels, channels, kernel_size, padding=kernel_size // 2, groups=channels
        )
        self.over_channels = nn.Sequential(
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, expansion * channels),
            nn.GELU(),
            nn.Linear(expansion * channels, channels),
        )
        self.factor = nn.Parameter(torch.full((channels,), float(layer_scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels, height, width) for such an `x`."""
        mixed = self.over_channels(self.over_space(x).permute(0, 2, 3, 1))
        return x + (self.factor * mixed).permute(0, 3, 1, 2)


class PatchTokens(ShowsArguments):
    """Cut images into patches and make a token of each, which knows its place [1]_.

    Parameters
    ----------
    channels, height, width : int
        Sizes of an image. Zeros fill up the patches at its right and lower edge.
    d_token : int
        Size of a token.
    patch_size : int, default=4
        Side of a patch in pixels.

    References
    ----------
    .. [1] Dosovitskiy et al. (2021). An image is worth 16x16 words: transformers for
       image recognition at scale. ICLR. arXiv:2010.11929.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PatchTokens
    >>> PatchTokens(1, 8, 8, d_token=16)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 4, 16])
    """

    def __init__(
        self, channels: int, height: int, width: int, d_token: int, patch_size: int = 4
    ) -> None:
        super().__init__()
        self.channels = checked("channels", channels, positive_int)
        self.height = checked("height", height, positive_int)
        self.width = checked("width", width, positive_int)
        self.d_token = checked("d_token", d_token, positive_int)
        self.patch_size = checked("patch_size", patch_size, positive_int)
        self.patches = nn.Conv2d(channels, d_token, patch_size, stride=patch_size)
        self.n_tokens = -(-height // patch_size) * -(-width // patch_size)
        self.places = nn.Parameter(torch.empty(self.n_tokens, d_token))
        nn.init.trunc_normal_(self.places, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, tokens, d_token) for `x` (batch, channels, height, width)."""
        check_shape(self, x, "batch", self.channels, self.height, self.width)
        missing = (-self.width % self.patch_size, -self.height % self.patch_size)
        x = F.pad(x, (0, missing[0], 0, missing[1]))
        return self.patches(x).flatten(2).mT + self.places


class PoolPositions(ShowsArguments):
    """Turn a map, or tokens, into one vector: kept in order where few, else averaged.

    A small map is flattened, so that it stays known what was seen where; vectors are
    passed on.

    Parameters
    ----------
    max_positions : int, default=16
        Most positions of a map that are kept. Tokens are averaged.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PoolPositions
    >>> PoolPositions()(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 128])
    >>> PoolPositions()(torch.zeros(2, 8, 7, 7)).shape
    torch.Size([2, 8])
    """

    def __init__(self, max_positions: int = 16) -> None:
        super().__init__()
        self.max_positions = checked("max_positions", max_positions, non_negative_int)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, features) for `x` of 2 to 4 dimensions, batch first."""
        if x.ndim == 2:
            return x
        if x.ndim == 3:
            return x.mean(dim=1)
        if x.ndim != 4:
            raise ValueError(
                f"PoolPositions takes vectors, tokens or maps of 2 to 4 dimensions; "
                f"got the shape {tuple(x.shape)}."
            )
        if x.shape[2] * x.shape[3] <= self.max_positions:
            return x.flatten(1)
        return x.mean(dim=(2, 3))
