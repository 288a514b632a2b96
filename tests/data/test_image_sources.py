import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset

from torchlearners.data import ImageColumn, as_image_column
from torchlearners.exceptions import UnreadableImageError

GRAY = Image.new("L", (3, 2), 7)


@pytest.fixture
def folder(tmp_path):
    """Make a folder of two classes, with files that are not images between."""
    for i, name in enumerate(
        ["dog/b.PNG", "cat/2.png", "cat/10.png", "dog/deep/a.png"]
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), 10 * i).save(path, "PNG")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_text("no image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "above.png").write_text("outside of the classes")
    return tmp_path


# Containers


@pytest.mark.parametrize(
    "X",
    [
        ["a.png", "b.png"],
        ("a.png", "b.png"),
        np.array(["a.png", "b.png"]),
        np.array(["a.png", "b.png"], dtype=object),
        np.array([["a.png"], ["b.png"]], dtype=object),
        pd.Series(["a.png", "b.png"], index=[7, 3]),
        pd.DataFrame({"path": ["a.png", "b.png"]}),
        pd.Series(["a.png", "b.png"], dtype="string"),
        pl.Series(["a.png", "b.png"]),
        pl.DataFrame({"path": ["a.png", "b.png"]}),
        pd.Series(["a.png", "b.png"], dtype="category"),
    ],
)
def test_paths_in_any_container_are_a_column(X):
    column = as_image_column(X)
    assert isinstance(column, ImageColumn)
    assert [column.path(row) for row in range(len(column))] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "X",
    [
        [GRAY, GRAY],
        [np.zeros((2, 3)), np.zeros((3, 2))],
        [torch.zeros(3, 4, 4), torch.zeros(3, 5, 5)],
        [b"abc", b"def"],
        [lambda: GRAY, lambda: GRAY],
        ["a.png", None],
        ["a.png", float("nan")],
        pd.Series(["a.png", None]),
        pd.Series(["a.png", pd.NA], dtype="string"),
        pl.Series([b"abc", None]),
        pd.Series([np.zeros((2, 3)), np.zeros((2, 3))]),
        [GRAY, np.zeros((2, 3))],
    ],
)
def test_images_of_any_kind_are_a_column(X):
    assert as_image_column(X).shape == (2,)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((2, 4, 4)),
        np.zeros((2, 64)),
        np.zeros(2),
        torch.zeros(2, 3, 4, 4),
        [[1.0, 2.0], [3.0, 4.0]],
        [np.zeros((2, 3)), np.zeros((2, 3))],
        [torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)],
        [],
        [None, None],
        pd.DataFrame({"a": [1.0], "b": [2.0]}),
        pd.DataFrame({"a": ["x"], "b": ["y"]}),
        pd.Series([1, 2]),
        pd.Series([True, False]),
        {"a": 1},
        None,
        3,
    ],
)
def test_numbers_are_no_column(X):
    assert as_image_column(X) is None


def test_a_column_stays_the_same_column():
    column = ImageColumn(["a.png"], channels=1)
    assert as_image_column(column) is column


def test_options_are_those_of_the_column():
    assert as_image_column(["a.png"], channels=1).channels == 1


@pytest.mark.parametrize("X", ["folder", b"abc"])
def test_a_single_path_is_refused_with_what_to_do(X):
    with pytest.raises(ValueError, match=r"use ImageColumn\.from_folder"):
        as_image_column(X)


def test_what_is_no_image_is_refused_with_its_row():
    with pytest.raises(TypeError, match="Row 1 is no image but float"):
        ImageColumn(["a.png", 1.5])
    with pytest.raises(TypeError, match="numeric arrays need no column"):
        ImageColumn(np.zeros((3, 4, 4)))


# Folders


def test_the_subfolders_are_the_classes_in_the_order_of_names(folder):
    X, y = ImageColumn.from_folder(folder, channels=1)
    assert y.tolist() == ["cat", "cat", "dog", "dog"]
    paths = [X.path(row).removeprefix(str(folder)) for row in range(4)]
    assert paths == ["/cat/10.png", "/cat/2.png", "/dog/b.PNG", "/dog/deep/a.png"]
    assert [int(image[0, 0, 0]) for image in X] == [20, 10, 0, 30]


def test_a_folder_may_be_given_as_a_string(folder):
    X, y = ImageColumn.from_folder(str(folder))
    assert len(X) == len(y) == 4


def test_a_class_without_images_is_an_error(folder):
    (folder / "bird").mkdir()
    (folder / "fish").mkdir()
    with pytest.raises(ValueError, match=r"hold no image: 'bird', 'fish'. Remove them"):
        ImageColumn.from_folder(folder)


def test_a_folder_without_subfolders_is_an_error(folder):
    with pytest.raises(ValueError, match=r"has no subfolders, but 2 images.*root/cat/"):
        ImageColumn.from_folder(folder / "cat")


def test_a_folder_that_is_none_is_an_error(folder):
    with pytest.raises(ValueError, match="nowhere' is no folder"):
        ImageColumn.from_folder(folder / "nowhere")
    with pytest.raises(ValueError, match="is a file, not a folder"):
        ImageColumn.from_folder(folder / "above.png")


# Tables


@pytest.mark.parametrize("library", [pd, pl])
def test_a_column_of_a_table_names_files_below_a_folder(folder, library):
    frame = library.DataFrame({"file": ["cat/2.png", "dog/b.PNG"], "n": [1, 2]})
    X = ImageColumn.from_frame(frame, "file", root=folder, channels=1)
    assert [int(image[0, 0, 0]) for image in X] == [10, 0]


def test_a_table_may_hold_bytes_and_gaps(folder):
    data = (folder / "cat" / "2.png").read_bytes()
    frame = pd.DataFrame({"image": [data, None]})
    X = ImageColumn.from_frame(frame, "image", root="elsewhere")
    assert X[0].shape == (3, 4, 3)
    with pytest.raises(UnreadableImageError, match=r"Row 1 .* missing value"):
        X[1]


def test_a_column_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="no column 'image'; it has 'a', 'b'"):
        ImageColumn.from_frame(pd.DataFrame({"a": [], "b": []}), "image")


# Datasets


class Shapes(Dataset):
    """A dataset that counts how often an item was fetched."""

    def __init__(self, n=4, label=int):
        self.n = n
        self.label = label
        self.fetched = []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.fetched.append(i)
        return Image.new("L", (3, 2), i), self.label(i % 2)


class WithTargets(Shapes):
    targets = [0, 1, 0, 1]


class LikeHuggingFace:
    column_names = ["image", "label"]

    def __len__(self):
        return 2

    def __getitem__(self, key):
        if key == "label":
            return ["x", "y"]
        return {"image": GRAY, "label": "xy"[key]}


def test_items_of_a_dataset_are_fetched_when_they_are_needed():
    dataset = WithTargets()
    X, y = ImageColumn.from_dataset(dataset, channels=1)
    assert y.tolist() == [0, 1, 0, 1]
    assert dataset.fetched == []
    assert X[2][0, 0, 0] == 2
    assert dataset.fetched == [2]
    assert X.path(2) == "item 2 of WithTargets"


@pytest.mark.parametrize("label", [int, str, float, np.int64, torch.tensor])
def test_without_a_list_of_labels_each_item_is_fetched_once(label):
    dataset = Shapes(label=label)
    X, y = ImageColumn.from_dataset(dataset)
    assert isinstance(y, np.ndarray)
    assert y.tolist() == [label(i % 2) for i in range(4)]
    assert dataset.fetched == [0, 1, 2, 3]
    assert len(X) == 4


def test_labels_that_are_changed_by_the_dataset_are_taken_from_its_items():
    dataset = WithTargets(label=lambda i: "ab"[i])
    dataset.target_transform = "any"
    assert ImageColumn.from_dataset(dataset)[1].tolist() == ["a", "b", "a", "b"]


def test_other_labels_come_as_a_list():
    dataset = Shapes(label=lambda i: {"boxes": i})
    assert ImageColumn.from_dataset(dataset)[1][1] == {"boxes": 1}


def test_a_subset_knows_the_labels_of_the_whole():
    dataset = WithTargets()
    X, y = ImageColumn.from_dataset(Subset(dataset, [3, 2]), channels=1)
    assert (y.tolist(), dataset.fetched) == ([1, 0], [])
    assert [int(image[0, 0, 0]) for image in X] == [3, 2]


def test_named_columns_are_found():
    X, y = ImageColumn.from_dataset(LikeHuggingFace(), channels=1)
    assert y.tolist() == ["x", "y"]
    assert X[1].shape == (2, 3, 1)


def test_tensors_of_a_dataset_have_channels_first():
    dataset = TensorDataset(torch.rand(3, 3, 4, 5), torch.tensor([5, 6, 7]))
    X, y = ImageColumn.from_dataset(dataset)
    assert X[0].shape == (4, 5, 3)
    assert y.tolist() == [5, 6, 7]


def test_a_plain_folder_dataset_gives_its_paths(folder):
    class LikeImageFolder(Shapes):
        transform = target_transform = None
        targets = [0, 1]

        def loader(self):
            """Stand for torchvision's."""

    LikeImageFolder.loader.__module__ = "torchvision.datasets.folder"
    dataset = LikeImageFolder(2)
    dataset.samples = [(str(folder / "cat/2.png"), 0), (str(folder / "dog/b.PNG"), 1)]
    X, y = ImageColumn.from_dataset(dataset)
    assert y.tolist() == [0, 1]
    assert X.path(1).endswith("b.PNG")
    dataset.transform = str
    assert ImageColumn.from_dataset(dataset)[0].path(1) == "item 1 of LikeImageFolder"


def test_a_column_of_a_dataset_can_be_pickled():
    X, _ = ImageColumn.from_dataset(WithTargets(), channels=1)
    copy = pickle.loads(pickle.dumps(X))
    assert copy[3][0, 0, 0] == 3


def test_a_stream_is_no_dataset():
    with pytest.raises(TypeError, match="generator streams them or is none"):
        ImageColumn.from_dataset(i for i in range(3))
