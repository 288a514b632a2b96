"""Public sets of images, read from a folder, and what is asked of each.

Expected of the folder is one subfolder for each set::

    fashion_mnist/data.npz   X_train, y_train, X_test, y_test
    mnist10k/data.npz        X, y
    sign_digits/images       one folder of JPEG files for each class

X is (n, 28, 28) of uint8, and y the number of each image's class.

The digits come with scikit-learn.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from torchlearners.datasets import load_image_folder


@dataclass(frozen=True)
class ImageTask:
    """A set of images, how many of them train, and who is asked.

    Of more than `max_rows` training images a part of that size is drawn with the seed,
    stratified by class; 0 is no limit. Test images are the set's own, or a share of
    `test_fraction`, drawn likewise.
    """

    data: str
    learners: tuple[str, ...]
    seeds: int = 1
    max_rows: int = 0
    test_fraction: float = 0.3

    def missing(self, folder: Path) -> bool:
        """Tell whether the folder lacks the set."""
        return self.data != "digits" and not (folder / self.data).exists()

    def rows(self, folder: Path, seed: int) -> tuple[np.ndarray, ...]:
        """Return X_train, y_train, X_test and y_test of one seed."""
        if self.data == "fashion_mnist":
            with np.load(folder / self.data / "data.npz") as file:
                names = ("X_train", "y_train", "X_test", "y_test")
                X_train, y_train, X_test, y_test = (file[name] for name in names)
        else:
            X, y = read(folder, self.data)
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=self.test_fraction, random_state=seed, stratify=y
            )
        if self.max_rows:
            X_train, _, y_train, _ = train_test_split(
                X_train,
                y_train,
                train_size=self.max_rows,
                random_state=seed,
                stratify=y_train,
            )
        return X_train, y_train, X_test, y_test


def read(folder: Path, data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of a set without test images of its own, and their classes."""
    if data == "digits":
        return load_digits(return_X_y=True)
    if data == "mnist10k":
        with np.load(folder / data / "data.npz") as file:
            return file["X"], file["y"]
    return load_image_folder(folder / data / "images", return_X_y=True)


OURS = "image_classifier"
PEERS = ("logistic", "sklearn_mlp", "skorch_cnn")
# Clothes look the same mirrored, digits do not.
TASKS = {
    "digits": ImageTask("digits", (OURS, *PEERS, "hgb"), seeds=3),
    "mnist_500": ImageTask(
        "mnist10k",
        (OURS, f"{OURS}_light"),
        seeds=3,
        max_rows=500,
        test_fraction=0.5,
    ),
    "fashion_500": ImageTask(
        "fashion_mnist",
        (OURS, f"{OURS}_light", f"{OURS}_standard", *PEERS),
        seeds=3,
        max_rows=500,
    ),
    "sign_digits": ImageTask("sign_digits", (OURS,), test_fraction=0.2),
    "fashion_10k": ImageTask("fashion_mnist", (OURS, *PEERS), max_rows=10_000),
    "fashion": ImageTask("fashion_mnist", (OURS,)),
}
