"""The kit for losses passes ours, torch's and functions, and explains its failures."""

import pytest
import torch
from mutants import all_mutants
from torch import nn

from torchlearners.testing import check_loss
from torchlearners.testing._losses import LOSS_CHECKS
from torchlearners.training import LOSSES, CrossEntropy, Gaussian, Huber, Quantile


def row_by_row(output, target):
    return (output - target).abs().mean(1)


def one_number(output, target):
    return (output - target).abs().mean()


def upside_down(output, target):
    return -one_number(output, target)


def useless(output, target):
    raise RuntimeError("nothing to see")


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_our_losses_pass(name):
    report = check_loss(LOSSES[name]())
    assert len(report.names("passed")) == len(report) >= 14


@pytest.mark.parametrize("loss", [Huber(delta=0.3), CrossEntropy(label_smoothing=0.2)])
def test_other_parameters_pass(loss):
    assert len(check_loss(loss).names("passed")) == len(LOSS_CHECKS)


@pytest.mark.parametrize(
    "loss", [Quantile(quantiles=(0.1, 0.9)), Gaussian(min_std=0.1)]
)
def test_losses_with_several_outputs_for_a_value_pass(loss):
    # torch has no class of their names.
    assert len(check_loss(loss).names("passed")) == len(LOSS_CHECKS) - 2


@pytest.mark.parametrize(
    "loss",
    [
        nn.L1Loss(),
        nn.MSELoss(),
        nn.SmoothL1Loss(),
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])),
        nn.BCEWithLogitsLoss(),
        nn.MultiMarginLoss(),
        row_by_row,
    ],
    ids=lambda loss: getattr(loss, "__name__", str(loss)),
)
def test_losses_of_torch_and_functions_pass(loss):
    report = check_loss(loss)
    assert len(report.names("passed")) == len(report) == 10


def test_a_function_of_one_number_is_not_asked_for_weights():
    names = [row["check_name"] for row in check_loss(one_number)]
    assert len(names) == 8
    assert not [name for name in names if "weights" in name]


def _unguarded_poisson(output, target):
    return output.exp() - target * output


def test_a_loss_that_overflows_is_found():
    report = check_loss(_unguarded_poisson, on_fail=None)
    assert report.names("failed") == ["check_loss_is_finite_for_extreme_outputs"]


def test_a_function_with_the_wrong_sign_is_found():
    with pytest.raises(AssertionError, match="wrong sign"):
        check_loss(upside_down)


def test_a_loss_for_no_target_gets_a_report_with_the_reasons():
    report = check_loss(useless, on_fail=None)
    assert "classes: RuntimeError: nothing to see" in str(report)
    assert all(isinstance(r["exception"], AssertionError | None) for r in report)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IgnoresWeights", "weights 0 and 2"),
        ("DividesByRows", "sum(w * l) / sum(w)"),
        ("Crosses", "Quantiles of Crosses cross"),
        ("ForgetsTheSpread", "shape (12, 4); it must be (12, 2)"),
        ("IsDetached", "no gradient for rows"),
        ("LeavesRowOut", "rows [11] of 12"),
        ("HasDeadParameter", "['power']"),
        ("SmoothL1", "beta=0.5 by default"),
        ("GivesOneValueForEachRow", "shape (12,)"),
    ],
)
def test_a_message_says_what_is_wrong(name, words):
    subject = next(m.subject for m in all_mutants() if m.name == name)
    assert words in str(check_loss(subject, on_fail=None))


def test_a_class_is_refused():
    with pytest.raises(TypeError, match=r"Pass an instance, not the class: L1Loss\(\)"):
        check_loss(nn.L1Loss)
