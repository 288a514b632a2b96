import errno
import logging
import os

import numpy as np
import pytest

from torchlearners.datasets import _download as download_module
from torchlearners.datasets._download import RemoteFile, download
from torchlearners.exceptions import DatasetError

CONTENT = np.random.RandomState(0).bytes(300_000)
HALF = 150_000
# Where nothing listens: port 1 is of a service that is gone for decades.
NOWHERE = "http://127.0.0.1:1/file"


@pytest.fixture
def remote(server):
    return server.publish("file", CONTENT)


def fetch(remote, folder, n_retries=3):
    return download(remote, folder, n_retries=n_retries, delay=0.001)


def assert_whole(path):
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_file_is_downloaded_once(server, remote, tmp_path):
    assert_whole(fetch(remote, tmp_path))
    assert_whole(fetch(remote, tmp_path))
    assert len(server.requests) == 1


def test_nothing_is_asked_for_where_the_file_was_put_by_hand(server, remote, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert_whole(fetch(remote, tmp_path))
    assert server.requests == []


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" + CONTENT[1:]])
def test_a_file_that_was_damaged_later_is_downloaded_again(
    server, remote, tmp_path, damage, caplog
):
    (tmp_path / "file").write_bytes(damage)
    with caplog.at_level(logging.WARNING, "torchlearners"):
        assert_whole(fetch(remote, tmp_path))
    assert "is damaged; it is downloaded again" in caplog.text


# Connections that break


def test_a_broken_connection_goes_on_where_it_stopped(server, remote, tmp_path):
    server.faults = [{"sent": HALF}, {"sent": 1000}]
    assert_whole(fetch(remote, tmp_path))
    asked = [asked for _, asked in server.requests]
    assert asked == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_another_call_goes_on_where_the_first_one_stopped(server, remote, tmp_path):
    server.faults = [{"sent": HALF}]
    with pytest.raises(DatasetError, match=f"ended after {HALF} of 300000 bytes"):
        fetch(remote, tmp_path, n_retries=0)
    assert not (tmp_path / "file").exists()
    assert_whole(fetch(remote, tmp_path))
    assert server.requests[-1] == ("/file", f"bytes={HALF}-")


def test_a_broken_connection_without_a_length_is_found(server, remote, tmp_path):
    server.lengths = False
    server.faults = [{"sent": HALF}]
    assert_whole(fetch(remote, tmp_path))
    assert len(server.requests) == 2


def test_a_server_that_ignores_ranges_sends_all_again(server, remote, tmp_path):
    server.ranges = False
    server.faults = [{"sent": HALF}]
    assert_whole(fetch(remote, tmp_path))
    assert server.requests[-1] == ("/file", f"bytes={HALF}-")


@pytest.mark.parametrize("version", [None, "weak ETag"])
def test_without_an_exact_version_a_download_starts_again(
    server, remote, tmp_path, version
):
    server.version = version
    server.faults = [{"sent": HALF}]
    assert_whole(fetch(remote, tmp_path))
    assert server.requests[-1] == ("/file", None)


def test_a_date_of_change_is_a_version_too(server, remote, tmp_path):
    server.version = "Last-Modified"
    server.faults = [{"sent": HALF}]
    assert_whole(fetch(remote, tmp_path))
    assert server.requests[-1] == ("/file", f"bytes={HALF}-")


def test_a_part_of_another_version_is_not_used(server, remote, tmp_path):
    other = bytes(len(CONTENT))
    server.faults = [{"sent": HALF, "body": other}]
    assert_whole(fetch(remote, tmp_path))
    # The server saw from If-Range that its file is another one.
    assert server.requests[-1] == ("/file", f"bytes={HALF}-")


def test_a_part_of_another_address_is_not_used(server, remote, tmp_path):
    server.publish("mirror", CONTENT)
    both = (server.url + "file", server.url + "mirror")
    remote = RemoteFile("file", both, remote.sha256, remote.n_bytes)
    server.faults = [{"sent": HALF}]
    assert_whole(fetch(remote, tmp_path, n_retries=0))
    assert server.requests == [("/file", None), ("/mirror", None)]


def test_a_part_that_was_damaged_on_the_disk_is_downloaded_again(
    server, remote, tmp_path
):
    server.faults = [{"sent": HALF}]
    with pytest.raises(DatasetError, match="connection ended"):
        fetch(remote, tmp_path, n_retries=0)
    (tmp_path / "file.part").write_bytes(bytes(HALF))
    assert_whole(fetch(remote, tmp_path, n_retries=0))
    assert [asked for _, asked in server.requests] == [None, f"bytes={HALF}-", None]


def test_a_part_that_is_whole_needs_no_server(server, remote, tmp_path):
    # As where the process was killed before it could rename the part.
    fetch(remote, tmp_path).rename(tmp_path / "file.part")
    (tmp_path / "file.part-of").write_text(f'{remote.urls[0]}\n"tag"')
    assert_whole(fetch(remote, tmp_path))
    assert len(server.requests) == 1


def test_a_part_that_is_too_long_is_downloaded_again(server, remote, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    (tmp_path / "file.part-of").write_text(f'{remote.urls[0]}\n"tag"')
    assert_whole(fetch(remote, tmp_path))
    assert server.requests == [("/file", None)]


def test_a_server_that_is_silent_is_asked_again(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT", 0.2)
    server.faults = [{"sent": HALF, "wait": 20}, {"sent": 0, "wait": 20}]
    assert_whole(fetch(remote, tmp_path))
    assert server.requests[1:] == [("/file", f"bytes={HALF}-")] * 2


def test_a_slow_server_is_waited_for(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT", 20)
    server.faults = [{"sent": HALF, "wait": 0.5}]
    assert_whole(fetch(remote, tmp_path, n_retries=0))
    assert len(server.requests) == 1


# Answers that are wrong


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_error_that_may_pass_is_tried_again(server, remote, tmp_path, status):
    server.faults = [{"status": status}] * 2
    assert_whole(fetch(remote, tmp_path))
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_error_that_lasts_is_not_tried_again(server, remote, tmp_path, status):
    server.faults = [{"status": status}] * 2
    with pytest.raises(DatasetError, match=f"HTTP status {status}"):
        fetch(remote, tmp_path)
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_range_that_is_refused_is_given_up(server, remote, tmp_path):
    server.faults = [{"sent": HALF}, {"status": 416}]
    assert_whole(fetch(remote, tmp_path))
    asked = [asked for _, asked in server.requests]
    assert asked == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Please log in</html>", "a proxy or a login page may stand between"),
        (bytes(len(CONTENT)), "what arrived is garbled: its SHA-256 digest is not"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_never_left(
    server, remote, tmp_path, body, message
):
    server.faults = [{"body": body}] * 3
    with pytest.raises(DatasetError, match=message):
        fetch(remote, tmp_path, n_retries=2)
    assert list(tmp_path.iterdir()) == []
    assert_whole(fetch(remote, tmp_path))


def test_a_file_that_is_too_long_is_cut_off(server, remote, tmp_path):
    server.lengths = False
    server.faults = [{"body": CONTENT + b"more"}]
    with pytest.raises(DatasetError, match="more than 300000 bytes arrived"):
        fetch(remote, tmp_path, n_retries=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_garbled_once_is_tried_again(server, remote, tmp_path):
    server.faults = [{"body": bytes(len(CONTENT))}]
    assert_whole(fetch(remote, tmp_path))
    assert len(server.requests) == 2


def test_the_next_address_is_tried_where_one_fails(server, remote, tmp_path):
    urls = (NOWHERE, server.url + "missing", *remote.urls)
    remote = RemoteFile("file", urls, remote.sha256, remote.n_bytes)
    assert_whole(fetch(remote, tmp_path, n_retries=1))
    assert [path for path, _ in server.requests] == ["/missing", "/file"]


def test_the_error_names_each_failure_and_says_what_to_do(server, remote, tmp_path):
    urls = (server.url + "missing", NOWHERE)
    remote = RemoteFile("file", urls, remote.sha256, remote.n_bytes)
    with pytest.raises(DatasetError) as caught:
        fetch(remote, tmp_path, n_retries=1)
    text = str(caught.value)
    assert f"{urls[0]}: HTTP status 404 (Not Found)" in text
    assert f"{urls[1]}: no connection" in text
    assert text.endswith(f"or save {urls[0]} as {tmp_path / 'file'} by other means.")
    assert isinstance(caught.value, OSError)


def test_retries_wait_longer_each_time(server, remote, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download_module.time, "sleep", waits.append)
    server.faults = [{"status": 500}] * 4
    with pytest.raises(DatasetError, match="HTTP status 500"):
        download(remote, tmp_path, n_retries=3, delay=0.5)
    assert waits == [0.5, 1.0, 2.0]


# The disk


def test_a_full_disk_is_named(remote, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatasetError, match=r"No space left.*\. Free some space, or"):
        fetch(remote, tmp_path)
    assert not (tmp_path / "file").exists()


def test_the_data_is_on_the_disk_before_its_name_is(remote, tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync") or fsync(fd))
    monkeypatch.setattr(
        os, "replace", lambda *names: calls.append("replace") or replace(*names)
    )
    fetch(remote, tmp_path)
    assert calls[:2] == ["fsync", "replace"]
