"""Random changes of image batches, on their device, drawn from one generator.

An augmentation is called with images and a `torch.Generator`. Boxes, masks and
keypoints come along in an `ImageBatch`.
"""

from torchlearners.augmentation._augment import Augment
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._color import ColorJitter, GaussianBlur, Grayscale
from torchlearners.augmentation._display import AugmentDisplay
from torchlearners.augmentation._erasing import Erasing
from torchlearners.augmentation._geometric import (
    Affine,
    HorizontalFlip,
    PadCrop,
    ResizedCrop,
    Rotation,
    VerticalFlip,
)
from torchlearners.augmentation._mixing import CutMix, MixedBatch, Mixup, MixupOrCutMix
from torchlearners.augmentation._op import ImageOp, uniform
from torchlearners.augmentation._presets import AUGMENTATIONS, augmentation
from torchlearners.augmentation._rand_augment import (
    OP_TABLE,
    RandAugment,
    TrivialAugment,
)

__all__ = [
    "AUGMENTATIONS",
    "OP_TABLE",
    "Affine",
    "Augment",
    "AugmentDisplay",
    "ColorJitter",
    "CutMix",
    "Erasing",
    "GaussianBlur",
    "Grayscale",
    "HorizontalFlip",
    "ImageBatch",
    "ImageOp",
    "MixedBatch",
    "Mixup",
    "MixupOrCutMix",
    "PadCrop",
    "RandAugment",
    "ResizedCrop",
    "Rotation",
    "TrivialAugment",
    "VerticalFlip",
    "augmentation",
    "uniform",
]
