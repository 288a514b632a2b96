"""torch's default dtype and device, which the caller may have set."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris

from torchlearners import ImageClassifier, MLPClassifier, ResNetClassifier
from torchlearners.training import torch_defaults

X, y = load_iris(return_X_y=True)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
CASES = {
    "MLP": (MLPClassifier(max_epochs=1, random_state=0), X, y),
    "ResNet": (ResNetClassifier(max_epochs=1, random_state=0, dropout=0.2), X, y),
    "members": (
        MLPClassifier(preset="simple", max_epochs=1, random_state=0, n_ensemble=2),
        X,
        y,
    ),
    "images": (
        ImageClassifier(max_epochs=1, random_state=0, augment="light"),
        IMAGES,
        np.arange(20) % 2,
    ),
}


@contextmanager
def default(kind):
    if kind == "float64":
        torch.set_default_dtype(torch.float64)
    else:
        torch.set_default_device(kind)
    try:
        yield
        if kind == "float64":
            assert torch.get_default_dtype() == torch.float64
        else:
            assert torch.get_default_device().type == kind
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


KINDS = [
    "float64",
    "meta",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs cuda"),
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_fit_predict_and_unpickling_do_not_depend_on_defaults(case, kind):
    learner, rows, target = CASES[case]
    learner = clone(learner).set_params(device="cpu")
    fitted = clone(learner).fit(rows, target)
    expected, stored = fitted.predict_proba(rows), pickle.dumps(fitted)
    with default(kind):
        again = clone(learner).fit(rows, target).predict_proba(rows)
        later = fitted.predict_proba(rows)
        loaded = pickle.loads(stored).predict_proba(rows)
    for found in (again, later, loaded):
        np.testing.assert_array_equal(found, expected)


def test_an_error_in_fit_leaves_the_default():
    with default("float64"), pytest.raises(ValueError, match="inconsistent"):
        MLPClassifier().fit(X, y[:5])


def test_fits_in_threads_share_one_default():
    learner = MLPClassifier(preset="simple", max_epochs=2, random_state=0)
    expected = clone(learner).fit(X, y).predict_proba(X)

    def fit(_):
        return clone(learner).fit(X, y).predict_proba(X)

    with default("float64"), ThreadPoolExecutor(4) as pool:
        for found in pool.map(fit, range(8)):
            np.testing.assert_array_equal(found, expected)


def test_nothing_is_entered_where_nothing_was_set():
    assert torch_defaults() is torch_defaults()
    with default("meta"), torch_defaults():
        assert torch.zeros(1).device.type == "cpu"
