"""The kit for callbacks passes our callbacks, and says what foreign ones do not do."""

import warnings

import numpy as np
import pytest
import skorch.callbacks
import torch
from mutants import all_mutants
from skorch.callbacks import Callback

import torchlearners.callbacks
from torchlearners.callbacks import (
    BatchSchedule,
    Checkpoint,
    EarlyStopping,
    EpochTable,
    Freeze,
    GradualUnfreeze,
    JsonLines,
    Measures,
    Progress,
    Schedule,
    TensorBoard,
    TimeLimit,
    Unfreeze,
    WeightAveraging,
    callback,
)
from torchlearners.data import ClassTarget
from torchlearners.testing import check_callback
from torchlearners.testing._callback_fits import (
    check_callback_leaves_random_numbers_alone,
    check_callback_leaves_settings_alone,
)
from torchlearners.testing._callbacks import CALLBACK_CHECKS


def count_epochs(net, **kwargs):
    return len(net.history)


OURS = [
    BatchSchedule(),
    Checkpoint(),
    Checkpoint(every=2, keep=1, keep_best=False),
    EarlyStopping(),
    EarlyStopping(patience=1, restore_best=False),
    EpochTable(),
    Freeze(select="linear_1.*"),
    GradualUnfreeze(select="linear_1.*"),
    JsonLines(),
    Measures(),
    Progress(),
    Progress(when="always"),
    Schedule(),
    Schedule(policy="plateau"),
    Schedule(policy="step", hyperparameter="dropout"),
    TimeLimit(),
    Unfreeze(),
    WeightAveraging(),
    WeightAveraging(kind="swa", start=0.5, every="epoch"),
    callback(on_epoch_end=count_epochs, on_train_begin=count_epochs),
]
# Made by learners, from what only they know.
MADE_BY_LEARNERS = {"FunctionCallback", "SklearnCallbacks"}
RESUME = {"check_callback_resumed_run_equals_straight": "skorch's have no state_dict"}
RESET = {"check_callback_initialize_forgets": "skorch overwrites it in the next run"}
THEIRS = [
    (skorch.callbacks.GradientNormClipping(1.0), {}),
    (skorch.callbacks.ParamMapper("0.*"), {}),
    (skorch.callbacks.Initializer("*.bias"), {}),
    (skorch.callbacks.PrintLog(), {}),
    (skorch.callbacks.EpochTimer(), RESET),
    (skorch.callbacks.LRScheduler(), RESUME),
    (skorch.callbacks.BatchScoring("accuracy"), RESUME),
    (
        skorch.callbacks.EpochScoring("accuracy", lower_is_better=False),
        {"check_callback_works_with_sparse_evaluation": "keeps outputs of each epoch"},
    ),
]


def of_class(name):
    cls = getattr(torchlearners.callbacks, name)
    return isinstance(cls, type) and issubclass(cls, Callback)


@pytest.mark.parametrize("ours", OURS, ids=lambda callback: type(callback).__name__)
def test_our_callbacks_pass(ours):
    report = check_callback(ours)
    assert not report.names("failed")
    assert len(report.names("passed")) >= 18


def test_tensorboard_passes():
    pytest.importorskip("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        report = check_callback(TensorBoard())
    assert not report.names("failed")


def test_every_callback_of_ours_is_checked_here():
    names = set(filter(of_class, torchlearners.callbacks.__all__)) - MADE_BY_LEARNERS
    assert (
        names == {type(c).__name__ for c in (*OURS, TensorBoard())} - MADE_BY_LEARNERS
    )


@pytest.mark.parametrize(
    ("theirs", "expected"), THEIRS, ids=[type(c).__name__ for c, _ in THEIRS]
)
def test_callbacks_of_skorch_fail_where_we_know(theirs, expected):
    report = check_callback(theirs, expected_failed_checks=expected)
    assert report.names("xfail") == list(expected)


def test_a_callback_for_classes_only_may_say_so_or_be_expected_to_fail():
    measures = Measures(measures=["accuracy"], target=ClassTarget(np.arange(3)))
    report = check_callback(measures, on_fail=None)
    assert report.names("failed") == ["check_callback_works_for_any_network"]


def test_states_are_asked_of_those_who_keep_some():
    n_checks = [
        len(check_callback(c)) for c in (TimeLimit(), Freeze(select="linear_1.*"))
    ]
    assert n_checks == [len(CALLBACK_CHECKS), len(CALLBACK_CHECKS) - 2]


def mutant(name):
    subject = next(m.subject for m in all_mutants() if m.name == name)
    return check_callback(subject, on_fail=None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MisspellsItsHook", "Did you mean 'on_epoch_end'?"),
        ("HasNoHook", "overrides no hook"),
        ("TakesNoKeywords", "Add **kwargs"),
        ("TurnsParameterIntoState", "n_epochs"),
        ("MovesGlobalRandomNumbers", "['torch']"),
        ("SilencesWarnings", "the filters of warnings"),
        ("RemembersFits", "not in the constructor or on the class"),
        ("HasTensorsInItsState", "to_plain"),
        ("ForgetsWhenResumed", "Give it state_dict"),
        ("LeavesThread", "ArithmeticError"),
    ],
)
def test_a_message_says_what_is_wrong_and_what_to_do(name, words):
    assert words in str(mutant(name))


def test_what_is_no_callback_gets_a_report_too():
    report = check_callback(object(), on_fail=None)
    assert report[0]["status"] == "failed"
    assert "skorch.callbacks.Callback" in str(report[0]["exception"])
    assert all(isinstance(r["exception"], AssertionError | None) for r in report)


def test_a_broken_callback_leaves_the_process_as_it_was():
    before = torch.get_rng_state(), list(warnings.filters)
    for name, check in (
        ("MovesGlobalRandomNumbers", check_callback_leaves_random_numbers_alone),
        ("SilencesWarnings", check_callback_leaves_settings_alone),
    ):
        subject = next(m.subject for m in all_mutants() if m.name == name)
        with pytest.raises(AssertionError, match=name):
            check(name, subject)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert warnings.filters == before[1]


def test_files_go_to_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not check_callback(JsonLines()).names("failed")
    assert list(tmp_path.iterdir()) == []
