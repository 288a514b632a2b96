import os
from pathlib import Path

import pytest

from torchlearners.datasets import clear_data_home, get_data_home
from torchlearners.datasets._home import LOCK_NAME


@pytest.fixture
def user(tmp_path, monkeypatch):
    """Return the home folder of the user, with no variable set."""
    monkeypatch.delenv("TORCHLEARNERS_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_the_folder_is_in_the_home_of_the_user(user):
    assert get_data_home() == str(user / "torchlearners_data")
    assert (user / "torchlearners_data").is_dir()


def test_a_variable_says_which_folder(user, monkeypatch):
    monkeypatch.setenv("TORCHLEARNERS_DATA", str(user / "elsewhere"))
    assert get_data_home() == str(user / "elsewhere")


def test_an_empty_variable_says_nothing(user, monkeypatch):
    monkeypatch.setenv("TORCHLEARNERS_DATA", "")
    assert get_data_home() == str(user / "torchlearners_data")


def test_the_argument_wins_over_the_variable(user, monkeypatch):
    monkeypatch.setenv("TORCHLEARNERS_DATA", str(user / "elsewhere"))
    assert get_data_home("~/here") == os.path.join(user, "here")
    assert get_data_home(Path("~/here")) == os.path.join(user, "here")
    assert not (user / "elsewhere").exists()


def test_only_what_was_downloaded_is_removed(tmp_path):
    ours, others = tmp_path / "mnist", tmp_path / "mine"
    for folder in (ours, others):
        folder.mkdir()
        (folder / "file").touch()
    (ours / LOCK_NAME).touch()
    clear_data_home(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert (others / "file").exists()


def test_a_folder_that_is_empty_then_is_removed_too(tmp_path):
    home = tmp_path / "home"
    (home / "mnist").mkdir(parents=True)
    (home / "mnist" / LOCK_NAME).touch()
    clear_data_home(home)
    assert not home.exists()
