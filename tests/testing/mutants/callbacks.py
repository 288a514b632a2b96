"""Mutants that the kit for callbacks must catch."""

import threading
import warnings

import torch
from skorch.callbacks import Callback

from mutants import Mutant
from torchlearners.testing import check_callback


class MisspellsItsHook(Callback):
    """Has a hook that no training calls, besides one that is called."""

    def on_epoch_begin(self, net, **kwargs):
        self.n_ = len(net.history)

    def on_epoch_ends(self, net, **kwargs):
        self.n_ = len(net.history)


class HasNoHook(Callback):
    """Overrides no hook at all."""


class TakesNoKeywords(Callback):
    """Has a hook that takes just what skorch gives it today."""

    def on_epoch_begin(self, net, dataset_train, dataset_valid):
        self.n_ = len(net.history)


class OverridesInVain(Callback):
    """Has a hook for each batch that does nothing."""

    def on_batch_end(self, net, **kwargs):
        """Do nothing yet."""


class HasUndocumentedParameter(Callback):
    """Says nothing of its parameter."""

    def __init__(self, every=1):
        self.every = every

    def on_epoch_begin(self, net, **kwargs):
        self.due_ = len(net.history) % self.every == 0


class AddsParameterInItsConstructor(Callback):
    """Sets an attribute in the constructor that skorch takes for a parameter."""

    def __init__(self):
        self.total = 0

    def __sklearn_clone__(self):
        return type(self)()

    def on_epoch_begin(self, net, **kwargs):
        self.n_ = len(net.history)


class TurnsParameterIntoState(Callback):
    """Makes an attribute while training that skorch takes for a parameter."""

    def on_epoch_begin(self, net, **kwargs):
        self.n_epochs = len(net.history)


class WantsValidationRows(Callback):
    """Reads the validation loss where there is none."""

    def on_train_end(self, net, **kwargs):
        self.last_ = net.history[-1, "valid_loss"]


class WantsEachValidationLoss(Callback):
    """Takes the validation loss of every epoch for granted."""

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        if dataset_valid is not None:
            self.last_ = net.history[-1, "valid_loss"]


class WantsManyWeights(Callback):
    """Takes for granted that the network has two parameters."""

    def on_train_begin(self, net, **kwargs):
        self.second_ = list(net.module_.parameters())[1].shape


class NeverForgets(Callback):
    """Counts epochs from the constructor on, without initialize()."""

    def __init__(self):
        self.n_ = 0

    def __sklearn_clone__(self):
        return type(self)()

    def initialize(self):
        self.seen_ = getattr(self, "seen_", 0)
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.seen_ += 1


class RemembersFits(Callback):
    """Keeps its state on the class, over all fits."""

    lengths = []

    def on_train_end(self, net, **kwargs):
        self.lengths.append(len(net.history))


class MovesGlobalRandomNumbers(Callback):
    """Draws from torch's global generator."""

    def on_epoch_begin(self, net, **kwargs):
        self.drawn_ = torch.rand(1).shape


class SilencesWarnings(Callback):
    """Changes the filters of warnings for good."""

    def on_train_begin(self, net, **kwargs):
        warnings.filters.insert(0, ("ignore", None, FutureWarning, None, 0))


class KeepsFunction(Callback):
    """Keeps a local function, which cannot be pickled, in a parameter.

    Parameters
    ----------
    judge : callable
    """

    def __init__(self, judge):
        self.judge = judge

    def on_epoch_begin(self, net, **kwargs):
        self.judged_ = self.judge(len(net.history))


class _DecaysRate(Callback):
    """Lowers the learning rate by its own count of epochs."""

    def initialize(self):
        self.n_ = 0
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.n_ += 1
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr / self.n_


class ForgetsWhenResumed(_DecaysRate):
    """Keeps a count that training depends on, and has no state_dict."""


class HasTensorsInItsState(_DecaysRate):
    """Has a state_dict with a tensor."""

    def state_dict(self):
        return {"n": torch.tensor(self.n_)}

    def load_state_dict(self, state):
        self.n_ = int(state["n"])


class LoadsHalfOfItsState(_DecaysRate):
    """Puts back the count that training depends on, and no other."""

    def initialize(self):
        self.n_batches_ = 0
        return super().initialize()

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.n_batches_ += 1

    def state_dict(self):
        return {"n": self.n_, "n_batches": self.n_batches_}

    def load_state_dict(self, state):
        self.n_, self.n_batches_ = state["n"], 0


class LeavesThread(Callback):
    """Ends its thread in on_train_end only, which an error passes over."""

    def on_train_begin(self, net, **kwargs):
        done = threading.Event()
        thread = threading.Thread(target=done.wait, args=(30,), daemon=True)
        thread.start()
        self.stop_ = _Stop(done, thread)

    def on_train_end(self, net, **kwargs):
        self.stop_()


class _Stop:
    def __init__(self, done, thread):
        self.done, self.thread = done, thread

    def __call__(self):
        self.done.set()
        self.thread.join()

    def __reduce__(self):
        return str, ()


class ChangesWhatItWasGiven(Callback):
    """Is its own clone, so that the fit of a clone changes the object."""

    def __sklearn_clone__(self):
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.n_ = len(net.history)


MUTANTS = [
    Mutant(subject, caught_by, also, check_callback)
    for subject, caught_by, also in [
        (MisspellsItsHook(), "check_callback_overrides_known_hooks", ()),
        (HasNoHook(), "check_callback_overrides_known_hooks", ()),
        (TakesNoKeywords(), "check_callback_hooks_take_keywords", ()),
        (OverridesInVain(), "check_callback_has_no_empty_hook", ()),
        (HasUndocumentedParameter(), "check_callback_documents_parameters", ()),
        (
            AddsParameterInItsConstructor(),
            "check_callback_parameters_are_the_signature",
            (),
        ),
        (
            TurnsParameterIntoState(),
            "check_callback_keeps_parameters_apart_from_state",
            (),
        ),
        (WantsValidationRows(), "check_callback_works_without_validation_rows", ()),
        (WantsEachValidationLoss(), "check_callback_works_with_sparse_evaluation", ()),
        (WantsManyWeights(), "check_callback_works_for_any_network", ()),
        (
            NeverForgets(),
            "check_callback_initialize_forgets",
            ("check_callback_starts_anew_in_each_fit",),
        ),
        (RemembersFits(), "check_callback_starts_anew_in_each_fit", ()),
        (MovesGlobalRandomNumbers(), "check_callback_leaves_random_numbers_alone", ()),
        (SilencesWarnings(), "check_callback_leaves_settings_alone", ()),
        (
            KeepsFunction(lambda n: n > 1),
            "check_callback_travels_to_another_process",
            (),
        ),
        (ForgetsWhenResumed(), "check_callback_resumed_run_equals_straight", ()),
        (HasTensorsInItsState(), "check_callback_state_is_plain_data", ()),
        (LoadsHalfOfItsState(), "check_callback_state_survives_loading", ()),
        (LeavesThread(), "check_callback_closes_what_it_opens", ()),
        (
            ChangesWhatItWasGiven(),
            "check_callback_is_left_as_it_was",
            ("check_callback_clones_alike",),
        ),
    ]
]
