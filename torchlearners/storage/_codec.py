"""Nested plain data as named arrays and a JSON skeleton, and back."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

# The dtypes that safetensors has had from its start, under its names for them.
# Arrays of other dtypes are stored as their bytes.
SAFETENSORS_DTYPES = {
    "|b1": "BOOL",
    "|i1": "I8",
    "|u1": "U8",
    "<i2": "I16",
    "<u2": "U16",
    "<f2": "F16",
    "<i4": "I32",
    "<u4": "U32",
    "<f4": "F32",
    "<i8": "I64",
    "<u8": "U64",
    "<f8": "F64",
}

# The kinds of dtype stored as bytes: bool, int, unsigned int, float, complex, str.
_KINDS = "biufcU"
# Deep enough for every state, shallow enough for every JSON reader.
_MAX_DEPTH = 100

_REMEDY = (
    "A file holds plain data only: dicts with str or int keys, lists, tuples, None, "
    "bool, int, float, str, and numpy arrays of numbers, bools or strings. Convert it "
    "to one of these, or leave it out."
)


def encode(state: Any) -> tuple[dict[str, np.ndarray], Any]:
    """Split nested plain data into arrays and what JSON can hold.

    Lists, None, bools, strings, finite floats and ints of at most 64 bits stand for
    themselves in the skeleton. All else is an object whose first key tells its type.

    Parameters
    ----------
    state : object
        Nested plain data.

    Returns
    -------
    arrays : dict of str to ndarray
        Contiguous arrays of a dtype of `SAFETENSORS_DTYPES`, named after their place in
        the state. They may share memory with it.
    skeleton : object
        JSON-able, with the name of an array where one was.

    Raises
    ------
    TypeError
        Where the state holds anything else; the message tells its place.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.storage._codec import encode
    >>> arrays, skeleton = encode({"weight": np.zeros(2), "betas": (0.9, 0.95)})
    >>> arrays
    {'weight': array([0., 0.])}
    >>> skeleton
    {'dict': {'weight': {'array': 'weight'}, 'betas': {'tuple': [0.9, 0.95]}}}
    """
    arrays: dict[str, np.ndarray] = {}
    return arrays, _encode(state, (), arrays)


def decode(arrays: dict[str, np.ndarray], skeleton: Any) -> Any:
    """Put together again what `encode` split.

    Parameters
    ----------
    arrays : dict of str to ndarray
        As returned by `encode`.
    skeleton : object
        As returned by `encode`.

    Returns
    -------
    state : object
        The same types and the same bits. Its arrays share memory with `arrays`.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError, struct.error
        If the skeleton is not one that `encode` makes.

    Examples
    --------
    >>> from torchlearners.storage._codec import decode, encode
    >>> decode(*encode({1: [None, True, 0.5], "a": (float("inf"),)}))
    {1: [None, True, 0.5], 'a': (inf,)}
    """
    match skeleton:
        case None | bool() | int() | float() | str():
            return skeleton
        case list():
            return [decode(arrays, item) for item in skeleton]
        case {"tuple": items}:
            return tuple([decode(arrays, item) for item in items])
        case {"dict": items}:
            return {key: decode(arrays, item) for key, item in items.items()}
        case {"items": pairs}:
            return {key: decode(arrays, item) for key, item in pairs}
        case {"int": digits}:
            return int(digits, 16)
        case {"float": bits}:
            return struct.unpack(">d", bytes.fromhex(bits))[0]
        case {"objects": items, "shape": shape}:
            return np.array(items, dtype=object).reshape(shape)
        case {"array": name}:
            return _decode_array(arrays[name], skeleton)
    raise ValueError(f"unknown entry {str(skeleton)[:80]!r}")


def _encode(value: Any, path: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    # Types are compared exactly: a subclass would come back as its base.
    kind = type(value)
    if len(path) > _MAX_DEPTH:
        raise TypeError(
            f"{_place(path[:3])}... is nested more than {_MAX_DEPTH} levels deep, or "
            "contains itself. Make it flatter."
        )
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        # Other JSON readers, and Python's own beyond 4300 digits, give up on these.
        return value if -(2**63) <= value < 2**64 else {"int": hex(value)}
    if kind is float:
        # JSON has no NaN or infinity, and a NaN has a sign and a payload.
        finite = math.isfinite(value)
        return value if finite else {"float": struct.pack(">d", value).hex()}
    if kind in (list, tuple):
        items = [_encode(item, (*path, i), arrays) for i, item in enumerate(value)]
        return items if kind is list else {"tuple": items}
    if kind is dict:
        return _encode_dict(value, path, arrays)
    if kind in (np.ndarray, np.memmap):
        return _encode_array(value, path, arrays)
    if isinstance(value, np.generic):
        raise TypeError(f"{_is_a(path, value)}. Convert it with .item().")
    raise TypeError(f"{_is_a(path, value)}. {_REMEDY}")


def _encode_dict(
    value: dict[Any, Any], path: tuple[Any, ...], arrays: dict[str, np.ndarray]
) -> Any:
    for key in value:
        if type(key) not in (str, int):
            raise TypeError(
                f"{_place(path)} has the key {key!r} of type {type(key).__name__}. "
                f"{_REMEDY}"
            )
    items = {key: _encode(item, (*path, key), arrays) for key, item in value.items()}
    if all(type(key) is str for key in items):
        return {"dict": items}
    return {"items": [[key, item] for key, item in items.items()]}


def _encode_array(
    value: np.ndarray, path: tuple[Any, ...], arrays: dict[str, np.ndarray]
) -> Any:
    if value.dtype == object:
        flat = value.ravel().tolist()
        for i, item in enumerate(flat):
            if item is not None and type(item) is not str:
                place = tuple(map(int, np.unravel_index(i, value.shape)))
                raise TypeError(
                    f"{_is_a((*path, *place), item)}; an object array may hold str and "
                    f"None only. {_REMEDY}"
                )
        return {"objects": flat, "shape": list(value.shape)}
    if value.dtype.kind not in _KINDS:
        raise TypeError(f"{_place(path)} is an array of {value.dtype}. {_REMEDY}")
    extra: dict[str, Any] = {}
    # The memory order is kept, as it can change the last bit of what is computed.
    if value.flags.f_contiguous and not value.flags.c_contiguous:
        value, extra["order"] = value.T, "F"
    value = np.asarray(value, order="C")
    if value.dtype.str not in SAFETENSORS_DTYPES:
        extra |= {"dtype": value.dtype.str, "shape": list(value.shape)}
        value = value.reshape(-1).view(np.uint8)
    name = _free_name(path, arrays)
    arrays[name] = value
    return {"array": name, **extra}


def _decode_array(array: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    if "dtype" in entry:
        dtype = np.dtype(entry["dtype"])
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array of {dtype}")
        array = array.view(dtype).reshape(entry["shape"])
    return array.T if entry.get("order") == "F" else array


def _free_name(path: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> str:
    """Return a name for other readers to see; the skeleton does not depend on it."""
    name = ".".join(map(str, path)).encode("utf-8", "replace").decode()
    # safetensors keeps "__metadata__" for itself.
    while name in arrays or name == "__metadata__":
        name += "~"
    return name


def _place(path: tuple[Any, ...]) -> str:
    return "state" + "".join(f"[{key!r}]" for key in path)


def _is_a(path: tuple[Any, ...], value: Any) -> str:
    kind = type(value).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return f"{_place(path)} is {article} {kind}"
