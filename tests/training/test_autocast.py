"""An autocast of the caller has no effect on a learner."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.training import as_array, inference, no_autocast

X, y = load_iris(return_X_y=True)
CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_fit_and_predict_give_the_same_bits_under_autocast(dtype):
    learner = MLPClassifier(preset="simple", max_epochs=3, random_state=0).fit(X, y)
    expected = learner.predict_proba(X)
    with torch.autocast("cpu", dtype=dtype):
        assert np.array_equal(learner.predict_proba(X), expected)
        again = MLPClassifier(preset="simple", max_epochs=3, random_state=0).fit(X, y)
    assert np.array_equal(again.predict_proba(X), expected)


def test_autocast_is_on_again_afterwards():
    with torch.autocast("cpu"):
        with no_autocast(CPU):
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")


def test_without_autocast_nothing_is_done():
    with no_autocast(CPU):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("outside", [False, True])
def test_inference_has_neither_gradients_nor_the_callers_autocast(outside):
    with torch.autocast("cpu", enabled=outside):
        with inference(CPU):
            assert torch.is_inference_mode_enabled()
            assert not torch.is_autocast_enabled("cpu")
        assert not torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu") == outside


def test_bfloat16_becomes_float32_and_other_dtypes_stay():
    assert as_array(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert as_array(torch.ones(2, dtype=torch.int64)).dtype == np.int64
