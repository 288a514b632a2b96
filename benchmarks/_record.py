"""What a figure needs beside it: versions, machine and commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("torchlearners", "torch", "scikit-learn", "skorch", "numpy")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    head = subprocess.run(
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
    return head.stdout.strip() + ("+changes" if changed.stdout else "")


def provenance() -> dict[str, str]:
    """Return versions, python, processor and the commit of the checkout."""
    return {
        **versions(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": commit(),
    }
