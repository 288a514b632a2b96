"""How the file is laid out: safetensors whose metadata starts with a digest.

    length of the header   8 bytes, little-endian
    header                 JSON; "__metadata__" first, then one entry for each array
    arrays                 one after the other, in the order of the header

Written and read here rather than by the safetensors package: the arrays then go to the
disk and come back without a copy, and the digest stands at the same place in each file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

import numpy as np

from torchlearners.exceptions import StorageError
from torchlearners.storage._codec import SAFETENSORS_DTYPES

# The number of the format that is written here, and of the newest that can be read.
_FORMAT = 1
# The oldest format whose readers can read what is written here.
_MIN_READER = 1

# Files of every format start with the header's length (8 bytes), this, and the digest.
_START = b'{"__metadata__":{"torchlearners":"{\\"sha256\\":\\"'
_DIGEST = slice(8 + len(_START), 8 + len(_START) + 64)
_BLANK = "0" * 64
_FIRST = {"sha256": _BLANK, "format": _FORMAT, "min_reader": _MIN_READER}
_MAX_HEADER = 100_000_000  # bytes; safetensors readers take no longer one
# Lists, dicts and values outside of arrays; each takes up to a hundred bytes of memory.
_MAX_ITEMS = 4_000_000
_CHUNK = 1 << 20  # bytes

_DTYPES = {name: np.dtype(dtype) for dtype, name in SAFETENSORS_DTYPES.items()}


def lay_out(
    metadata: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[memoryview]:
    """Return what makes up the file, one piece after the other, the digest filled in.

    The pieces share memory with the arrays, whose dtypes `SAFETENSORS_DTYPES` has.
    """
    # The widest numbers first, so that each array is aligned in the file.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)
    start = _header({**_FIRST, **metadata}, ordered)
    pieces = [_bytes_of(array) for _, array in ordered]
    sha256 = hashlib.sha256(start)
    for piece in pieces:
        sha256.update(piece)
    digest = sha256.hexdigest().encode()
    start = start[: _DIGEST.start] + digest + start[_DIGEST.stop :]
    return [memoryview(start), *pieces]


def _header(metadata: dict[str, Any], arrays: list[tuple[str, np.ndarray]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"torchlearners": _json(metadata)}}
    position = 0
    for name, array in arrays:
        header[name] = {
            "dtype": SAFETENSORS_DTYPES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    text = _json(header)
    if _n_items(text.encode("ascii")) > _MAX_ITEMS:
        raise ValueError(
            f"There are more than {_MAX_ITEMS:,} values outside of arrays, which is "
            "more than a file can hold. Turn long lists of numbers into numpy arrays."
        )
    length = -(-len(text) // 8) * 8  # the arrays start at a multiple of 8
    if length > _MAX_HEADER:
        raise ValueError(
            f"The values outside of arrays take {length:,} bytes, more than the "
            f"{_MAX_HEADER:,} that a file can hold. Turn long lists of numbers into "
            "numpy arrays."
        )
    return length.to_bytes(8, "little") + text.ljust(length).encode("ascii")


def _n_items(text: bytes) -> int:
    """Return how many values a JSON text has at most."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _bytes_of(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a file whose digest is right; all that goes wrong is a StorageError."""
    try:
        with open(path, "rb") as file:
            _check_digest(file)
            yield file
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Could not read {path}: {error.strerror}. Check the path and that you may "
            "read it."
        ) from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise StorageError(
            f"{path} is not put together like a file of torchlearners ({error}). "
            "Give a file that torchlearners wrote."
        ) from error


def _check_digest(file: BufferedReader) -> None:
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise StorageError(f"{file.name} is empty. Use an older copy of it.")
    start = file.read(_DIGEST.stop)
    if start[8 : _DIGEST.start] != _START:
        raise StorageError(
            f"{file.name} was not written by torchlearners, or its first bytes are "
            "damaged. Give a file that torchlearners wrote."
        )
    if int.from_bytes(start[:8], "little") > min(size - 8, _MAX_HEADER):
        raise StorageError(_damaged(file, "its header is cut off"))
    sha256 = hashlib.sha256(start[: _DIGEST.start] + _BLANK.encode())
    while chunk := file.read(_CHUNK):
        sha256.update(chunk)
    if sha256.hexdigest().encode() != start[_DIGEST]:
        raise StorageError(
            _damaged(file, "its bytes do not match their SHA-256 digest")
        )


def _damaged(file: BufferedReader, reason: str) -> str:
    return f"{file.name} is damaged: {reason}. Use an older copy of it."


def read_header(file: BufferedReader) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return our metadata and the entries of the arrays, in their order."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    text = file.read(length)
    if _n_items(text) > _MAX_ITEMS:
        raise StorageError(
            f"{file.name} holds more than {_MAX_ITEMS:,} values outside of arrays, "
            "which would take too much memory. torchlearners writes no such file."
        )
    header = json.loads(text)
    del text
    metadata = json.loads(header.pop("__metadata__")["torchlearners"])
    if metadata["min_reader"] > _FORMAT:
        raise StorageError(
            f"{file.name} was written by torchlearners "
            f"{metadata['versions']['torchlearners']} (format {metadata['format']}); "
            f"this version reads formats up to {_FORMAT}. Update torchlearners."
        )
    return metadata, header


def read_arrays(file: BufferedReader, entries: dict[str, Any]) -> dict[str, np.ndarray]:
    """Read the arrays; each must start where the one before ends, so none is huge."""
    left = os.fstat(file.fileno()).st_size - file.tell()
    position = 0
    arrays = {}
    for name, entry in entries.items():
        dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
        n_bytes = math.prod(shape) * dtype.itemsize
        if entry["data_offsets"] != [position, position + n_bytes] or n_bytes > left:
            raise ValueError(f"array {name!r} is not where it should be")
        arrays[name] = np.empty(shape, dtype)
        if file.readinto(_bytes_of(arrays[name])) != n_bytes:
            raise ValueError(f"array {name!r} is cut off")
        position, left = position + n_bytes, left - n_bytes
    if left:
        raise ValueError(f"{left} bytes after the last array")
    return arrays
