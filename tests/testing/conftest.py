"""Which mutants meet the whole kit, where there is no time for all of them."""

import hashlib
import inspect
import subprocess
from pathlib import Path

from torchlearners import testing

ROOT = Path(__file__).resolve().parents[2]
MAX_MUTANTS = 12


def pytest_addoption(parser):
    parser.addoption(
        "--changed-since",
        metavar="COMMIT",
        help="run the whole kit only over mutants whose class or check is in a file "
        f"that changed since; over {MAX_MUTANTS} at most, and over as many others "
        "where none changed",
    )


def pytest_collection_modifyitems(config, items):
    since = config.getoption("--changed-since", default=None)
    if since is None:
        return
    cases = [item for item in items if item.get_closest_marker("mutants")]
    names = git("diff", "--name-only", since, "HEAD").splitlines()
    changed = {ROOT / name for name in names}
    chosen = [case for case in cases if files_of(case) & changed] or cases
    # No more than there is time for, and others at the next commit.
    commit = git("rev-parse", "HEAD")
    chosen.sort(key=lambda c: hashlib.sha256((commit + c.name).encode()).digest())
    dropped = [case for case in cases if case not in chosen[:MAX_MUTANTS]]
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=dropped)


def files_of(case):
    """Return the file of a mutant, and the file of the check that must catch it."""
    mutant = case.callspec.params["mutant"]
    parts = type(mutant.subject), getattr(testing, mutant.caught_by)
    return {Path(inspect.getfile(inspect.unwrap(part))).resolve() for part in parts}


def git(*words):
    run = subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()
