import socket
from urllib.parse import urlsplit

import pytest

from torchlearners import datasets
from torchlearners.datasets import list_datasets
from torchlearners.datasets._sources import SOURCES

EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))


def test_listing_needs_no_network_and_no_disk(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setenv("TORCHLEARNERS_DATA", str(tmp_path / "data"))
    rows = list_datasets()
    assert [row.name for row in rows] == sorted(SOURCES)
    assert {row.task for row in rows} == {"image classification"}
    assert not (tmp_path / "data").exists()


def test_the_list_is_a_table():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(list_datasets()).set_index("name")
    assert table.loc["mnist", "n_rows"] == 70_000
    assert table.loc["tiny_imagenet", "n_bytes"] == 248_100_043


def test_every_listed_set_has_a_function():
    for row in list_datasets():
        assert callable(getattr(datasets, f"fetch_{row.name}"))


@EVERY_SOURCE
def test_every_file_has_a_digest_a_size_and_an_address(source):
    for file in source.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.n_bytes > 0
        assert all(urlsplit(url).scheme in ("http", "https") for url in file.urls)
        assert all(url.endswith("/" + file.name) for url in file.urls)


@EVERY_SOURCE
def test_no_file_can_hold_a_pickle(source):
    assert not [f.name for f in source.files if "python" in f.name or "pkl" in f.name]


@EVERY_SOURCE
def test_the_description_tells_source_licence_citation_and_sizes(source):
    text = source.description
    for part in (source.licence, source.citation, source.homepage, str(source.n_train)):
        assert part in text
    for file in source.files:
        assert f"{file.urls[0]}, {file.n_bytes} bytes" in text
