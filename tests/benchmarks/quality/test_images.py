from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality import _results, images
from benchmarks.quality._image_data import TASKS, ImageTask
from benchmarks.quality._skorch_cnn import SkorchCNN, cnn
from torchlearners.image import ImageClassifier, ImageSpec

DIGITS = ["--only", "digits", "--seeds", "1"]


def clothes(folder, n=40):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    y = np.arange(n) % 2
    (folder / "fashion_mnist").mkdir()
    arrays = {"X_train": pixels, "y_train": y, "X_test": pixels[:6], "y_test": y[:6]}
    np.savez(folder / "fashion_mnist" / "data.npz", **arrays)
    return pixels


def test_each_fit_gives_a_row_and_is_made_once(tmp_path, capsys):
    out = tmp_path / "images.csv"
    arguments = [*DIGITS, "--learners", "logistic", "--out", str(out)]
    images.main(arguments)
    assert capsys.readouterr().out.startswith("digits        logistic")
    row = _results.read(out).iloc[0]
    assert row["value"] > 0.9
    assert (row["n_train"], row["n_test"]) == (1257, 540)
    assert row["fit_cpu_s"] > 0
    assert "torch==" in row["versions"]
    images.main(arguments)
    assert capsys.readouterr().out == ""
    assert "| digits, 1257 and 540 | logistic | 0.9" in (
        out.with_suffix(".md").read_text(encoding="utf-8")
    )


def test_a_part_of_the_training_images_is_drawn_with_the_seed(tmp_path):
    pixels = clothes(tmp_path)
    task = replace(TASKS["fashion_500"], max_rows=10)
    X, y, X_test, y_test = task.rows(tmp_path, 0)
    assert X.shape == (10, 28, 28)
    assert np.bincount(y).tolist() == [5, 5]
    assert np.array_equal(X_test, pixels[:6])
    assert len(y_test) == 6
    assert np.array_equal(X, task.rows(tmp_path, 0)[0])
    assert not np.array_equal(X, task.rows(tmp_path, 1)[0])


def test_our_learner_has_its_defaults_or_an_augmentation_beside_them():
    plain = images.make_learner("image_classifier", 3)
    light = images.make_learner("image_classifier_light", 3)
    assert plain.augment is None
    assert light.augment == "light"
    own = ImageClassifier(device="cpu", n_threads=1, random_state=3)
    assert plain.get_params() == own.get_params()


@pytest.mark.parametrize("side", [8, 28])
def test_the_network_in_skorch_is_that_of_our_default(side):
    spec = ImageSpec(n_outputs=10, n_numeric=side**2, height=side, width=side)
    own = ImageClassifier().build_module(spec)
    shapes = [tuple(p.shape) for p in cnn(side, 10).parameters()]
    assert shapes == [tuple(p.shape) for p in own.parameters()]


def test_the_network_in_skorch_learns(monkeypatch):
    monkeypatch.setitem(images.SkorchCNN.fit.__globals__["SETTINGS"], "max_epochs", 3)
    X, y, _, _ = ImageTask("digits", ()).rows(None, 0)
    X = images.rows_of_pixels(X)
    assert X.max() == 1
    net = SkorchCNN(0).fit(X[:300], y[:300])
    assert np.mean(net.predict(X[300:]) == y[300:]) > 0.8


def test_peers_get_pixels_from_0_to_1():
    pixels = np.array([[[0, 255], [51, 0]]], dtype=np.uint8)
    assert images.rows_of_pixels(pixels).tolist() == [[0, 1, np.float32(0.2), 0]]


def test_a_set_that_is_not_in_the_folder_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match=r"has no data of \['fashion'\]"):
        images.main(["--data-dir", str(tmp_path), "--only", "fashion,digits"])


def test_an_unknown_task_is_an_error_that_lists_the_known():
    with pytest.raises(SystemExit, match=r"unknown tasks \['cifar'\]; known are"):
        images.main(["--only", "cifar"])
