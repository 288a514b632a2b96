import sys

import pytest

from benchmarks.quality._run import _error_of


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("raise ValueError('bad')", "ValueError: bad"),
        ("raise SystemExit(3)", "exit status 3"),
        ("", ""),
    ],
)
def test_what_ended_a_process_is_told(code, error):
    assert _error_of([sys.executable, "-c", code], None) == error


def test_an_interrupted_process_interrupts_the_run():
    code = "import os; os.kill(os.getpid(), 15)"
    with pytest.raises(KeyboardInterrupt):
        _error_of([sys.executable, "-c", code], None)
