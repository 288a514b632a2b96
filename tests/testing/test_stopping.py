import pytest
from mutants.stopping import (
    CountsFromZero,
    ForgetsBuffers,
    HalfFitted,
    KeepsLastWeights,
    MixesGroups,
    ReturnsNan,
    SplitsUnseeded,
    SplitsUnstratified,
    Stoppable,
    StopsLate,
    SwallowsErrors,
    SwallowsInterrupts,
    TrainsOnValidationRows,
)
from sound import FOREIGN, cases_of, checks_of

from torchlearners.testing import _stopping as group


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
        (StopsLate(), "early_stopping_counts_epochs", "n_iter_ is 6 .* expected 5"),
        (CountsFromZero(), "early_stopping_counts_epochs", "best_epoch_ is 2"),
        (KeepsLastWeights(), "best_weights_are_kept", "weights of epoch 2"),
        (ForgetsBuffers(), "best_weights_are_kept", "running_mean"),
        (TrainsOnValidationRows(), "validation_rows_never_train", "12 of 12"),
        (SplitsUnseeded(), "validation_split_is_seeded", "same rows"),
        (SplitsUnstratified(), "validation_split_is_seeded", "stratified"),
        (MixesGroups(), "groups_stay_together", "groups of MixesGroups both train"),
        (SwallowsErrors(), "failed_fit_changes_nothing", "swallows an error"),
        (HalfFitted(), "failed_fit_changes_nothing", "n_rows_"),
        (SwallowsInterrupts(), "interrupted_fit_keeps_best_weights", "Ctrl-C"),
        (ReturnsNan(), "diverging_fit_is_an_error", "became NaN in epoch 2"),
    ],
)
def test_a_failure_says_what_is_wrong(mutant, check, words):
    with pytest.raises(AssertionError, match=words):
        getattr(group, f"check_{check}")(type(mutant).__name__, mutant)


def test_the_mutants_derive_from_a_sound_learner():
    for check in checks_of(group):
        assert check("Stoppable", Stoppable()) is None
