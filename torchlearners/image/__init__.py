"""Learners for images."""

from torchlearners.image._backbones import (
    CNN,
    Backbone,
    ConvNeXt,
    ResNet,
    ViT,
)
from torchlearners.image._encoder import ImageEncoder
from torchlearners.image._learners import ImageClassifier, ImageRegressor
from torchlearners.image._named_backbones import NamedBackbone, list_backbones
from torchlearners.image._rows import ImageSpec, PixelRows, PixelSchema

__all__ = [
    "CNN",
    "Backbone",
    "ConvNeXt",
    "ImageClassifier",
    "ImageEncoder",
    "ImageRegressor",
    "ImageSpec",
    "NamedBackbone",
    "PixelRows",
    "PixelSchema",
    "ResNet",
    "ViT",
    "list_backbones",
]
