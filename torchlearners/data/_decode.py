"""From whatever holds an image to its pixels: uint8 of shape (height, width, channels).

Pillow is imported where a file has to be decoded, and nowhere else.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from torchlearners.exceptions import UnreadableImageError

_ORIENTATION = 0x0112  # the tag in EXIF
# From the stored pixels to the upright image; EXIF 2.3, table 6.
_UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
# What the largest image that Pillow takes holds, uncompressed, of 16 bits a channel.
_MOST_BYTES = 2**29
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Pixels(NamedTuple):
    """A decoded image before its channels are made one or three.

    Attributes
    ----------
    array : ndarray of uint8 of shape (height, width, 1 to 4)
        Gray, gray and alpha, RGB, or RGB and alpha.
    mode : str
        How it was stored, in Pillow's words.
    """

    array: np.ndarray
    mode: str


def decode_image(
    source: Any, *, channels: int = 3, background: int = 255
) -> np.ndarray:
    """Return the pixels of one image.

    The same rules hold for every source, so a learner sees the same pixels whether it
    is given a file or the array in it:

    - The orientation in EXIF is applied: the image is upright.
    - Transparent pixels are composited on a gray `background`.
    - A palette is replaced by its colors; CMYK, YCbCr, LAB and HSV become RGB by
      Pillow's formulas, without color profiles. Of an animation, the first frame
      counts.
    - Numbers become bytes by their full range: 65535 of 16 bits and 1.0 of a float are
      255. Floats outside of [0, 1] are refused. Other integers must be 0 to 255.
    - Gray from color is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); color from gray are
      three equal channels.
    - A file that ends too early is an error, unless you set Pillow's
      ``ImageFile.LOAD_TRUNCATED_IMAGES``; so are more than Pillow's
      ``Image.MAX_IMAGE_PIXELS`` (about 89 million) pixels, which may be an attack.
    - A path leads to a regular file of at most 512 MiB; pipes and devices are refused.

    Parameters
    ----------
    source : str, Path, bytes, PIL image, ndarray, torch.Tensor or callable
        A file, its content, or the image. Arrays are (height, width) or (height, width,
        channels) with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) channels.
        Arrays whose last axis has another length and tensors may have the channels
        first. A callable takes nothing and returns one of the others.
    channels : {1, 3}, default=3
        Gray or RGB.
    background : int, default=255
        Gray value, 0 to 255, behind transparent pixels.

    Returns
    -------
    ndarray of uint8 of shape (height, width, channels)

    Raises
    ------
    UnreadableImageError
        Where there is no such image in it.
    OSError
        Where a file cannot be read.
    TypeError
        Where the source is of another type.
    ImportError
        Where there is something to decode, and no Pillow.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import decode_image
    >>> decode_image(np.array([[0.0, 1.0]])).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    check_channels(channels)
    try:
        return to_channels(read_pixels(source).array, channels, background)
    except UnreadableImageError as error:
        raise UnreadableImageError(
            f"The image {describe_source(source)} cannot be read: {error}"
        ) from error


def check_channels(channels: Any) -> None:
    """Raise unless an image can have this number of channels.

    Parameters
    ----------
    channels : object
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (gray) or 3 (RGB). Got {channels!r}.")


def describe_source(source: Any) -> str:
    """Return a path where there is one, else a word for what it is.

    Parameters
    ----------
    source : object

    Returns
    -------
    str
    """
    if isinstance(source, str | os.PathLike):
        return str(source)
    for attribute in ("path", "filename"):
        if isinstance(path := getattr(source, attribute, None), str | Path) and path:
            return str(path)
    return f"<{type(source).__name__}>"


def fetch(source: Any) -> Any:
    """Return what a source gives: bytes of a file, an array, a tensor or a PIL image.

    Parameters
    ----------
    source : object
        See `decode_image`.

    Returns
    -------
    object
    """
    if callable(source):
        source = source()
    if isinstance(source, str | os.PathLike):
        return _read_file(source)
    return source


def _read_file(path: str | os.PathLike[str]) -> bytes:
    """Return what a regular file holds, and refuse what may have no end."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableImageError(
                "it is a pipe, socket or device, and not a regular file."
            )
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UnreadableImageError(
            f"the file has more than {_MOST_BYTES} bytes. Make the image smaller, or "
            "give a function that returns its pixels."
        )
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    # A FIFO would else be opened only when somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_pixels(source: Any) -> Pixels:
    """Return an image as it is stored, upright and in bytes.

    Parameters
    ----------
    source : object
        See `decode_image`.

    Returns
    -------
    Pixels
    """
    data = fetch(source)
    if isinstance(data, bytes | bytearray | memoryview):
        return _decode_bytes(bytes(data))
    if is_missing(data):
        raise UnreadableImageError(f"there is none, only a missing value ({data}).")
    if is_pillow_image(data):
        return _from_pillow(data)
    if isinstance(data, torch.Tensor):
        return _from_array(data.detach().cpu().numpy(), channels_first=True)
    if isinstance(data, np.ndarray | np.generic):
        return _from_array(np.asarray(data), channels_first=False)
    raise TypeError(
        "An image must be a path, bytes, a PIL image, an array, or a function that "
        f"returns one of these. Got {type(data).__name__}."
    )


def is_pillow_image(value: Any) -> bool:
    """Tell whether this is a PIL image, without importing Pillow.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def is_missing(value: Any) -> bool:
    """Tell whether this is None, NaN or another library's word for it.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    if value is None or (isinstance(value, float) and value != value):
        return True
    return type(value).__name__ in ("NAType", "NaTType")


def to_channels(array: np.ndarray, channels: int, background: int) -> np.ndarray:
    """Return an image of one or three channels.

    Parameters
    ----------
    array : ndarray of uint8 of shape (height, width, 1 to 4)
    channels : {1, 3}
    background : int
        Behind transparent pixels.

    Returns
    -------
    ndarray of uint8 of shape (height, width, channels)
    """
    if array.shape[2] in (2, 4):
        color, alpha = array[:, :, :-1].astype(np.uint32), array[:, :, -1:]
        alpha = alpha.astype(np.uint32)
        mixed = color * alpha + np.uint32(background) * (255 - alpha)
        array = ((mixed + 127) // 255).astype(np.uint8)
    if array.shape[2] == channels:
        return np.array(array, order="C")  # the caller may write into it
    if channels == 3:
        return np.repeat(array, 3, axis=2)
    # The weights of BT.601 in units of 2^-16, as in Pillow.
    gray = array.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((gray + 0x8000) >> 16).astype(np.uint8)[:, :, None]


def _import_pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Images in files are decoded by Pillow, which is not installed. "
            "Run: pip install torchlearners[vision]"
        ) from error
    return Image


def _decode_bytes(data: bytes) -> Pixels:
    image_module = _import_pillow()
    if not data:
        raise UnreadableImageError("the file is empty.")
    try:
        with image_module.open(io.BytesIO(data)) as image:
            return _from_pillow(image)
    except (ImportError, MemoryError, UnreadableImageError):
        raise
    except image_module.UnidentifiedImageError as error:
        # Its own message ends in an address.
        message = "it is in no format that Pillow knows."
        raise UnreadableImageError(message) from error
    except Exception as error:
        # Readers of damaged files raise whatever comes.
        raise UnreadableImageError(_cause(error)) from error


def _cause(error: BaseException) -> str:
    text = str(error).rstrip(".")
    return f"{text or type(error).__name__}."


def _from_pillow(image: Any) -> Pixels:
    limit = _import_pillow().MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnreadableImageError(
            f"{image.width} x {image.height} pixels are more than PIL.Image."
            f"MAX_IMAGE_PIXELS={limit}. Raise that limit if you trust the file."
        )
    mode = image.mode
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableImageError(_cause(error)) from error
    if mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableImageError(
                "its integers are more than 16 bits long, from "
                f"{values.min()} to {values.max()}."
            )
        array = _as_bytes(values.astype(np.uint16))
    elif mode == "F":
        array = _as_bytes(np.asarray(image))
    else:
        plain = _plain_mode(image)
        array = np.asarray(image if mode == plain else image.convert(plain))
    if array.ndim == 2:
        array = array[:, :, None]
    return Pixels(_UPRIGHT.get(_orientation(image), lambda a: a)(array), mode)


def _plain_mode(image: Any) -> str:
    """Return which of L, LA, RGB and RGBA holds an image without loss."""
    gray = image.mode in ("1", "L", "LA", "La")
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    alpha = alpha or "transparency" in image.info
    return ("L" if gray else "RGB") + ("A" if alpha else "")


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - damaged EXIF says nothing, the pixels are fine
        return 1


def _from_array(array: np.ndarray, *, channels_first: bool) -> Pixels:
    given = array.shape
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.size:
        first, last = array.shape[0] in _MODES, array.shape[2] in _MODES
        if first and (channels_first or not last):
            array = np.moveaxis(array, 0, 2)
        if first or last:
            return Pixels(_as_bytes(array), _MODES[array.shape[2]])
    raise UnreadableImageError(
        f"an array of shape {given} is no image; it must be (height, width) or "
        "(height, width, channels) with 1 to 4 channels."
    )


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """Return uint8, from the full range of a type."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    found = ""
    if kind in "iuf":
        low, high = array.min(), array.max()
        if kind != "f" and low >= 0 and high <= 255:
            return array.astype(np.uint8)
        if kind == "f" and low >= 0 and high <= 1:
            return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
        found = f" with values from {low} to {high}"
    raise UnreadableImageError(
        f"an array of {array.dtype}{found} is no image; give uint8, uint16, other "
        "integers from 0 to 255, or floats from 0 to 1 (not standardized)."
    )
