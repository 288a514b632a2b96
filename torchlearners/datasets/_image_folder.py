"""Images in folders, one for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from torchlearners._compat import validate_parameter_constraints
from torchlearners.params import SequenceOf, boolean, did_you_mean, optional

EXTENSIONS = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)

_CONSTRAINTS: dict[str, Any] = {
    "root": [str, os.PathLike],
    "categories": optional([SequenceOf([str])]),
    "extensions": [SequenceOf([str])],
    "return_X_y": boolean,
}


def load_image_folder(
    root: str | os.PathLike[str],
    *,
    categories: Sequence[str] | None = None,
    extensions: Sequence[str] = EXTENSIONS,
    return_X_y: bool = False,
) -> Any:
    """Load paths and classes of images that lie in one folder for each class.

    The name of a folder in `root` is that of its class; folders inside of it belong to
    it. No image is opened, so this is cheap for any number of them. Hidden files and
    folders, whose name starts with a dot, and files with other extensions are left out.

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
    extensions : sequence of str, default=(".bmp", ".gif", ".jpeg", ".jpg", ".pgm", \
".png", ".ppm", ".tif", ".tiff", ".webp")
        What the names of images end with, in small or capital letters.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples,), object
            Paths of the images, as str, sorted within each class.
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
    >>> Path(pets.data[0]).name
    '1.jpg'
    """
    given = {
        "root": root,
        "categories": categories,
        "extensions": extensions,
        "return_X_y": return_X_y,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="load_image_folder")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"root={str(root)!r} is not a folder. Give the folder that holds one "
            "folder of images for each class."
        )
    names = _class_names(folder, categories)
    endings = tuple(ending.lower() for ending in extensions)
    found = [_images(folder / name, endings) for name in names]
    empty = [name for name, paths in zip(names, found, strict=True) if not paths]
    if empty:
        raise ValueError(
            f"{folder} has folders without any image: {empty}. Remove them, choose "
            "others by categories, or name the extensions of your images; looked for "
            f"were {', '.join(endings)}."
        )
    data = np.array([path for paths in found for path in paths], dtype=object)
    sizes = [len(paths) for paths in found]
    target = np.repeat(np.arange(len(names), dtype=np.int64), sizes)
    if return_X_y:
        return data, target
    counts = "\n".join(f"  {n}: {size}" for n, size in zip(names, sizes, strict=True))
    return Bunch(
        data=data,
        target=target,
        target_names=np.array(names),
        DESCR=f"{len(data)} images in {folder}, by class:\n{counts}\n",
    )


def _class_names(folder: Path, categories: Sequence[str] | None) -> list[str]:
    with os.scandir(folder) as entries:
        there = sorted(
            e.name for e in entries if e.is_dir() and not e.name.startswith(".")
        )
    if not there:
        raise ValueError(
            f"{folder} holds no folders. Put the images of each class into a folder "
            "with the name of the class."
        )
    if categories is None:
        return there
    if not len(categories):
        raise ValueError("categories is empty. Name folders, or pass None for all.")
    for name in categories:
        if name not in there:
            raise ValueError(
                f"categories has {name!r}, which is no folder in {folder}."
                f"{did_you_mean(name, there)} There are: {there}."
            )
    return sorted(set(categories))


def _images(folder: Path, endings: tuple[str, ...]) -> list[str]:
    found = []
    # Links to folders are not followed: they may lead in a circle.
    for place, folders, files in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            os.path.join(place, name)
            for name in files
            if name.lower().endswith(endings) and not name.startswith(".")
        ]
    return sorted(found)


def _stop(error: OSError) -> None:
    """Raise what `os.walk` would pass over: a folder that cannot be read."""
    raise error
