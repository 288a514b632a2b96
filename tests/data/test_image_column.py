import pickle
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from torchlearners.data import ImageColumn, ImageFailure
from torchlearners.exceptions import UnreadableImageError


class Counted:
    """A source that counts how often it is read."""

    def __init__(self, value=0):
        self.value = value
        self.reads = 0

    def __call__(self):
        self.reads += 1
        return np.full((2, 3), self.value, dtype=np.uint8)


class Untouchable:
    """A source that must not be read."""

    def __call__(self):
        raise AssertionError("decoded")


class LooksAtPaths(ClassifierMixin, BaseEstimator):
    """A classifier that reads no image."""

    def __init__(self, offset=0):
        self.offset = offset

    def fit(self, X, y):
        assert isinstance(X, ImageColumn)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        assert isinstance(X, ImageColumn)
        return np.full(len(X), self.classes_[self.offset])


def counted(n=10, **options):
    return ImageColumn([Counted(row) for row in range(n)], channels=1, **options)


def values(column):
    return [int(image[0, 0, 0]) for image in column]


def reads(column):
    return [source.reads for source in column.sources]


# A sequence


def test_a_row_number_decodes_one_image():
    X = counted()
    assert X[3].shape == (2, 3, 1)
    assert X[np.int64(3)].dtype == np.uint8
    assert X[-1][0, 0, 0] == 9
    assert reads(X) == [0, 0, 0, 2, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(2, 5), [2, 3, 4]),
        (slice(None, None, -3), [9, 6, 3, 0]),
        ([4, 4, 0], [4, 4, 0]),
        ((5, 1), [5, 1]),
        (np.array([-1, 0]), [9, 0]),
        (np.arange(10) % 4 == 1, [1, 5, 9]),
        (pd.Series(np.arange(10) > 7), [8, 9]),
        ([], []),
        (np.zeros(10, dtype=bool), []),
        ((np.array([3]), ...), [3]),
        ((slice(0, 2), ...), [0, 1]),
    ],
)
def test_other_indices_give_a_shorter_column_without_decoding(key, expected):
    X = counted()
    view = X[key]
    assert isinstance(view, ImageColumn)
    assert reads(X) == [0] * 10
    assert values(view) == expected
    assert view.shape == (len(expected),)


def test_an_index_that_is_none_is_an_error():
    X = counted()
    for key in (10, -11, [10], np.zeros(9, dtype=bool), np.zeros((2, 2), dtype=int)):
        with pytest.raises(IndexError):
            X[key]


def test_a_view_of_a_view_counts_its_own_rows():
    view = counted()[5:][[0, 2]]
    assert values(view) == [5, 7]
    with pytest.raises(IndexError, match="no row 2 in a column of 2 images"):
        view[2]


def test_it_has_one_axis():
    X = counted()
    assert (len(X), X.shape, X.ndim) == (10, (10,), 1)


def test_as_an_array_it_is_its_sources():
    X = counted()
    array = np.asarray(X)
    assert array.dtype == object
    assert array.shape == (10,)
    assert reads(X) == [0] * 10
    with pytest.raises(ValueError, match="cannot become an array of float32"):
        np.asarray(X, dtype=np.float32)


def test_arrays_of_one_shape_are_not_stacked():
    X = ImageColumn([np.zeros((2, 2)), np.ones((2, 2))])
    assert X.sources.shape == (2,)
    assert np.asarray(X).shape == (2,)


def test_it_equals_itself_alone():
    X = counted(2)
    assert X == X
    assert (counted(2) == X) is False
    assert (counted(2) != X) is True
    assert (np.zeros(2) == X) is False
    assert (np.zeros(2) == X) is False
    assert len({X, X}) == 1


def test_its_representation_names_a_few_paths():
    assert repr(ImageColumn(list("abcd"))) == "ImageColumn of 4 images: a, b, c, ..."
    assert repr(ImageColumn(["a"])) == "ImageColumn of 1 image: a"


# Elsewhere


@pytest.mark.parametrize("copy", [deepcopy, lambda X: pickle.loads(pickle.dumps(X))])
def test_a_copy_has_the_sources_and_settings_but_no_pixels(copy):
    X = counted(200, cache="images", background=3, transform=np.flipud)
    values(X)
    other = copy(X[100:])
    assert values(other) == list(range(100, 200))
    assert (other.background, other.transform) == (3, np.flipud)
    assert reads(other) == [2] * 100
    assert len(pickle.dumps(X[:1])) < 1000


def test_joblib_hashes_it_by_its_sources():
    paths = ["a.png", "b.png"]
    assert joblib.hash(ImageColumn(paths)) == joblib.hash(ImageColumn(paths))
    assert joblib.hash(ImageColumn(paths)) != joblib.hash(ImageColumn(paths[::-1]))


def test_splitting_decodes_nothing():
    X = ImageColumn([Untouchable() for _ in range(20)])
    y = np.arange(20) % 2
    X_train, X_test, _, _ = train_test_split(X, y, stratify=y, random_state=0)
    assert isinstance(X_train, ImageColumn)
    assert (len(X_train), len(X_test)) == (15, 5)


def test_cross_validation_decodes_nothing():
    X = ImageColumn([Untouchable() for _ in range(24)])
    y = np.repeat([0, 1], 12)
    model = make_pipeline(FunctionTransformer(), LooksAtPaths())
    assert cross_val_score(model, X, y, cv=4).tolist() == [0.5] * 4


def test_a_grid_search_in_processes_decodes_nothing():
    X = ImageColumn([Untouchable() for _ in range(20)])
    y = np.array([0] * 12 + [1] * 8)
    search = GridSearchCV(LooksAtPaths(), {"offset": [0, 1]}, cv=4, n_jobs=2)
    assert search.fit(X, y).best_params_ == {"offset": 0}
    assert search.predict(X).tolist() == [0] * 20


# Reading


def test_an_image_that_cannot_be_read_is_an_error_with_its_row_and_path():
    X = ImageColumn(["a.png", "nowhere.png"])[1:]
    message = r"Row 0 \(nowhere\.png\) cannot be read: FileNotFoundError: No such file"
    with pytest.raises(UnreadableImageError, match=message):
        X[0]
    assert X.read(0) == ImageFailure(
        0, "nowhere.png", "FileNotFoundError: No such file or directory."
    )


def test_iterating_decodes_one_after_another():
    X = counted(3)
    iterator = iter(X)
    next(iterator)
    assert reads(X) == [1, 0, 0]
    assert values(X) == [0, 1, 2]


# transform


def test_transform_changes_every_image():
    X = counted(3, transform=lambda image: image[:, :1] + 1)
    assert X[1].tolist() == [[[2]], [[2]]]
    assert X[1:][0].tolist() == [[[2]], [[2]]]


@pytest.mark.parametrize("wrong", [lambda a: a / 255, lambda a: a[0], lambda a: None])
def test_a_transform_that_returns_no_image_is_an_error_of_the_program(wrong):
    with pytest.raises(TypeError, match="transform must return a uint8 array"):
        counted(1, transform=wrong).read(0)


def test_an_error_in_transform_is_never_an_unreadable_image():
    def fail(image):
        raise OSError("a bug")

    with pytest.raises(OSError, match="a bug") as caught:
        counted(2, transform=fail).read(1)
    assert caught.value.__notes__ == ["Raised by transform for row 1 (<Counted>)."]


# cache


def test_without_a_cache_each_access_reads():
    X = counted(1)
    X[0], X[0]
    assert reads(X) == [2]


def test_images_are_kept_after_their_transform():
    calls = []

    def transform(image):
        calls.append(1)
        return image + 1

    X = counted(3, cache="images", transform=transform)
    view = X[[1, 1, 2]]
    assert values(view) == values(view) == [2, 2, 3]
    assert values(X) == [1, 2, 3]
    assert reads(X) == [1, 1, 1]
    assert len(calls) == 3


def test_writing_into_an_image_does_not_change_what_is_kept():
    X = counted(1, cache="images")
    X[0][:] = 99
    X[0][:] = 99
    assert values(X) == [0]


def test_files_are_kept_as_they_are(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (4, 3), 5).save(path)
    X = ImageColumn([path], cache="bytes", channels=1)
    assert values(X) == [5]
    path.unlink()
    assert values(X) == [5]
    with pytest.raises(UnreadableImageError, match="FileNotFoundError"):
        deepcopy(X)[0]


def test_the_cache_ends_at_its_limit():
    X = counted(4, cache="images", cache_limit=2 * 6)
    values(X), values(X), values(X)
    assert reads(X) == [1, 1, 3, 3]


def test_failures_are_not_kept(tmp_path):
    path = tmp_path / "late.png"
    X = ImageColumn([path], cache="images", channels=1)
    assert isinstance(X.read(0), ImageFailure)
    Image.new("L", (4, 3), 5).save(path)
    assert values(X) == [5]


def test_settings_that_are_none_are_refused():
    with pytest.raises(ValueError, match="cache must be None, 'bytes' or 'images'"):
        ImageColumn(["a.png"], cache="disk")
    with pytest.raises(ValueError, match="channels must be 1"):
        ImageColumn(["a.png"], channels=4)
