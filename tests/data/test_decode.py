import io
import os
import re
import struct
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from torchlearners.data import ImageColumn, ImageFailure, _decode, decode_image
from torchlearners.data._decode import describe_source, read_pixels
from torchlearners.exceptions import UnreadableImageError


def picture(height=5, width=7, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def encoded(image, form="PNG", **options):
    """Return a PIL image, or an array, as the bytes of a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image.squeeze())
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


# Files


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Only POSIX has FIFOs.")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match=r"a\.png .* not a regular file"):
        decode_image(tmp_path / "a.png")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="There is no /dev/zero.")
def test_a_device_is_refused():
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        decode_image("/dev/zero")


def test_a_file_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    content = encoded(picture())
    (tmp_path / "a.png").write_bytes(content)
    monkeypatch.setattr(_decode, "_MOST_BYTES", len(content))
    assert decode_image(tmp_path / "a.png").shape == (5, 7, 3)
    monkeypatch.setattr(_decode, "_MOST_BYTES", len(content) - 1)
    with pytest.raises(UnreadableImageError, match=f"more than {len(content) - 1} byt"):
        decode_image(tmp_path / "a.png")


@pytest.mark.parametrize("error", [FileNotFoundError, IsADirectoryError])
def test_errors_of_files_are_those_of_python(tmp_path, error):
    path = tmp_path if error is IsADirectoryError else tmp_path / "none.png"
    with pytest.raises(error, match=re.escape(str(path))):
        decode_image(path)


# Forms of sources


@pytest.mark.parametrize("channels", [1, 3])
def test_every_form_of_an_image_gives_the_same_pixels(tmp_path, channels):
    image = picture(channels=channels)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(image))
    pil = Image.fromarray(image.squeeze())
    sources = [path, str(path), path.read_bytes(), bytearray(path.read_bytes())]
    sources += [pil, Image.open(path), image, image.astype(np.int64)]
    sources += [image / 255, (image / 255).astype(np.float32)]
    sources += [image.astype(np.uint16) * 257, torch.tensor(image).permute(2, 0, 1)]
    sources += [np.ascontiguousarray(image.transpose(2, 0, 1)), lambda: path]
    for source in sources:
        out = decode_image(source, channels=channels)
        np.testing.assert_array_equal(out, image)
        assert out.dtype == np.uint8
        assert out.flags.writeable
        assert out.flags.c_contiguous


def test_an_array_without_channels_is_gray():
    image = picture(channels=1)
    np.testing.assert_array_equal(decode_image(image[:, :, 0], channels=1), image)


def test_the_result_is_no_view_of_the_source():
    image = picture()
    decode_image(image)[:] = 0
    assert image.any()


def test_three_channels_of_a_gray_image_are_equal():
    out = decode_image(picture(channels=1))
    assert out.shape == (5, 7, 3)
    assert (out == out[:, :, :1]).all()


def test_gray_is_that_of_pillow():
    image = picture(40, 50)
    gray = np.asarray(Image.fromarray(image).convert("L"))
    np.testing.assert_array_equal(decode_image(image, channels=1)[:, :, 0], gray)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 128, 65535]], dtype=np.uint16), [0, 0, 255]),
        (np.array([[0, 129, 65535]], dtype=">u2"), [0, 1, 255]),
        (np.array([[0, 7, 255]], dtype=np.int32), [0, 7, 255]),
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
    ],
)
def test_numbers_become_bytes_by_their_full_range(array, expected):
    assert decode_image(array, channels=1).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[0.0, 1.5]]), "from 0.0 to 1.5"),
        (np.array([[0.0, np.nan]]), "to nan"),
        (np.array([[-1, 3]]), "from -1 to 3"),
        (np.array([[256]]), "256"),
        (np.array([["a"]]), "an array of <U1 is no image"),
        (np.zeros(3), r"shape \(3,\) is no image"),
        (np.zeros((5, 2, 5)), r"shape \(5, 2, 5\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.zeros((1, 2, 2, 3)), "no image"),
        (None, "missing value"),
        (float("nan"), "missing value"),
        (b"", "the file is empty"),
        (b"no image", "in no format that Pillow knows"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(array, words):
    with pytest.raises(UnreadableImageError, match=words):
        decode_image(array)


def test_what_can_be_no_image_is_an_error_of_the_program():
    with pytest.raises(TypeError, match="Got dict"):
        decode_image({})
    with pytest.raises(ValueError, match="channels must be 1"):
        decode_image(picture(), channels=4)


def test_a_missing_file_is_an_error_of_the_store():
    with pytest.raises(FileNotFoundError):
        decode_image("nowhere.png")


# Transparency


@pytest.mark.parametrize("background", [255, 0, 100])
def test_transparent_pixels_show_the_background(background):
    image = picture(channels=4)
    alpha = image[:, :, 3:] / 255
    expected = image[:, :, :3] * alpha + background * (1 - alpha)
    for source in (image, encoded(image), Image.fromarray(image)):
        out = decode_image(source, background=background)
        np.testing.assert_allclose(out, expected, atol=0.5 + 1e-9)


def test_gray_with_alpha_is_composited():
    image = np.array([[[10, 255], [10, 0]]], dtype=np.uint8)
    for source in (image, encoded(Image.fromarray(image, "LA"))):
        assert decode_image(source, channels=1).ravel().tolist() == [10, 255]


def test_a_palette_becomes_its_colors():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    expected = [[[255, 0, 0], [0, 0, 255]]]
    assert decode_image(encoded(image)).tolist() == expected
    assert decode_image(encoded(image, "GIF")).tolist() == expected


def test_the_transparent_color_of_a_palette_shows_the_background():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    out = decode_image(encoded(image, transparency=1), background=9)
    assert out.tolist() == [[[255, 0, 0], [9, 9, 9]]]


def test_a_transparent_gray_value_shows_the_background():
    image = Image.fromarray(np.array([[10, 20]], dtype=np.uint8))
    out = decode_image(encoded(image, transparency=20), channels=1, background=3)
    assert out.ravel().tolist() == [10, 3]


# Modes


def test_a_file_of_16_bits_is_scaled_to_8():
    image = np.array([[0, 257, 65535, 32768]], dtype=np.uint16)
    data = encoded(Image.fromarray(image))
    assert decode_image(data, channels=1).ravel().tolist() == [0, 1, 255, 128]
    assert read_pixels(data).mode.startswith("I")


def test_integers_of_32_bits_are_16_bits_or_refused():
    image = Image.fromarray(np.array([[0, 65535]], dtype=np.int32))
    assert decode_image(image, channels=1).ravel().tolist() == [0, 255]
    image = Image.fromarray(np.array([[0, 65536]], dtype=np.int32))
    with pytest.raises(UnreadableImageError, match="from 0 to 65536"):
        decode_image(image)


def test_floats_of_a_file_are_from_0_to_1():
    image = Image.fromarray(np.array([[0, 1]], dtype=np.float32))
    data = encoded(image, "TIFF")
    assert decode_image(data, channels=1).ravel().tolist() == [0, 255]
    image = Image.fromarray(np.array([[0, 300]], dtype=np.float32))
    with pytest.raises(UnreadableImageError, match=r"to 300\.0"):
        decode_image(encoded(image, "TIFF"))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "1"])
def test_other_modes_become_rgb_as_pillow_makes_it(mode):
    image = Image.fromarray(picture(20, 20)).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode_image(image), expected)


def test_a_cmyk_jpeg_has_its_colors():
    color = np.full((16, 16, 3), [200, 50, 20], dtype=np.uint8)
    data = encoded(Image.fromarray(color).convert("CMYK"), "JPEG", quality=95)
    assert read_pixels(data).mode == "CMYK"
    np.testing.assert_allclose(decode_image(data), color, atol=4)


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("L", (3, 2), value) for value in (50, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(data, channels=1) == 50).all()


# EXIF


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_in_exif_is_applied(form, orientation):
    image = Image.fromarray(picture(16, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, form, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_image(data), np.asarray(expected))


def test_damaged_exif_leaves_the_image_as_it_is():
    image = picture(16, 24)
    data = encoded(image, "PNG", exif=b"Exif\0\0 no exif at all")
    np.testing.assert_array_equal(decode_image(data), image)


# Damage


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_file_that_ends_too_early_is_an_error(form, share):
    data = encoded(picture(40, 50), form)
    assert decode_image(data).shape == (40, 50, 3)
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        decode_image(data[: int(len(data) * share)])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_damaged_bytes_give_an_image_or_the_one_error(form):
    rng = np.random.default_rng(0)
    data = np.frombuffer(encoded(picture(12, 10), form), dtype=np.uint8)
    for _ in range(40):
        damaged = data.copy()
        places = rng.integers(len(data), size=3)
        damaged[places] = rng.integers(0, 256, 3)
        found = ImageColumn([damaged.tobytes()]).read(0)
        if isinstance(found, ImageFailure):
            assert "<_io" not in found.reason  # no address, which differs by run
        else:
            assert found.ndim == 3


def test_the_message_names_the_file_and_the_cause(tmp_path):
    path = tmp_path / "half.jpg"
    path.write_bytes(encoded(picture(40, 50), "JPEG")[:700])
    with pytest.raises(UnreadableImageError, match=r"half\.jpg cannot.*truncated"):
        decode_image(path)
    with (
        Image.open(path) as image,
        pytest.raises(UnreadableImageError, match=r"half\.jpg cannot.*truncated"),
    ):
        decode_image(image)


def png_header(width, height):
    """Return a file of a few bytes that claims to be a large image."""

    def chunk(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    with pytest.raises(UnreadableImageError, match=r"MAX_IMAGE_PIXELS|exceeds limit"):
        decode_image(png_header(side, side))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_of_pillow_is_the_one_that_counts(monkeypatch):
    image = picture()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 34)
    with pytest.raises(UnreadableImageError, match="7 x 5 pixels are more than"):
        decode_image(encoded(image))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    np.testing.assert_array_equal(decode_image(encoded(image)), image)


# Pillow


def test_pillow_is_imported_only_where_a_file_is_decoded(run_script):
    out = run_script(
        "import sys, numpy as np\n"
        "before = 'PIL' in sys.modules\n"
        "from torchlearners.data import _decode, ImageColumn, load_images\n"
        "X = ImageColumn([np.zeros((4, 5)), np.ones((3, 3, 3)), 'a.png'])\n"
        "load_images(X[:2], size=2), X[0], X.path(2)\n"
        "print(before, 'PIL' in sys.modules)\n"
    )
    assert out.split() == ["False", "False"]


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(ImportError, match=r"pip install torchlearners\[vision\]"):
        decode_image(b"any bytes")
    assert decode_image(picture()).shape == (5, 7, 3)


# Names


def test_a_source_is_described_by_its_path_or_its_kind(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture()))
    assert describe_source(path) == str(path)
    assert describe_source("a.png") == "a.png"
    with Image.open(path) as image:
        assert describe_source(image) == str(path)
    assert describe_source(b"abc") == "<bytes>"
    assert describe_source(picture()) == "<ndarray>"
    assert describe_source(None) == "<NoneType>"
