"""What a learner of images is given as X and y, told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchlearners.data._image_column import ImageColumn
from torchlearners.data._image_sources import (
    dataset_images,
    is_dataset,
    is_pair,
    source_list,
)


def as_image_column(
    X: Any, *, stacked: bool = False, **options: Any
) -> ImageColumn | None:
    """Return X as a column of images, or None where it is an array of numbers.

    A learner calls this on whatever it is given: lists and object arrays of paths,
    bytes, PIL images, functions or arrays of several sizes, a Series or a DataFrame of
    one such column, and an `ImageColumn`, which is returned as it is. Numeric arrays
    and tensors, and lists of arrays of one shape, are none of its business.

    Of a map-style torch Dataset, the first part of each item is the image; see
    `with_targets`.

    Parameters
    ----------
    X : object
    stacked : bool, default=False
        Whether images of one shape, as an array or a list, are a column too.
    **options
        Those of `ImageColumn`.

    Returns
    -------
    ImageColumn or None

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import as_image_column
    >>> as_image_column(["cat.png", "dog.png"])
    ImageColumn of 2 images: cat.png, dog.png
    >>> as_image_column(np.zeros((2, 28, 28))) is None
    True
    """
    if isinstance(X, ImageColumn):
        return X
    if is_dataset(X):
        return ImageColumn(dataset_images(X), **options)
    values = source_list(X)
    if values is None and stacked and _is_stack(X):
        values = list(X)
    return None if values is None else ImageColumn(values, **options)


def _is_stack(X: Any) -> bool:
    """Tell whether these are images of one shape."""
    arrays = np.ndarray | torch.Tensor
    if isinstance(X, list | tuple):
        return all(isinstance(image, arrays) and image.ndim > 1 for image in X)
    return isinstance(X, arrays) and X.ndim > 2


def with_targets(X: Any, y: Any = None) -> tuple[Any, Any]:
    """Return images and targets of a torch Dataset that is given without y.

    Parameters
    ----------
    X : object
    y : object, default=None

    Returns
    -------
    X, y : object
        As they are, unless X is a Dataset and y is None.

    Raises
    ------
    ValueError
        Where X is a list of items that scikit-learn made of a Dataset.
    TypeError
        For an IterableDataset.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from torchlearners.data import with_targets
    >>> pairs = TensorDataset(torch.zeros(2, 3, 8, 8), torch.tensor([4, 5]))
    >>> with_targets(pairs)
    (ImageColumn of 2 images: item 0 of TensorDataset, ..., array([4, 5]))
    """
    if y is None and is_dataset(X):
        return ImageColumn.from_dataset(X)
    if isinstance(X, list) and X and all(is_pair(item) for item in X):
        raise ValueError(
            "X is a list of pairs (image, target), which is what scikit-learn makes of "
            "a torch Dataset that it splits. Split what `X, y = ImageColumn."
            "from_dataset(dataset)` returns, which reads no image, or take a "
            "torch.utils.data.Subset."
        )
    return X, y
