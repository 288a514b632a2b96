import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

from torchlearners.datasets._home import LOCK_NAME
from torchlearners.datasets._place import Place
from torchlearners.datasets._sources import SOURCES
from torchlearners.exceptions import DatasetError

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

MEMBERS = {f"top/{i}.bin": np.random.RandomState(i).bytes(50_000) for i in range(6)}

# What each process does; a line on stdin starts it once all of them are there.
SCRIPT = """
import dataclasses, sys, time
from pathlib import Path
from torchlearners.datasets import _extract
from torchlearners.datasets._download import RemoteFile
from torchlearners.datasets._place import Place
from torchlearners.datasets._sources import SOURCES

url, sha256, n_bytes, folder = sys.argv[1:]
archive = RemoteFile("archive.tar.gz", (url,), sha256, int(n_bytes))
source = dataclasses.replace(SOURCES["cifar10"], files=(archive,))
place = Place(source, Path(folder), True, n_retries=0, delay=0.0)

def say(text):
    print(text, flush=True)

"""
FETCH = """
say("ready")
input()
say(place.extracted())
"""
STOP_HALF_WAY = """
write = _extract._write

def write_and_stop(file, path):
    write(file, path)
    if path.name == "2.bin":
        say("half way")
        time.sleep(100)

_extract._write = write_and_stop
place.extracted()
"""


@pytest.fixture
def archive(server):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as opened:
        for name, member in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            opened.addfile(info, io.BytesIO(member))
    return server.publish("archive.tar.gz", content.getvalue())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "set"


def place_of(archive, folder, download_if_missing=True):
    source = dataclasses.replace(SOURCES["cifar10"], files=(archive,))
    return Place(source, folder, download_if_missing, n_retries=0, delay=0.0)


@pytest.fixture
def start(archive, folder):
    """Return a function that starts a process; it is killed when the test ends."""
    processes = []

    def start(code):
        arguments = [archive.urls[0], archive.sha256, str(archive.n_bytes), str(folder)]
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT + code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def assert_good(folder):
    """Check that all is extracted, and that nothing else is left."""
    extracted = folder / "extracted"
    found = {p.relative_to(extracted).as_posix() for p in extracted.rglob("*.bin")}
    assert found == set(MEMBERS)
    for name, content in MEMBERS.items():
        assert (extracted / name).read_bytes() == content
    assert {p.name for p in folder.iterdir()} == {LOCK_NAME, "extracted"}


def test_an_archive_is_downloaded_and_extracted_once(server, archive, folder):
    for _ in range(3):
        place_of(archive, folder).extracted()
        assert_good(folder)
    assert len(server.requests) == 1


def test_an_archive_that_was_put_there_by_hand_is_extracted(server, archive, folder):
    folder.mkdir()
    content = server.files["/archive.tar.gz"]
    (folder / "archive.tar.gz").write_bytes(content)
    place_of(archive, folder, download_if_missing=False).extracted()
    assert_good(folder)
    assert server.requests == []


def test_an_archive_that_is_garbled_is_never_extracted(server, archive, folder):
    server.faults = [{"body": bytes(archive.n_bytes)}]
    with pytest.raises(DatasetError, match="garbled"):
        place_of(archive, folder).extracted()
    assert {p.name for p in folder.iterdir()} == {LOCK_NAME}
    place_of(archive, folder).extracted()
    assert_good(folder)


def test_what_must_not_be_downloaded_is_an_error(server, archive, folder):
    place = place_of(archive, folder, download_if_missing=False)
    with pytest.raises(DatasetError, match=r"CIFAR-10 is not, or not whole, in .*set"):
        place.extracted()
    with pytest.raises(DatasetError, match=r"missing=False\. Set it to True"):
        place.files([archive])
    assert server.requests == []
    assert not folder.exists()


def test_what_is_there_is_read_without_the_lock(archive, folder, monkeypatch):
    place = place_of(archive, folder)
    place.files([archive])
    place.extracted()

    def refuse(self):
        raise AssertionError("the lock was taken")

    monkeypatch.setattr(Place, "_lock", refuse)
    assert place.extracted() == folder / "extracted"


# Other processes


def test_two_processes_at_a_time_download_once(server, archive, folder, start):
    server.faults = [{"sent": archive.n_bytes // 2, "wait": 0.5}]
    processes = [start(FETCH), start(FETCH)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert out == f"{folder / 'extracted'}\n"
    assert len(server.requests) == 1
    assert_good(folder)


@posix
def test_a_download_that_was_killed_goes_on(server, archive, folder, start):
    half = archive.n_bytes // 2
    server.faults = [{"sent": half, "wait": 60}]
    process = start(FETCH)
    process.stdin.write("go\n")
    process.stdin.flush()
    part = folder / "archive.tar.gz.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > half // 2):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    arrived = part.stat().st_size
    place_of(archive, folder).extracted()
    assert server.requests[1:] == [("/archive.tar.gz", f"bytes={arrived}-")]
    assert_good(folder)


@posix
def test_an_extraction_that_was_killed_is_done_again(server, archive, folder, start):
    process = start(STOP_HALF_WAY)
    assert process.stdout.readline() == "half way\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "extracted").exists()
    assert (folder / ".extracted.extracting" / "top" / "2.bin").exists()
    place_of(archive, folder, download_if_missing=False).extracted()
    assert len(server.requests) == 1
    assert_good(folder)
