"""What the checks of structure let pass, what they say, and to whom they apply."""

import re
import time

import numpy as np
import pytest
import torch
from mutants.structure import Plain, PlainClassifier, PlainRegressor
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.utils import check_random_state
from skorch import NeuralNetClassifier
from torch import nn

from torchlearners import DummyTorchClassifier
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import WeightAveraging
from torchlearners.params import param
from torchlearners.testing import _structure as structure
from torchlearners.testing import quick_instances, torch_checks
from torchlearners.testing._kinds import applies
from torchlearners.training import AdamW, CrossEntropy

CHECKS = [c for c in torch_checks()["structure"] if c.__module__ == structure.__name__]


class Noisy(PlainClassifier):
    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, spec.n_outputs),
        )


class HalfFrozen(Plain, ClassifierLearner):
    def network(self, spec):
        network = super().network(spec)
        network[0].requires_grad_(False)
        return network


LEARNERS = [
    *quick_instances(),
    PlainClassifier(),
    PlainRegressor(optimizer=AdamW(betas=(0.8, 0.9)), lr_schedule="cosine"),
    Noisy(callbacks=[WeightAveraging()], freeze="0.*", loss=CrossEntropy()),
    HalfFrozen(optimizer=torch.optim.SGD, batch_size=16),
]


def message_of(check, learner):
    with pytest.raises(AssertionError) as raised:
        check(type(learner).__name__, learner)
    return str(raised.value)


def numpy_state():
    return check_random_state(None).get_state()[1].tolist()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_correct_learners_pass_and_nothing_is_left_behind(check):
    before = torch.get_rng_state(), numpy_state(), torch.get_num_threads()
    passed = []
    for learner in LEARNERS:
        params = repr(learner.get_params())
        if applies(check, learner):
            check(type(learner).__name__, learner)
            passed.append(learner)
        assert repr(learner.get_params()) == params
        assert not hasattr(learner, "net_")
    assert passed
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (numpy_state(), torch.get_num_threads()) == before[1:]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "stranger",
    [SklearnMLP(), NeuralNetClassifier(nn.Linear)],
    ids=["sklearn", "skorch"],
)
def test_strangers_pass_or_are_told_what_they_lack(check, stranger):
    try:
        check("Stranger", stranger)
    except AssertionError as error:
        message = str(error)
    else:
        message = "passed"
    assert re.search(r"passed|Stranger|has no constructor parameter", message)


def test_docstrings_are_compared_only_where_they_have_sections():
    check = structure.check_docstring_describes_every_parameter
    assert applies(check, DummyTorchClassifier())
    assert not applies(check, PlainClassifier())
    assert not applies(check, Noisy())


class OtherDefault(PlainClassifier):
    """Says that the default is what it was.

    {parameters}
    """


OtherDefault.__doc__ = OtherDefault.__doc__.replace("default=0.01", "default=0.1")


class NoText(PlainClassifier):
    """Has a parameter without a description.

    {parameters}
    """

    width: int = param(default=16, check=["no_validation"])


class NoParameters(PlainClassifier):
    """Has sections, but none of the parameters.

    Examples
    --------
    >>> 1 + 1
    2
    """


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (
            OtherDefault(),
            "lr : 'float in (0.0, inf), default=0.1'; the default is 0.01",
        ),
        (NoText(), "says nothing of width"),
        (NoParameters(), "lacks the parameters ['lr'"),
    ],
    ids=["default", "text", "section"],
)
def test_what_is_wrong_with_a_docstring_is_said(learner, words):
    assert words in message_of(
        structure.check_docstring_describes_every_parameter, learner
    )


def test_literals_of_a_docstring_may_be_written_otherwise():
    assert structure._same_literal("1e-4", 0.0001)
    assert structure._same_literal('"adam"', "adam")
    assert not structure._same_literal("1", True)
    assert not structure._same_literal("inf", np.inf)


class AnyParameters(PlainClassifier):
    def __init__(self, **params):
        super().__init__(**params)


class NeedsAParameter(PlainClassifier):
    def __init__(self, lr):
        super().__init__(lr=lr)


def test_a_constructor_must_name_its_parameters_with_defaults():
    check = structure.check_constructor_names_its_parameters
    assert "takes **params" in message_of(check, AnyParameters())
    assert "needs a default" in message_of(check, NeedsAParameter(0.1))


class Slow(PlainClassifier):
    def __init__(self):
        start = time.process_time()
        while time.process_time() < start + 0.15:
            pass


class Busy(PlainClassifier):
    def __init__(self):
        self.layers = nn.Linear(2, 2)


def test_a_constructor_must_not_work():
    check = structure.check_constructor_only_stores
    assert "seconds of CPU time" in message_of(check, Slow())
    assert "changed a global random state" in message_of(check, Busy())


class Stiff(PlainClassifier):
    def set_params(self, **params):
        for name, value in params.items():
            setattr(self, name, value)
        return self


def test_nested_parameters_that_are_lost_or_misspelt_are_named():
    lost = message_of(structure.check_nested_parameters_are_kept, Stiff())
    assert "set_params(optimizer__betas=(0.5, 0.6))" in lost
    loose = message_of(structure.check_misspelt_parameter_sets_nothing, Stiff())
    assert "must raise ValueError" in loose


class Forgetful(PlainClassifier):
    def _make_net(self, target, **settings):
        self.max_epochs = self.max_epochs + 1
        return super()._make_net(target, **settings)


def test_the_parameter_that_fit_changed_is_named():
    message = message_of(structure.check_fit_leaves_parameters_alone, Forgetful())
    assert "changed its parameter max_epochs from 3 to 4" in message
