"""The folder that downloaded data sets are kept in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Lies in every folder that we made, so that no other folder is ever removed.
LOCK_NAME = ".torchlearners.lock"


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the folder in which downloaded data sets are kept, and make it.

    Each data set has a folder of its own in it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder; ``~`` is the home folder of the user. None takes the environment
        variable ``TORCHLEARNERS_DATA``, or ``~/torchlearners_data`` where that is not
        set.

    Returns
    -------
    data_home : str
        Its path.

    Raises
    ------
    OSError
        If the folder cannot be made.

    Examples
    --------
    >>> import os, tempfile
    >>> from torchlearners.datasets import get_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = get_data_home(os.path.join(folder, "data"))
    ...     os.path.isdir(home)
    True
    """
    if data_home is None:
        # An empty variable would be the current folder.
        data_home = os.environ.get("TORCHLEARNERS_DATA") or "~/torchlearners_data"
    home = os.path.expanduser(data_home)
    os.makedirs(home, exist_ok=True)
    return home


def clear_data_home(data_home: str | os.PathLike[str] | None = None) -> None:
    """Remove all downloaded data sets.

    Files that `torchlearners.datasets` did not put there stay, and so does a folder
    that holds any.

    Parameters
    ----------
    data_home : str or path-like, default=None
        See `get_data_home`.

    Examples
    --------
    >>> import tempfile
    >>> from torchlearners.datasets import clear_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clear_data_home(folder)
    ...     os.path.exists(folder)
    False
    """
    home = Path(get_data_home(data_home))
    for lock in home.glob(f"*/{LOCK_NAME}"):
        shutil.rmtree(lock.parent)
    if not any(home.iterdir()):
        home.rmdir()
