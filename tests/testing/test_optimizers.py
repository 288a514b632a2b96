"""The kit for optimizers passes ours and torch's, and explains its failures."""

import pytest
import torch
from mutants import all_mutants

from torchlearners.testing import check_optimizer
from torchlearners.testing._optimizers import OPTIMIZER_CHECKS
from torchlearners.training import OPTIMIZERS, SGD, AdamW, RMSprop

# Better for few rows than torch's 100; see the tests of training.
LBFGS_MEMORY = {"check_optimizer_has_torchs_defaults": "history_size is 10"}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_our_optimizers_pass(name):
    expected = LBFGS_MEMORY if name == "lbfgs" else {}
    report = check_optimizer(OPTIMIZERS[name](), expected_failed_checks=expected)
    # torch has no class of two of them, or one that takes matrices alone.
    of_torch = 0 if name in ("lion", "muon") else 2
    assert len(report) == len(OPTIMIZER_CHECKS) - 2 + of_torch
    assert report.names("xfail") == list(expected)
    assert not report.names("failed")


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(momentum=0.9, nesterov=True),
        AdamW(betas=(0.5, 0.9), amsgrad=True),
        RMSprop(centered=True, momentum=0.5),
    ],
    ids=str,
)
def test_other_parameters_pass(optimizer):
    report = check_optimizer(optimizer)
    assert len(report.names("passed")) == len(OPTIMIZER_CHECKS)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adadelta", "Adamax", "LBFGS"])
def test_classes_of_torch_pass_under_their_name(name):
    report = check_optimizer(getattr(torch.optim, name))
    assert str(report) == f"{name}: {len(OPTIMIZER_CHECKS)} passed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("GoesUphill", "sign of the step"),
        ("IgnoresLr", "built with lr=0.03, but its groups have [0.01]"),
        ("IgnoresWeightDecay", "its groups have [0.0]"),
        ("ForgetsItsState", "state_dict"),
        ("DecaysFrozenWeights", "without gradient"),
        ("HasDeadMomentum", "['momentum']"),
        ("Adamax", "eps=0.0001 by default"),
        ("DoesHalfSteps", "torch.optim.Adam"),
    ],
)
def test_a_message_says_what_is_wrong(name, words):
    subject = next(
        m.subject for m in all_mutants() if m.name == name and m.kit is check_optimizer
    )
    assert words in str(check_optimizer(subject, on_fail=None))


def test_a_build_that_returns_something_else_is_reported():
    class Nothing(SGD):
        """Gradient descent.

        {parameters}
        """

        def build(self, parameters, lr, weight_decay):
            return list(parameters)

    report = check_optimizer(Nothing(), on_fail=None)
    assert "returned a list" in str(report)
    assert all(isinstance(r["exception"], AssertionError | None) for r in report)


def test_a_class_that_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match=r"Pass an instance, not the class: SGD\(\)"):
        check_optimizer(SGD)
