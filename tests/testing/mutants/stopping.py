"""Mutants that end their training in a wrong way."""

import numpy as np
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.callbacks import EarlyStopping
from torchlearners.data import validation_split
from torchlearners.training import ClassifierNet


class Stoppable(ClassifierLearner):
    """A learner without a fault, from which the mutants derive."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )

    def _stopper(self, stopper):
        return stopper

    def _build_net(self, spec, target, generator, device, size, callbacks, state):
        callbacks = [
            (name, self._stopper(c) if name == "early_stopping" else c)
            for name, c in callbacks
        ]
        return super()._build_net(
            spec, target, generator, device, size, callbacks, state
        )


class StopsLate(Stoppable):
    """Waits one epoch longer than patience says."""

    def _stopper(self, stopper):
        if stopper.patience is not None:
            stopper.set_params(patience=stopper.patience + 1)
        return stopper


class CountsFromZero(Stoppable):
    """Counts the best epoch from 0."""

    def _fitted_attributes(self, *args):
        learned = super()._fitted_attributes(*args)
        if learned["best_epoch_"] is not None:
            learned["best_epoch_"] -= 1
        return learned


class ScalesByAllRows(Stoppable):
    """Scales features by all rows, those that validate too."""

    def _fitted_schema(self, columns, train, X, seed):
        return self.schema().fit(columns.matrix(X), None)


class TakesLevelsOfAllRows(Stoppable):
    """Encodes columns by all rows, those that validate too."""

    def network(self, spec):
        return nn.Linear(spec.n_columns, spec.n_outputs)

    def _fitted_columns(self, columns, X, weight, rows):
        return super()._fitted_columns(columns, X, weight, None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags


class KeepsLastWeights(Stoppable):
    """Keeps the last weights instead of the best."""

    def _stopper(self, stopper):
        stopper.set_params(restore_best=False)
        return stopper


class RestoresParametersOnly(EarlyStopping):
    """Early stopping that forgets buffers."""

    def _keep(self, module):
        self.weights_ = {
            name: value.detach().clone() for name, value in module.named_parameters()
        }

    def on_train_end(self, net, **kwargs):
        net.module_.load_state_dict(self.weights_, strict=False)


class ForgetsBuffers(Stoppable):
    """Restores the best parameters, and the last statistics of normalization."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            nn.BatchNorm1d(16),
            nn.Linear(16, spec.n_outputs),
        )

    def _stopper(self, stopper):
        if not stopper.restore_best:
            return stopper
        return RestoresParametersOnly(**stopper.get_params())


class TrainsOnValidationRows(Stoppable):
    """Trains on all rows, also on those that validate."""

    def _split(self, target, rows, seed):
        return rows, super()._split(target, rows, seed)[1]


class SplitsUnseeded(Stoppable):
    """Splits off the same rows for every seed."""

    def _split(self, target, rows, seed):
        return super()._split(target, rows, 0)


class SplitsUnstratified(Stoppable):
    """Splits off validation rows regardless of their classes."""

    def _split(self, target, rows, seed):
        fraction = self.validation_fraction
        parts = validation_split(len(rows[0]), fraction, None, seed)
        return [tuple(None if a is None else a[part] for a in rows) for part in parts]


class MixesGroups(Stoppable):
    """Looks at the groups as they stand, after rows of weight 0 are left out."""

    def _fit(self, X, y, sample_weight=None, *args, groups=None, **kwargs):
        if groups is not None:
            counts = np.flatnonzero(sample_weight)
            groups = np.append(groups[counts], groups[: len(y) - len(counts)])
        return super()._fit(X, y, sample_weight, *args, groups=groups, **kwargs)


class SwallowsErrors(Stoppable):
    """Takes an error of a callback for the end of training."""

    def _fit(self, X, y, *args, **kwargs):
        try:
            return super()._fit(X, y, *args, **kwargs)
        except RuntimeError:
            return self


class HalfFitted(Stoppable):
    """Notes the data before it knows whether training succeeds."""

    def _fit(self, X, y, *args, **kwargs):
        self.n_rows_ = np.array(len(y))
        return super()._fit(X, y, *args, **kwargs)


class SwallowsInterrupts(Stoppable):
    """Returns on Ctrl-C as if training were over."""

    def _fit(self, X, y, *args, **kwargs):
        try:
            return super()._fit(X, y, *args, **kwargs)
        except KeyboardInterrupt:
            return self


class ForgetsInterruptedFit(Stoppable):
    """Throws away all epochs on Ctrl-C."""

    def _train(self, net, *args):
        try:
            super()._train(net, *args)
        except KeyboardInterrupt:
            net.history.clear()
            raise


class UncheckedNet(ClassifierNet):
    """A net that does not look at its losses."""

    def _check_finite(self, losses):
        pass


class ReturnsNan(Stoppable):
    """Returns a learner whose weights are NaN."""

    def _make_net(self, target, **settings):
        return UncheckedNet(**settings)


_SPLIT = "check_validation_split_is_seeded"
MUTANTS = [
    Mutant(StopsLate(), "check_early_stopping_counts_epochs"),
    Mutant(CountsFromZero(), "check_early_stopping_counts_epochs"),
    Mutant(
        KeepsLastWeights(),
        "check_best_weights_are_kept",
        also=(
            "check_every_parameter_matters",
            "check_interrupted_fit_keeps_best_weights",
        ),
    ),
    Mutant(
        ForgetsBuffers(),
        "check_best_weights_are_kept",
        also=("check_interrupted_fit_keeps_best_weights",),
    ),
    Mutant(
        TrainsOnValidationRows(),
        "check_validation_rows_never_train",
        also=("check_preprocessing_learns_from_training_rows",),
    ),
    Mutant(
        ScalesByAllRows(),
        "check_preprocessing_learns_from_training_rows",
        also=(
            "check_zero_weight_removes_a_row",
            "check_integer_weights_are_repetition",
        ),
    ),
    Mutant(TakesLevelsOfAllRows(), "check_preprocessing_learns_from_training_rows"),
    Mutant(SplitsUnseeded(), _SPLIT),
    Mutant(SplitsUnstratified(), _SPLIT),
    Mutant(MixesGroups(), "check_groups_stay_together"),
    Mutant(SwallowsErrors(), "check_failed_fit_changes_nothing"),
    Mutant(HalfFitted(), "check_failed_fit_changes_nothing"),
    Mutant(SwallowsInterrupts(), "check_interrupted_fit_keeps_best_weights"),
    Mutant(ForgetsInterruptedFit(), "check_interrupted_fit_keeps_best_weights"),
    Mutant(ReturnsNan(), "check_diverging_fit_is_an_error"),
]
