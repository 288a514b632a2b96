"""Networks from images to vectors, by name."""

from __future__ import annotations

from typing import Any, ClassVar

from torchlearners.graph import (
    BatchNorm2d,
    Conv2d,
    FTTransformerBlock,
    LayerNorm,
    MaxPool2d,
    Node,
    ReLU,
    Repeat,
    Residual,
    Sequence,
)
from torchlearners.image._nodes import (
    ChannelNorm2d,
    ConvNeXtBlock,
    PatchTokens,
    PoolPositions,
)
from torchlearners.image._rows import ImageSpec
from torchlearners.params import fraction, optional, param, positive_int
from torchlearners.training import Descriptor

# A map is not made smaller once a side is no longer than this.
_SMALL_SIDE = 4
# The first convolution of a CNN sees every place up to the one, every second up to the
# other.
_FULL_SIDE, _HALF_SIDE = 48, 112


class Backbone(Descriptor):
    """Base of the backbones that have a name.

    {parameters}
    """

    # What lr="auto" stands for.
    lr: ClassVar[float] = 3e-3

    def layers(self, spec: ImageSpec) -> Node:
        """Return a network from images to (batch, feature).

        Parameters
        ----------
        spec : ImageSpec
            The images it is for.

        Returns
        -------
        Node
        """
        raise NotImplementedError(f"{type(self).__name__} does not define layers().")


class CNN(Backbone):
    """Convolutions and pools by turns: small, and quick on a CPU [1]_.

    Each stage is convolutions of 3x3 with batch normalization, and a pool that halves
    the map while its sides are above 4. What is left is flattened where small, else
    averaged. The first convolution makes images above 48 pixels a side two times
    smaller, and above 112 four times. Rows of a table pass without pools.

    {parameters}

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner (1998). Gradient-based learning applied to
       document recognition. Proceedings of the IEEE 86.

    Examples
    --------
    >>> from torchlearners.image import CNN, ImageClassifier
    >>> learner = ImageClassifier(CNN(width=16, n_stages=2))
    """

    width: int = param(
        default=32,
        check=positive_int,
        tune=(16, 64, "log"),
        doc="Channels of the first stage; each further stage has twice as many.",
    )
    n_stages: int = param(
        default=3,
        check=positive_int,
        tune=(2, 4),
        doc="Number of stages; there are fewer where the images are small.",
    )
    n_blocks: int = param(
        default=1,
        check=positive_int,
        tune=(1, 2),
        doc="Convolutions in each stage.",
    )

    def layers(self, spec: ImageSpec) -> Node:
        """Return the stages."""
        side = min(spec.height, spec.width)
        stride = _first_stride(spec)
        steps: list[Node] = []
        for stage in range(self.n_stages):
            width = self.width * 2**stage
            usual = _window(spec), 1, _margin(spec)
            first = usual
            if stage == 0 and stride > 1:
                # Wide enough that neighbouring windows overlap.
                first = 2 * stride + 1, stride, stride
                side = -(-side // stride)
            steps += _convolution(width, *first)
            if self.n_blocks > 1:
                block = Sequence(_convolution(width, *usual))
                steps.append(Repeat(block, self.n_blocks - 1))
            if side <= _SMALL_SIDE:
                break
            steps.append(MaxPool2d(2))
            side //= 2
        return Sequence([*steps, _pool(spec)])


class ResNet(Backbone):
    """Residual blocks of two convolutions [1]_, with a first layer for small images.

    The first layer does not shrink images up to 64 pixels a side; larger ones it makes
    four times smaller.

    {parameters}

    References
    ----------
    .. [1] He, Zhang, Ren and Sun (2016). Deep residual learning for image
       recognition. CVPR. arXiv:1512.03385.

    Examples
    --------
    >>> from torchlearners.image import ImageClassifier, ResNet
    >>> learner = ImageClassifier(ResNet(width=16, n_blocks=1))
    """

    width: int = param(
        default=32,
        check=positive_int,
        tune=(16, 64, "log"),
        doc="Channels of the first stage; each further stage has twice as many.",
    )
    n_stages: int = param(
        default=3,
        check=positive_int,
        tune=(2, 4),
        doc="Number of stages; from the second on, each halves the map.",
    )
    n_blocks: int = param(
        default=2,
        check=positive_int,
        tune=(1, 3),
        doc="Residual blocks in each stage.",
    )

    def layers(self, spec: ImageSpec) -> Node:
        """Return the first layer and the stages."""
        if min(spec.height, spec.width) > 64:
            stem = Conv2d(self.width, 7, stride=2, padding=3, bias=False)
            steps = [stem, BatchNorm2d(), ReLU(), MaxPool2d(3, stride=2, padding=1)]
        else:
            stem = Conv2d(self.width, _window(spec), padding=_margin(spec), bias=False)
            steps = [stem, BatchNorm2d(), ReLU()]
        before = self.width
        for stage in range(self.n_stages):
            width = self.width * 2**stage
            for block in range(self.n_blocks):
                halves = stage > 0 and block == 0 and not spec.is_strip
                steps += _residual(spec, width, 2 if halves else 1, width != before)
                before = width
        return Sequence([*steps, _pool(spec)])


class ConvNeXt(Backbone):
    """Wide windows over each channel, then a layer over the channels [1]_.

    Wants more epochs than `CNN`, or pretrained weights.

    {parameters}

    References
    ----------
    .. [1] Liu, Mao, Wu, Feichtenhofer, Darrell and Xie (2022). A ConvNet for the
       2020s. CVPR. arXiv:2201.03545.

    Examples
    --------
    >>> from torchlearners.image import ConvNeXt, ImageClassifier
    >>> learner = ImageClassifier(ConvNeXt(width=32, n_stages=2))
    """

    width: int = param(
        default=40,
        check=positive_int,
        tune=(24, 80, "log"),
        doc="Channels of the first stage; each further stage has twice as many.",
    )
    n_stages: int = param(
        default=3,
        check=positive_int,
        tune=(2, 4),
        doc="Number of stages; there are fewer where the images are small.",
    )
    n_blocks: int = param(
        default=2,
        check=positive_int,
        tune=(1, 3),
        doc="Blocks in each stage.",
    )
    patch_size: int | None = param(
        default=None,
        check=optional(positive_int),
        doc="Side in pixels of the patches that the first layer makes points of. None "
        "is 4 for images above 64 pixels a side, 2 above 16, and else 1.",
    )

    lr = 1e-3

    def layers(self, spec: ImageSpec) -> Node:
        """Return the first layer and the stages."""
        side = min(spec.height, spec.width)
        patch = self.patch_size or (4 if side > 64 else 2 if side > 16 else 1)
        patch = min(patch, side)
        steps = [Conv2d(self.width, patch, stride=patch), ChannelNorm2d()]
        side //= patch
        for stage in range(self.n_stages):
            width = self.width * 2**stage
            if stage > 0:
                half = 1 if spec.is_strip else 2
                steps += [ChannelNorm2d(), Conv2d(width, half, stride=half)]
                side //= half
            steps.append(Repeat(ConvNeXtBlock(), self.n_blocks))
            if side <= _SMALL_SIDE and not spec.is_strip:
                break
        return Sequence([*steps, ChannelNorm2d(), _pool(spec)])


class ViT(Backbone):
    """A transformer over the patches of an image [1]_.

    Knows nothing of neighbourhoods before training, so it wants many images, or
    pretrained weights. Time and memory grow with the square of the number of patches.

    {parameters}

    References
    ----------
    .. [1] Dosovitskiy et al. (2021). An image is worth 16x16 words: transformers for
       image recognition at scale. ICLR. arXiv:2010.11929.

    Examples
    --------
    >>> from torchlearners.image import ImageClassifier, ViT
    >>> learner = ImageClassifier(ViT(d_token=64, n_blocks=2))
    """

    d_token: int = param(
        default=128,
        check=positive_int,
        tune=[64, 128, 192],
        doc="Size of a token, a multiple of `n_heads`.",
    )
    n_blocks: int = param(
        default=4, check=positive_int, tune=(2, 8), doc="Number of blocks."
    )
    n_heads: int = param(default=4, check=positive_int, doc="Attention heads.")
    patch_size: int | None = param(
        default=None,
        check=optional(positive_int),
        doc="Side of a patch in pixels. None makes about 8 patches a side.",
    )
    dropout: float = param(
        default=0.0,
        check=fraction,
        tune=(0.0, 0.3),
        doc="Probability of zeroing a hidden unit while training.",
    )

    lr = 5e-4

    def layers(self, spec: ImageSpec) -> Node:
        """Return patches, blocks and their mean."""
        side = min(spec.height, spec.width)
        block = FTTransformerBlock(
            n_heads=self.n_heads,
            attention_dropout=0.0,
            ffn_d_hidden_multiplier=4.0,
            ffn_dropout=self.dropout,
            activation="gelu",
        )
        tokens = PatchTokens(
            d_token=self.d_token, patch_size=self.patch_size or max(1, round(side / 8))
        )
        return Sequence(
            [tokens, Repeat(block, self.n_blocks), LayerNorm(), PoolPositions()]
        )


BACKBONES: dict[str, type[Backbone]] = {
    "cnn": CNN,
    "convnext": ConvNeXt,
    "resnet": ResNet,
    "vit": ViT,
}


def _window(spec: ImageSpec) -> Any:
    return (1, 3) if spec.is_strip else 3


def _margin(spec: ImageSpec) -> Any:
    return (0, 1) if spec.is_strip else 1


def _pool(spec: ImageSpec) -> Node:
    """Return what makes a vector of the last map."""
    # In a strip each place has a meaning of its own.
    positions = spec.width if spec.is_strip else _SMALL_SIDE**2
    pool: Node = PoolPositions(max_positions=positions)
    return pool


def _first_stride(spec: ImageSpec) -> int:
    """Return the step of a first window, which grows with the images."""
    side = min(spec.height, spec.width)
    return 1 if side <= _FULL_SIDE else 2 if side <= _HALF_SIDE else 4


def _convolution(width: int, window: Any, stride: int, margin: Any) -> list[Node]:
    conv = Conv2d(width, window, stride=stride, padding=margin, bias=False)
    return [conv, BatchNorm2d(), ReLU()]


def _residual(spec: ImageSpec, width: int, stride: int, widens: bool) -> list[Node]:
    window, margin = _window(spec), _margin(spec)
    inside = (
        Conv2d(width, window, stride=stride, padding=margin, bias=False)
        >> BatchNorm2d()
        >> ReLU()
        >> Conv2d(width, window, padding=margin, bias=False)
        >> BatchNorm2d()
    )
    shortcut = Conv2d(width, 1, stride=stride, bias=False) >> BatchNorm2d()
    changes = widens or stride > 1
    return [Residual(inside, shortcut=shortcut if changes else None), ReLU()]
