import dataclasses
import gzip
import inspect
import io
import tarfile
import zipfile

import numpy as np
import pytest

from torchlearners import datasets
from torchlearners.datasets import (
    fetch_cifar10,
    fetch_cifar100,
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_tiny_imagenet,
)
from torchlearners.datasets._sources import SOURCES
from torchlearners.exceptions import DatasetError

NAMES = sorted(SOURCES)
# Rows of the subsets that the tests publish.
N_TRAIN, N_TEST = 10, 4


def random_bytes(*shape, seed=0):
    return np.random.RandomState(seed).randint(256, size=shape).astype(np.uint8)


def idx(array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    header = bytes([0, 0, 8, array.ndim]) + sizes
    return gzip.compress(header + array.tobytes(), mtime=0)


def tar_of(members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return content.getvalue()


def zip_of(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def mnist_files():
    return {
        "train-images-idx3-ubyte.gz": idx(random_bytes(N_TRAIN, 28, 28)),
        "train-labels-idx1-ubyte.gz": idx(np.arange(N_TRAIN, dtype=np.uint8)),
        "t10k-images-idx3-ubyte.gz": idx(random_bytes(N_TEST, 28, 28, seed=1)),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(N_TEST, dtype=np.uint8)),
    }


def cifar10_files():
    members = {"cifar-10-batches-bin/batches.meta.txt": b"airplane\nautomobile\n\n"}
    for i in range(1, 6):
        rows = random_bytes(N_TRAIN // 5, 3073, seed=i)
        rows[:, 0] = i - 1
        members[f"cifar-10-batches-bin/data_batch_{i}.bin"] = rows.tobytes()
    rows = random_bytes(N_TEST, 3073)
    rows[:, 0] = 9
    members["cifar-10-batches-bin/test_batch.bin"] = rows.tobytes()
    return {"cifar-10-binary.tar.gz": tar_of(members)}


def cifar100_files():
    members = {
        "cifar-100-binary/fine_label_names.txt": b"apple\naquarium_fish\n",
        "cifar-100-binary/coarse_label_names.txt": b"aquatic_mammals\nfish\n",
    }
    for name, n in {"train": N_TRAIN, "test": N_TEST}.items():
        rows = random_bytes(n, 3074)
        rows[:, 0], rows[:, 1] = 5, np.arange(n) + 90
        members[f"cifar-100-binary/{name}.bin"] = rows.tobytes()
    return {"cifar-100-binary.tar.gz": tar_of(members)}


def tiny_imagenet_files():
    top = "tiny-imagenet-200/"
    members = {
        top + "wnids.txt": b"n02\nn01\n",
        top + "words.txt": b"n00\tentity\nn01\tgoldfish, Carassius\nn02\tcrane\n",
        top + "test/images/test_0.JPEG": b"no label",
        top + "val/val_annotations.txt": b"".join(
            b"val_%d.JPEG\tn0%d\t0\t0\t9\t9\n" % (i, 1 + i % 2) for i in range(N_TEST)
        ),
    }
    for i in range(N_TEST):
        members[top + f"val/images/val_{i}.JPEG"] = b""
    for wnid in ("n01", "n02"):
        members[top + f"train/{wnid}/{wnid}_boxes.txt"] = b""
        # Numbers of one digit and of two, which sort in another order as text.
        for i in range(8, 8 + N_TRAIN // 2):
            members[top + f"train/{wnid}/images/{wnid}_{i}.JPEG"] = b""
    return {"tiny-imagenet-200.zip": zip_of(members)}


FILES = {
    "mnist": mnist_files,
    "fashion_mnist": mnist_files,
    "cifar10": cifar10_files,
    "cifar100": cifar100_files,
    "tiny_imagenet": tiny_imagenet_files,
}


@pytest.fixture
def home(server, monkeypatch, tmp_path):
    """Serve small data sets of the same form, and return an empty data home."""
    for name, files in FILES.items():
        published = []
        for file, content in files().items():
            remote = server.publish(f"{name}/{file}", content)
            published.append(dataclasses.replace(remote, name=file))
        source = dataclasses.replace(
            SOURCES[name], files=tuple(published), n_train=N_TRAIN, n_test=N_TEST
        )
        monkeypatch.setitem(SOURCES, name, source)
    monkeypatch.setenv("TORCHLEARNERS_DATA", str(tmp_path / "unused"))
    return tmp_path / "home"


def fetch(name, **options):
    return getattr(datasets, f"fetch_{name}")(**options)


every_set = pytest.mark.parametrize("name", NAMES)


# What all have in common


@every_set
def test_a_bunch_has_data_target_names_and_description(home, name):
    bunch = fetch(name, data_home=home)
    assert len(bunch.data) == len(bunch.target) == N_TRAIN
    assert bunch.target.dtype == np.int64
    assert bunch.target_names.ndim == 1
    assert SOURCES[name].licence in bunch.DESCR
    X, y = fetch(name, data_home=home, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


@every_set
def test_all_rows_are_the_training_rows_and_then_the_test_rows(home, name):
    train, test, everything = (
        fetch(name, data_home=home, subset=subset)
        for subset in ("train", "test", "all")
    )
    assert len(test.data) == N_TEST
    for key in ("data", "target"):
        both = np.concatenate([train[key], test[key]])
        np.testing.assert_array_equal(everything[key], both)


@every_set
def test_the_second_call_needs_no_server(server, home, name):
    first = fetch(name, data_home=home, subset="all")
    server.files.clear()
    n_requests = len(server.requests)
    again = fetch(name, data_home=home, subset="all", download_if_missing=False)
    np.testing.assert_array_equal(first.data, again.data)
    assert len(server.requests) == n_requests


@every_set
def test_what_is_missing_is_an_error_where_it_must_not_be_downloaded(
    server, home, name
):
    with pytest.raises(OSError, match=f"in .*{name}, and download_if_missing=False"):
        fetch(name, data_home=home, download_if_missing=False)
    assert server.requests == []


@every_set
def test_images_can_be_written_to(home, name):
    assert fetch(name, data_home=home).data.flags.writeable


@every_set
def test_all_functions_take_the_same_parameters(name):
    function = getattr(datasets, f"fetch_{name}")
    assert inspect.signature(function) == inspect.signature(fetch_mnist)
    assert "{" not in function.__doc__.replace('{"train", "test", "all"}', "")
    for parameter in inspect.signature(function).parameters:
        assert f"\n{parameter} : " in function.__doc__


def test_without_a_folder_the_default_one_is_used(home, tmp_path):
    fetch_mnist()
    assert (tmp_path / "unused" / "mnist").is_dir()
    assert not home.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"subset": "valid"},
        {"n_retries": -1},
        {"delay": -1.0},
        {"return_X_y": "yes"},
        {"data_home": 3},
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_done(server, home, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"'{name}' parameter of fetch_mnist must be"):
        fetch_mnist(**{"data_home": home, **wrong})
    assert server.requests == []


def test_retries_are_counted_by_the_parameter(server, home):
    server.faults = [{"status": 500}] * 3
    with pytest.raises(DatasetError, match="HTTP status 500"):
        fetch_cifar10(data_home=home, n_retries=2, delay=0)
    assert len(server.requests) == 3


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "tiny_imagenet"])
def test_a_file_that_was_removed_is_named(home, name):
    fetch(name, data_home=home)
    for path in (home / name / "extracted").rglob("*.*"):
        if path.suffix in (".bin", ".txt"):
            path.unlink()
    with pytest.raises(DatasetError, match=r"is missing.*Remove all of .*and call"):
        fetch(name, data_home=home)


def test_a_number_of_rows_that_is_wrong_is_an_error(home, monkeypatch):
    source = dataclasses.replace(SOURCES["mnist"], n_train=11)
    monkeypatch.setitem(SOURCES, "mnist", source)
    with pytest.raises(DatasetError, match=r"10 images and 10 labels.*instead of 11"):
        fetch_mnist(data_home=home)


# Each of them


def test_mnist_is_gray_images_of_28_pixels(home):
    digits = fetch_mnist(data_home=home)
    np.testing.assert_array_equal(digits.data, random_bytes(N_TRAIN, 28, 28))
    assert digits.target.tolist() == list(range(N_TRAIN))
    assert digits.target_names.tolist() == list("0123456789")


def test_only_the_files_of_the_subset_are_downloaded(server, home):
    fetch_fashion_mnist(data_home=home, subset="test")
    assert [path for path, _ in server.requests] == [
        "/fashion_mnist/t10k-images-idx3-ubyte.gz",
        "/fashion_mnist/t10k-labels-idx1-ubyte.gz",
    ]


def test_mnist_and_fashion_mnist_do_not_share_files(home):
    fetch_mnist(data_home=home)
    clothes = fetch_fashion_mnist(data_home=home)
    assert clothes.target_names[-1] == "Ankle boot"
    assert {p.name for p in home.iterdir()} == {"mnist", "fashion_mnist"}


def test_cifar10_is_color_images_from_five_files(home):
    photographs = fetch_cifar10(data_home=home)
    assert photographs.data.shape == (N_TRAIN, 32, 32, 3)
    first = random_bytes(N_TRAIN // 5, 3073, seed=1)[0, 1:].reshape(3, 32, 32)
    np.testing.assert_array_equal(photographs.data[0], np.moveaxis(first, 0, -1))
    assert photographs.target.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert photographs.target_names.tolist() == ["airplane", "automobile"]
    assert fetch_cifar10(data_home=home, subset="test").target.tolist() == [9] * N_TEST


def test_a_cifar_file_that_was_damaged_later_is_named(home):
    fetch_cifar10(data_home=home)
    path = next(home.rglob("data_batch_3.bin"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"data_batch_3\.bin is damaged.*Remove"):
        fetch_cifar10(data_home=home)


def test_cifar100_has_fine_and_coarse_classes(home):
    photographs = fetch_cifar100(data_home=home)
    assert photographs.target.tolist() == list(range(90, 90 + N_TRAIN))
    assert photographs.coarse_target.tolist() == [5] * N_TRAIN
    assert photographs.target_names.tolist() == ["apple", "aquarium_fish"]
    assert photographs.coarse_target_names.tolist() == ["aquatic_mammals", "fish"]


def test_tiny_imagenet_is_paths(home):
    photographs = fetch_tiny_imagenet(data_home=home, subset="all")
    assert photographs.data.dtype == object
    folder = home / "tiny_imagenet" / "extracted" / "tiny-imagenet-200"
    images = folder / "train" / "n01" / "images"
    assert photographs.data[:3].tolist() == [
        str(images / f"n01_{i}.JPEG") for i in (8, 9, 10)
    ]
    assert photographs.target.tolist() == [0] * 5 + [1] * 5 + [0, 1] * 2
    assert photographs.target_names.tolist() == ["goldfish, Carassius", "crane"]
    assert photographs.wnids.tolist() == ["n01", "n02"]
    assert photographs.data[-1] == str(folder / "val" / "images" / "val_3.JPEG")


def test_images_of_tiny_imagenet_without_labels_are_left_out(home):
    fetch_tiny_imagenet(data_home=home)
    extracted = home / "tiny_imagenet" / "extracted" / "tiny-imagenet-200"
    assert {p.name for p in extracted.iterdir()} == {
        "train",
        "val",
        "wnids.txt",
        "words.txt",
    }
