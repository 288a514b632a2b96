"""Mutants that do not go on from a checkpoint as they should."""

import torch
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import Checkpoint, EarlyStopping
from torchlearners.training import ClassifierNet


class Resumable(ClassifierLearner):
    """A learner without a fault, from which the mutants derive."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )


class OwnNoise(nn.Module):
    """Noise of a generator that no checkpoint knows."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x):
        if not self.training:
            return x
        return x + 0.1 * torch.randn(x.shape, generator=self.generator, dtype=x.dtype)


class RestartsItsNoise(Resumable):
    """Draws noise from a generator of its own, which starts anew on a resume."""

    def network(self, spec):
        return nn.Sequential(OwnNoise(), super().network(spec))


class ForgetfulNet(ClassifierNet):
    """A net that takes a resumed training for a new one."""

    def fit_loop(self, X, *args, **kwargs):
        if self.resuming:
            self.epochs_before = len(self.history)
        return super().fit_loop(X, *args, **kwargs)


class CountsEpochsAnew(Resumable):
    """Trains max_epochs more after a checkpoint."""

    def _make_net(self, target, **settings):
        return ForgetfulNet(**settings)


class UndecayedNet(ClassifierNet):
    """A net that goes on with the weight decay that it was built with."""

    def fit_loop(self, X, *args, **kwargs):
        for group in self.optimizer_.param_groups if self.resuming else ():
            group["weight_decay"] = self.weight_decay
        return super().fit_loop(X, *args, **kwargs)


class ForgetsWeightDecay(Resumable):
    """Loses the weight decay of the optimizer's groups in a checkpoint."""

    def _make_net(self, target, **settings):
        return UndecayedNet(**settings)


class ForgetfulStopping(EarlyStopping):
    """Early stopping that begins anew on a resume."""

    def load_state_dict(self, state):
        pass


class ForgetsPatience(Resumable):
    """Loses the state of early stopping in a checkpoint."""

    def _build_net(self, spec, target, generator, device, size, callbacks, state):
        callbacks = [
            (
                name,
                ForgetfulStopping(**c.get_params()) if name == "early_stopping" else c,
            )
            for name, c in callbacks
        ]
        return super()._build_net(
            spec, target, generator, device, size, callbacks, state
        )


class AnonymousNet(ClassifierNet):
    """A net that does not know which run it is."""

    identity = property(lambda self: {}, lambda self, value: None)


class ResumesAnything(Resumable):
    """Goes on from the checkpoints of other runs."""

    def _make_net(self, target, **settings):
        return AnonymousNet(**settings)


def net_that_knows_less(*unknown):
    """Return the class of a net that does not know some aspects of its run."""

    def known(self):
        aspects = vars(self).get("_known", {})
        return {k: v for k, v in aspects.items() if not k.startswith(unknown)}

    known = property(known, lambda self, value: vars(self).update(_known=value))
    return type("ForgetfulNet", (ClassifierNet,), {"identity": known})


class ResumesOnOtherRows(Resumable):
    """Goes on from the checkpoint of a run on other rows of the same number."""

    def _make_net(self, target, **settings):
        return net_that_knows_less("digest")(**settings)


class ResumesWithOtherCallbacks(Resumable):
    """Goes on from the checkpoint of a run with other parameters of a callback."""

    def _make_net(self, target, **settings):
        return net_that_knows_less("callback ")(**settings)


class DrawsForCheckpoints(Resumable):
    """Draws one more random number where checkpoints are written."""

    def _build_net(self, spec, target, generator, device, size, callbacks, state):
        net = super()._build_net(
            spec, target, generator, device, size, callbacks, state
        )
        if any(isinstance(c, Checkpoint) for _, c in callbacks):
            torch.rand(1, generator=generator)
        return net


MUTANTS = [
    Mutant(RestartsItsNoise(), "check_resumed_run_is_the_straight_run"),
    Mutant(CountsEpochsAnew(), "check_resumed_run_is_the_straight_run"),
    Mutant(ForgetsWeightDecay(), "check_resumed_run_is_the_straight_run"),
    Mutant(ForgetsPatience(), "check_resumed_run_is_the_straight_run"),
    Mutant(
        ResumesAnything(),
        "check_checkpoint_of_another_run_is_refused",
        (
            "check_checkpoint_of_other_data_or_callbacks_is_refused",
            "check_resumed_run_is_the_straight_run",
        ),
    ),
    Mutant(
        ResumesOnOtherRows(), "check_checkpoint_of_other_data_or_callbacks_is_refused"
    ),
    Mutant(
        ResumesWithOtherCallbacks(),
        "check_checkpoint_of_other_data_or_callbacks_is_refused",
    ),
    Mutant(DrawsForCheckpoints(), "check_checkpoints_do_not_change_the_run"),
]
