from typing import Any

import pytest
from mutants.effects import DeadPredictBatchSize, DeadWidth, Unexplored
from sound import FOREIGN, cases_of
from torch import nn

from torchlearners import MLPClassifier
from torchlearners.base import ClassifierLearner
from torchlearners.base._parameters import LearnerParameters
from torchlearners.params import (
    boolean,
    fraction,
    one_of,
    optional,
    param,
    positive_int,
)
from torchlearners.testing import _effects as group


@pytest.mark.takes_long("every parameter gets fits of its own")
@pytest.mark.parametrize(("check", "learner"), cases_of(group))
def test_a_sound_learner_passes(check, learner):
    check(type(learner).__name__, learner)


@pytest.mark.parametrize(("check", "learner"), cases_of(group, FOREIGN))
def test_a_foreign_estimator_is_told_what_it_lacks(check, learner):
    with pytest.raises(AssertionError, match="every torch learner has"):
        check("Foreign", learner)


@pytest.mark.parametrize(
    ("mutant", "words"),
    [
        (DeadWidth(), "'width' of DeadWidth is dead"),
        (DeadPredictBatchSize(), "'predict_batch_size' .* is dead"),
        (Unexplored(), "'activation' is known.*tune="),
    ],
)
def test_a_failure_names_the_parameter(mutant, words):
    with pytest.raises(AssertionError, match=words):
        group.check_every_parameter_matters(type(mutant).__name__, mutant)


def test_a_fit_that_fails_everywhere_is_no_sign_of_an_effect():
    class Broken(ClassifierLearner):
        def network(self, spec):
            return nn.Linear(spec.n_numeric + 1, spec.n_outputs)

    with pytest.raises(AssertionError, match=r"fit fails with .*ArchitectureError"):
        group.check_every_parameter_matters("Broken", Broken())


def test_every_shared_parameter_has_a_circumstance_in_which_it_matters():
    images = {"image_size", "max_bad", "on_error", "resize", "retries"}
    images |= {"decode", "image_transform", "loader_params"}
    shared = {*LearnerParameters._fields, *ClassifierLearner._fields, *images}
    assert shared == group._SHARED.keys()


class Declared(ClassifierLearner):
    """Declares parameters in every way."""

    tuned: float = param(default=0.0, check=fraction, tune=(0.0, 0.5), doc=".")
    logged: float = param(default=0.1, tune=(0.1, 10.0, "log"), doc=".")
    listed: Any = param(default=1, tune=[1, 2, None], doc=".")
    chosen: Any = param(default="b", check=optional(one_of("a", "b")), doc=".")
    switched: bool = param(default=True, check=boolean, doc=".")
    counted: int = param(default=1, check=positive_int, doc=".")
    shared: float = param(default=0.8, check=fraction, doc=".")
    unknown: Any = param(default="x", doc=".")


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("tuned", [0.5, 0.5]),
        ("logged", [10.0, 0.2, 0.05, 0.5]),
        ("listed", [2, None, 2, 2, 0]),
        ("chosen", ["a", None]),
        ("switched", [False]),
        ("counted", [2, 2]),
        ("shared", [0.4, 0.5]),
        ("unknown", []),
    ],
)
def test_other_values_come_from_the_declaration_or_the_default(parameter, values):
    assert list(group._other_values(Declared(), parameter)) == values


def test_other_values_are_other_than_those_of_the_instance():
    learner = MLPClassifier(preset="simple", normalization="batch")
    found = set(group._other_values(learner, "normalization"))
    assert found == {None, "layer"}
