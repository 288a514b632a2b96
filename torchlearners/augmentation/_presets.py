"""Augmentations that have a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchlearners.augmentation._augment import Augment
from torchlearners.augmentation._color import ColorJitter
from torchlearners.augmentation._erasing import Erasing
from torchlearners.augmentation._geometric import HorizontalFlip, PadCrop, ResizedCrop
from torchlearners.augmentation._op import ImageOp
from torchlearners.augmentation._rand_augment import RandAugment
from torchlearners.params import did_you_mean


def _none() -> Augment:
    return Augment([])


def _light() -> Augment:
    return Augment([PadCrop(), ColorJitter(brightness=0.1, contrast=0.1, saturation=0)])


def _standard() -> Augment:
    return Augment([HorizontalFlip(), PadCrop(), ColorJitter(p=0.5), Erasing(p=0.25)])


def _strong() -> Augment:
    return Augment(
        [HorizontalFlip(), ResizedCrop(), RandAugment(), Erasing(p=0.5, fill="noise")]
    )


# Name to a function that makes a new one.
AUGMENTATIONS: dict[str, Callable[[], Augment]] = {
    "none": _none,
    "light": _light,
    "standard": _standard,
    "strong": _strong,
}


def augmentation(choice: Any) -> ImageOp | Augment:
    """Return the augmentation that a name or another value stands for.

    - ``"none"`` changes nothing.
    - ``"light"`` shifts by up to an eighth of the side and changes brightness and
      contrast by up to a tenth. What is shown stays what it is, also a digit or a
      letter.
    - ``"standard"`` mirrors left and right, shifts by up to an eighth, changes
      brightness, contrast and saturation of half of the images by up to a fifth, and
      hides a part of a quarter of them. For photographs.
    - ``"strong"`` mirrors, resizes crops of at least 0.3 of the area, applies
      `RandAugment`, and hides a part of half of the images behind noise. For
      photographs and many epochs.

    Parameters
    ----------
    choice : str, ImageOp, Augment, list, callable or None
        A name; an augmentation, which is returned as it is; steps of `Augment`; a
        function from images to images; or None for "none".

    Returns
    -------
    ImageOp or Augment
        To be called with images and generator.

    Raises
    ------
    ValueError
        Where the name is unknown.

    Examples
    --------
    >>> from torchlearners.augmentation import augmentation
    >>> sorted(augmentation("light").get_params())[:3]
    ['ColorJitter', 'ColorJitter__brightness', 'ColorJitter__contrast']
    """
    if choice is None:
        return _none()
    if isinstance(choice, str):
        if choice not in AUGMENTATIONS:
            raise ValueError(
                f"augmentation {choice!r} is unknown; there are {list(AUGMENTATIONS)}."
                + did_you_mean(choice, AUGMENTATIONS)
            )
        return AUGMENTATIONS[choice]()
    if isinstance(choice, ImageOp | Augment):
        return choice
    if isinstance(choice, list | tuple):
        return Augment(choice)
    if callable(choice) and not isinstance(choice, type):
        return Augment([choice])
    raise TypeError(
        f"{choice!r} is no augmentation. Give one of {list(AUGMENTATIONS)}, an object "
        "such as HorizontalFlip(), a list of them, or a function from images to images."
    )
