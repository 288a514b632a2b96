import random

import numpy as np
import pytest
import torch
from mutants.control import (
    DecaysWeightsOnly,
    DropsLastValidationRows,
    ForgetsAStage,
    IgnoresMaxTime,
    MeasuresOtherOutputs,
    ShufflesTheFirstEpochOnly,
    Steered,
    TakesBadParameters,
    UsesOneThread,
)
from sklearn.base import clone
from sound import FOREIGN, SOUND, cases_of, checks_of

from torchlearners.testing import _control as group


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
        (
            DecaysWeightsOnly(),
            "train_parameters_reach_the_run",
            "weight_decay .* gives 0.0",
        ),
        (UsesOneThread(), "train_parameters_reach_the_run", "n_threads=. gives 1 "),
        (
            ShufflesTheFirstEpochOnly(),
            "rows_come_in_the_order_asked_for",
            "both epochs in one order",
        ),
        (
            DropsLastValidationRows(),
            "validation_rows_are_evaluated_whole",
            "22 of 23 validation rows",
        ),
        (ForgetsAStage(), "callbacks_see_each_stage", "where on_batch_end is due"),
        (MeasuresOtherOutputs(), "measures_are_those_of_scorers", "valid_neg_log_loss"),
        (IgnoresMaxTime(), "time_limit_ends_training", "max_time=1e-09 gives 5"),
        (TakesBadParameters(), "bad_parameters_are_refused", "takes max_epochs=0"),
    ],
)
def test_a_failure_says_what_is_wrong(mutant, check, words):
    with pytest.raises(AssertionError, match=words):
        getattr(group, f"check_{check}")(type(mutant).__name__, mutant)


def test_the_mutants_derive_from_a_sound_learner():
    for check in checks_of(group):
        assert check("Steered", Steered()) is None


def test_the_checks_leave_everything_as_it_was():
    def state():
        numbers = np.random.get_state()[1].tolist()  # noqa: NPY002
        drawn = torch.get_rng_state().tolist(), random.getstate()
        return numbers, drawn, torch.get_num_threads()

    learner = SOUND[2]
    before, as_given = state(), repr(clone(learner))
    for check in checks_of(group):
        check("MLP", learner)
    assert state() == before
    assert repr(learner) == as_given
    assert not hasattr(learner, "net_")
