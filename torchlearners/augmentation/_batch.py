"""A batch of images, and what is known about places in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """A batch of images with the boxes, masks and keypoints that move with them.

    Places are in pixels from the upper left corner of the image, where the first pixel
    reaches from 0 to 1 and has its centre at 0.5.

    Parameters
    ----------
    images : torch.Tensor of shape (n, channels, height, width)
        uint8, or floats from 0 to `max_value`.
    boxes : sequence of n torch.Tensor of shape (n_boxes, 4), or None
        ``(left, top, right, bottom)`` of each object, right and bottom exclusive, of as
        many as there are in each image. A box never leaves the list: one that has no
        area left in the image becomes four zeros, see `boxes_inside`.
    masks : torch.Tensor of shape (n, height, width), or None
        Integers or bools, such as the class of each pixel.
    keypoints : torch.Tensor of shape (n, n_points, 2), or None
        ``(x, y)`` of each point; it may lie outside of the image, see
        `keypoints_inside`.
    mask_fill : int, default=0
        What masks hold where there was no image, for example the class that a loss
        ignores.
    max_value : float or None, default=None
        What white is in `images`; None is 255 for uint8 and 1 for floats.

    Raises
    ------
    ValueError
        Where shapes or dtypes do not fit.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.augmentation import HorizontalFlip, ImageBatch
    >>> images = torch.zeros(1, 3, 4, 8, dtype=torch.uint8)
    >>> batch = ImageBatch(images, boxes=[torch.tensor([[0.0, 1.0, 2.0, 3.0]])])
    >>> HorizontalFlip(p=1)(batch, torch.Generator()).boxes
    [tensor([[6., 1., 8., 3.]])]
    """

    images: Tensor
    boxes: Any = None
    masks: Tensor | None = None
    keypoints: Tensor | None = None
    mask_fill: int = 0
    max_value: float | None = None

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise ValueError(
                "images must be a tensor of shape (n, channels, height, width), got "
                f"{_describe(images)}."
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(
                f"images must be uint8 or floats, got {images.dtype}. Convert them: "
                "images.to(torch.uint8), or images / the largest value."
            )
        if self.boxes is not None:
            object.__setattr__(self, "boxes", list(self.boxes))
            self._check_length("boxes", len(self.boxes))
            for box in self.boxes:
                if box.ndim != 2 or box.shape[1] != 4 or not box.is_floating_point():
                    raise ValueError(
                        "boxes must be one float tensor of shape (n_boxes, 4) for each "
                        f"image, got {_describe(box)}."
                    )
        if self.masks is not None:
            expected = (len(images), *images.shape[2:])
            if tuple(self.masks.shape) != expected or self.masks.is_floating_point():
                raise ValueError(
                    f"masks must be integers of shape {expected}, got "
                    f"{_describe(self.masks)}."
                )
        if self.keypoints is not None:
            points = self.keypoints
            self._check_length("keypoints", len(points))
            if points.ndim != 3 or points.shape[2] != 2:
                raise ValueError(
                    "keypoints must be a float tensor of shape (n, n_points, 2), got "
                    f"{_describe(points)}."
                )

    def _check_length(self, name: str, n: int) -> None:
        if n != len(self.images):
            raise ValueError(f"There are {len(self.images)} images, but {n} {name}.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[2], self.images.shape[3]

    @property
    def white(self) -> float:
        """The largest value that a pixel can have."""
        if self.max_value is not None:
            return self.max_value
        return 255.0 if self.images.dtype == torch.uint8 else 1.0

    @property
    def has_places(self) -> bool:
        """Whether there are boxes, masks or keypoints."""
        return not (
            self.boxes is None and self.masks is None and self.keypoints is None
        )

    def boxes_inside(self, min_area: float = 1.0) -> list[Tensor]:
        """Tell which boxes are still there.

        Parameters
        ----------
        min_area : float, default=1.0
            Smallest area of a box, in pixels.

        Returns
        -------
        list of torch.Tensor of shape (n_boxes,)
            Bools for each image, to select boxes and their labels with.
        """
        return [
            (box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) >= min_area
            for box in self.boxes or []
        ]

    def keypoints_inside(self) -> Tensor:
        """Tell which keypoints lie in the image.

        Returns
        -------
        torch.Tensor of shape (n, n_points)
            Bools.
        """
        if self.keypoints is None:
            raise ValueError("This batch has no keypoints.")
        height, width = self.size
        x, y = self.keypoints.unbind(2)
        return (x >= 0) & (x < width) & (y >= 0) & (y < height)

    def with_images(self, images: Tensor) -> ImageBatch:
        """Return a batch with other images, and everything else as it is."""
        return replace(self, images=images)

    def rows(self, rows: Tensor) -> ImageBatch:
        """Return the batch of some of the images.

        Parameters
        ----------
        rows : torch.Tensor of shape (n_rows,)
            Their numbers.
        """
        boxes = self.boxes
        return replace(
            self,
            images=self.images[rows],
            boxes=boxes if boxes is None else [boxes[i] for i in rows.tolist()],
            masks=None if self.masks is None else self.masks[rows],
            keypoints=None if self.keypoints is None else self.keypoints[rows],
        )

    def with_rows(self, rows: Tensor, changed: ImageBatch) -> ImageBatch:
        """Return a batch in which the images `rows` are those of `changed`."""
        boxes = self.boxes
        if boxes is not None:
            boxes = list(boxes)
            for i, box in zip(rows.tolist(), changed.boxes, strict=True):
                boxes[i] = box
        return replace(
            self,
            images=self.images.index_copy(0, rows, changed.images),
            boxes=boxes,
            masks=_index_copy(self.masks, rows, changed.masks),
            keypoints=_index_copy(self.keypoints, rows, changed.keypoints),
        )


def _index_copy(old: Tensor | None, rows: Tensor, new: Tensor | None) -> Tensor | None:
    return old if old is None or new is None else old.index_copy(0, rows, new)


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
