"""Fixtures that several files share."""

import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# The same cases in every run, and no limit that a busy machine could miss.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")

# A test that takes more CPU seconds is marked `slow`, or says why it may.
MAX_CPU_SECONDS = 3.0
EXPLAIN = ("mutants", "slow", "takes_long")
N_LISTED, LISTED_FROM = 40, 0.5


def pytest_addoption(parser):
    parser.addoption(
        "--require-vision",
        action="store_true",
        help="fail where tests marked vision cannot run, in place of skipping them",
    )
    parser.addoption(
        "--cpu-seconds",
        metavar="FILE",
        type=Path,
        help="write the CPU seconds of each file and test into a table",
    )


def pytest_configure(config):
    config.pluginmanager.register(CPUSeconds(), "cpu_seconds")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--require-vision") and not any(
        item.get_closest_marker("vision") for item in items
    ):
        raise pytest.UsageError("--require-vision, but there is no test marked vision")


# What a file of tests leaves behind stays until the end: a garbage collection that
# passes it over, as one does in a process without tests, takes a tenth of the time.
def pytest_collection_finish():
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown(item, nextitem):
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_runtest_setup(item):
    if not item.get_closest_marker("vision"):
        return
    missing = what_vision_lacks()
    if missing and item.config.getoption("--require-vision"):
        pytest.fail(missing, pytrace=False)
    if missing:
        pytest.skip(missing)


class CPUSeconds:
    """What each test costs, the processes it waits for too; other work does not count.

    A report carries its seconds, since with several workers another process sums up.
    """

    def __init__(self):
        self.mark = 0.0
        self.tests = Counter()
        self.explained = set()

    @staticmethod
    def now():
        times = os.times()
        return time.process_time() + times.children_user + times.children_system

    def pytest_collection_finish(self):
        self.mark = self.now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        now = self.now()
        report.cpu_seconds, self.mark = now - self.mark, now
        report.explained = any(map(item.get_closest_marker, EXPLAIN))
        return report

    def pytest_runtest_logreport(self, report):
        self.tests[report.nodeid] += report.cpu_seconds
        if report.explained:
            self.explained.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter, config):
        def list_tests(title, tests):
            if tests:
                terminalreporter.section(title)
            for name, seconds in tests:
                terminalreporter.line(f"{seconds:7.1f}  {name}")

        slowest = [
            (name, seconds)
            for name, seconds in self.tests.most_common(N_LISTED)
            if seconds >= LISTED_FROM
        ]
        total = f"{self.tests.total():.0f} CPU seconds"
        list_tests(f"{total}; the slowest of {len(self.tests)} tests", slowest)
        list_tests(
            f"above {MAX_CPU_SECONDS:g} CPU seconds: make faster, or mark `slow` or "
            "`takes_long(why)`",
            [
                (name, seconds)
                for name, seconds in self.tests.most_common()
                if seconds > MAX_CPU_SECONDS and name not in self.explained
            ],
        )
        if path := config.getoption("--cpu-seconds"):
            path.write_text(self.table(), "utf-8")

    def table(self):
        """Return lines of seconds, tab and name; files first, the dearest first."""
        files = Counter()
        for name, seconds in self.tests.items():
            files[name.partition("::")[0]] += seconds
        rows = [*files.most_common(), *self.tests.most_common()]
        return "".join(f"{seconds:.3f}\t{name}\n" for name, seconds in rows)


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
