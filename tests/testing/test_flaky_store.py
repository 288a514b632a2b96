import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from torchlearners.data import (
    ImageColumn,
    ImageFailure,
    ImageReader,
    UnreadableRows,
    decode_image,
    load_images,
)
from torchlearners.data import _image_errors as image_errors
from torchlearners.exceptions import UnreadableImageError, UnreadableImageWarning
from torchlearners.testing import FlakyStore

FORMS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]
N_ROWS = 40


def files(n=N_ROWS):
    """Return images of several sizes and formats as bytes."""
    rng = np.random.default_rng(0)
    out = []
    for row in range(n):
        size = (*rng.integers(10, 30, 2), 3)
        file = io.BytesIO()
        image = Image.fromarray(rng.integers(0, 256, size).astype(np.uint8))
        image.save(file, FORMS[row % len(FORMS)])
        out.append(file.getvalue())
    return out


@pytest.fixture
def clean():
    return ImageColumn(files())


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Keep the waits of retries, instead of waiting."""
    seconds = []
    monkeypatch.setattr(image_errors.time, "sleep", seconds.append)
    return seconds


# Faults


def test_the_seed_alone_says_which_rows_fail(clean):
    shares = {"p_transient": 0.2, "p_corrupt": 0.2, "p_missing": 0.2}
    faults = FlakyStore(clean, **shares, seed=3).faults
    assert (faults == FlakyStore(clean, **shares, seed=3).faults).all()
    assert (faults != FlakyStore(clean, **shares, seed=4).faults).any()
    assert set(faults) == {"", "transient", "corrupt", "missing"}


@pytest.mark.parametrize("fault", ["transient", "corrupt", "missing"])
def test_a_share_of_one_is_every_row(clean, fault):
    assert (FlakyStore(clean, **{f"p_{fault}": 1.0}).faults == fault).all()


def test_shares_that_are_too_much_are_refused(clean):
    with pytest.raises(ValueError, match=r"at most 1 in all. Got \[0.6, 0.6, 0.0\]"):
        FlakyStore(clean, 0.6, 0.6)
    with pytest.raises(ValueError, match="at least 0"):
        FlakyStore(clean, -0.1)


def test_corrupt_and_missing_rows_can_never_be_read(clean):
    flaky = FlakyStore(clean, p_corrupt=0.7, p_missing=0.3)
    found = [flaky.read(row) for row in range(N_ROWS)]
    assert all(isinstance(image, ImageFailure) for image in found)
    for fault, failure in zip(flaky.faults, found, strict=True):
        assert ("FileNotFoundError" in failure.reason) == (fault == "missing")


def test_the_source_of_a_corrupt_row_may_be_of_any_kind(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(files(1)[0])
    array = decode_image(path)
    sources = [path, str(path), array, Image.fromarray(array), lambda: array]
    flaky = FlakyStore(sources, p_corrupt=1.0, channels=1)
    assert all(isinstance(flaky.read(row), ImageFailure) for row in range(5))
    assert flaky.read(0).path == str(path)
    assert flaky.channels == 1


def test_settings_are_those_of_the_column():
    X = ImageColumn(files(4), channels=1, transform=np.flipud, cache="images")
    flaky = FlakyStore(X)
    for row in range(4):
        np.testing.assert_array_equal(flaky[row], X[row])
    assert flaky.cache == "images"


def test_views_and_copies_keep_their_faults(clean):
    flaky = FlakyStore(clean, p_missing=0.5)
    rows = [7, 3, 3]
    assert (flaky[rows].faults == flaky.faults[rows]).all()
    assert (pickle.loads(pickle.dumps(flaky))[rows].faults == flaky.faults[rows]).all()


# What is promised of a store that fails


def test_transient_faults_change_nothing(clean, waits):
    flaky = FlakyStore(clean, p_transient=0.5)
    for _ in range(2):  # they come again in every epoch
        waits.clear()
        batch = load_images(flaky, size=12)
        assert torch.equal(batch.images, load_images(clean, size=12).images)
        assert batch.failures == []
        assert max(waits) == pytest.approx(0.4)


def test_transient_faults_are_failures_without_retries(clean):
    flaky = FlakyStore(clean, p_transient=0.5)
    reader = ImageReader(flaky, 12, retries=0)
    failed = {failure.row for failure in reader.read().failures}
    assert failed == set(np.flatnonzero(flaky.faults == "transient"))


@pytest.mark.parametrize("cache", [None, "bytes", "images"])
def test_skipping_is_filtering_first_bit_for_bit(cache):
    clean = ImageColumn(files(), cache=cache)
    flaky = FlakyStore(clean, 0.2, 0.1, 0.1, seed=1)
    good = np.flatnonzero(np.isin(flaky.faults, ["", "transient"]))
    with pytest.warns(UnreadableImageWarning):
        batch = load_images(flaky, size=12, on_error="skip", max_bad=0.5)
    filtered = load_images(clean[good], size=12)
    assert batch.rows.tolist() == good.tolist()
    assert torch.equal(batch.images, filtered.images)


def batches_of(X, rows, num_workers, batch_size=8):
    loader = DataLoader(
        ImageReader(X, 12, delay=0),
        batch_size=None,
        sampler=list(BatchSampler(rows, batch_size, drop_last=False)),
        num_workers=num_workers,
    )
    return list(loader)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_skipping_is_filtering_first_through_a_loader(clean, num_workers):
    flaky = FlakyStore(clean, 0.2, 0.1, 0.1, seed=1)
    unreadable = UnreadableRows(flaky, "skip", max_bad=0.5)
    found = batches_of(flaky, SequentialSampler(flaky), num_workers)
    for batch in found:
        unreadable.add(batch.failures)
    images = torch.cat([batch.images for batch in found])
    rows = np.concatenate([batch.rows for batch in found])
    assert rows.tolist() == unreadable.kept.tolist()
    assert torch.equal(images, load_images(clean[unreadable.kept], size=12).images)
    # Once the rows are known, batches are those of a clean column, one by one.
    again = batches_of(flaky, unreadable.kept, num_workers)
    filtered = clean[unreadable.kept]
    expected = batches_of(filtered, SequentialSampler(filtered), num_workers)
    for ours, theirs in zip(again, expected, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert ours.failures == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_no_row_takes_the_place_of_another(clean, num_workers):
    flaky = FlakyStore(clean, 0.2, 0.2, 0.2, seed=2)
    order = np.random.default_rng(0).permutation(N_ROWS)
    reader = ImageReader(clean, 12)
    for start, batch in enumerate(batches_of(flaky, order, num_workers)):
        wanted = order[8 * start : 8 * start + 8]
        bad = np.isin(flaky.faults[wanted], ["corrupt", "missing"])
        assert batch.rows.tolist() == wanted[~bad].tolist()
        assert [failure.row for failure in batch.failures] == wanted[bad].tolist()
        for row, image in zip(batch.rows, batch.images, strict=True):
            assert torch.equal(image, reader[[row]].images[0])


@given(
    seed=st.integers(0, 2**31),
    shares=st.tuples(*[st.floats(0, 0.3)] * 3),
    size=st.integers(1, 12),
    resize=st.sampled_from(["squash", "crop", "pad"]),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_left_is_right_for_any_faults(seed, shares, size, resize):
    clean = ImageColumn(files(12), channels=1)
    flaky = FlakyStore(clean, *shares, seed=seed)
    batch = ImageReader(flaky, size, resize=resize, delay=0).read()
    bad = np.isin(flaky.faults, ["corrupt", "missing"])
    assert batch.rows.tolist() == np.flatnonzero(~bad).tolist()
    assert [failure.row for failure in batch.failures] == np.flatnonzero(bad).tolist()
    expected = ImageReader(clean[~bad], size, resize=resize).read()
    assert torch.equal(batch.images, expected.images)


def test_an_error_of_a_worker_is_raised_in_the_main_process(clean):
    flaky = FlakyStore(clean, p_missing=0.2)
    unreadable = UnreadableRows(flaky)
    first = int(np.flatnonzero(flaky.faults == "missing")[0])
    batches = batches_of(flaky, SequentialSampler(flaky), num_workers=2)
    failures = [failure for batch in batches for failure in batch.failures]
    with pytest.raises(UnreadableImageError, match=rf"Row {first} .*FileNotFoundError"):
        unreadable.add(failures)


@pytest.mark.parametrize("as_share", [True, False])
def test_the_budget_is_respected(clean, as_share):
    flaky = FlakyStore(clean, p_corrupt=0.1, p_missing=0.1)
    n_bad = int((flaky.faults != "").sum())
    budget = n_bad / N_ROWS if as_share else n_bad
    less = (n_bad - 1) / N_ROWS if as_share else n_bad - 1
    with pytest.warns(UnreadableImageWarning, match=f"{n_bad} of {N_ROWS}"):
        batch = load_images(flaky, 12, on_error="skip", max_bad=budget)
    assert len(batch) == N_ROWS - n_bad
    with pytest.raises(UnreadableImageError, match=f"at most {n_bad - 1} may be"):
        load_images(flaky, 12, on_error="skip", max_bad=less)
