"""Images in folders, one for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from torchlearners.data import ImageColumn
from torchlearners.params import SequenceOf, boolean, check_values, optional

_CONSTRAINTS: dict[str, Any] = {
    "root": [str, os.PathLike],
    "categories": optional([SequenceOf([str])]),
    "extensions": optional([SequenceOf([str])]),
    "return_X_y": boolean,
}


def load_image_folder(
    root: str | os.PathLike[str],
    *,
    categories: Sequence[str] | None = None,
    extensions: Sequence[str] | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load a column of images that lie in one folder for each class.

    What `torchlearners.data.ImageColumn.from_folder` finds, in the form of
    scikit-learn's ``load_files``. No image is opened, so this is cheap for any number
    of them.

    Parameters
    ----------
    root : str or path-like
        The folder of folders::

            root/cat/1.jpg
            root/cat/more/2.png
            root/dog/1.jpg

    categories : sequence of str or None, default=None
        Names of the folders to load; None loads all. Codes of classes follow their
        sorted names, not this order.
    extensions : sequence of str or None, default=None
        What the names of images end with, in small or capital letters; None is the
        usual ones, from ".avif" to ".webp".
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        data : ImageColumn of shape (n_samples,)
            The images, which learners decode; by class, then by path.
        target : ndarray of shape (n_samples,), int64
            Code of the class of each image.
        target_names : ndarray of shape (n_classes,), str
            Names of the classes, by code.
        DESCR : str
            How many images were found in which folder.

    Raises
    ------
    ValueError
        If there is no such folder, or if a class has no image.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from torchlearners.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/notes.txt"]:
    ...         path = Path(root, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     pets = load_image_folder(root)
    >>> pets.target, pets.target_names
    (array([0, 0, 1]), array(['cat', 'dog'], dtype='<U3'))
    >>> Path(pets.data.path(0)).name
    '1.jpg'
    """
    given = {
        "root": root,
        "categories": categories,
        "extensions": extensions,
        "return_X_y": return_X_y,
    }
    check_values(_CONSTRAINTS, given, "load_image_folder")
    kinds = {} if extensions is None else {"extensions": extensions}
    X, y = ImageColumn.from_folder(root, categories=categories, **kinds)
    names, target = np.unique(y, return_inverse=True)
    if return_X_y:
        return X, target
    sizes = zip(names, np.bincount(target), strict=True)
    counts = "\n".join(f"  {name}: {size}" for name, size in sizes)
    return Bunch(
        data=X,
        target=target,
        target_names=names,
        DESCR=f"{len(X)} images in {root}, by class:\n{counts}\n",
    )
