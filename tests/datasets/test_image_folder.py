import os

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from torchlearners.data import ImageColumn
from torchlearners.datasets import load_image_folder

NAMES = [
    "dog/b.JPG",
    "dog/a.jpg",
    "cat/deep/deeper/1.png",
    "cat/2.webp",
    "cat/.hidden.png",
    "cat/.hidden/3.png",
    "cat/notes.txt",
    ".git/4.png",
    "5.png",
]


def make(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def root(tmp_path):
    make(tmp_path, NAMES)
    return tmp_path


def relative(paths, root):
    return [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]


def test_a_folder_is_a_class(root):
    pets = load_image_folder(root)
    found = ["cat/2.webp", "cat/deep/deeper/1.png", "dog/a.jpg", "dog/b.JPG"]
    assert isinstance(pets.data, ImageColumn)
    assert relative(pets.data.sources, root) == found
    assert pets.target.tolist() == [0, 0, 1, 1]
    assert pets.target.dtype == np.int64
    assert pets.target_names.tolist() == ["cat", "dog"]
    assert "4 images" in pets.DESCR
    assert "cat: 2" in pets.DESCR


def test_rows_and_classes_alone_can_be_asked_for(root):
    X, y = load_image_folder(str(root), return_X_y=True)
    pets = load_image_folder(root)
    np.testing.assert_array_equal(X.sources, pets.data.sources)
    np.testing.assert_array_equal(y, pets.target)


def test_rows_are_split_by_scikit_learn(root):
    X, y = load_image_folder(root, return_X_y=True)
    X_train, _, _, y_test = train_test_split(X, y, stratify=y, test_size=2)
    assert isinstance(X_train, ImageColumn)
    assert sorted(y_test) == [0, 1]


def test_classes_can_be_chosen(root):
    make(root, ["ant/1.png"])
    pets = load_image_folder(root, categories=["dog", "ant"])
    assert pets.target_names.tolist() == ["ant", "dog"]
    assert pets.target.tolist() == [0, 1, 1]


def test_extensions_can_be_chosen(root):
    make(root, ["dog/c.tensor"])
    pets = load_image_folder(root, categories=["dog"], extensions=[".TENSOR"])
    assert relative(pets.data.sources, root) == ["dog/c.tensor"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_that_leads_in_a_circle_does_no_harm(root):
    (root / "dog" / "again").symlink_to(root)
    assert len(load_image_folder(root).data) == 4


def test_the_home_folder_can_be_written_short(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setenv("USERPROFILE", str(root.parent))
    assert len(load_image_folder(f"~/{root.name}").data) == 4


# Errors


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"is no folder\. Give the folder that holds"):
        load_image_folder(tmp_path / "missing")


def test_a_folder_without_folders_is_an_error(tmp_path):
    make(tmp_path, ["1.png"])
    with pytest.raises(ValueError, match="has no subfolders, but 1 images"):
        load_image_folder(tmp_path)


def test_a_class_without_images_is_an_error(root):
    make(root, ["ant/notes.txt"])
    with pytest.raises(ValueError, match="subfolders hold no image: 'ant'"):
        load_image_folder(root)


def test_a_class_that_is_misspelt_is_an_error(root):
    with pytest.raises(ValueError, match=r"has 'dogs'.*Did you mean 'dog'\?"):
        load_image_folder(root, categories=["cat", "dogs"])


def test_no_class_at_all_is_an_error(root):
    with pytest.raises(ValueError, match="categories is empty"):
        load_image_folder(root, categories=[])


@pytest.mark.parametrize("categories", ["cat", [1], 3])
def test_classes_are_a_sequence_of_names(root, categories):
    with pytest.raises(ValueError, match="'categories' parameter of load_image_folder"):
        load_image_folder(root, categories=categories)


def test_a_folder_that_cannot_be_read_is_an_error(root, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="deep"):
        load_image_folder(root)
