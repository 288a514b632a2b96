"""One state in one file: safetensors with a digest, written whole or not at all."""

from __future__ import annotations

import functools
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torchlearners.exceptions import StorageError
from torchlearners.storage._atomic import replace_file
from torchlearners.storage._codec import decode, encode
from torchlearners.storage._layout import lay_out, opened, read_arrays, read_header


def write_state(
    path: str | os.PathLike[str],
    state: Any,
    *,
    kind: str,
    info: dict[str, Any] | None = None,
) -> None:
    """Write nested plain data to a file, whole or not at all.

    Whatever happens on the way (a full disk, a kill, a power cut), the path holds the
    old file or the new one, never a part. Costs one pass over the data for the digest
    and one to write it; the arrays are not copied.

    Parameters
    ----------
    path : str or path-like
        The file to write or replace.
    state : object
        Dicts with str or int keys, lists, tuples, None, bool, int, float, str, and
        numpy arrays of numbers, bools or strings, at any depth.
    kind : str
        What the state is of; `read_state` asks for the same.
    info : dict, default=None
        A few JSON values to be had by `read_info` without the state.

    Raises
    ------
    OSError
        If the file cannot be written. What was there before is unchanged.
    ValueError
        If all but the arrays takes more than 100 MB.
    TypeError
        If the state or the info holds something else; the message tells where.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from torchlearners.storage import read_state, write_state
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "weights.safetensors"
    ...     write_state(path, {"weight": np.arange(3.0)}, kind="weights")
    ...     read_state(path, kind="weights")
    {'weight': array([0., 1., 2.])}
    """
    arrays, skeleton = encode(state)
    metadata = {
        "kind": kind,
        "versions": _versions(),
        "info": _check_info(info),
        "state": skeleton,
    }
    replace_file(Path(path), lay_out(metadata, arrays))


def read_state(path: str | os.PathLike[str], *, kind: str) -> Any:
    """Read what `write_state` wrote: the same types, the same bits.

    Nothing in the file is run or imported. The digest finds damage, not forgery: who
    can write the file can write a digest that fits. Takes the memory of the arrays and
    one pass over the file for the digest.

    Parameters
    ----------
    path : str or path-like
        The file.
    kind : str
        What the file must hold, as given to `write_state`.

    Returns
    -------
    state : object
        The state as given to `write_state`. Its arrays may be written to.

    Raises
    ------
    StorageError
        If the file is missing, damaged, of another kind, of a future version, or not
        written by torchlearners.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from torchlearners.storage import read_state, write_state
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "state.safetensors"
    ...     write_state(path, {"betas": (0.9, 0.95)}, kind="weights")
    ...     read_state(path, kind="checkpoint")
    Traceback (most recent call last):
    torchlearners.exceptions.StorageError: ... holds 'weights', not 'checkpoint'. ...
    """
    with opened(path) as file:
        metadata, entries = read_header(file)
        found = metadata["kind"]
        if found != kind:
            raise StorageError(
                f"{path} holds {found!r}, not {kind!r}. Give the path of a {kind!r} "
                f"file, or read this one with what reads {found!r}."
            )
        return decode(read_arrays(file, entries), metadata["state"])


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what a file holds, without building its state.

    The whole file is checked as by `read_state`, but little memory is taken.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    header : dict
        ``format`` and ``min_reader`` (int), ``kind`` (str), ``versions`` (those of
        torchlearners, torch and numpy that wrote it) and ``info`` (as given to
        `write_state`).

    Raises
    ------
    StorageError
        As `read_state`, but for the kind.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from torchlearners.storage import read_info, write_state
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "state.safetensors"
    ...     write_state(path, [1, 2], kind="numbers", info={"epoch": 7})
    ...     header = read_info(path)
    >>> header["kind"], header["info"]
    ('numbers', {'epoch': 7})
    """
    with opened(path) as file:
        metadata, _ = read_header(file)
        names = ("format", "min_reader", "kind", "versions", "info")
        return {name: metadata[name] for name in names}


@functools.cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torchlearners", "torch", "numpy")}


def _check_info(info: dict[str, Any] | None) -> dict[str, Any]:
    info = {} if info is None else info
    try:
        same = json.loads(json.dumps(info, allow_nan=False)) == info
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same or not isinstance(info, dict):
        raise TypeError(
            "info must be a dict of JSON values (str keys, lists, None, bool, int, "
            f"finite float, str), got {info!r}. Put anything else into the state."
        )
    return info
