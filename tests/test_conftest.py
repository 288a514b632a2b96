import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import time
import pytest

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def test_that_is_quick():
    pass

def test_that_sleeps():
    time.sleep(0.3)

def test_that_is_slow():
    burn(0.3)

@pytest.mark.takes_long("for a reason")
def test_that_may_take_long():
    burn(0.3)
"""


def test_the_end_of_a_run_lists_what_cost_most_and_what_has_no_reason_to(tmp_path):
    source = Path(__file__).with_name("conftest.py").read_text("utf-8")
    shutil.copy(Path(__file__).parents[1] / "pyproject.toml", tmp_path)
    lower = source.replace("MAX_CPU_SECONDS = 3.0", "MAX_CPU_SECONDS = 0.2")
    lower = lower.replace("LISTED_FROM = 40, 0.5", "LISTED_FROM = 40, 0.2")
    (tmp_path / "conftest.py").write_text(lower, "utf-8")
    (tmp_path / "test_costs.py").write_text(TESTS, "utf-8")
    table = tmp_path / "table.tsv"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", "--cpu-seconds", table, tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    _, listed, unexplained = run.stdout.split("CPU seconds")
    assert "test_that_is_slow" in listed
    assert "test_that_may_take_long" in listed
    assert "test_that_sleeps" not in listed
    assert "test_that_is_slow" in unexplained
    assert "test_that_may_take_long" not in unexplained
    rows = table.read_text("utf-8").splitlines()
    seconds = dict(row.split("\t")[::-1] for row in rows)
    assert len(seconds) == 5
    assert 0.6 <= float(seconds["test_costs.py"]) < 3
