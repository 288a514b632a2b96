"""A picture of what augmentation makes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from torchlearners.augmentation._batch import ImageBatch
from torchlearners.augmentation._presets import augmentation

# A figure has this many inches for each image.
_INCHES = 1.4


class AugmentDisplay:
    """Images beside what augmentation makes of them: what the network is shown.

    Make it by `from_images` or `from_estimator`.

    Parameters
    ----------
    variants : torch.Tensor of shape (n, 1 + n_variants, channels, height, width)
        The images themselves, then what came out, with values from 0 to 1.

    Attributes
    ----------
    axes_ : ndarray of matplotlib axes of shape (n, 1 + n_variants)
        Set by `plot`.
    figure_ : matplotlib figure
        Set by `plot`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torchlearners.augmentation import AugmentDisplay
    >>> X = load_digits().images[:2]
    >>> display = AugmentDisplay.from_images(X, "light", random_state=0)
    >>> display.variants.shape
    torch.Size([2, 6, 1, 8, 8])
    """

    def __init__(self, variants: Tensor) -> None:
        self.variants = variants

    @classmethod
    def from_images(
        cls,
        X: Any,
        augment: Any,
        n_variants: int = 5,
        random_state: Any = None,
    ) -> AugmentDisplay:
        """Augment each image several times.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, height, width, channels) or \
                (n, channels, height, width)
            Images of one size. Channels are last where there are 1, 3 or 4 at the
            end.
        augment : str, ImageOp, Augment, list or callable
            See `augmentation`.
        n_variants : int, default=5
            How often.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers; None makes other ones each time.

        Returns
        -------
        AugmentDisplay
        """
        images = _channels_first(torch.as_tensor(np.asarray(X)))
        if images.dtype != torch.uint8 and not images.is_floating_point():
            images = images.float()
        white = None
        if images.is_floating_point():
            white = max(1.0, images.max().item())
        # Not scikit-learn's global random state, which None stands for there.
        state = np.random.RandomState() if random_state is None else random_state
        seed = int(check_random_state(state).randint(2**31 - 1))
        repeated = images.repeat_interleave(n_variants, 0)
        batch = ImageBatch(repeated, max_value=white)
        made = augmentation(augment)(batch, torch.Generator().manual_seed(seed))
        variants = made.images.view(len(images), n_variants, *made.images.shape[1:])
        both = torch.cat([images.unsqueeze(1), variants], 1)
        return cls((both / batch.white).float())

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        n_variants: int = 5,
        random_state: Any = None,
    ) -> AugmentDisplay:
        """Augment images as a learner does while it trains.

        Parameters
        ----------
        estimator : learner
            Fitted or not, with a parameter `augment` and a method ``images_of(X)``,
            such as `torchlearners.image.ImageClassifier`.
        X : array-like
            Images, as the learner takes them. What mixes images with each other is not
            shown.
        n_variants : int, default=5
            How often.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers; None makes other ones each time.

        Returns
        -------
        AugmentDisplay
        """
        if not (hasattr(estimator, "images_of") and hasattr(estimator, "augment")):
            raise TypeError(
                f"{estimator!r} does not augment images. Give a learner such as "
                "ImageClassifier(augment='light'), or use from_images."
            )
        images = estimator.images_of(X)
        return cls.from_images(images, estimator.augment, n_variants, random_state)

    def plot(self, ax: Any = None) -> AugmentDisplay:
        """Draw a row for each image: itself, then its variants.

        Parameters
        ----------
        ax : ndarray of matplotlib axes of shape (n, 1 + n_variants), or None
            Where to draw; None makes a new figure.

        Returns
        -------
        AugmentDisplay
            Itself, with `axes_` and `figure_`.

        Raises
        ------
        ImportError
            Where matplotlib is missing.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "plot() needs matplotlib: pip install 'torchlearners[plot]'."
            ) from error
        n, columns = self.variants.shape[:2]
        if ax is None:
            height, width = self.variants.shape[3:]
            size = columns * _INCHES, n * _INCHES * height / width + 0.3
            _, ax = plt.subplots(
                n, columns, figsize=size, squeeze=False, layout="constrained"
            )
        ax = np.asarray(ax, dtype=object).reshape(n, columns)
        for row, images in zip(ax, self.variants, strict=True):
            for axes, image in zip(row, images.numpy(), strict=True):
                # matplotlib shows one, three or four channels.
                shown = image[:1] if len(image) == 2 else image[:4]
                gray = len(shown) == 1
                axes.imshow(
                    shown[0] if gray else shown.transpose(1, 2, 0).clip(0, 1),
                    cmap="gray" if gray else None,
                    vmin=0,
                    vmax=1,
                )
                axes.set_axis_off()
        ax[0, 0].set_title("original", fontsize=9)
        if columns > 1:
            ax[0, 1].set_title("augmented", fontsize=9)
        self.axes_ = ax
        self.figure_ = ax[0, 0].get_figure()
        return self


def _channels_first(images: Tensor) -> Tensor:
    if images.ndim == 3:
        return images.unsqueeze(1)
    if images.ndim != 4:
        raise ValueError(
            "X must be images of shape (n, height, width), (n, height, width, "
            "channels) or (n, channels, height, width), got shape "
            f"{tuple(images.shape)}."
        )
    last = images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 3, 4)
    return images.permute(0, 3, 1, 2).contiguous() if last else images
