import pickle

import pytest
from sklearn.base import clone

from torchlearners.params import param, positive
from torchlearners.training import (
    LOSSES,
    OPTIMIZERS,
    SGD,
    AdamW,
    Descriptor,
    promote,
)


class Choice(Descriptor):
    """A choice.

    {parameters}
    """

    strength: float = param(default=1.0, check=positive, doc="How much.")


def test_a_name_becomes_the_object_it_stands_for():
    promoted = promote("sgd", OPTIMIZERS)
    assert type(promoted) is SGD
    assert promoted.get_params() == SGD().get_params()
    assert promote("sgd", OPTIMIZERS) is not promoted


@pytest.mark.parametrize("value", ["unknown", AdamW(), int, None, 3, ["sgd"]])
def test_anything_else_is_returned_as_it_is(value):
    assert promote(value, OPTIMIZERS) is value


def test_a_choice_is_an_estimator_in_scikit_learns_sense():
    choice = Choice(strength=2.0)
    assert clone(choice).get_params() == {"strength": 2.0}
    assert choice.set_params(strength=3.0).strength == 3.0
    assert repr(choice) == "Choice(strength=3.0)"
    assert pickle.loads(pickle.dumps(choice)).strength == 3.0
    assert "strength : float in (0.0, inf), default=1.0" in Choice.__doc__


@pytest.mark.parametrize("names", [OPTIMIZERS, LOSSES], ids=["optimizers", "losses"])
def test_every_named_choice_clones_to_an_equal_one(names):
    for cls in names.values():
        assert clone(cls()).get_params() == cls().get_params()
