import os

import numpy as np
import pytest
import torch

from torchlearners.data import (
    ImageColumn,
    ImageLoader,
    ImageReader,
    StreamedImages,
    checked_loader_params,
)
from torchlearners.exceptions import UnreadableImageError


def column(n=11, bad=()):
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
        for h, w in rng.integers(4, 20, (n, 2))
    ]
    return ImageColumn([b"" if i in bad else x for i, x in enumerate(images)])


def streamed(X, params=None, channels_last=False):
    loader = ImageLoader(ImageReader(X, (4, 5)), params)
    stored = (4, 5, 3) if channels_last else (3, 4, 5)
    return StreamedImages(loader, np.arange(len(X)), stored, channels_last)


def whole(X, channels_last=False):
    images = ImageReader(X, (4, 5))[range(len(X))].images
    return (images.permute(0, 2, 3, 1) if channels_last else images).flatten(1)


class Process:
    """An image whose pixels are the number of the process that reads it."""

    def __call__(self):
        return np.frombuffer(os.getpid().to_bytes(4, "big"), np.uint8).reshape(1, 4)


LISTS = [[3, 0, 3], [10], [7, 1]]


@pytest.mark.parametrize("params", [None, {"num_workers": 0}, {"num_workers": 2}])
@pytest.mark.parametrize("channels_last", [False, True])
def test_workers_change_nothing(params, channels_last):
    X = column()
    images = streamed(X, params, channels_last)
    for _ in range(2):  # workers stay for the next epoch
        for rows, found in zip(LISTS, images.batches(LISTS), strict=True):
            assert torch.equal(found, whole(X, channels_last)[rows])
    images.close()


def test_workers_are_other_processes_until_the_loader_is_closed():
    X = ImageColumn([Process(), Process()], channels=1)
    loader = ImageLoader(ImageReader(X), {"num_workers": 1})

    def process():
        (batch,) = loader.batches([[0]])
        return int.from_bytes(bytes(batch.images.flatten().tolist()), "big")

    first = process()
    assert first not in (0, os.getpid())
    assert process() == first
    loader.close()
    assert process() != first
    loader.close()


def test_a_loop_that_is_left_early_does_no_harm_to_the_next():
    X = column()
    images = streamed(X, {"num_workers": 1})
    loop = images.batches(LISTS * 3)
    next(loop)
    loop.close()
    found = list(images.batches(LISTS))
    assert torch.equal(found[0], whole(X)[LISTS[0]])
    assert len(found) == len(LISTS)
    images.close()


def test_a_loop_inside_of_a_loop_reads_by_itself():
    X = column()
    images = streamed(X, {"num_workers": 1})
    pairs = [(a, b) for a in images.batches([[0], [1]]) for b in images.batches([[2]])]
    assert [len(pair) for pair in pairs] == [2, 2]
    assert torch.equal(pairs[1][0], whole(X)[[1]])
    images.close()


def test_no_random_number_is_drawn():
    state = torch.get_rng_state()
    images = streamed(column(), {"num_workers": 1})
    list(images.batches(LISTS))
    images.close()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_unreadable_row_is_an_error_with_its_number_in_the_column(num_workers):
    images = streamed(column(bad=(4,)), {"num_workers": num_workers})[[0, 4, 5]]
    with pytest.raises(UnreadableImageError, match=r"Row 4 \(<bytes>\) cannot be read"):
        list(images.batches([[0], [1]]))
    assert len(list(images.batches([[0], [2]]))) == 2
    images.close()


def test_an_error_of_a_program_in_a_worker_says_where_it_was():
    X = ImageColumn(column(3).sources, transform=len)
    images = streamed(X, {"num_workers": 1})
    with pytest.raises(TypeError, match="Raised by transform for row 1 "):
        list(images.batches([[1]]))
    images.close()


# StreamedImages


def test_choosing_rows_reads_nothing():
    images = streamed(ImageColumn([b""] * 5))
    assert images[[4, 0]].rows.tolist() == [4, 0]
    assert images[1:].rows.tolist() == [1, 2, 3, 4]
    assert images[np.arange(5) > 2, ...].rows.tolist() == [3, 4]
    assert images[1:][[0, 1]].shape == (2, 60)
    assert images.size == 300


def test_a_row_and_all_rows_can_be_had():
    X = column()
    images = streamed(X)[2:]
    assert torch.equal(images[1], whole(X)[3])
    np.testing.assert_array_equal(np.asarray(images), whole(X)[2:].numpy())
    assert np.asarray(images, dtype=float).dtype == float
    assert np.asarray(images[:0]).shape == (0, 60)
    assert [len(part) for part in images.split(4)] == [4, 4, 1]


def test_batches_come_on_a_device():
    images = streamed(column()).to("meta")
    assert next(images.batches([[0]])).device.type == "meta"


# Parameters of the DataLoader


@pytest.mark.parametrize("name", ["batch_size", "shuffle", "sampler", "dataset", "x"])
def test_parameters_that_are_the_engines_are_refused(name):
    with pytest.raises(ValueError, match=f"has '{name}'. It may have multiprocessing"):
        checked_loader_params({name: 1})


def test_values_that_torch_refuses_are_refused_at_once():
    with pytest.raises(ValueError, match="num_workers"):
        ImageLoader(ImageReader(column(), 4), {"num_workers": -1})
