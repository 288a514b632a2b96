import numpy as np
import pytest

from torchlearners.datasets._formats import read_cifar, read_idx
from torchlearners.exceptions import DatasetError


def idx(array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (0,), (300,), (3, 4, 5), (2, 28, 28)])
def test_an_idx_file_is_read(shape):
    array = np.random.RandomState(0).randint(256, size=shape).astype(np.uint8)
    read = read_idx(idx(array))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01xxxx", b"<html></html>"],
    ids=["empty", "short", "floats", "page"],
)
def test_what_is_no_idx_file_of_bytes_is_refused(content):
    with pytest.raises(DatasetError, match="no IDX file of unsigned bytes"):
        read_idx(content)


def test_an_idx_file_that_ends_in_its_header_is_refused():
    with pytest.raises(DatasetError, match="of 6 bytes ends in its header"):
        read_idx(b"\0\0\x08\x02\0\0")


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x"])
def test_an_idx_file_of_another_length_is_refused(change):
    with pytest.raises(DatasetError, match=r"shape \(2, 3\) has 6 values"):
        read_idx(change(idx(np.zeros((2, 3), np.uint8))))


def test_pixels_of_cifar_come_plane_by_plane_and_row_by_row():
    red, green, blue = (np.full((32, 32), v, np.uint8) for v in (10, 20, 30))
    red[0, 5] = 11  # the first row, the sixth pixel
    record = bytes([7]) + red.tobytes() + green.tobytes() + blue.tobytes()
    images, labels = read_cifar(record * 2, n_labels=1)
    assert images.shape == (2, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images[1, 0, 5].tolist() == [11, 20, 30]
    assert images[1, 5, 0].tolist() == [10, 20, 30]
    assert labels.tolist() == [[7], [7]]


def test_cifar_100_has_two_labels():
    images, labels = read_cifar(bytes([19, 99]) + bytes(3072), n_labels=2)
    assert labels.tolist() == [[19, 99]]
    assert images.shape == (1, 32, 32, 3)


def test_a_cifar_file_of_half_a_row_is_refused():
    with pytest.raises(DatasetError, match="rows of 3073 bytes; this one has 3000"):
        read_cifar(bytes(3000), n_labels=1)
