"""Fixtures that several files share."""

import contextlib
import functools
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import settings

# The same cases in every run, and no limit that a busy machine could miss.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption(
        "--require-vision",
        action="store_true",
        help="fail where tests marked vision cannot run, in place of skipping them",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--require-vision") and not any(
        item.get_closest_marker("vision") for item in items
    ):
        raise pytest.UsageError("--require-vision, but there is no test marked vision")


def pytest_runtest_setup(item):
    if not item.get_closest_marker("vision"):
        return
    missing = what_vision_lacks()
    if missing and item.config.getoption("--require-vision"):
        pytest.fail(missing, pytrace=False)
    if missing:
        pytest.skip(missing)


@functools.cache
def what_vision_lacks():
    """Return why timm and torchvision cannot be used, or an empty string.

    A torchvision that was built for another torch may be imported, but its operators
    do not work, so one of them is run.
    """
    try:
        import timm
        import torch
        import torchvision

        boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
        kept = torch.ops.torchvision.nms(boxes, torch.tensor([1, 0.9, 0.8]), 0.5)
    except (AttributeError, ImportError, OSError, RuntimeError) as error:
        return f"timm and torchvision do not work here: {error}"
    if kept.tolist() != [0, 2]:
        return f"an operator of torchvision {torchvision.__version__} answers wrongly"
    return "" if hasattr(timm, "create_model") else f"{timm} is no timm"


@pytest.fixture
def run_script():
    """Return a function that runs Python code in a process of its own.

    It fails the test where the process fails or takes too long, and returns what the
    process wrote to stdout. Whatever the process started is killed with it.
    """

    def run(code, timeout=120, **environment):
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                pytest.fail(f"the script did not end within {timeout} seconds")
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, err
        return out

    return run
