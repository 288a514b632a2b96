"""Plain data in one file that no reader can be tricked by and no crash can damage.

A state is nested plain data: dicts with str or int keys, lists, tuples, None, bool,
int, float, str and numpy arrays. Its file is safetensors with a SHA-256 digest; nothing
in it is ever run.
"""

from torchlearners.storage._atomic import sweep
from torchlearners.storage._file import read_info, read_state, write_state
from torchlearners.storage._lock import locked, take_folder
from torchlearners.storage._restoring import restoring

__all__ = [
    "locked",
    "read_info",
    "read_state",
    "restoring",
    "sweep",
    "take_folder",
    "write_state",
]
