"""Published data sets: downloaded once, then read from the disk."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sklearn.utils import Bunch

from torchlearners.datasets._home import get_data_home
from torchlearners.datasets._place import Place
from torchlearners.datasets._readers import (
    read_cifar10,
    read_cifar100,
    read_mnist,
    read_tiny_imagenet,
)
from torchlearners.datasets._sources import SOURCES
from torchlearners.exceptions import DatasetError
from torchlearners.params import (
    boolean,
    check_values,
    non_negative,
    non_negative_int,
    one_of,
)

_CONSTRAINTS: dict[str, Any] = {
    "data_home": [str, os.PathLike, None],
    "subset": one_of("train", "test", "all"),
    "download_if_missing": boolean,
    "return_X_y": boolean,
    "n_retries": non_negative_int,
    "delay": non_negative,
}

_SHARED_TEXT = {
    "{parameters}": """
Parameters
----------
data_home : str or path-like, default=None
    Folder of all downloaded data sets; None takes that of `get_data_home`.
subset : {"train", "test", "all"}, default="train"
    Which rows: the published training rows, the test rows, or the test rows after the
    training rows.
download_if_missing : bool, default=True
    Whether to download what is not on the disk. Otherwise that is an error.
return_X_y : bool, default=False
    Whether to return ``(data, target)`` instead of a Bunch.
n_retries : int, default=3
    How often to try again where a download fails.
delay : float, default=1.0
    Seconds before the first retry; before each further one, twice as long.
""".strip(),
    "{names}": """
    target : ndarray of shape (n_samples,), int64
        Code of the class of each image.
    target_names : ndarray of shape (n_classes,), str
        Names of the classes, by code.
    DESCR : str
        What the data set is, its licence, where it comes from and whom to cite.
""".strip(),
    "{raises}": """
Raises
------
DatasetError
    If the data are not on the disk and cannot be, or must not be, downloaded; also an
    `OSError`.
""".strip(),
}

F = TypeVar("F", bound=Callable[..., Any])


def _documented(function: F) -> F:
    """Fill in what the docstrings of all `fetch_` functions have in common."""
    text = inspect.cleandoc(function.__doc__ or "")
    for mark, shared in _SHARED_TEXT.items():
        text = text.replace(mark, shared)
    function.__doc__ = text
    return function


Reader = Callable[[Place, tuple[str, ...]], dict[str, Any]]


def _fetch(
    name: str,
    read: Reader,
    data_home: Any,
    subset: str,
    return_X_y: bool,
    **options: Any,
) -> Any:
    given = {
        "data_home": data_home,
        "subset": subset,
        "return_X_y": return_X_y,
        **options,
    }
    check_values(_CONSTRAINTS, given, f"fetch_{name}")
    source = SOURCES[name]
    place = Place(source, Path(get_data_home(data_home)) / name, **options)
    parts = ("train", "test") if subset == "all" else (subset,)
    try:
        found = read(place, parts)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{error.filename} is missing, so somebody removed it. Remove all of "
            f"{place.folder}, and call fetch_{name} again."
        ) from error
    n_rows = sum({"train": source.n_train, "test": source.n_test}[p] for p in parts)
    if not len(found["data"]) == len(found["target"]) == n_rows:
        raise DatasetError(
            f"{place.folder} holds {len(found['data'])} images and "
            f"{len(found['target'])} labels of the subset {subset!r} instead of "
            f"{n_rows}. Remove the folder, and call fetch_{name} again."
        )
    if return_X_y:
        return found["data"], found["target"]
    return Bunch(**found, DESCR=source.description)


@_documented
def fetch_mnist(
    *,
    data_home: Any = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load MNIST: handwritten digits, 28 x 28 gray [1]_.

    60,000 training rows and 10,000 test rows, 12 MB to download. It is so easy that
    good methods hardly differ on it; `fetch_fashion_mnist` is of the same form.

    {parameters}

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples, 28, 28), uint8
            The images; 0 is the background.
        {names}

    {raises}

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner (1998). Gradient-based learning applied to
       document recognition. Proceedings of the IEEE 86(11), 2278-2324.

    Examples
    --------
    >>> from torchlearners.datasets import fetch_mnist
    >>> X, y = fetch_mnist(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    return _fetch(
        "mnist",
        read_mnist,
        data_home,
        subset,
        return_X_y,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


@_documented
def fetch_fashion_mnist(
    *,
    data_home: Any = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load Fashion-MNIST: articles of clothing, 28 x 28 gray [1]_.

    60,000 training rows and 10,000 test rows, 31 MB to download.

    {parameters}

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples, 28, 28), uint8
            The images; 0 is the background.
        {names}

    {raises}

    References
    ----------
    .. [1] Xiao, Rasul and Vollgraf (2017). Fashion-MNIST: a novel image dataset for
       benchmarking machine learning algorithms. arXiv:1708.07747.

    Examples
    --------
    >>> from torchlearners.datasets import fetch_fashion_mnist
    >>> clothes = fetch_fashion_mnist(subset="test")  # doctest: +SKIP
    >>> clothes.target_names[:2]  # doctest: +SKIP
    array(['T-shirt/top', 'Trouser'], dtype='<U11')
    """
    return _fetch(
        "fashion_mnist",
        read_mnist,
        data_home,
        subset,
        return_X_y,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


@_documented
def fetch_cifar10(
    *,
    data_home: Any = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load CIFAR-10: photographs of animals and vehicles, 32 x 32 in color [1]_.

    50,000 training rows and 10,000 test rows, 170 MB to download.

    {parameters}

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples, 32, 32, 3), uint8
            The images; the last axis is red, green, blue.
        {names}

    {raises}

    References
    ----------
    .. [1] Krizhevsky (2009). Learning multiple layers of features from tiny images.
       Technical report, University of Toronto.

    Examples
    --------
    >>> from torchlearners.datasets import fetch_cifar10
    >>> X, y = fetch_cifar10(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (10000, 32, 32, 3)
    """
    return _fetch(
        "cifar10",
        read_cifar10,
        data_home,
        subset,
        return_X_y,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


@_documented
def fetch_cifar100(
    *,
    data_home: Any = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load CIFAR-100: photographs of 100 classes, 32 x 32 in color [1]_.

    50,000 training rows and 10,000 test rows, 169 MB to download.

    {parameters}

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples, 32, 32, 3), uint8
            The images; the last axis is red, green, blue.
        {names}
        coarse_target : ndarray of shape (n_samples,), int64
            Code of the coarse class of each image, one of 20.
        coarse_target_names : ndarray of shape (20,), str
            Names of the coarse classes, by code.

    {raises}

    References
    ----------
    .. [1] Krizhevsky (2009). Learning multiple layers of features from tiny images.
       Technical report, University of Toronto.

    Examples
    --------
    >>> from torchlearners.datasets import fetch_cifar100
    >>> photographs = fetch_cifar100(subset="test")  # doctest: +SKIP
    >>> photographs.data.shape  # doctest: +SKIP
    (10000, 32, 32, 3)
    """
    return _fetch(
        "cifar100",
        read_cifar100,
        data_home,
        subset,
        return_X_y,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


@_documented
def fetch_tiny_imagenet(
    *,
    data_home: Any = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load Tiny ImageNet: photographs of 200 classes, 64 x 64 JPEG files [1]_.

    100,000 training rows and 10,000 test rows, 248 MB to download and about 500 MB of
    disk. The test rows are the published validation set, since labels of the published
    test set were never given out.

    {parameters}

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (n_samples,), object
            Paths of the images, as str; nothing is decoded. Most are in color.
        {names}
        wnids : ndarray of shape (200,), str
            The classes' numbers in WordNet, by code.

    {raises}

    References
    ----------
    .. [1] Le and Yang (2015). Tiny ImageNet visual recognition challenge. CS 231N.

    Examples
    --------
    >>> from torchlearners.datasets import fetch_tiny_imagenet
    >>> paths, y = fetch_tiny_imagenet(return_X_y=True)  # doctest: +SKIP
    >>> paths.shape  # doctest: +SKIP
    (100000,)
    """
    return _fetch(
        "tiny_imagenet",
        read_tiny_imagenet,
        data_home,
        subset,
        return_X_y,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
