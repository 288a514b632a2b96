"""What every augmentation is: a declared choice that changes a batch at random."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, TypeVar

import torch
from torch import Tensor

from torchlearners._compat import BaseEstimator, Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.params import Parameters, param

Images = TypeVar("Images", Tensor, ImageBatch)

probability = [Interval(Real, 0, 1, closed="both")]


class ImageOp(Parameters, BaseEstimator):
    """Base of the augmentations: a random change of each image of a batch.

    A subclass says what it draws for each image (`draw`) and what that does to a batch
    (`change`). The rest is here: the probability, and that an image's result depends
    on nothing but itself and the generator, which moves on by the same amount whatever
    the images show.

    Being an estimator in scikit-learn's sense, it is cloned, printed and searched like
    one.

    {parameters}

    Examples
    --------
    An op of your own:

    >>> import torch
    >>> from torchlearners.augmentation import ImageOp, uniform
    >>> class Fade(ImageOp):
    ...     def draw(self, batch, generator):
    ...         return {"light": uniform(len(batch), 0.5, 1.0, generator)}
    ...
    ...     def change(self, batch, light):
    ...         return batch.with_images(batch.images * light.view(-1, 1, 1, 1))
    >>> Fade()(torch.ones(1, 1, 1, 2), torch.Generator().manual_seed(0))
    tensor([[[[0.8841, 0.8841]]]])
    """

    p: float = param(
        default=1.0,
        check=probability,
        tune=(0.0, 1.0),
        doc="Probability that an image is changed.",
    )

    # Whether the op reckons with black and white, so that floats must be within them.
    needs_range = False

    def __call__(self, images: Images, generator: torch.Generator) -> Images:
        """Change each image with probability `p`.

        Parameters
        ----------
        images : torch.Tensor of shape (n, channels, height, width), or ImageBatch
            uint8, or floats from 0 to 1. An `ImageBatch` brings boxes, masks and
            keypoints along.
        generator : torch.Generator
            Where all random numbers come from.

        Returns
        -------
        torch.Tensor or ImageBatch
            As given: of the same shape and dtype, and new.

        Raises
        ------
        ValueError
            Where shapes, dtypes, values or parameters do not fit.
        """
        if not isinstance(generator, torch.Generator):
            raise TypeError(
                f"generator must be a torch.Generator, got {generator!r}. Make one: "
                "torch.Generator().manual_seed(0)."
            )
        self._validate_params()
        batch = images if isinstance(images, ImageBatch) else ImageBatch(images)
        if self.needs_range:
            _check_range(batch)
        device = batch.images.device
        chosen = uniform(len(batch), 0.0, 1.0, generator, device) < self.p
        drawn = {k: v.to(device) for k, v in self.draw(batch, generator).items()}
        if self.p == 1:
            changed = self.change(batch, **drawn)
        else:
            # Half of the images cost half of the work; asking which they are makes an
            # accelerator wait once.
            rows = chosen.nonzero().squeeze(1)
            changed = batch
            if len(rows):
                drawn = {name: value[rows] for name, value in drawn.items()}
                changed = self.change(batch.rows(rows), **drawn)
                changed = batch.with_rows(rows, changed)
        return changed if isinstance(images, ImageBatch) else changed.images

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw what is random, for all images, changed or not.

        Parameters
        ----------
        batch : ImageBatch
            For its length and size, not for what it shows.
        generator : torch.Generator

        Returns
        -------
        dict of str to torch.Tensor of shape (n, ...)
            Keyword arguments of `change`.
        """
        return {}

    def change(self, batch: ImageBatch, *args: Any, **drawn: Any) -> ImageBatch:
        """Return the changed batch.

        Parameters
        ----------
        batch : ImageBatch
        *args
            None; a subclass has the names of what it draws in their place.
        **drawn : torch.Tensor of shape (n, ...)
            What `draw` returned, of the images in `batch`.
        """
        raise NotImplementedError


def uniform(
    n: int,
    low: float,
    high: float,
    generator: torch.Generator,
    device: torch.device | None = None,
) -> Tensor:
    """Draw numbers evenly between `low` and `high`.

    Parameters
    ----------
    n : int
    low, high : float
    generator : torch.Generator
        May be of another device than `device`.
    device : torch.device or None, default=None
        Of the result; None takes the generator's.

    Returns
    -------
    torch.Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import uniform
    >>> uniform(2, -1.0, 1.0, torch.Generator().manual_seed(0))
    tensor([-0.0075,  0.5364])
    """
    numbers = torch.rand(n, generator=generator, device=generator.device)
    return numbers.mul_(high - low).add_(low).to(device or generator.device)


def log_uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw factors as often below as above 1, where `low` is 1 / `high`.

    Parameters
    ----------
    n : int
    low, high : float
    generator : torch.Generator

    Returns
    -------
    torch.Tensor of shape (n,)
    """
    return uniform(n, math.log(low), math.log(high), generator).exp_()


def _check_range(batch: ImageBatch) -> None:
    if batch.images.dtype == torch.uint8 or not batch.images.numel():
        return
    low, high = (bound.item() for bound in batch.images.aminmax())
    # Interpolation may leave the range by a rounding error.
    slack = 1e-3 * batch.white
    if not (low >= -slack and high <= batch.white + slack):
        raise ValueError(
            f"This op reckons with float images from 0 to {batch.white:g}, but they "
            f"reach from {low:g} to {high:g}. Say what white is, "
            "ImageBatch(images, max_value=...), and standardize after augmentation."
        )
