"""Mutants that the kit for optimizers must catch."""

import torch

from mutants import Mutant
from torchlearners.params import fraction, non_negative, param
from torchlearners.testing import check_optimizer
from torchlearners.training import Adam, Optimizer


class _Plain(Optimizer):
    """Gradient descent."""

    torch_class = torch.optim.SGD


class GoesUphill(_Plain):
    """Adds the gradient."""

    def build(self, parameters, lr, weight_decay):
        return torch.optim.SGD(
            parameters, lr=lr, weight_decay=weight_decay, maximize=True
        )


class IgnoresLr(_Plain):
    """Trains with a learning rate of its own."""

    def build(self, parameters, lr, weight_decay):
        return super().build(parameters, 0.01, weight_decay)


class IgnoresWeightDecay(_Plain):
    """Takes a weight decay, and no notice of it."""

    def build(self, parameters, lr, weight_decay):
        return super().build(parameters, lr, 0.0)


class _Forgetful(torch.optim.SGD):
    def state_dict(self):
        return {**super().state_dict(), "state": {}}


class ForgetsItsState(Optimizer):
    """Leaves the momentum out of its state."""

    torch_class = _Forgetful

    def settings(self):
        return {"momentum": 0.9}


class _Restless(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(0.99)
        return super().step(closure)


class DecaysFrozenWeights(Optimizer):
    """Shrinks weights whether they have a gradient or not."""

    torch_class = _Restless


class HasDeadMomentum(_Plain):
    """Has a parameter that it does not hand on.

    {parameters}
    """

    momentum: float = param(default=0.0, check=fraction, doc="Share that is kept.")

    def settings(self):
        return {}


class HidesItsMomentum(_Plain):
    """Documents no parameter."""

    momentum: float = param(default=0.0, check=fraction, doc="Share that is kept.")


class Adamax(Optimizer):
    """Has another default than the class of torch with its name.

    {parameters}
    """

    eps: float = param(default=1e-4, check=non_negative, doc="For stability.")

    torch_class = torch.optim.Adamax


class _Half(torch.optim.Adam):
    @torch.no_grad()
    def step(self, closure=None):
        self.param_groups[0]["lr"] /= 2
        loss = super().step(closure)
        self.param_groups[0]["lr"] *= 2
        return loss


class DoesHalfSteps(Adam):
    """Does half of the step of Adam.

    {parameters}
    """

    fused_class = _Half
    torch_class = torch.optim.Adam


MUTANTS = [
    Mutant(subject, caught_by, also, check_optimizer)
    for subject, caught_by, also in [
        (
            GoesUphill(),
            "check_optimizer_steps_downhill",
            ("check_optimizer_trains_a_learner",),
        ),
        (IgnoresLr(), "check_optimizer_takes_lr", ()),
        (IgnoresWeightDecay(), "check_optimizer_takes_weight_decay", ()),
        (ForgetsItsState(), "check_optimizer_goes_on_from_its_state", ()),
        (DecaysFrozenWeights(), "check_optimizer_leaves_frozen_weights_alone", ()),
        (HasDeadMomentum(), "check_optimizer_parameters_matter", ()),
        (HidesItsMomentum(), "check_optimizer_documents_parameters", ()),
        (Adamax(), "check_optimizer_has_torchs_defaults", ()),
        (DoesHalfSteps(), "check_optimizer_equals_torch", ()),
    ]
]
