import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from torchlearners.data import ImageColumn, ImageReader, load_images, resize_image
from torchlearners.data import _image_batches as image_batches
from torchlearners.exceptions import UnreadableImageError, UnreadableImageWarning


def images(n=6, seed=0, ragged=True):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 20, (n, 2)) if ragged else np.full((n, 2), 8)
    return [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in sizes]


def column(n=6, bad=(), **options):
    sources = [b"" if i in bad else x for i, x in enumerate(images(n))]
    return ImageColumn(sources, **options)


# load_images


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_images_of_several_sizes_become_one_tensor(resize):
    batch = load_images(images(), size=(9, 7), resize=resize)
    assert batch.images.shape == (6, 3, 9, 7)
    assert batch.images.dtype == torch.uint8
    assert batch.rows.tolist() == list(range(6))
    assert batch.failures == []
    for image, result in zip(images(), batch.images, strict=True):
        channels_first = torch.from_numpy(image).permute(2, 0, 1)
        expected = resize_image(channels_first, (9, 7), resize)
        torch.testing.assert_close(result, expected, rtol=0, atol=0)


def test_without_a_size_images_keep_theirs():
    X = images(ragged=False)
    batch = load_images(X)
    np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1).numpy(), X)


@pytest.mark.parametrize("block", [2, 3, 1024])
def test_without_a_size_several_sizes_are_an_error(block, monkeypatch):
    monkeypatch.setattr(image_batches, "_BLOCK", block)
    X = [*images(5, ragged=False), np.zeros((4, 5, 3))]
    with pytest.raises(
        ValueError,
        match=r"sizes, 8 x 8 in row \d \(<ndarray>\) and 4 x 5 in row 5 .*Give size=",
    ):
        load_images(X)


@pytest.mark.parametrize("block", [1, 4, 1024])
@pytest.mark.parametrize("n_jobs", [None, 3])
def test_blocks_and_threads_change_nothing(block, n_jobs, monkeypatch):
    X = column(10, bad=(0, 5), channels=1)
    expected = ImageReader(X, 6)[range(10)]
    monkeypatch.setattr(image_batches, "_BLOCK", block)
    monkeypatch.setattr(image_batches, "_CHUNK", 2)
    with pytest.warns(UnreadableImageWarning):
        batch = load_images(X, 6, on_error="impute", n_jobs=n_jobs)
    assert torch.equal(batch.images, expected.images)
    assert batch.images.shape == (8, 1, 6, 6)
    assert batch.rows.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert batch.failures == expected.failures


def test_an_unreadable_image_is_an_error_by_default():
    with pytest.raises(UnreadableImageError, match=r"Row 2 .*Of all 6 rows, 2 can"):
        load_images(column(bad=(2, 4)), size=4)


def test_an_error_comes_before_all_is_read(monkeypatch):
    monkeypatch.setattr(image_batches, "_BLOCK", 2)
    read = []

    def late():
        read.append(1)
        return np.zeros((2, 2))

    X = [b"", b"", *[late] * 8]
    with pytest.raises(UnreadableImageError, match="2 of 10 images cannot be read"):
        load_images(X, size=2, on_error="skip", max_bad=1)
    assert read == []


def test_skipped_rows_are_told_so_that_y_can_follow():
    X, y = column(bad=(1, 4)), np.arange(6) * 10
    with pytest.warns(UnreadableImageWarning, match="2 of 6 .* left out: rows 1, 4. R"):
        batch = load_images(X, size=4, on_error="skip", max_bad=0.5)
    assert y[batch.rows].tolist() == [0, 20, 30, 50]
    assert [failure.row for failure in batch.failures] == [1, 4]
    assert len(batch) == 4


def test_skipping_is_filtering_first_bit_for_bit():
    X, kept = column(8, bad=(1, 4)), [0, 2, 3, 5, 6, 7]
    with pytest.warns(UnreadableImageWarning):
        batch = load_images(X, size=5, on_error="skip", max_bad=0.5)
    assert torch.equal(batch.images, load_images(X[kept], size=5).images)


def test_skipping_everything_is_an_error():
    with pytest.raises(UnreadableImageError, match="at most 2 may be left out"):
        load_images([b""] * 3, size=4, on_error="skip", max_bad=1.0)


def test_imputing_may_leave_nothing():
    with pytest.warns(UnreadableImageWarning, match="are imputed"):
        batch = load_images([b""] * 3, size=4, on_error="impute")
    assert batch.images.shape == (0, 3, 4, 4)
    assert batch.rows.size == 0
    assert len(batch.failures) == 3


def test_numbers_are_no_images():
    with pytest.raises(TypeError, match="numeric arrays need no column"):
        load_images(np.zeros((2, 4, 4)), size=2)


# ImageReader


def test_rows_come_in_the_order_asked_for():
    X = column()
    batch = ImageReader(X, 4)[[5, 0, 5]]
    assert batch.rows.tolist() == [5, 0, 5]
    assert torch.equal(batch.images[0], batch.images[2])
    assert torch.equal(batch.images[1], ImageReader(X, 4)[[0]].images[0])


def test_failures_of_workers_come_as_data():
    X = column(bad=(2,))
    batches = BatchSampler(SequentialSampler(X), 4, drop_last=False)
    loader = DataLoader(
        ImageReader(X, 4), batch_size=None, sampler=batches, num_workers=1
    )
    first, second = loader
    assert (first.rows.tolist(), second.rows.tolist()) == ([0, 1, 3], [4, 5])
    assert [failure.row for failure in first.failures] == [2]
    assert second.failures == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_gives_what_the_reader_gives(num_workers):
    X = column(11, bad=(3, 10))
    reader = ImageReader(X, (4, 6), resize="crop")
    orders = RandomSampler(X, generator=torch.Generator().manual_seed(0))
    rows = list(BatchSampler(orders, 4, drop_last=False))
    loader = DataLoader(reader, batch_size=None, sampler=rows, num_workers=num_workers)
    for wanted, batch in zip(rows, loader, strict=True):
        assert batch.rows.tolist() == [row for row in wanted if row not in (3, 10)]
        assert torch.equal(batch.images, reader[wanted].images)


def test_a_reader_can_be_pickled():
    reader = pickle.loads(pickle.dumps(ImageReader(column(), 4, resize="pad")))
    assert torch.equal(
        reader[[1]].images, ImageReader(column(), 4, resize="pad")[[1]].images
    )
    assert len(reader) == 6


def test_settings_that_are_none_are_refused():
    with pytest.raises(ValueError, match="resize must be one of"):
        ImageReader(column(), 4, resize="fit")
    with pytest.raises(ValueError, match="size must be None"):
        ImageReader(column(), 0)
