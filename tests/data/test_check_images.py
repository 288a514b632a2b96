import numpy as np
import pandas as pd
import pytest
from PIL import Image

from torchlearners.data import ImageColumn, check_images
from torchlearners.data import _check_images as check_module


@pytest.fixture
def files(tmp_path):
    """Write images of several kinds; return their paths."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(pixels)
    names = ["a.png", "same.bmp", "wide.png", "half.png", "gone.png"]
    paths = [tmp_path / name for name in names]
    image.save(paths[0])
    image.save(paths[1])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (5, 2)).save(paths[2], exif=exif)
    paths[3].write_bytes(paths[0].read_bytes()[:40])
    return paths


def test_every_row_is_reported_in_its_order(files):
    report = check_images(files)
    columns = "row path ok error width height mode hash duplicate_of"
    assert list(report) == columns.split()
    assert report["row"].tolist() == [0, 1, 2, 3, 4]
    assert report["path"].tolist() == [str(path) for path in files]
    assert report["ok"].tolist() == [True, True, True, False, False]
    assert report["mode"].tolist()[:3] == ["L", "L", "RGBA"]
    assert report["width"].tolist()[:3] == [4, 4, 2]  # the third lies on its side
    assert report["height"].tolist()[:3] == [3, 3, 5]
    assert report["width"].isna().tolist() == [False, False, False, True, True]


def test_the_reason_stands_where_an_image_cannot_be_read(files):
    errors = check_images(files)["error"].tolist()
    assert errors[:3] == [None] * 3
    assert errors[3]
    assert "FileNotFoundError" in errors[4]


def test_equal_images_have_equal_hashes_in_any_lossless_format(files):
    report = check_images(files)
    assert report["hash"][0] == report["hash"][1] != report["hash"][2]
    assert report["duplicate_of"].isna().tolist() == [True, False, True, True, True]
    assert report["duplicate_of"][1] == 0


def test_images_of_equal_pixels_and_another_shape_are_not_equal():
    pixels = np.arange(12, dtype=np.uint8)
    report = check_images([pixels.reshape(3, 4), pixels.reshape(4, 3)])
    assert report["duplicate_of"].isna().all()


def test_unreadable_images_are_no_duplicates_of_each_other():
    assert check_images([b"", b"", None])["duplicate_of"].isna().all()


def test_threads_change_nothing(files, monkeypatch):
    monkeypatch.setattr(check_module, "_CHUNK", 2)
    X = ImageColumn(files, transform=lambda image: image[:1])
    pd.testing.assert_frame_equal(check_images(files), check_images(X, n_jobs=3))


def test_a_column_without_rows_has_a_report_without_lines():
    report = check_images([])
    assert len(report) == 0
    assert "duplicate_of" in report


def test_files_are_left_as_they_are(files):
    before = [path.read_bytes() for path in files[:4]]
    check_images(files)
    assert [path.read_bytes() for path in files[:4]] == before
