"""An autocast of the caller has no effect on a learner."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.training import no_autocast

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
