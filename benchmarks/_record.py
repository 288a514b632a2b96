"""What a figure needs beside it: versions, machine and commit."""

import platform
import subprocess
from importlib.metadata import version

PACKAGES = ("torchlearners", "torch", "scikit-learn", "skorch", "numpy")


def provenance() -> dict[str, str]:
    """Return versions, python, processor and the commit of the checkout."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": commit.stdout.strip() + ("+changes" if changed.stdout else ""),
    }
