"""A few ops drawn from a table for each image: RandAugment and TrivialAugment."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from torchlearners._compat import Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._color import change_colors
from torchlearners.augmentation._geometric import affine_map
from torchlearners.augmentation._op import ImageOp
from torchlearners.augmentation._warp import (
    PaddingMode,
    padding_mode_param,
    to_dtype,
    warp,
)
from torchlearners.params import param, positive_int


class OpRange(NamedTuple):
    """How strong an op of the table is at most.

    Attributes
    ----------
    rand_augment, trivial_augment : float
        At magnitude 1, in either of the two.
    signed : bool
        Whether it goes either way, with equal probability.
    """

    rand_augment: float
    trivial_augment: float
    signed: bool


# Degrees; shares of the side; what is added to a factor of 1; bits taken away; what is
# taken from the threshold, white.
OP_TABLE: dict[str, OpRange] = {
    "identity": OpRange(0, 0, False),
    "shear_x": OpRange(17, 45, True),
    "shear_y": OpRange(17, 45, True),
    "translate_x": OpRange(0.3, 0.5, True),
    "translate_y": OpRange(0.3, 0.5, True),
    "rotate": OpRange(30, 135, True),
    "brightness": OpRange(0.9, 0.99, True),
    "contrast": OpRange(0.9, 0.99, True),
    "saturation": OpRange(0.9, 0.99, True),
    "sharpness": OpRange(0.9, 0.99, True),
    "posterize": OpRange(4, 6, False),
    "solarize": OpRange(1, 1, False),
    "autocontrast": OpRange(0, 0, False),
    "equalize": OpRange(0, 0, False),
}
_NUMBERS = {name: i for i, name in enumerate(OP_TABLE)}


class RandAugment(ImageOp):
    """Apply `n_ops` ops of a table, drawn for each image, at one magnitude [1]_.

    The table is `OP_TABLE`; each op is equally likely. At magnitude 1:

    - ``identity``, ``autocontrast``, ``equalize``: no strength;
    - ``shear_x``, ``shear_y``: 17 degrees; ``rotate``: 30 degrees;
    - ``translate_x``, ``translate_y``: 0.3 of the side;
    - ``brightness``, ``contrast``, ``saturation``, ``sharpness``: factors of 0.1 or
      1.9;
    - ``posterize``: 4 of 8 bits left; ``solarize``: all but black inverted.

    {parameters}

    References
    ----------
    .. [1] Cubuk et al. (2020). RandAugment: practical automated data augmentation
       with a reduced search space. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import RandAugment
    >>> images = torch.zeros(2, 3, 24, 32, dtype=torch.uint8)
    >>> RandAugment(magnitude=0.5)(images, torch.Generator()).dtype
    torch.uint8
    """

    n_ops: int = param(
        default=2,
        check=positive_int,
        tune=(1, 3),
        doc="Ops for each image, one after the other.",
    )
    magnitude: float = param(
        default=0.3,
        check=[Interval(Real, 0, 1, closed="both")],
        tune=(0.1, 1.0),
        doc="Share of each op's greatest strength. 0.3 is the paper's 9 of 30.",
    )
    padding_mode: PaddingMode = padding_mode_param("zeros")

    needs_range = True

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw ops, and the way in which they go."""
        ops, signs = _draw_ops(len(batch), self.n_ops, generator)
        most = torch.tensor([r.rand_augment for r in OP_TABLE.values()])
        return {"ops": ops, "strength": signs * self.magnitude * most.to(signs)[ops]}

    def change(self, batch: ImageBatch, ops: Tensor, strength: Tensor) -> ImageBatch:
        """Return the batch after all ops."""
        for i in range(ops.shape[1]):
            batch = apply_ops(batch, ops[:, i], strength[:, i], self.padding_mode)
        return batch


class TrivialAugment(ImageOp):
    """Apply one op of a table for each image, at a random magnitude [1]_.

    Nothing to tune. The table is that of `RandAugment` with wider ranges: 45 degrees of
    shear, half a side, 135 degrees of rotation, factors from 0.01 to 1.99, and 2 of 8
    bits left.

    {parameters}

    References
    ----------
    .. [1] Müller and Hutter (2021). TrivialAugment: tuning-free yet state-of-the-art
       data augmentation. ICCV.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import TrivialAugment
    >>> images = torch.zeros(2, 3, 24, 32, dtype=torch.uint8)
    >>> TrivialAugment()(images, torch.Generator()).shape
    torch.Size([2, 3, 24, 32])
    """

    padding_mode: PaddingMode = padding_mode_param("zeros")

    needs_range = True

    def draw(self, batch: ImageBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw an op, its magnitude, and the way in which it goes."""
        ops, signs = _draw_ops(len(batch), 1, generator)
        most = torch.tensor([r.trivial_augment for r in OP_TABLE.values()])
        magnitude = torch.rand(ops.shape, generator=generator, device=generator.device)
        return {"ops": ops, "strength": signs * magnitude * most.to(signs)[ops]}

    def change(self, batch: ImageBatch, ops: Tensor, strength: Tensor) -> ImageBatch:
        """Return the batch after the op."""
        return apply_ops(batch, ops[:, 0], strength[:, 0], self.padding_mode)


def _draw_ops(n: int, n_ops: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return numbers of ops (n, n_ops), and the signs of their strengths."""
    device = generator.device
    ops = torch.randint(len(OP_TABLE), (n, n_ops), generator=generator, device=device)
    signs = torch.randint(2, (n, n_ops), generator=generator, device=device) * 2.0 - 1
    signed = torch.tensor([r.signed for r in OP_TABLE.values()], device=device)
    return ops, torch.where(signed[ops], signs, 1.0)


def apply_ops(
    batch: ImageBatch, ops: Tensor, strength: Tensor, padding_mode: str
) -> ImageBatch:
    """Apply one op of the table to each image.

    Parameters
    ----------
    batch : ImageBatch
    ops : torch.Tensor of shape (n,)
        Their places in `OP_TABLE`.
    strength : torch.Tensor of shape (n,)
        In the units of the table, with its sign.
    padding_mode : {"zeros", "replicate", "reflect"}
        See `warp`.

    Returns
    -------
    ImageBatch
    """

    def turned_by(batch: ImageBatch, ops: Tensor, strength: Tensor) -> ImageBatch:
        def where(name: str) -> Tensor:
            return torch.where(ops == _NUMBERS[name], strength, 0.0)

        forward = affine_map(
            batch.size,
            degrees=where("rotate"),
            shear=where("shear_x"),
            shear_y=where("shear_y"),
            right=where("translate_x"),
            down=where("translate_y"),
        )
        return warp(batch, forward, padding_mode)

    # Ops that are one computation with different numbers are done together.
    for names, change in (
        (("shear_x", "shear_y", "translate_x", "translate_y", "rotate"), turned_by),
        (("brightness", "contrast", "saturation"), _colored_by),
        *(((name,), _on_pixels(function)) for name, function in _PIXEL_OPS.items()),
    ):
        chosen = torch.zeros_like(ops, dtype=torch.bool)
        for name in names:
            chosen |= ops == _NUMBERS[name]
        rows = chosen.nonzero().squeeze(1)
        if len(rows):
            changed = change(batch.rows(rows), ops[rows], strength[rows])
            batch = batch.with_rows(rows, changed)
    return batch


def _colored_by(batch: ImageBatch, ops: Tensor, strength: Tensor) -> ImageBatch:
    factors = {
        name: 1 + torch.where(ops == _NUMBERS[name], strength, 0.0)
        for name in ("brightness", "contrast", "saturation")
    }
    return change_colors(batch, **factors)


def _on_pixels(
    function: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[ImageBatch, Tensor, Tensor], ImageBatch]:
    """Return what computes `function` on images from 0 to 1."""

    def change(batch: ImageBatch, ops: Tensor, strength: Tensor) -> ImageBatch:
        images = batch.images
        unit = images / batch.white
        changed = function(unit, strength.to(unit).view(-1, 1, 1, 1)).clamp(0, 1)
        return batch.with_images(to_dtype(changed * batch.white, images))

    return change


def _sharpen(unit: Tensor, strength: Tensor) -> Tensor:
    """Move away from, or towards, a mean of each pixel and its neighbors."""
    if min(unit.shape[2:]) < 3:
        return unit
    # The pixel itself counts five times. At the border, where neighbors are missing,
    # it stays as it is.
    smooth = unit.clone()
    inner = smooth[:, :, 1:-1, 1:-1]
    inner.mul_(4).add_(F.avg_pool2d(unit, 3, stride=1), alpha=9).div_(13)
    return smooth + (1 + strength) * (unit - smooth)


def _posterize(unit: Tensor, strength: Tensor) -> Tensor:
    step = 2 ** strength.round()
    return (_levels(unit) / step).floor() * step / 255


def _solarize(unit: Tensor, strength: Tensor) -> Tensor:
    return torch.where(unit > 1 - strength, 1 - unit, unit)


def _autocontrast(unit: Tensor, strength: Tensor) -> Tensor:
    low, high = unit.amin((2, 3), keepdim=True), unit.amax((2, 3), keepdim=True)
    return torch.where(high > low, (unit - low) / (high - low).clamp(min=1e-9), unit)


def _equalize(unit: Tensor, strength: Tensor) -> Tensor:
    """Make each of 256 levels as common as the others, in each channel."""
    levels = _levels(unit).long().flatten(0, 1).flatten(1)
    counts = levels.new_zeros(len(levels), 256)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    below = counts.cumsum(1)
    # The darkest level there is becomes black.
    darkest = below.gather(1, levels.amin(1, keepdim=True))
    others = levels.shape[1] - darkest
    table = (below - darkest) / others.clamp(min=1)
    equal = table.gather(1, levels).view(unit.shape)
    return torch.where((others > 0).view(*unit.shape[:2], 1, 1), equal.to(unit), unit)


def _levels(unit: Tensor) -> Tensor:
    return (unit * 255).round().clamp(0, 255)


_PIXEL_OPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sharpness": _sharpen,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}
