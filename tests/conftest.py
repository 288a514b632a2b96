"""Fixtures that several files share."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import settings

# The same cases in every run, and no limit that a busy machine could miss.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


@pytest.fixture
def run_script():
    """Return a function that runs Python code in a process of its own.

    It fails the test where the process fails or takes too long, and returns what the
    process wrote to stdout. Whatever the process started is killed with it.
    """

    def run(code, timeout=120, **environment):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the script did not end within {timeout} seconds")
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.returncode == 0, err
        return out

    return run
