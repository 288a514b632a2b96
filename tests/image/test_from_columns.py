import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from torch.utils.data import IterableDataset, Subset, TensorDataset

from torchlearners.augmentation import AugmentDisplay
from torchlearners.data import ImageColumn, ImageFailure
from torchlearners.exceptions import UnreadableImageError, UnreadableImageWarning
from torchlearners.image import CNN, ImageClassifier, ImageEncoder, ImageRegressor
from torchlearners.testing import FlakyStore

N = 30


def small(cls=ImageClassifier, **params):
    settings = {"backbone": CNN(width=4), "max_epochs": 2, "random_state": 0}
    return cls(**{**settings, **params})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of small PNGs of several sizes: dark ones and bright ones."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(N):
        size = (*rng.integers(9, 14, size=2), 3)
        pixels = rng.integers(0, 90, size=size) + 150 * (i % 2)
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        name = root / "ab"[i % 2] / f"{i:02}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(name)
    return root


@pytest.fixture
def files(folder):
    X, y = ImageColumn.from_folder(folder)
    order = np.random.default_rng(1).permutation(N)
    return X[order], y[order]


@pytest.fixture(scope="module")
def fitted(folder):
    X, y = ImageColumn.from_folder(folder)
    return small(max_epochs=6).fit(X, y)


class Counted:
    """An image that counts how often it is read."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.n_reads = 0

    def __call__(self):
        self.n_reads += 1
        return self.pixels


def counted(n=24):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    images = [rng.integers(0, 90, (9, 10)) + 150 * label for label in y]
    return ImageColumn([Counted(i.astype(np.uint8)) for i in images]), y


def n_reads(X):
    return [source.n_reads for source in X.sources]


def every_form(X):
    paths = X.sources.tolist()
    data = [Path(path).read_bytes() for path in paths]
    pixels = np.empty(len(X), dtype=object)
    for row, image in enumerate(X):
        pixels[row] = image
    return {
        "paths": paths,
        "array of str": np.array(paths),
        "bytes": data,
        "PIL": [Image.open(io.BytesIO(one)) for one in data],
        "list of arrays": list(pixels),
        "object array": pixels,
        "series": pd.Series(paths),
        "frame": pd.DataFrame({"file": paths}),
        "polars series": pl.Series(paths),
        "polars frame": pl.DataFrame({"file": paths}),
    }


def test_classes_of_files_are_learned(fitted, files):
    assert fitted.score(*files) == 1.0


def test_every_form_of_the_same_images_gives_the_same_fit_and_predictions(files):
    X, y = files
    wanted = small().fit(X, y).predict_proba(X)
    for name, form in every_form(X).items():
        learner = small().fit(form, y)
        assert np.array_equal(learner.predict_proba(form), wanted), name


def test_files_give_what_an_array_of_their_pixels_gives(files):
    X, y = files
    squares = ImageColumn(X.sources, transform=lambda image: image[:9, :9])
    array = np.stack(list(squares))
    by_files, by_array = small().fit(squares, y), small().fit(array, y)
    assert np.array_equal(by_files.predict_proba(array), by_array.predict_proba(array))
    assert np.array_equal(
        by_array.predict_proba(squares), by_files.predict_proba(array)
    )


def test_gray_images_have_one_channel(files):
    X, y = files
    gray = ImageColumn(X.sources, channels=1)
    learner = small().fit(gray, y)
    assert learner._columns.size[0] == 1
    # Paths are read with as many channels as the learner knows.
    wanted = learner.predict_proba(gray)
    assert np.array_equal(learner.predict_proba(X.sources.tolist()), wanted)
    with pytest.raises(ValueError, match="channels=3, but those that"):
        learner.predict(X)


def test_image_size_and_resize_say_what_the_network_sees(files):
    X, y = files
    assert small(image_size=12).fit(X, y)._columns.size == (3, 12, 12)
    wide = small(image_size=(8, 16)).fit(X, y)
    assert wide._columns.size == (3, 8, 16)
    padded = small(image_size=(8, 16), resize="pad").fit(X, y)
    assert not np.array_equal(wide.predict_proba(X), padded.predict_proba(X))


def test_without_image_size_mixed_sizes_become_their_median(files):
    X, y = files
    sizes = np.array([image.shape[:2] for image in X])
    found = small().fit(X, y)._columns.size[1:]
    assert found == tuple(np.median(sizes, axis=0).round())


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_images_are_read_as_the_column_of_the_fit_was(channels):
    rng = np.random.default_rng(0)
    sizes = [(9 + i % 3, 8 + i % 2) for i in range(12)]
    shapes = [size if channels == 1 else (*size, 3) for size in sizes]
    images = [rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    learner = small(max_epochs=1).fit(images, [0, 1] * 6, X_val=images[:1], y_val=[0])
    together = learner.predict_proba(images)
    same = [image for image in images if image.shape == images[0].shape]
    assert len(same) == 2
    alike = np.array([image.shape == images[0].shape for image in images])
    for X in (same, np.stack(same)):
        np.testing.assert_array_equal(learner.predict_proba(X), together[alike])
    for i in range(3):
        np.testing.assert_array_equal(
            learner.predict_proba(images[i : i + 1]), together[i : i + 1]
        )
    again = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(again.predict_proba(same), together[alike])


def test_an_array_of_another_size_than_image_size_is_an_error():
    X = np.zeros((6, 9, 9), np.uint8)
    with pytest.raises(ValueError, match=r"8 x 8 pixels; those of X.*9 x 9"):
        small(image_size=8).fit(X, [0, 1] * 3)
    assert small(image_size=9).fit(X, [0, 1] * 3).n_iter_ == 2


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_layout_of_files_is_never_ambiguous_where_it_is_stated(data_format, files):
    X, y = files
    learner = small(image_size=(3, 8), data_format=data_format).fit(X, y)
    assert learner._columns.size == (3, 3, 8)
    assert learner.predict(X).shape == (N,)


# How often images are read.


def test_fit_reads_each_image_once():
    X, y = counted()
    small().fit(X, y)
    assert n_reads(X) == [1] * len(X)


def test_predict_reads_each_image_once_and_a_batch_at_a_time():
    X, y = counted()
    learner = small(n_ensemble=2, predict_batch_size=5).fit(X, y)
    seen = []
    learner.net_.module_.register_forward_hook(lambda *_: seen.append(sum(n_reads(X))))
    before = sum(n_reads(X))
    learner.predict(X)
    assert n_reads(X) == [2] * len(X)
    assert [n - before for n in seen][:2] == [5, 10]


@pytest.mark.parametrize("settings", [{"n_folds": 2}, {"n_ensemble": 2}])
def test_members_share_what_was_read(settings):
    X, y = counted()
    small(**settings).fit(X, y)
    assert n_reads(X) == [1] * len(X)


def test_splits_of_rows_read_nothing_by_themselves():
    X, y = counted()
    train, test, _, _ = train_test_split(X, y, random_state=0)
    assert sum(n_reads(X)) == 0
    cross_val_score(small(), X, y, cv=2, error_score="raise")
    assert n_reads(X) == [2] * len(X)  # once to train, once to be predicted
    assert len(train) + len(test) == len(X)


def test_a_grid_search_works_on_files_in_several_processes(files):
    X, y = files
    search = GridSearchCV(small(), {"image_size": [8, 10]}, cv=2, n_jobs=2)
    search.fit(X, y)
    assert search.best_estimator_.score(X, y) >= 0.5


# Rows that cannot be read.


def damaged(files, *rows):
    X, y = files
    sources = X.sources.copy()
    for row in rows:
        sources[row] = b"no image"
    return ImageColumn(sources), y


def test_an_unreadable_row_is_an_error_in_fit_and_predict(fitted, files):
    X, y = damaged(files, 4)
    for fails in (lambda: small().fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(UnreadableImageError, match="Row 4 "):
            fails()


@pytest.mark.parametrize("cls", [ImageClassifier, ImageRegressor])
def test_skipping_rows_is_fitting_without_them_bit_for_bit(cls, files):
    X, y = damaged(files, 4, 17)
    y = y if cls is ImageClassifier else np.arange(N) / 7
    weight = np.linspace(1, 2, N)
    good = np.setdiff1d(np.arange(N), [4, 17])
    learner = small(cls, on_error="skip", max_bad=2)
    with pytest.warns(UnreadableImageWarning, match="left out: rows 4, 17"):
        learner.fit(X, y, weight)
    clean = small(cls).fit(X[good], y[good], weight[good])
    assert np.array_equal(learner.predict(X[good]), clean.predict(X[good]))
    assert [failure.row for failure in learner.skipped_] == [4, 17]
    assert isinstance(learner.skipped_[0], ImageFailure)
    assert clean.skipped_ == []
    with pytest.raises(UnreadableImageError, match="Row 4 "):
        learner.predict(X)


def test_no_more_rows_than_max_bad_are_skipped(files):
    X, y = damaged(files, 4, 17)
    with pytest.raises(UnreadableImageError, match="at most 1 may be left out"):
        small(on_error="skip", max_bad=1).fit(X, y)
    with pytest.raises(UnreadableImageError, match="at most 1 may be left out"):
        small(on_error="skip", max_bad=0.05).fit(X, y)


def test_a_class_without_readable_images_is_an_error(files):
    X, y = damaged(files, 4)
    y = np.where(np.arange(N) == 4, "c", y)
    with pytest.raises(UnreadableImageError, match="class 'c'"):
        small(on_error="skip", max_bad=1).fit(X, y)


def test_validation_rows_must_be_readable(files):
    X, y = damaged(files, 4)
    learner = small(on_error="skip", max_bad=1)
    with pytest.raises(UnreadableImageError, match="Row 4 "):
        learner.fit(*files, X_val=X, y_val=y)
    learner.fit(*files, X_val=files[0][:9], y_val=y[:9])
    assert "valid_loss" in learner.history_[-1]


def test_validation_files_get_the_size_of_an_array(files):
    X, y = files
    array = np.zeros((4, 9, 10, 3), np.uint8)
    learner = small().fit(array, list("abab"), X_val=X[:9], y_val=y[:9])
    assert "valid_loss" in learner.history_[-1]


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_imputed_probabilities_are_the_frequencies_of_the_classes(n_ensemble, files):
    X, y = files
    y = np.where(np.arange(N) < 6, "c", y)
    share = np.array([(y == name).mean() for name in "abc"])
    learner = small(on_error="impute", n_ensemble=n_ensemble).fit(X, y)
    broken, _ = damaged(files, 0, 9)
    with pytest.warns(UnreadableImageWarning, match="imputed: rows 0, 9") as caught:
        found = learner.predict_proba(broken)
    assert len(caught) == 1
    assert np.allclose(found[[0, 9]], share, atol=1e-6)
    others = np.setdiff1d(np.arange(N), [0, 9])
    assert np.allclose(found[others], learner.predict_proba(X)[others], atol=1e-6)


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_an_imputed_value_is_the_weighted_mean(n_ensemble, files):
    X, _ = files
    y, weight = np.arange(N) ** 2.0, np.linspace(0, 2, N)
    learner = small(ImageRegressor, on_error="impute", n_ensemble=n_ensemble)
    learner.fit(X, y, weight)
    with pytest.warns(UnreadableImageWarning):
        found = learner.predict([b"", X.sources[0]])
    assert found[0] == pytest.approx(np.average(y, weights=weight))
    assert found[1] == pytest.approx(learner.predict(X[:1])[0], rel=1e-5)
    two = small(ImageRegressor, on_error="impute").fit(X, np.stack([y, -y], axis=1))
    with pytest.warns(UnreadableImageWarning):
        assert np.allclose(two.predict([b""]), [[y.mean(), -y.mean()]])


def test_what_is_not_known_of_an_imputed_value_is_nan(files):
    X, _ = files
    learner = small(ImageRegressor, loss="gaussian", on_error="impute")
    learner.fit(X, np.arange(N))
    with pytest.warns(UnreadableImageWarning):
        assert np.isnan(learner.predict_std([b"", X.sources[0]])).tolist() == [1, 0]
    with pytest.warns(UnreadableImageWarning):
        assert np.isnan(learner.predict_quantiles([b""], [0.1, 0.9])).all()


def test_imputed_labels_have_their_frequencies(files):
    X, _ = files
    y = np.stack([np.arange(N) % 2, np.arange(N) % 3 == 0, np.zeros(N)], axis=1)
    learner = small(on_error="impute").fit(X, y.astype(int))
    with pytest.warns(UnreadableImageWarning):
        assert np.allclose(learner.predict_proba([b""]), [[1 / 2, 1 / 3, 0]])


def test_impute_raises_in_fit(files):
    with pytest.raises(UnreadableImageError, match="Row 4 "):
        small(on_error="impute").fit(*damaged(files, 4))


# The four properties of a store that stumbles.


def test_faults_that_pass_change_nothing(files):
    X, y = files
    flaky = FlakyStore(X, p_transient=0.1, seed=1)
    assert (flaky.faults == "transient").any()
    wanted = small().fit(X, y).predict_proba(X)
    assert np.array_equal(small().fit(flaky, y).predict_proba(flaky), wanted)


def test_faults_that_stay_are_skipped_as_if_filtered_beforehand(files):
    X, y = files
    flaky = FlakyStore(X, p_corrupt=0.1, p_missing=0.1, seed=2)
    bad = np.flatnonzero(flaky.faults != "")
    assert len(bad)
    good = np.setdiff1d(np.arange(N), bad)
    learner = small(on_error="skip", max_bad=0.5)
    with pytest.warns(UnreadableImageWarning):
        learner.fit(flaky, y)
    clean = small().fit(X[good], y[good])
    assert [failure.row for failure in learner.skipped_] == bad.tolist()
    assert np.array_equal(learner.predict_proba(X), clean.predict_proba(X))


def test_predictions_of_a_flaky_store_keep_the_order_of_its_rows(fitted, files):
    X, _ = files
    flaky = FlakyStore(X, p_corrupt=0.2, seed=3)
    learner = clone(fitted)
    learner.__dict__.update(vars(fitted))
    learner.set_params(on_error="impute", predict_batch_size=4)
    with pytest.warns(UnreadableImageWarning):
        found = learner.predict_proba(flaky)
    good = flaky.faults == ""
    assert 0 < good.sum() < N
    assert len(found) == N
    assert np.allclose(found[good], fitted.predict_proba(X)[good], atol=1e-5)


def test_the_budget_of_a_flaky_store_is_kept(files):
    flaky = FlakyStore(files[0], p_missing=0.3, seed=0)
    n_bad = int((flaky.faults != "").sum())
    with pytest.raises(UnreadableImageError, match="max_bad"):
        small(on_error="skip", max_bad=n_bad - 1).fit(flaky, files[1])
    with pytest.warns(UnreadableImageWarning):
        learner = small(on_error="skip", max_bad=n_bad).fit(flaky, files[1])
    assert len(learner.skipped_) == n_bad


# The rest of a learner's life.


def test_partial_fit_goes_on_with_the_size_of_the_first_call(files):
    X, y = files
    learner = small(on_error="impute").partial_fit(X[:10], y[:10], classes=["a", "b"])
    size = learner._columns.size
    learner.partial_fit(X[10:], y[10:])
    assert learner._columns.size == size
    assert learner.n_iter_ == 2
    with pytest.warns(UnreadableImageWarning):
        prior = learner.predict_proba([b""])
    assert np.allclose(prior, [[0.5, 0.5]])


def test_warm_start_goes_on_from_files(files):
    learner = small(warm_start=True).fit(*files)
    assert learner.fit(*files).n_iter_ == 4


@pytest.mark.parametrize("settings", [{}, {"n_folds": 2}])
def test_a_stored_learner_predicts_the_same_and_holds_no_pixels(settings, files):
    X, y = damaged(files, 4)
    learner = small(on_error="skip", max_bad=1, image_size=64, **settings)
    with pytest.warns(UnreadableImageWarning):
        learner.fit(X, y)
    stored = pickle.dumps(learner)
    assert len(stored) < 300_000 < N * 64 * 64 * 3
    again = pickle.loads(stored)
    wanted = learner.predict_proba(files[0])
    assert np.array_equal(again.predict_proba(files[0]), wanted)
    assert again.skipped_ == learner.skipped_
    assert isinstance(again.skipped_[0], ImageFailure)
    assert not hasattr(again, "n_features_in_")


def test_a_column_has_no_features_and_a_frame_has_one(files):
    X, y = files
    learner = small().fit(X, y)
    assert not hasattr(learner, "n_features_in_")
    assert not hasattr(learner, "feature_names_in_")
    table = pd.DataFrame({"file": X.sources})
    learner.fit(table, y)
    assert learner.n_features_in_ == 1
    assert learner.feature_names_in_.tolist() == ["file"]
    with pytest.raises(ValueError, match="feature names should match"):
        learner.predict(table.rename(columns={"file": "path"}))
    assert not hasattr(learner.fit(X, y), "feature_names_in_")


def test_a_failed_fit_leaves_the_learner_as_it_was(files):
    learner = small().fit(*files)
    before = dict(vars(learner))
    with pytest.raises(UnreadableImageError):
        learner.fit(*damaged(files, 4))
    assert vars(learner) == before


def test_a_learner_of_tables_takes_no_files(files):
    learner = small().fit(np.random.default_rng(0).normal(size=(20, 5)), [0, 1] * 10)
    with pytest.raises(ValueError, match="fitted with a table of 5 features"):
        learner.predict(files[0])


def test_y_of_another_length_is_an_error_before_anything_is_read():
    X, y = counted()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(X, y[:-1])
    assert sum(n_reads(X)) == 0


def test_a_single_path_is_no_column(files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="X is one str"):
            small().fit("cat.png", [0])


# Images that are decoded batch by batch.

LOADERS = [None, {"num_workers": 2}]
STREAM = {"decode": "batches", "batch_size": 8, "early_stopping": True}


@pytest.mark.parametrize("loader_params", LOADERS)
def test_decoding_in_batches_is_decoding_once_bit_for_bit(loader_params, files):
    X, y = files
    settings = {
        **STREAM,
        "augment": "light",
        "mixup": 0.2,
        "measures_train": "accuracy",
    }
    weight = np.linspace(0, 2, N)
    wanted = small(**{**settings, "decode": "once"}).fit(X, y, weight)
    found = small(**settings, loader_params=loader_params).fit(X, y, weight)
    assert np.array_equal(found.predict_proba(X), wanted.predict_proba(X))
    losses = [[row["valid_loss"] for row in m.history_] for m in (found, wanted)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 64, "early_stopping": False},  # one batch of all rows
        {"batch_size": 4, "drop_last": True},
        {"sampler": "balanced"},
        {"data_format": "channels_first"},
        {"n_folds": 2},
        {"n_ensemble": 2},
        {"preprocessing": "imagenet"},
    ],
    ids=str,
)
def test_whatever_the_settings_streaming_changes_nothing(settings, files):
    X, y = files
    settings = {**STREAM, **settings}
    wanted = small(**{**settings, "decode": "once"}).fit(X, y)
    found = small(**settings).fit(X, y)
    assert np.array_equal(found.predict_proba(X), wanted.predict_proba(X))


def test_gray_files_and_validation_files_are_streamed_too(files):
    X, y = files
    gray = ImageColumn(X.sources, channels=1)
    given = {"X_val": gray[:8], "y_val": y[:8]}
    wanted = small(**{**STREAM, "decode": "once"}).fit(gray[8:], y[8:], **given)
    found = small(**STREAM).fit(gray[8:], y[8:], **given)
    assert found.history_[-1]["valid_loss"] == wanted.history_[-1]["valid_loss"]
    assert np.array_equal(found.predict_proba(gray), wanted.predict_proba(gray))


def test_streaming_holds_a_batch_and_reads_again_in_each_epoch():
    X, y = counted()
    small(decode="batches", batch_size=8, max_epochs=3, image_size=8).fit(X, y)
    assert n_reads(X) == [4] * len(X)  # once for mean and standard deviation


def test_auto_decodes_once_where_the_pixels_are_few(monkeypatch):
    X, y = counted()
    monkeypatch.setattr("torchlearners.image._columns.MOST_BYTES", 24 * 3 * 64)
    small(image_size=8).fit(X, y)
    assert n_reads(X) == [1] * len(X)
    monkeypatch.setattr("torchlearners.image._columns.MOST_BYTES", 24 * 3 * 64 - 1)
    small(image_size=8, batch_size=8, preprocessing=None).fit(X, y)
    assert n_reads(X) == [1 + 2] * len(X)  # two epochs


@pytest.mark.parametrize("loader_params", LOADERS)
def test_streamed_faults_that_stay_are_skipped_as_if_filtered(loader_params, files):
    X, y = files
    flaky = FlakyStore(X, p_corrupt=0.1, p_missing=0.1, p_transient=0.05, seed=2)
    bad = np.flatnonzero(np.isin(flaky.faults, ["corrupt", "missing"]))
    good = np.setdiff1d(np.arange(N), bad)
    learner = small(**STREAM, on_error="skip", max_bad=0.5, loader_params=loader_params)
    with pytest.warns(UnreadableImageWarning):
        learner.fit(flaky, y)
    clean = small(**{**STREAM, "decode": "once"}).fit(X[good], y[good])
    assert [failure.row for failure in learner.skipped_] == bad.tolist()
    assert np.array_equal(learner.predict_proba(X), clean.predict_proba(X))
    with pytest.raises(UnreadableImageError, match="max_bad"):
        learner.set_params(max_bad=len(bad) - 1).fit(flaky, y)


@pytest.mark.parametrize("loader_params", LOADERS)
def test_streamed_predictions_keep_the_order_of_the_rows(loader_params, fitted, files):
    X, _ = files
    flaky = FlakyStore(X, p_corrupt=0.2, seed=3)
    learner = pickle.loads(pickle.dumps(fitted))
    learner.set_params(on_error="impute", predict_batch_size=4)
    learner.set_params(loader_params=loader_params)
    with pytest.warns(UnreadableImageWarning):
        found = learner.predict_proba(flaky)
    good = flaky.faults == ""
    assert np.allclose(found[good], fitted.predict_proba(X)[good], atol=1e-5)
    assert np.ptp(found[~good], axis=0).max() == 0


@pytest.mark.parametrize("loader_params", LOADERS)
def test_a_streamed_row_that_cannot_be_read_is_named(loader_params, files):
    X, y = damaged(files, 4)
    learner = small(**{**STREAM, "image_size": 8}, loader_params=loader_params)
    with pytest.raises(UnreadableImageError, match=r"Row 4 \(<bytes>\) cannot be read"):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")


def test_parameters_of_the_loader_are_checked(files):
    with pytest.raises(ValueError, match="loader_params has 'shuffle'"):
        small(loader_params={"shuffle": True}).fit(*files)


# Datasets of torch.


def pairs(files):
    X, y = files
    images = torch.stack([torch.tensor(x[:9, :9]).permute(2, 0, 1) for x in X])
    return TensorDataset(images, torch.tensor(np.unique(y, return_inverse=True)[1]))


def test_a_dataset_is_fitted_scored_and_predicted(files):
    data = pairs(files)
    images, y = data.tensors
    learner = small(data_format="channels_first").fit(images, y)
    for given in ((data,), (data, y)):
        found = small().fit(*given, X_val=data)
        assert np.array_equal(found.predict(data), learner.predict(images))
        assert found.score(data) == learner.score(images, y) == found.score(data, y)


def test_a_subset_is_fitted_to_its_rows(files):
    data = pairs(files)
    rows = [3, 1, 8, 20, 5, 7]
    found = small().fit(Subset(data, rows)).predict_proba(data)
    wanted = small().fit(ImageColumn.from_dataset(data)[0][rows], data.tensors[1][rows])
    assert np.array_equal(found, wanted.predict_proba(data))


def test_a_dataset_that_scikit_learn_has_split_is_refused_with_what_to_do(files):
    train, _ = train_test_split(pairs(files), random_state=0)
    with pytest.raises(ValueError, match=r"pairs .*ImageColumn\.from_dataset"):
        small().fit(train)
    X, y = ImageColumn.from_dataset(pairs(files))
    search = GridSearchCV(small(), {"image_size": [8]}, cv=2).fit(X, y)
    assert search.best_estimator_.score(X, y) >= 0.5


def test_a_stream_of_items_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([])

    with pytest.raises(TypeError, match="Stream streams them"):
        small().fit(Stream())


# A transform for every image.


def flipped(image):
    return image[:, ::-1]


@pytest.mark.parametrize("settings", [{}, {"n_folds": 2}, {"decode": "batches"}])
def test_a_transform_changes_images_of_files_and_arrays_alike(settings, files):
    X, y = files
    X = ImageColumn(X.sources, transform=lambda image: image[:9, :9])
    array = np.stack(list(X))
    wanted = small(**settings, data_format="channels_last").fit(array[:, :, ::-1], y)
    wanted = wanted.predict_proba(array[:, :, ::-1])
    for form in (X, array):
        learner = small(**settings, image_transform=flipped).fit(form, y)
        assert np.array_equal(learner.predict_proba(form), wanted)
        assert np.array_equal(learner.predict_proba(X), wanted)


def test_a_transform_of_the_learner_follows_that_of_the_column(files):
    X, y = files
    dark = ImageColumn(X.sources, transform=lambda image: image // 2, cache="images")
    both = dark.transformed(lambda image: torch.tensor(image + 1).permute(2, 0, 1))
    assert np.array_equal(both[0], X[0] // 2 + 1)
    assert np.array_equal(dark[0], X[0] // 2)
    learner = small(image_transform=lambda image: Image.fromarray(image + 1))
    wanted = small().fit(both, y).predict_proba(both)
    assert np.array_equal(learner.fit(dark, y).predict_proba(dark), wanted)


def test_a_table_has_no_images_to_transform():
    with pytest.raises(ValueError, match=r"rows of 5 values are taken for a table"):
        small(image_transform=flipped).fit(np.zeros((6, 5)), [0, 1] * 3)


# Features of files.


def test_an_encoder_reads_files(fitted, files):
    X, _ = files
    encoder = ImageEncoder(fitted).fit(X)
    features = encoder.transform(X)
    assert features.shape == (N, encoder.get_feature_names_out().size)
    squares = ImageColumn(X.sources, transform=lambda image: image[:9, :9])
    random = ImageEncoder(CNN(width=4), random_state=0).fit(squares)
    array = np.stack(list(squares))
    assert np.array_equal(random.transform(squares), random.transform(array))


@pytest.mark.parametrize("decode", ["once", "batches"])
def test_images_of_a_column_can_be_looked_at(decode):
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (9, 9 + i % 2, 3)).astype(np.uint8) for i in range(8)
    ]
    X, y = ImageColumn(images), np.arange(8) % 2
    learner = ImageClassifier(
        CNN(width=4), image_size=8, max_epochs=1, decode=decode, random_state=0
    )
    before = learner.images_of(X)
    assert before.shape == (8, 3, 8, 8)
    learner.fit(X, y)
    assert torch.equal(learner.images_of(X), before)
    assert AugmentDisplay.from_estimator(learner, X[:2]).variants.shape[0] == 2
    maps = learner.intermediate(X, "conv2d_1")
    assert maps.shape == (8, 4, 8, 8)
    arrays = before.permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(learner.intermediate(arrays, "conv2d_1"), maps)
