"""Mutants that the checks of training control must catch."""

import torch
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.training import ClassifierNet


class Steered(ClassifierLearner):
    """A learner without a fault, from which the mutants derive."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )


class IgnoresLearningRate(Steered):
    """Trains with a learning rate of its own."""

    def _make_net(self, target, **settings):
        return super()._make_net(target, **{**settings, "lr": 0.05})


class DecaysNothing(Steered):
    """Forgets to hand the weight decay to the optimizer."""

    def _make_net(self, target, **settings):
        return super()._make_net(target, **{**settings, "weight_decay": 0.0})


class PartlyDecayingNet(ClassifierNet):
    """A net that gives biases to the optimizer in a group of their own."""

    def initialize_optimizer(self, triggered_directly=None):
        super().initialize_optimizer()
        weights = [p for _, p in self._trainable if p.ndim > 1]
        biases = [p for _, p in self._trainable if p.ndim == 1]
        self.optimizer_.param_groups[0]["params"] = weights
        self.optimizer_.add_param_group({"params": biases, "weight_decay": 0.0})
        return self


class DecaysWeightsOnly(Steered):
    """Applies the weight decay to some of the parameters only."""

    def _make_net(self, target, **settings):
        return PartlyDecayingNet(**settings)


class UsesOneThread(Steered):
    """Trains on one thread, whatever n_threads says."""

    def _threads(self, net, n_rows):
        return 1


class IgnoresShuffle(Steered):
    """Shuffles the rows, whatever the parameter shuffle says."""

    def _row_order(self, target):
        return super()._row_order(target) if self.shuffle else self.sampler


class ShufflesTheFirstEpochOnly(Steered):
    """Takes the rows of each epoch in one and the same random order."""

    def _row_order(self, target):
        order = super()._row_order(target)

        def same(data, generator):
            return torch.randperm(len(data), generator=torch.Generator().manual_seed(0))

        return order or same


class AlwaysTrainingNet(ClassifierNet):
    """A net that never switches to evaluation mode while it trains."""

    def _set_training(self, training=True):
        super()._set_training(True)


class EvaluatesInTrainingMode(Steered):
    """Evaluates the validation rows with the network in training mode."""

    def _make_net(self, target, **settings):
        return AlwaysTrainingNet(**settings)


class ShortEvaluationNet(ClassifierNet):
    """A net that leaves rows out of an evaluation where drop_last is set."""

    def get_iterator(self, dataset, training=False):
        batches = super().get_iterator(dataset, training)
        if not training and self.drop_last:
            batches.sizes[-1] -= 1
        return batches


class DropsLastValidationRows(Steered):
    """Applies drop_last to the validation rows too."""

    def _make_net(self, target, **settings):
        return ShortEvaluationNet(**settings)


class EvaluatesEachEpoch(Steered):
    """Ignores eval_every."""

    def _make_net(self, target, **settings):
        return super()._make_net(target, **{**settings, "eval_every": 1})


class MuteNet(ClassifierNet):
    """A net that does not tell callbacks of the end of a batch."""

    def _overriding(self, method_name):
        return [] if method_name == "on_batch_end" else super()._overriding(method_name)


class ForgetsAStage(Steered):
    """Has a training loop that leaves out a stage of callbacks."""

    def _make_net(self, target, **settings):
        return MuteNet(**settings)


class TellsNoSeconds(Steered):
    """Loses the seconds of each epoch."""

    def _fit(self, *args, **kwargs):
        super()._fit(*args, **kwargs)
        for row in self.history_:
            row.pop("dur", None)
        return self


class LogitsAsScoresNet(ClassifierNet):
    """A net that hands doubled outputs to the measures of validation rows."""

    def validation_step(self, batch, **fit_params):
        step = super().validation_step(batch, **fit_params)
        return {**step, "y_pred": 2 * step["y_pred"]}


class MeasuresOtherOutputs(Steered):
    """Measures other outputs of the validation rows than it predicts."""

    def _make_net(self, target, **settings):
        return LogitsAsScoresNet(**settings)


class IgnoresMaxTime(Steered):
    """Has no time limit."""

    def _build_net(self, spec, target, generator, device, size, callbacks, state):
        callbacks = [item for item in callbacks if item[0] != "max_time"]
        return super()._build_net(
            spec, target, generator, device, size, callbacks, state
        )


class TakesBadParameters(Steered):
    """Does not check its parameters."""

    def _validate_params(self):
        pass


class TakesHalfAPair(Steered):
    """Passes over X_val where there is no y_val."""

    def _given_validation(self, columns, target, by_class, X_val, y_val, weight):
        if X_val is None or y_val is None:
            return None
        return super()._given_validation(
            columns, target, by_class, X_val, y_val, weight
        )


class StartsCold(Steered):
    """Ignores warm_start."""

    def _fit(self, *args, continuing, one_epoch=False, **kwargs):
        continuing = continuing and one_epoch
        return super()._fit(*args, continuing=continuing, one_epoch=one_epoch, **kwargs)


class PartialFitStartsAnew(Steered):
    """Forgets in each partial_fit what it had learned."""

    def _fit(self, *args, continuing, one_epoch=False, **kwargs):
        continuing = continuing and not one_epoch
        return super()._fit(*args, continuing=continuing, one_epoch=one_epoch, **kwargs)


_REACH = "check_train_parameters_reach_the_run"
_MATTERS = "check_every_parameter_matters"
MUTANTS = [
    Mutant(IgnoresLearningRate(), _REACH, also=(_MATTERS,)),
    Mutant(DecaysNothing(), _REACH, also=(_MATTERS,)),
    Mutant(DecaysWeightsOnly(), _REACH),
    Mutant(UsesOneThread(), _REACH, also=(_MATTERS,)),
    Mutant(IgnoresShuffle(), "check_rows_come_in_the_order_asked_for", (_MATTERS,)),
    Mutant(
        ShufflesTheFirstEpochOnly(),
        "check_rows_are_shuffled_anew_in_each_epoch",
        also=("check_rows_come_in_the_order_asked_for",),
    ),
    Mutant(EvaluatesInTrainingMode(), "check_modes_while_training"),
    Mutant(DropsLastValidationRows(), "check_validation_rows_are_evaluated_whole"),
    Mutant(EvaluatesEachEpoch(), "check_evaluations_follow_eval_every", (_MATTERS,)),
    Mutant(ForgetsAStage(), "check_callbacks_see_each_stage"),
    Mutant(TellsNoSeconds(), "check_history_has_a_row_for_each_epoch"),
    Mutant(
        MeasuresOtherOutputs(),
        "check_measures_are_those_of_scorers",
        also=("check_best_weights_are_kept",),
    ),
    Mutant(IgnoresMaxTime(), "check_time_limit_ends_training", also=(_MATTERS,)),
    Mutant(TakesBadParameters(), "check_bad_parameters_are_refused"),
    Mutant(TakesHalfAPair(), "check_validation_data_come_in_pairs"),
    Mutant(StartsCold(), "check_warm_start_goes_on", also=(_MATTERS,)),
    Mutant(PartialFitStartsAnew(), "check_partial_fit_trains_one_epoch"),
]
