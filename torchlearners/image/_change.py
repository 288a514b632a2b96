"""What a network of images is shown in place of a training batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor

from torchlearners.augmentation import (
    Augment,
    CutMix,
    ImageBatch,
    ImageOp,
    Mixup,
    MixupOrCutMix,
    augmentation,
)
from torchlearners.nn import ImageInput, random_numbers_from

Batch = tuple[Tensor, Tensor, Tensor | None]
Mixing = Mixup | CutMix | MixupOrCutMix


@dataclass(eq=False)
class BatchChange:
    """Augment the images of a batch, and mix them with each other.

    Parameters
    ----------
    pixels : ImageInput
        How rows unfold to images.
    augment : Augment or ImageOp
    mixing : Mixup, CutMix, MixupOrCutMix or None
    white : float or None
        What white is in images of floats.
    """

    pixels: ImageInput
    augment: Augment | ImageOp
    mixing: Mixing | None
    white: float | None

    @classmethod
    def of(
        cls, augment: Any, mixup: float, cutmix: float, pixels: ImageInput, rows: Tensor
    ) -> BatchChange | None:
        """Return what a learner's parameters stand for, or None for no change.

        Parameters
        ----------
        augment : object
            See `torchlearners.augmentation.augmentation`.
        mixup, cutmix : float
            Parameters of Beta distributions; 0 for none.
        pixels : ImageInput
        rows : torch.Tensor of shape (n_rows, n_values)
            All training rows, of which the largest value is white where they are
            floats, unless that is below 1.
        """
        if augment in (None, "none") and not (mixup or cutmix):
            return None
        mixing: Mixing | None = None
        if mixup and cutmix:
            mixing = MixupOrCutMix(mixup_alpha=mixup, cutmix_alpha=cutmix)
        elif mixup or cutmix:
            mixing = Mixup(alpha=mixup) if mixup else CutMix(alpha=cutmix)
        white = None if rows.dtype == torch.uint8 else max(1.0, rows.max().item())
        # The fit is not to change where the user sets parameters meanwhile.
        return cls(pixels, clone(augmentation(augment)), mixing, white)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return rows, targets and weights that the network is trained with.

        Parameters
        ----------
        batch : tuple of torch.Tensor
            Rows of pixels, targets, and row weights or None.
        generator : torch.Generator
            Where all random numbers come from, also those of foreign functions.

        Returns
        -------
        tuple of torch.Tensor
            Where images are mixed, each row has two targets (n_rows, 2, ...) and two
            weights (n_rows, 2): its share of either image, times its row weight.
        """
        x, y, weight = batch
        with torch.no_grad():
            images = self._augmented(self.pixels.unfold(x), generator)
            if self.mixing is None:
                return self.pixels.fold(images), y, weight
            mixed = self.mixing(images, y, generator, weight)
            shares = torch.stack([mixed.share, 1 - mixed.share], 1)
            if mixed.weight is not None and mixed.other_weight is not None:
                shares = shares * torch.stack([mixed.weight, mixed.other_weight], 1)
            targets = torch.stack([mixed.target, mixed.other_target], 1)
            return self.pixels.fold(mixed.images), targets, shares

    def _augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        is_foreign = getattr(self.augment, "draws_unbound_numbers", False)
        # A foreign function may write into what it gets.
        given = ImageBatch(
            images.clone() if is_foreign else images, max_value=self.white
        )
        with random_numbers_from(generator, when=is_foreign):
            shown = self.augment(given, generator).images
        if shown.shape != images.shape or shown.dtype != images.dtype:
            raise ValueError(
                f"augment={self.augment!r} turned images of shape "
                f"{tuple(images.shape)} and {images.dtype} into shape "
                f"{tuple(shown.shape)} and {shown.dtype}; both must stay as they are. "
                "Resize or convert images before fit."
            )
        return shown
