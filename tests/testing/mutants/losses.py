"""Mutants that the kit for losses must catch."""

import torch
from torch.nn import functional as F

from mutants import Mutant
from torchlearners.params import param, positive
from torchlearners.testing import check_loss
from torchlearners.training import (
    Criterion,
    Gaussian,
    Loss,
    Poisson,
    Quantile,
    weighted_mean,
)


class _Squared(Loss):
    """The squared error."""

    target = "values"

    def rows(self, output, target):
        return (output - target).square().mean(1)


class _Built(_Squared):
    """Builds a module of the function `value` of output, target and weight."""

    def build(self):
        return _Module(self)


class _Module(Criterion):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, output, target, weight=None):
        return self.loss.value(output, target, weight)


class GivesOneValueForEachRow(_Squared):
    """Forgets the mean over rows where there are no weights."""

    def mean(self, output, target):
        return self.rows(output, target)


class IsDetached(_Squared):
    """Computes its value from numbers without a gradient."""

    def rows(self, output, target):
        return super().rows(output.detach(), target) + 0 * output.sum(1)


class LeavesRowOut(_Squared):
    """Passes over the last row."""

    def mean(self, output, target):
        return self.rows(output, target)[:-1].sum() / len(output)

    def build(self):
        return _Module(self)

    def value(self, output, target, weight):
        if weight is None:
            return self.mean(output, target)
        losses = self.rows(output, target) * (
            torch.arange(len(output)) < len(output) - 1
        )
        return (losses * weight).sum() / weight.sum()


class HasTheWrongSign(_Squared):
    """Is greater where the outputs are better."""

    def rows(self, output, target):
        return 1 / (1 + super().rows(output, target))


class DividesByOneRowLess(_Built):
    """Divides by the number of rows minus one."""

    def value(self, output, target, weight):
        weight = torch.ones(len(output)) if weight is None else weight
        total = (self.rows(output, target) * weight).sum()
        return total / weight.sum() * len(output) / (len(output) - 1)


class ChangesItsTargets(_Squared):
    """Shifts the targets in place, and back by almost as much."""

    def rows(self, output, target):
        losses = super().rows(output, target)
        target.add_(1e-3)
        return losses


class Overflows(Loss):
    """Takes the logarithm of a sigmoid in two steps."""

    target = "labels"

    def rows(self, output, target):
        share = torch.sigmoid(output)
        return -(target * share.log() + (1 - target) * (1 - share).log()).mean(1)


class IgnoresWeights(_Built):
    """Takes weights, and no notice of them."""

    def value(self, output, target, weight):
        return self.mean(output, target)


class DividesByRows(_Built):
    """Divides the weighted sum by the number of rows."""

    def value(self, output, target, weight):
        losses = self.rows(output, target)
        return (losses if weight is None else losses * weight).mean()


class ComparesRows(_Built):
    """Looks at the mean output of the batch, and does not say so."""

    def value(self, output, target, weight):
        mean = weighted_mean(output[:, 0], weight)
        return weighted_mean(self.rows(output, target), weight) + mean**2 / 20


class HasDeadParameter(_Squared):
    """Has a parameter that it does not use.

    {parameters}
    """

    power: float = param(default=2.0, check=positive, doc="Of the error.")


class HidesParameter(Loss):
    """Documents no parameter."""

    scale: float = param(default=1.0, check=positive, doc="Factor.")
    target = "values"

    def rows(self, output, target):
        return self.scale * (output - target).square().mean(1)


class SmoothL1(Loss):
    """Has another default than the class of torch with its name.

    {parameters}
    """

    beta: float = param(default=0.5, check=positive, doc="Where the two parts meet.")
    target = "values"

    def rows(self, output, target):
        return F.smooth_l1_loss(output, target, reduction="none", beta=self.beta).mean(
            1
        )


class Crosses(Quantile):
    """Reads quantiles in the order in which the network returns them.

    {parameters}
    """

    def read_quantiles(self, outputs, quantiles):
        return self._by_value(outputs)[..., : len(quantiles)]


class ForgetsTheSpread(Gaussian):
    """Reads both outputs of a value as predictions.

    {parameters}
    """

    def read_points(self, outputs):
        return outputs

    def read_quantiles(self, outputs, quantiles):
        return super().read_points(outputs)[..., None] + 0 * quantiles


class ReadsLogarithms(Poisson):
    """Predicts the logarithm of the mean.

    {parameters}
    """

    def read_points(self, outputs):
        return outputs

    def join_members(self, outputs):
        return outputs.mean(dim=1)


class L1(_Squared):
    """Squares what the class of torch with its name does not."""


MUTANTS = [
    Mutant(subject, caught_by, also, check_loss)
    for subject, caught_by, also in [
        (HasTheWrongSign(), "check_loss_is_lower_for_better_outputs", ()),
        (
            DividesByOneRowLess(),
            "check_loss_takes_a_batch_of_one_row",
            ("check_loss_of_a_batch_is_that_of_its_parts",),
        ),
        (ChangesItsTargets(), "check_loss_leaves_its_inputs_alone", ()),
        (Overflows(), "check_loss_is_finite_for_extreme_outputs", ()),
        (IgnoresWeights(), "check_loss_weights_are_repetition", ()),
        (DividesByRows(), "check_loss_equal_weights_are_none", ()),
        (ComparesRows(), "check_loss_of_a_batch_is_that_of_its_parts", ()),
        (HasDeadParameter(), "check_loss_parameters_matter", ()),
        (HidesParameter(), "check_loss_documents_parameters", ()),
        (Crosses(), "check_loss_reads_its_outputs", ()),
        (ForgetsTheSpread(), "check_loss_reads_its_outputs", ()),
        (
            ReadsLogarithms(),
            "check_loss_reads_its_outputs",
            ("check_loss_is_lower_for_better_outputs",),
        ),
        (SmoothL1(), "check_loss_has_torchs_defaults", ()),
        (L1(), "check_loss_equals_torch", ()),
        (
            LeavesRowOut(),
            "check_loss_gives_each_row_a_gradient",
            ("check_loss_of_a_batch_is_that_of_its_parts",),
        ),
        (
            IsDetached(),
            "check_loss_gives_each_row_a_gradient",
            ("check_loss_trains_a_learner",),
        ),
        (
            GivesOneValueForEachRow(),
            "check_loss_takes_a_kind_of_target",
            ("check_loss_trains_a_learner",),
        ),
    ]
]
