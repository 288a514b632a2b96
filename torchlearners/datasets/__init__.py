"""Data sets: published ones, images in folders, and small ones that are made.

In the manner of `sklearn.datasets`: ``fetch_`` downloads once and then reads from the
disk, ``load_`` reads what is there, and ``make_`` draws.
"""

from torchlearners.datasets._fetch import (
    fetch_cifar10,
    fetch_cifar100,
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_tiny_imagenet,
)
from torchlearners.datasets._home import clear_data_home, get_data_home
from torchlearners.datasets._image_folder import load_image_folder
from torchlearners.datasets._points import make_spirals, make_xor
from torchlearners.datasets._shapes import make_shapes
from torchlearners.datasets._sources import list_datasets
from torchlearners.datasets._table import make_categorical_table

__all__ = [
    "clear_data_home",
    "fetch_cifar10",
    "fetch_cifar100",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_tiny_imagenet",
    "get_data_home",
    "list_datasets",
    "load_image_folder",
    "make_categorical_table",
    "make_shapes",
    "make_spirals",
    "make_xor",
]
