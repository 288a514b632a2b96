import tempfile

import pytest
from mutants.resuming import (
    CountsEpochsAnew,
    DrawsForCheckpoints,
    ForgetsPatience,
    ForgetsWeightDecay,
    RestartsItsNoise,
    Resumable,
    ResumesAnything,
    ResumesOnOtherRows,
    ResumesWithOtherCallbacks,
)
from sound import FOREIGN, cases_of, checks_of

from torchlearners.testing import _resuming as group


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
        (RestartsItsNoise(), "resumed_run_is_the_straight_run", "history"),
        (CountsEpochsAnew(), "resumed_run_is_the_straight_run", "n_iter_=8, and .* 6"),
        (ForgetsWeightDecay(), "resumed_run_is_the_straight_run", "weight decay"),
        (ForgetsPatience(), "resumed_run_is_the_straight_run", "early stopping"),
        (ResumesAnything(), "checkpoint_of_another_run_is_refused", "another run"),
        (
            ResumesOnOtherRows(),
            "checkpoint_of_other_data_or_callbacks_is_refused",
            "another target",
        ),
        (
            ResumesWithOtherCallbacks(),
            "checkpoint_of_other_data_or_callbacks_is_refused",
            "another decay",
        ),
        (DrawsForCheckpoints(), "checkpoints_do_not_change_the_run", "Checkpoint"),
    ],
)
def test_a_failure_says_what_is_wrong(mutant, check, words):
    with pytest.raises(AssertionError, match=words):
        getattr(group, f"check_{check}")(type(mutant).__name__, mutant)


def test_the_mutants_derive_from_a_sound_learner():
    for check in checks_of(group):
        assert check("Resumable", Resumable()) is None


def test_no_checkpoint_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for check in checks_of(group):
        check("Resumable", Resumable())
    assert list(tmp_path.iterdir()) == []
