"""Mixing images of a batch with each other, and their targets in equal measure."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional as F

from torchlearners._compat import BaseEstimator, Interval
from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._erasing import rectangles
from torchlearners.augmentation._op import probability, uniform
from torchlearners.augmentation._warp import to_dtype
from torchlearners.params import Parameters, param, positive


@dataclass(frozen=True, eq=False)
class MixedBatch:
    """Images that each hold a share of their own, and the rest of another image.

    The loss of a row is ``share`` times its loss for its own target plus ``1 - share``
    times that for the other one. `pairs` hands that to any loss which takes row
    weights, so that it is exact; `soft_targets` to one which takes probabilities.

    Attributes
    ----------
    images : torch.Tensor of shape (n, channels, height, width)
    target, other_target : torch.Tensor of shape (n, ...)
        Of the image itself, and of the one mixed into it.
    share : torch.Tensor of shape (n,)
        How much of an image is its own, in [0, 1].
    weight, other_weight : torch.Tensor of shape (n,), or None
        Sample weights of both.
    """

    images: Tensor
    target: Tensor
    other_target: Tensor
    share: Tensor
    weight: Tensor | None = None
    other_weight: Tensor | None = None

    def pairs(self, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each row twice: with its own target, and with the other one.

        Parameters
        ----------
        output : torch.Tensor of shape (n, ...)
            What the network returned for `images`.

        Returns
        -------
        output, target : torch.Tensor of shape (2n, ...)
        weight : torch.Tensor of shape (2n,)
            The share times the sample weight.

        Examples
        --------
        >>> import torch
        >>> from torchlearners.augmentation import Mixup
        >>> images, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
        >>> mixed = Mixup()(images, y, torch.Generator())
        >>> output, target, weight = mixed.pairs(torch.zeros(4, 3))
        >>> losses = torch.nn.functional.cross_entropy(output, target, reduction="none")
        >>> (losses * weight).sum() / weight.sum()
        tensor(1.0986)
        """
        own, other = self.share, 1 - self.share
        if self.weight is not None and self.other_weight is not None:
            own, other = own * self.weight, other * self.other_weight
        return (
            torch.cat([output, output]),
            torch.cat([self.target, self.other_target]),
            torch.cat([own, other]),
        )

    def soft_targets(self, n_classes: int | None = None) -> Tensor:
        """Return the targets mixed in the images' shares; sample weights are left out.

        Parameters
        ----------
        n_classes : int or None, default=None
            Needed for class numbers, which become probabilities. Labels and values
            are mixed as they are.

        Returns
        -------
        torch.Tensor of shape (n, n_classes) or that of the targets
            Floats.

        Examples
        --------
        >>> import torch
        >>> from torchlearners.augmentation import Mixup
        >>> images, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
        >>> mixed = Mixup()(images, y, torch.Generator())
        >>> mixed.soft_targets(n_classes=3).sum(1)
        tensor([1., 1., 1., 1.])
        """
        own, other = self.target, self.other_target
        if not own.is_floating_point() and own.ndim == 1:
            if n_classes is None:
                raise ValueError(
                    "The targets are class numbers; say how many classes there are: "
                    "soft_targets(n_classes=...)."
                )
            own, other = F.one_hot(own, n_classes), F.one_hot(other, n_classes)
        dtype = own.dtype if own.is_floating_point() else self.share.dtype
        share = self.share.to(dtype).view(-1, *[1] * (own.ndim - 1))
        return share * own.to(dtype) + (1 - share) * other.to(dtype)


class _Mixing(Parameters, BaseEstimator):
    """What the ways of mixing share: pairs of images, and a share for each."""

    p: float = param(
        default=1.0,
        check=probability,
        tune=(0.0, 1.0),
        doc="Probability that another image is mixed into an image.",
    )

    def __call__(
        self,
        images: Tensor,
        target: Tensor,
        generator: torch.Generator,
        sample_weight: Tensor | None = None,
    ) -> MixedBatch:
        """Mix images in pairs drawn at random.

        Parameters
        ----------
        images : torch.Tensor of shape (n, channels, height, width)
            uint8 or floats.
        target : torch.Tensor of shape (n,) or (n, n_outputs)
            Class numbers, labels or values.
        generator : torch.Generator
            Where all random numbers come from.
        sample_weight : torch.Tensor of shape (n,) or None, default=None

        Returns
        -------
        MixedBatch
        """
        self._validate_params()
        n, device = len(ImageBatch(images)), images.device
        if len(target) != n:
            raise ValueError(f"There are {n} images, but {len(target)} targets.")
        other = torch.randperm(n, generator=generator, device=generator.device)
        kept = uniform(n, 0.0, 1.0, generator) >= self.p
        mixed, share = self._mix(images, other.to(device), kept.to(device), generator)
        other = other.to(target.device)
        weight = sample_weight
        return MixedBatch(
            images=mixed,
            target=target,
            other_target=target[other],
            share=share,
            weight=weight,
            other_weight=None if weight is None else weight[other.to(weight.device)],
        )

    def _mix(
        self, images: Tensor, other: Tensor, kept: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return mixed images, and the share of its own that each holds.

        `other` are the rows to mix in; where `kept`, the image stays as it is.
        """
        raise NotImplementedError


_ALPHA = (
    "The shares have the distribution Beta(alpha, alpha): near 0 or 1 for a small "
    "alpha, evenly spread for 1."
)


class Mixup(_Mixing):
    """Average two images, in shares drawn for each pair [1]_.

    {parameters}

    References
    ----------
    .. [1] Zhang et al. (2018). mixup: beyond empirical risk minimization. ICLR.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import Mixup
    >>> images, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0])
    >>> mixed = Mixup(alpha=0.4)(images, y, torch.Generator())
    >>> mixed.images.shape, mixed.share.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4]))
    """

    alpha: float = param(
        default=0.2,
        check=positive,
        tune=(0.1, 2.0, "log"),
        kw_only=False,
        doc=_ALPHA,
    )

    def _mix(
        self, images: Tensor, other: Tensor, kept: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        share = _beta(len(images), self.alpha, generator).to(images.device)
        share = share.masked_fill(kept, 1.0)
        floats = images if images.is_floating_point() else images.float()
        weight = share.to(floats).view(-1, 1, 1, 1)
        return to_dtype(torch.lerp(floats[other], floats, weight), images), share


class CutMix(_Mixing):
    """Put a rectangle of another image in the place of one's own [1]_.

    The shares are those of the pixels. A rectangle is as long as the image, times one
    length for both sides, and cut at the border.

    {parameters}

    References
    ----------
    .. [1] Yun et al. (2019). CutMix: regularization strategy to train strong
       classifiers with localizable features. ICCV.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import CutMix
    >>> images, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0])
    >>> mixed = CutMix()(images, y, torch.Generator())
    >>> mixed.images.shape, mixed.share.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4]))
    """

    alpha: float = param(
        default=1.0,
        check=positive,
        tune=(0.1, 2.0, "log"),
        kw_only=False,
        doc=_ALPHA,
    )

    def _mix(
        self, images: Tensor, other: Tensor, kept: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        n, device = len(images), images.device
        length = (1 - _beta(n, self.alpha, generator)).sqrt().to(device)
        place = []
        for side in images.shape[2:]:
            middle = uniform(n, 0.0, side, generator, device)
            start = (middle - length * side / 2).round().clamp(min=0)
            stop = (middle + length * side / 2).round().clamp(max=side)
            place += [start, (stop - start).masked_fill(kept, 0.0)]
        size = images.shape[2], images.shape[3]
        foreign = rectangles(size, *place)
        share = 1 - foreign.float().mean((1, 2, 3))
        return torch.where(foreign, images[other], images), share


class MixupOrCutMix(_Mixing):
    """Mix some pairs by `Mixup` and the others by `CutMix`.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import MixupOrCutMix
    >>> images, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0])
    >>> mixed = MixupOrCutMix(cutmix_share=0.3)(images, y, torch.Generator())
    >>> mixed.images.shape
    torch.Size([4, 3, 8, 8])
    """

    mixup_alpha: float = param(
        default=0.2, check=positive, tune=(0.1, 2.0, "log"), doc="Of `Mixup`."
    )
    cutmix_alpha: float = param(
        default=1.0, check=positive, tune=(0.1, 2.0, "log"), doc="Of `CutMix`."
    )
    cutmix_share: float = param(
        default=0.5,
        check=[Interval(Real, 0, 1, closed="both")],
        tune=(0.0, 1.0),
        doc="Probability of `CutMix` for a pair.",
    )

    def _mix(
        self, images: Tensor, other: Tensor, kept: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        device = images.device
        cut = uniform(len(images), 0.0, 1.0, generator, device) < self.cutmix_share
        mixup, cutmix = Mixup(alpha=self.mixup_alpha), CutMix(alpha=self.cutmix_alpha)
        mixed, mixed_share = mixup._mix(images, other, kept, generator)
        pasted, pasted_share = cutmix._mix(images, other, kept, generator)
        share = torch.where(cut, pasted_share, mixed_share)
        return torch.where(cut.view(-1, 1, 1, 1), pasted, mixed), share


def _beta(n: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha), by its quantiles: one number for each."""
    from scipy.special import betaincinv  # a slow import that only mixing needs

    numbers = torch.rand(
        n, generator=generator, device=generator.device, dtype=torch.float64
    )
    return torch.from_numpy(betaincinv(alpha, alpha, numbers.cpu().numpy())).float()
