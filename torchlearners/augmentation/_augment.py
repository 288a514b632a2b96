"""Augmentations one after the other, with names to tune them by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from torchlearners._compat import BaseEstimator
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._op import ImageOp, Images
from torchlearners.params import Parameters, did_you_mean, param


class Augment(Parameters, BaseEstimator):
    """Apply augmentations one after the other.

    A step's parameters are reached by its name, by default that of its class:
    ``set_params(ColorJitter__brightness=0.4)``; several steps of one class are
    numbered. ``set_params(ColorJitter=None)`` leaves the step out.

    A step that is any other function, such as a transform of torchvision or kornia, is
    called with the images alone. So it cannot move boxes, masks or keypoints, and draws
    its random numbers from torch's global state, unless the call is made within
    `torchlearners.nn.random_numbers_from`.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Augment, ColorJitter, HorizontalFlip
    >>> augment = Augment([HorizontalFlip(), ColorJitter(brightness=0.1)])
    >>> augment(torch.rand(2, 3, 24, 32), torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    >>> augment.set_params(ColorJitter__hue=0.02).get_params()["ColorJitter__hue"]
    0.02
    """

    steps: Any = param(
        default=(),
        check=[list, tuple],
        kw_only=False,
        doc="`ImageOp` objects, functions from images to images, or pairs of a name "
        "and one of them, or None.",
    )

    def __call__(self, images: Images, generator: torch.Generator) -> Images:
        """Apply the steps in their order.

        Parameters
        ----------
        images : torch.Tensor of shape (n, channels, height, width), or ImageBatch
            uint8, or floats from 0 to 1. An `ImageBatch` brings boxes, masks and
            keypoints along.
        generator : torch.Generator
            Where our ops draw all random numbers from.

        Returns
        -------
        torch.Tensor or ImageBatch
            As given.

        Raises
        ------
        ValueError
            Where shapes, dtypes, values or parameters do not fit.
        """
        self._validate_params()
        batch = images if isinstance(images, ImageBatch) else ImageBatch(images)
        for name, step in _name_steps(self.steps):
            if isinstance(step, ImageOp | Augment):
                batch = step(batch, generator)
            elif step is not None:
                batch = _call_foreign(name, step, batch)
        return batch if isinstance(images, ImageBatch) else batch.images

    @property
    def draws_unbound_numbers(self) -> bool:
        """Whether a step is not ours, and may ask torch's global random state."""
        return any(
            step.draws_unbound_numbers
            if isinstance(step, Augment)
            else not (step is None or isinstance(step, ImageOp))
            for _, step in _name_steps(self.steps)
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the steps, and the parameters of each.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the steps by their names, and their parameters.

        Returns
        -------
        dict
            Names mapped to values.
        """
        params = super().get_params(deep=False)
        for name, step in _name_steps(self.steps) if deep else ():
            params[name] = step
            if hasattr(step, "get_params"):
                nested = step.get_params(deep=True)
                params.update({f"{name}__{k}": v for k, v in nested.items()})
        return params

    def set_params(self, **params: Any) -> Augment:
        """Set the steps, one of them, or its parameters.

        Parameters
        ----------
        **params : dict
            Names and values, such as ``ColorJitter__brightness=0.4``.

        Returns
        -------
        Augment

        Raises
        ------
        ValueError
            Where there is no such step or parameter.
        """
        if "steps" in params:
            self.steps = params.pop("steps")
        # Whole steps first, so that parameters reach the new ones.
        for key, value in sorted(params.items(), key=lambda item: "__" in item[0]):
            name, delimiter, rest = key.partition("__")
            named = dict(_name_steps(self.steps))
            if name not in named:
                raise ValueError(
                    f"Invalid step {name!r} for {self!r}.{did_you_mean(name, named)} "
                    f"Valid steps are: {list(named)!r}."
                )
            if not delimiter:
                named[name] = value
                self.steps = list(named.items())
            elif hasattr(named[name], "set_params"):
                named[name].set_params(**{rest: value})
            else:
                raise ValueError(
                    f"Step {name!r} is {named[name]!r}, which has no parameters, so "
                    f"{rest!r} cannot be set."
                )
        return self


def _name_steps(steps: Any) -> Iterator[tuple[str, Any]]:
    # Before a call has checked them, they may be anything.
    items = steps if isinstance(steps, list | tuple) else []
    unnamed = [_step_name(item) for item in items if not isinstance(item, tuple)]
    seen: Counter[str] = Counter()
    for item in items:
        if isinstance(item, tuple):
            if len(item) != 2 or not isinstance(item[0], str):
                raise ValueError(
                    f"A tuple among the steps must be a name and a step, got {item!r}."
                )
            yield item
            continue
        name = _step_name(item)
        seen[name] += 1
        yield f"{name}_{seen[name]}" if unnamed.count(name) > 1 else name, item


def _step_name(step: Any) -> str:
    return getattr(step, "__name__", type(step).__name__)


def _call_foreign(name: str, step: Any, batch: ImageBatch) -> ImageBatch:
    if not callable(step) or isinstance(step, type):
        raise TypeError(
            f"Step {name!r} is {step!r}. Give an object such as HorizontalFlip(), a "
            "function from images to images, or None."
        )
    if batch.has_places:
        raise ValueError(
            f"Step {name!r} is a function of images alone, so boxes, masks and "
            "keypoints would stay behind. Derive a class from ImageOp instead, whose "
            "change() takes and returns an ImageBatch."
        )
    changed = step(batch.images)
    shape = tuple(batch.images.shape)
    if not isinstance(changed, Tensor) or changed.shape[:1] != shape[:1]:
        got = tuple(changed.shape) if isinstance(changed, Tensor) else repr(changed)
        raise ValueError(
            f"Step {name!r} must return a tensor of {len(batch)} images, got {got} for "
            f"images of shape {shape}."
        )
    return batch.with_images(changed)
