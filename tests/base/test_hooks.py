import numpy as np
import pytest
from sklearn.datasets import load_iris
from torch import nn

from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import Checkpoint, checkpoints
from torchlearners.params import one_of, param, positive

X, y = load_iris(return_X_y=True)


class Careful(ClassifierLearner):
    lr: object = param(default="auto", check=[*one_of("auto"), *positive])
    slow: float = param(default=0.25, check=positive)

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)

    def auto_values(self):
        return {"lr": 0.04}

    def no_weight_decay(self, module):
        return {"bias"}

    def lr_factors(self, module):
        return {"bias": self.slow}

    def schedules(self):
        return {"weight_decay": "flat_cosine"}


def groups(learner):
    keys = ("lr", "weight_decay")
    found = learner.net_.optimizer_.param_groups
    return [tuple(group[key] for key in keys) for group in found]


def test_weights_have_the_rate_and_decay_that_a_learner_gives_them():
    learner = Careful(weight_decay=0.1, max_epochs=1, random_state=0).fit(X, y)
    assert groups(learner) == [(0.04, 0.1), (0.01, 0.0)]
    assert groups(learner.set_params(lr=0.4).fit(X, y)) == [(0.4, 0.1), (0.1, 0.0)]
    assert groups(learner.set_params(weight_decay=0.0).fit(X, y))[1][1] == 0


def test_schedules_multiply_what_each_weight_has():
    learner = Careful(weight_decay=0.1, lr_schedule="step", max_epochs=4)
    learner.set_params(lr_schedule__step_size=1, random_state=0).fit(X, y)
    rates, decays = zip(*groups(learner), strict=True)
    np.testing.assert_allclose(rates, (0.04e-3, 0.01e-3))
    np.testing.assert_allclose(decays, (0.1 * 0.5, 0))
    np.testing.assert_allclose(learner.history_[:, "weight_decay"][:3], 0.1)


@pytest.mark.parametrize("lr_schedule", ["coslog4", "plateau"])
def test_a_resumed_training_goes_on_with_each_rate(lr_schedule, tmp_path):
    settings = {"weight_decay": 0.1, "lr_schedule": lr_schedule, "random_state": 0}
    settings |= {"early_stopping": True, "max_epochs": 6}
    one, two = (Checkpoint(folder=tmp_path / name, keep=9) for name in ("one", "two"))
    whole = Careful(**settings, callbacks=[one]).fit(X, y)
    path = checkpoints(tmp_path / "one")[2]
    resumed = Careful(**settings, callbacks=[two]).fit(X, y, resume=path)
    assert groups(resumed) == groups(whole)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
