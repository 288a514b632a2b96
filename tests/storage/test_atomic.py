import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from torchlearners.storage import _atomic as atomic
from torchlearners.storage import read_state, sweep, write_state

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals, limits, modes")

SETUP = """
import os, signal, sys
import numpy as np
from torchlearners.storage import write_state

path = sys.argv[1]
write, fsync, replace = os.write, os.fsync, os.replace

def write_half(fd, data):
    return write(fd, data[: max(1, len(data) // 2)])

def save(value):
    write_state(path, {"value": value, "array": np.full(5000, value)}, kind="test")

"""


def start(code, path, **options):
    command = [sys.executable, "-c", SETUP + code, str(path)]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **options)


def run(code, path):
    """Run code in a process of its own; return its exit status and its errors."""
    process = start(code, path)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def save(path, value):
    write_state(path, {"value": value, "array": np.full(5000, value)}, kind="test")


def value_in(path):
    """Return which version the file holds, after a check that it is all of one."""
    state = read_state(path, kind="test")
    assert (state["array"] == state["value"]).all()
    return state["value"]


def fail(number):
    def function(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return function


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "state", 1)
    return tmp_path / "state"


def test_the_data_is_on_the_disk_before_its_name_is(path, monkeypatch):
    calls = []

    def note(name, what):
        function = getattr(os, name)

        def noted(*args):
            calls.append(what(*args))
            return function(*args)

        monkeypatch.setattr(os, name, noted)

    def kind(fd):
        return "folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"

    note("write", lambda fd, data: "write")
    note("fsync", lambda fd: f"fsync {kind(fd)}")
    note("replace", lambda source, target: "replace")
    save(path, 2)
    in_order = ["write", "write", "fsync file", "replace", "fsync folder"]
    assert calls == (in_order if os.name == "posix" else in_order[:-1])


# Errors: the old file stays, nothing else does


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("function", ["write", "fsync", "replace"])
def test_an_error_leaves_the_old_file(path, monkeypatch, function, number):
    before = path.read_bytes()
    monkeypatch.setattr(os, function, fail(number))
    with pytest.raises(OSError, match="what was there before is unchanged") as caught:
        save(path, 2)
    monkeypatch.undo()
    assert caught.value.errno == number
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_fills_up_half_way_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    write, calls = os.write, []

    def write_some(fd, data):
        calls.append(fd)
        return write(fd, data[:100]) if len(calls) < 5 else fail(errno.ENOSPC)()

    monkeypatch.setattr(os, "write", write_some)
    with pytest.raises(OSError, match="Free some space or write to another disk"):
        save(path, 2)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file(path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, 2)
    assert value_in(path) == 1
    assert list(path.parent.iterdir()) == [path]


def test_an_os_that_takes_little_at_a_time_is_served(path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:999]))
    save(path, 2)
    assert value_in(path) == 2


def test_a_folder_that_cannot_be_synchronized_does_no_harm(path, monkeypatch):
    fsync = os.fsync

    def only_files(fd):
        return fail(errno.EINVAL)() if stat.S_ISDIR(os.fstat(fd).st_mode) else fsync(fd)

    monkeypatch.setattr(os, "fsync", only_files)
    save(path, 2)
    assert value_in(path) == 2


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Make its folder first"):
        save(tmp_path / "missing" / "state", 1)


def test_a_folder_in_the_place_of_the_file_stays(tmp_path):
    (tmp_path / "state").mkdir()
    with pytest.raises(OSError, match="Write to another folder"):
        save(tmp_path / "state", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


@posix
def test_a_file_size_limit_leaves_the_old_file(path):
    # The nearest to a full disk that a test may do.
    before = path.read_bytes()
    code = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(2)
except OSError as error:
    sys.exit(error.errno)
"""
    status, errors = run(code, path)
    assert status == errno.EFBIG, errors
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@posix
def test_a_read_only_folder_is_named(tmp_path):
    code = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "state")
    save(1)
    before = open(path, "rb").read()
    os.chmod(folder, 0o555)
    os.chmod(path, 0o644)
    user = os.geteuid()
    if user == 0:  # root may write everywhere
        os.seteuid(65534)
    try:
        save(2)
        status = "written"
    except PermissionError as error:
        status = str(error)
    os.seteuid(user)
    os.chmod(folder, 0o755)
    assert "Choose a folder that you may write to" in status, status
    assert open(path, "rb").read() == before
    assert os.listdir(folder) == ["state"]
"""
    status, errors = run(code, tmp_path)
    assert status == 0, errors


@posix
def test_a_new_file_has_the_usual_permissions(path):
    (path.parent / "other").touch()
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


# Crashes: the old file or the new one, never a part

CRASHES = {
    "in the first write": (
        1,
        "os.write = lambda fd, d: write_half(fd, d) and os._exit(9)",
    ),
    "half way": (
        1,
        "calls = []\n"
        "def os_write(fd, data):\n"
        "    calls.append(1)\n"
        "    return os._exit(9) if len(calls) == 4 else write_half(fd, data)\n"
        "os.write = os_write",
    ),
    "before fsync": (1, "os.fsync = lambda fd: os._exit(9)"),
    "before replace": (1, "os.replace = lambda a, b: os._exit(9)"),
    "after replace": (2, "os.replace = lambda a, b: replace(a, b) or os._exit(9)"),
    "before the folder's fsync": (
        2,
        "import stat\n"
        "is_folder = lambda fd: stat.S_ISDIR(os.fstat(fd).st_mode)\n"
        "os.fsync = lambda fd: os._exit(9) if is_folder(fd) else fsync(fd)",
    ),
}


@posix
@pytest.mark.parametrize("where", CRASHES)
def test_after_a_crash_one_of_the_files_is_whole(path, where):
    expected, code = CRASHES[where]
    status, errors = run(f"{code}\nsave(2)", path)
    assert status == 9, errors
    assert value_in(path) == expected
    sweep(path.parent)
    assert list(path.parent.iterdir()) == [path]
    save(path, 3)
    assert value_in(path) == 3


def test_writers_of_one_file_do_not_mix(path):
    code = "for i in range(20): save({0} + i)"
    writers = [start(code.format(100 * w), path) for w in range(1, 5)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(value_in(path))
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    seen.add(value_in(path))
    assert seen <= {1, *(100 * w + i for w in range(1, 5) for i in range(20))}
    assert value_in(path) % 100 == 19
    assert list(path.parent.iterdir()) == [path]


def test_threads_that_write_one_file_do_not_mix(path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda value: save(path, value), range(40)))
    assert value_in(path) in range(40)
    assert list(path.parent.iterdir()) == [path]


# Sweeping

HOLD = """
def wait(fd):
    print("waiting", flush=True)
    sys.stdin.readline()
    fsync(fd)
    os.fsync = fsync

os.fsync = wait
save(2)
"""


@posix
def test_what_a_running_process_writes_is_not_swept(path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = start(HOLD, path, **pipes)
    assert process.stdout.readline() == "waiting\n"
    assert sweep(path.parent) == []
    _, errors = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0, errors
    assert value_in(path) == 2


@posix
def test_what_a_killed_process_left_is_swept(path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = start(HOLD, path, **pipes)
    assert process.stdout.readline() == "waiting\n"
    process.kill()
    process.communicate()
    (stray,) = path.parent.glob(".*.tmp")
    assert sweep(path.parent) == [stray]
    assert list(path.parent.iterdir()) == [path]
    assert value_in(path) == 1


def test_what_this_process_writes_is_not_swept(tmp_path):
    own = tmp_path / f".torchlearners-{os.getpid()}-{atomic._TOKEN}-7.tmp"
    before = tmp_path / f".torchlearners-{os.getpid()}-00000000-7.tmp"
    own.touch()
    before.touch()  # by a process that had the same pid
    assert sweep(tmp_path) == [before]
    assert list(tmp_path.iterdir()) == [own]


@posix
def test_a_process_of_another_user_counts_as_running(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "kill", fail(errno.EPERM))
    (tmp_path / ".torchlearners-12345-00000000-0.tmp").touch()
    assert sweep(tmp_path) == []


def test_a_pid_that_no_process_can_have_is_swept(tmp_path):
    stray = tmp_path / f".torchlearners-{10**30}-00000000-0.tmp"
    stray.touch()
    assert sweep(str(tmp_path)) == [stray]


def test_files_of_others_are_not_swept(tmp_path):
    names = [".other-1-00000000-0.tmp", ".torchlearners-x.tmp", "state", "a.tmp"]
    for name in names:
        (tmp_path / name).touch()
    assert sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == len(names)
    assert sweep(tmp_path / "missing") == []
