import pytest
from mutants.persistence import (
    KeepsData,
    LosesGenerator,
    LosesHistory,
    LosesScaling,
    LosesUnfittedParameter,
    SharesWeights,
    Storable,
    StoresModule,
    StoresOptimizer,
)
from sound import FOREIGN, cases_of, checks_of
from torch import nn

from torchlearners.base import ClassifierLearner
from torchlearners.testing import _persistence as group


@pytest.mark.parametrize(("check", "learner"), cases_of(group))
def test_a_sound_learner_passes(check, learner):
    check(type(learner).__name__, learner)


@pytest.mark.parametrize(("check", "learner"), cases_of(group, FOREIGN))
def test_a_foreign_estimator_is_told_what_it_lacks(check, learner):
    with pytest.raises(AssertionError, match="every torch learner has"):
        check("Foreign", learner)


@pytest.mark.parametrize(
    ("mutant", "check", "words"),
    [
        (LosesScaling(), "stored_learner_is_the_same", "pickle .* predicts other"),
        (LosesHistory(), "stored_learner_is_the_same", r"history_ .* is \[\] after"),
        (LosesGenerator(), "stored_learner_goes_on_training", "generator"),
        (StoresOptimizer(), "pickle_holds_no_optimizer", "optimizer=False"),
        (SharesWeights(), "deepcopy_is_isolated", "__deepcopy__"),
        (LosesUnfittedParameter(), "unfitted_learner_is_stored", "in pickle, and was"),
        (KeepsData(), "pickle_holds_no_training_data", "_keeps_training_data"),
        (StoresModule(), "pickle_is_plain_data", "torch.nn.modules"),
    ],
)
def test_a_failure_says_what_is_wrong(mutant, check, words):
    with pytest.raises(AssertionError, match=words):
        getattr(group, f"check_{check}")(type(mutant).__name__, mutant)


def test_the_mutants_derive_from_a_sound_learner():
    for check in checks_of(group):
        assert check("Storable", Storable()) is None


class Neighbours(KeepsData):
    """Needs its rows to predict, and says so."""

    _keeps_training_data = True


def test_a_learner_may_declare_that_it_keeps_its_rows():
    assert group.check_pickle_holds_no_training_data("N", Neighbours()) is None


class Backbone(ClassifierLearner):
    """Has a module for a parameter, which is stored as it is."""

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


def test_a_module_that_is_a_parameter_may_be_stored():
    learner = Backbone(loss=nn.CrossEntropyLoss())
    assert group.check_pickle_is_plain_data("Backbone", learner) is None
