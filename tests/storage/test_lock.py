import logging
import threading

import pytest

from torchlearners.storage._lock import locked


def test_only_one_holds_a_lock_at_a_time(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_whoever_waits_says_so(tmp_path, caplog):
    entered = threading.Event()

    def wait():
        with locked(tmp_path / "lock"):
            entered.set()

    with caplog.at_level(logging.INFO, "torchlearners"), locked(tmp_path / "lock"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)
    thread.join()
    assert entered.is_set()
    assert "Waiting for another process" in caplog.text


def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
