"""Mutants that the checks of determinism must catch."""

import logging
import os
import random
import sys
import threading
import warnings

import numpy as np
import torch
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner, RegressorLearner


def layers(spec):
    return nn.Sequential(
        nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
    )


class Plain(ClassifierLearner):
    """A sound learner to derive broken ones from."""

    def network(self, spec):
        return layers(spec)


class SplitsWithoutSeed(Plain):
    """Draws the validation rows from a generator that no seed reaches."""

    def _split(self, target, rows, seed):
        return super()._split(target, rows, random.SystemRandom().randrange(2**32))


class SeedsAreAllOne(Plain):
    """Trains with one seed, whatever random_state is."""

    def _seed(self, continuing, checkpoint):
        return 0


class ReadsRandomStatesOnlyOnce(Plain):
    """Takes the seed of a RandomState without advancing it."""

    def _seed(self, continuing, checkpoint):
        state = self.random_state
        if isinstance(state, np.random.RandomState):
            return int(state.get_state()[1][0])
        return super()._seed(continuing, checkpoint)


class SeedsGlobally(ClassifierLearner):
    """Seeds the caller's random numbers."""

    def network(self, spec):
        torch.manual_seed(0)
        return layers(spec)


class StartsFromNumpysState(ClassifierLearner):
    """Draws initial weights from a copy of numpy's global state."""

    def network(self, spec):
        module = layers(spec)
        state = np.random.RandomState(0)
        state.set_state(np.random.get_state())  # noqa: NPY002 - this is the fault
        with torch.no_grad():
            module[0].weight[0, 0] = state.uniform(-0.5, 0.5)
        return module


class KeepsOneThread(Plain):
    """Leaves torch with a single thread."""

    def _fit(self, *args, **kwargs):
        torch.set_num_threads(1)
        return super()._fit(*args, **kwargs)


class SilencesWarningsForGood(Plain):
    """Switches warnings off and never on again."""

    def _outputs(self, X):
        warnings.simplefilter("ignore")
        return super()._outputs(X)


class TunesForTheGPU(ClassifierLearner):
    """Changes a setting of torch and leaves it so."""

    def network(self, spec):
        torch.backends.cudnn.benchmark = True
        return layers(spec)


class FollowsAutocast(Plain):
    """Rounds outputs to the precision that the caller has set."""

    def _outputs(self, X):
        outputs = super()._outputs(X)
        if torch.is_autocast_enabled("cpu"):
            return torch.from_numpy(outputs).bfloat16().float().numpy()
        return outputs


class TalksWhileFitting(Plain):
    """Prints in fit."""

    def _fit(self, *args, **kwargs):
        sys.stdout.write("fitting\n")
        return super()._fit(*args, **kwargs)


class LogsEachPredict(Plain):
    """Logs a warning about nothing."""

    def _outputs(self, X):
        logging.getLogger(__name__).warning("predicting")
        return super()._outputs(X)


class GoesOnFromTheLastFit(Plain):
    """Starts a fit from the weights of the one before."""

    def _build_net(self, *args):
        net = super()._build_net(*args)
        if hasattr(self, "net_"):
            net.module_.load_state_dict(self.net_.module_.state_dict())
        return net


class Remembers(nn.Module):
    """Adds a little of the rows seen before."""

    def __init__(self, spec):
        super().__init__()
        self.layers = layers(spec)
        self.seen = 0.0

    def forward(self, x):
        if self.training:
            return self.layers(x)
        before, self.seen = self.seen, x.mean().detach()
        return self.layers(x) + 1e-3 * before


class RemembersRows(RegressorLearner):
    """Lets a prediction depend on the one before."""

    def network(self, spec):
        return Remembers(spec)


class CentersBatch(nn.Module):
    """Subtracts the mean of the rows at hand."""

    def __init__(self, spec):
        super().__init__()
        self.layers = layers(spec)

    def forward(self, x):
        return self.layers(x - x.mean(dim=0))


class NormalizesByTheBatch(ClassifierLearner):
    """Lets a prediction depend on the rows beside it."""

    def network(self, spec):
        return CentersBatch(spec)


class RoundsFewRowsOtherwise(RegressorLearner):
    """Lets the number of rows change the last bits of a prediction."""

    def network(self, spec):
        return layers(spec)

    def predict(self, X):
        found = super().predict(X)
        return found * (1 + 3e-7) if len(found) < 6 else found


class SeedsEachThread(Plain):
    """Trains with another seed outside of the main thread."""

    def _seed(self, continuing, checkpoint):
        seed = super()._seed(continuing, checkpoint)
        return seed + (threading.current_thread() is not threading.main_thread())


class KnowsItsProcess(ClassifierLearner):
    """Starts from a weight that is another in each process."""

    def network(self, spec):
        module = layers(spec)
        with torch.no_grad():
            module[0].weight[0, 0] = os.getpid() % 1000 / 1000
        return module


_FOLDS = "check_folds_are_the_same_in_threads_and_processes"

MUTANTS = [
    Mutant(
        SplitsWithoutSeed(),
        "check_same_seed_gives_same_bits",
        also=(
            "check_validation_split_is_seeded",
            "check_resumed_run_is_the_straight_run",
        ),
    ),
    Mutant(
        SeedsAreAllOne(),
        "check_different_seeds_give_different_bits",
        also=(
            "check_takes_any_random_state",
            "check_every_parameter_matters",
            "check_validation_split_is_seeded",
            "check_checkpoint_of_another_run_is_refused",
        ),
    ),
    Mutant(ReadsRandomStatesOnlyOnce(), "check_takes_any_random_state"),
    Mutant(SeedsGlobally(), "check_global_random_states_are_left_alone"),
    Mutant(
        StartsFromNumpysState(),
        "check_global_random_states_do_not_matter",
        also=(_FOLDS,),
    ),
    Mutant(KeepsOneThread(), "check_global_settings_are_left_alone"),
    Mutant(TunesForTheGPU(), "check_global_settings_are_left_alone"),
    Mutant(SilencesWarningsForGood(), "check_global_settings_are_left_alone"),
    Mutant(FollowsAutocast(), "check_modes_of_the_caller_do_not_matter"),
    Mutant(TalksWhileFitting(), "check_prints_and_warns_nothing"),
    Mutant(LogsEachPredict(), "check_prints_and_warns_nothing"),
    Mutant(
        GoesOnFromTheLastFit(),
        "check_refit_equals_a_fresh_fit",
        also=("check_warm_start_goes_on",),
    ),
    Mutant(
        RemembersRows(),
        "check_predict_gives_the_same_bits_twice",
        also=(
            "check_every_parameter_matters",
            "check_predictions_are_made_row_by_row",
            "check_validation_weights_are_repetition",
            "check_stored_learner_is_the_same",
            "check_ensembles_have_members_of_their_own",
        ),
    ),
    Mutant(
        NormalizesByTheBatch(),
        "check_predictions_are_made_row_by_row",
        also=("check_validation_weights_are_repetition",),
    ),
    Mutant(RoundsFewRowsOtherwise(), "check_predictions_are_made_row_by_row"),
    Mutant(
        SeedsEachThread(),
        "check_fits_in_threads_do_not_disturb_each_other",
        also=(_FOLDS,),
    ),
    Mutant(KnowsItsProcess(), _FOLDS),
]
