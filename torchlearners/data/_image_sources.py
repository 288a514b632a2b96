"""Where images come from: the forms in which people hold a column of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torchlearners.data._decode import is_missing, is_pillow_image
from torchlearners.params import did_you_mean

# What image files are called; others in a folder are left alone.
EXTENSIONS = (
    *(".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)


class DatasetItem:
    """The image at one place of a map-style dataset, fetched when it is called.

    Parameters
    ----------
    dataset : object
        With ``__getitem__``.
    index : int
    key : str, int or None
        Where the image is in the item; None where the item is the image.
    """

    def __init__(self, dataset: Any, index: int, key: Any) -> None:
        self.dataset = dataset
        self.index = index
        self.key = key
        self.path = f"item {index} of {type(dataset).__name__}"

    def __call__(self) -> Any:
        """Return the image."""
        item = self.dataset[self.index]
        return item if self.key is None else item[self.key]


def is_dataset(X: Any) -> bool:
    """Tell whether this is a `torch.utils.data.Dataset`.

    Parameters
    ----------
    X : object

    Returns
    -------
    bool
    """
    return isinstance(X, torch.utils.data.Dataset)


def is_pair(item: Any) -> bool:
    """Tell whether this is an item of a dataset: an image and its target.

    Parameters
    ----------
    item : object

    Returns
    -------
    bool
    """
    if not isinstance(item, tuple) or len(item) != 2:
        return False
    is_image = isinstance(item[0], np.ndarray | torch.Tensor) and item[0].ndim > 1
    return is_image or is_pillow_image(item[0])


def is_source(value: Any) -> bool:
    """Tell whether this may be one image, as `decode_image` takes it.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
        False also for a missing value.
    """
    if isinstance(value, str | os.PathLike | bytes | bytearray | memoryview):
        return True
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.ndim in (2, 3)
    return is_pillow_image(value) or callable(value)


def source_list(X: Any) -> list[Any] | None:
    """Return the images in a container, not decoded; None where X is something else.

    Parameters
    ----------
    X : object
        A list, tuple, 1-D array, Series or DataFrame of one column; see `is_source`.

    Returns
    -------
    list or None
        None for numbers, and for a list of arrays of one shape, which numpy stacks.
    """
    if isinstance(X, str | bytes | os.PathLike):
        raise ValueError(
            f"X is one {type(X).__name__}, {str(X)[:80]!r}, where a column of images "
            "is expected. For a folder, use ImageColumn.from_folder; for one, [X]."
        )
    values = _values(X)
    if not values or not all(is_source(v) or is_missing(v) for v in values):
        return None
    if all(map(is_missing, values)):
        return None
    if isinstance(X, list | tuple):
        arrays = [v for v in values if isinstance(v, np.ndarray | torch.Tensor)]
        one_shape = len({tuple(a.shape) for a in arrays}) == 1
        return None if one_shape and len(arrays) == len(values) else values
    return values


def _values(X: Any) -> list[Any] | None:
    if isinstance(X, list | tuple):
        return list(X)
    if isinstance(X, np.ndarray):
        column = X.ndim == 1 or (X.ndim == 2 and X.shape[1] == 1)
        return list(X.ravel()) if column and X.dtype.kind in "OU" else None
    if isinstance(X, torch.Tensor) or not hasattr(X, "__len__"):
        return None
    import narwhals.stable.v2 as nw  # slow, and only needed for DataFrames

    table = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(table, nw.DataFrame) and len(table.columns) == 1:
        table = table[table.columns[0]]
    if not isinstance(table, nw.Series) or table.dtype.is_numeric():
        return None
    return list(table.to_list())


def column_values(frame: Any, column: str) -> list[Any]:
    """Return the values of one column of a DataFrame.

    Parameters
    ----------
    frame : pandas, polars or other DataFrame
    column : str

    Returns
    -------
    list
    """
    import narwhals.stable.v2 as nw

    table = nw.from_native(frame, eager_only=True)
    if column not in table.columns:
        names = ", ".join(map(repr, table.columns))
        raise ValueError(f"The table has no column {column!r}; it has {names}.")
    return list(table[column].to_list())


def below(root: Any, value: Any) -> Any:
    """Return a path relative to a folder; whatever is no path stays as it is.

    Parameters
    ----------
    root : str, Path or None
    value : object

    Returns
    -------
    object
    """
    if root is None or not isinstance(value, str | os.PathLike):
        return value
    return os.path.join(root, value)


def folder_files(
    root: Any,
    categories: Sequence[str] | None = None,
    extensions: Sequence[str] = EXTENSIONS,
) -> tuple[list[str], list[str]]:
    """Return the image files below a folder, and the subfolder each one is in.

    Parameters
    ----------
    root : str or Path
    categories : sequence of str or None, default=None
        The subfolders to take; None is all of them.
    extensions : sequence of str
        What the names of images end with, in small or capital letters.

    Returns
    -------
    paths, labels : list of str
        By subfolder, then by path, in the order of their characters.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        what = "a file, not a folder" if root.exists() else "no folder"
        raise ValueError(
            f"{str(root)!r} is {what}. Give the folder that holds one subfolder of "
            "images for each class."
        )
    endings = tuple(ending.lower() for ending in extensions)
    folders = {
        p.name: p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")
    }
    layout = "root/cat/1.png, root/dog/1.png"
    if not folders:
        n_images = len(_images(root, endings))
        raise ValueError(
            f"The folder {str(root)!r} has no subfolders, but {n_images} images. There "
            f"must be one subfolder for each class: {layout}. Without classes, give "
            "ImageColumn the list of paths."
        )
    names = sorted(folders)
    if categories is not None:
        names = _chosen(categories, names, root)
    found = {name: _images(folders[name], endings) for name in names}
    if empty := [name for name in names if not found[name]]:
        raise ValueError(
            f"In the folder {str(root)!r}, these subfolders hold no image: "
            f"{', '.join(map(repr, empty))}. Remove them, choose others by categories, "
            f"or add images (files that end in {', '.join(endings)})."
        )
    paths = [path for name in names for path in found[name]]
    return paths, [name for name in names for _ in found[name]]


def _chosen(categories: Sequence[str], there: list[str], root: Path) -> list[str]:
    if not len(categories):
        raise ValueError("categories is empty. Name folders, or pass None for all.")
    for name in categories:
        if name not in there:
            raise ValueError(
                f"categories has {name!r}, which is no folder in {root}."
                f"{did_you_mean(name, there)} There are: {there}."
            )
    return sorted(set(categories))


def _images(folder: Path, endings: tuple[str, ...]) -> list[str]:
    found: list[Path] = []
    # Links to folders are not followed: they may lead in a circle.
    for where, subfolders, names in os.walk(folder, onerror=_stop):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(where, name)
            for name in names
            if name.lower().endswith(endings) and not name.startswith(".")
        ]
    return [str(p) for p in sorted(found, key=lambda p: p.relative_to(folder).parts)]


def _stop(error: OSError) -> None:
    """Raise what `os.walk` would pass over: a folder that cannot be read."""
    raise error


def dataset_images(dataset: Any, image: Any = None) -> list[Any]:
    """Return sources for the images of a map-style dataset.

    Parameters
    ----------
    dataset : object
        With ``__len__`` and ``__getitem__``.
    image : str, int or None, default=None
        Where the image is in an item. None is the first place of a tuple or list,
        "image" of a dict, and else the item itself.

    Returns
    -------
    list
    """
    _check_map_style(dataset)
    if (paths := _plain_paths(dataset)) is not None:
        return paths
    if image is None and hasattr(dataset, "column_names"):
        image = "image"
    elif image is None and len(dataset):
        item = dataset[0]
        known = {tuple: 0, list: 0, dict: "image"}
        image = next((known[kind] for kind in known if isinstance(item, kind)), None)
    return [DatasetItem(dataset, i, image) for i in range(len(dataset))]


def _check_map_style(dataset: Any) -> None:
    streams = isinstance(dataset, torch.utils.data.IterableDataset)
    if streams or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"A dataset must have a length and items; {type(dataset).__name__} streams "
            "them or is none. Write the images to files first."
        )


def dataset_items(
    dataset: Any, image: Any, label: Any
) -> tuple[list[Any], np.ndarray | list[Any]]:
    """Return sources for the images of a map-style dataset, and its labels.

    Parameters
    ----------
    dataset : object
        With ``__len__`` and ``__getitem__``.
    image, label : str, int or None
        Where they are in an item; None is the first and second place, or "image" and
        "label" where items are dicts with names.

    Returns
    -------
    sources : list
    labels : ndarray or list
        A list where labels are no numbers and no strings.
    """
    _check_map_style(dataset)
    named = hasattr(dataset, "column_names")
    image = ("image" if named else 0) if image is None else image
    label = ("label" if named else 1) if label is None else label
    return dataset_images(dataset, image), _labels(dataset, label)


def _plain_paths(dataset: Any) -> list[Any] | None:
    """Return the paths of a torchvision ImageFolder that does nothing but read them."""
    if isinstance(dataset, torch.utils.data.Subset):
        paths = _plain_paths(dataset.dataset)
        return None if paths is None else [paths[i] for i in dataset.indices]
    changes = ("transform", "transforms", "target_transform")
    if any(getattr(dataset, name, None) is not None for name in changes):
        return None
    loader = getattr(getattr(dataset, "loader", None), "__module__", "")
    samples = getattr(dataset, "samples", None)
    if not isinstance(samples, list) or not loader.startswith("torchvision."):
        return None
    return [path for path, _ in samples]


def _labels(dataset: Any, label: Any) -> np.ndarray | list[Any]:
    n = len(dataset)
    if isinstance(dataset, torch.utils.data.Subset):
        labels = _labels(dataset.dataset, label)
        return _as_array([labels[i] for i in dataset.indices])
    if hasattr(dataset, "column_names"):
        return _as_array(dataset[label])
    plain = getattr(dataset, "target_transform", None) is None
    for name in ("targets", "labels"):
        known = getattr(dataset, name, None)
        if plain and label == 1 and known is not None and len(known) == n:
            return _as_array(known)
    # Nothing but the items says what they are.
    return _as_array([dataset[i][label] for i in range(n)])


def _as_array(labels: Iterable[Any]) -> np.ndarray | list[Any]:
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    values = [v.item() if getattr(v, "shape", None) == () else v for v in values]
    if all(isinstance(v, str | bool | int | float | np.generic) for v in values):
        return np.asarray(values)
    return values
