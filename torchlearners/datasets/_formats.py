"""Readers of the files that data sets of images are published in."""

from __future__ import annotations

import math
import struct

import numpy as np

from torchlearners.exceptions import DatasetError

_UNSIGNED_BYTE = 0x08
_CIFAR_SHAPE = 3, 32, 32  # channels, height, width


def read_idx(content: bytes) -> np.ndarray:
    """Return the array in an IDX file of unsigned bytes.

    Such a file is two zero bytes, the type, the number of dimensions, each dimension as
    a big-endian unsigned int of four bytes, and the values in C order [1]_.

    Parameters
    ----------
    content : bytes
        Of the file, uncompressed.

    Returns
    -------
    array : ndarray of uint8
        A view of `content`, which cannot be written to.

    Raises
    ------
    DatasetError
        If it is no such file, or one of another length.

    References
    ----------
    .. [1] LeCun, Cortes and Burges. The MNIST database of handwritten digits.
       http://yann.lecun.com/exdb/mnist/

    Examples
    --------
    >>> from torchlearners.datasets._formats import read_idx
    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or len(content) < 4:
        raise DatasetError(
            "This is no IDX file of unsigned bytes: it starts with "
            f"{content[:4].hex(' ')}, not with 00 00 08."
        )
    n_dimensions = content[3]
    start = 4 + 4 * n_dimensions
    if len(content) < start:
        raise DatasetError(f"An IDX file of {len(content)} bytes ends in its header.")
    shape = struct.unpack(f">{n_dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DatasetError(
            f"An IDX file of shape {shape} has {math.prod(shape)} values; this one has "
            f"{len(content) - start}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_cifar(content: bytes, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels in a file of the binary version of CIFAR.

    Such a file is one row after the other: the labels, one byte each, then the red, the
    green and the blue values of an image of 32 x 32 pixels [1]_.

    Parameters
    ----------
    content : bytes
        Of the file.
    n_labels : int
        Labels of a row: 1 in CIFAR-10, 2 in CIFAR-100.

    Returns
    -------
    images : ndarray of shape (n_rows, 32, 32, 3), uint8
    labels : ndarray of shape (n_rows, n_labels), int64

    Raises
    ------
    DatasetError
        If the file does not hold whole rows.

    References
    ----------
    .. [1] Krizhevsky. The CIFAR-10 dataset, The CIFAR-100 dataset.
       https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> from torchlearners.datasets._formats import read_cifar
    >>> images, labels = read_cifar(bytes([5]) + bytes(3072), n_labels=1)
    >>> images.shape, labels
    ((1, 32, 32, 3), array([[5]]))
    """
    row_length = n_labels + math.prod(_CIFAR_SHAPE)
    if len(content) % row_length:
        raise DatasetError(
            f"A CIFAR file has rows of {row_length} bytes; this one has {len(content)} "
            "bytes, which is no multiple."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, row_length)
    planes = rows[:, n_labels:].reshape(-1, *_CIFAR_SHAPE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return images, rows[:, :n_labels].astype(np.int64)
