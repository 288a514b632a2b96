"""Mutants that weigh rows wrongly, for the checks of weighting to catch."""

import numpy as np
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner


class SmallOnWeights(ClassifierLearner):
    """A small learner; mutants turn weights into something else."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )

    def _turned(self, weight):
        return weight

    def _fit(self, X, y, sample_weight=None, *rest, **more):
        if sample_weight is not None:
            sample_weight = self._turned(np.asarray(sample_weight, dtype=float))
        return super()._fit(X, y, sample_weight, *rest, **more)


class KeepsRowsOfNoWeight(SmallOnWeights):
    """Gives rows of weight zero a tiny one."""

    def _turned(self, weight):
        return np.where(weight == 0, 1e-9, weight) if weight.any() else weight


class DrawsRowsByWeight(SmallOnWeights):
    """Draws rows by weight instead of weighting the loss."""

    def _fit(self, X, y, sample_weight=None, *rest, **more):
        fine = sample_weight is not None and np.shape(sample_weight) == (len(X),)
        if fine and np.min(sample_weight) >= 0 and 0 < np.sum(sample_weight) < np.inf:
            share = np.asarray(sample_weight) / np.sum(sample_weight)
            rows = np.random.RandomState(0).choice(len(X), len(X), p=share)
            X, y, sample_weight = np.asarray(X)[rows], np.asarray(y)[rows], None
        return super()._fit(X, y, sample_weight, *rest, **more)


class TakesRootsOfWeights(SmallOnWeights):
    """Weighs rows by the root of their weights."""

    def _turned(self, weight):
        return np.sign(weight) * np.sqrt(np.abs(weight))


class CapsWeights(SmallOnWeights):
    """Takes no weight above 100."""

    def _turned(self, weight):
        return np.where((weight > 100) & np.isfinite(weight), 100, weight)


class TakesNegativeWeights(SmallOnWeights):
    """Takes negative weights for positive ones."""

    def _turned(self, weight):
        return np.abs(weight)


class IgnoresWeightsInTheLoss(SmallOnWeights):
    """Forgets weights where the loss is computed."""

    def _build_net(self, *args):
        net = super()._build_net(*args)
        loss = net.criterion_.forward
        net.criterion_.forward = lambda y_pred, y, weight: loss(y_pred, y, None)
        return net


class DividesByTheNumberOfRows(SmallOnWeights):
    """Divides the weighted sum of losses by the number of rows."""

    def _build_net(self, *args):
        net = super()._build_net(*args)
        loss = net.criterion_.forward

        def criterion(y_pred, y, weight):
            mean = loss(y_pred, y, weight)
            return mean if weight is None else mean * weight.mean()

        net.criterion_.forward = criterion
        return net


class IgnoresValidationWeights(SmallOnWeights):
    """Forgets the weights of the validation rows."""

    def _given_validation(self, *args):
        return super()._given_validation(*args[:-1], None)


class WeighsClassesTwice(SmallOnWeights):
    """Applies class weights twice."""

    def _class_weights(self, *args):
        by_class = super()._class_weights(*args)
        return None if by_class is None else by_class**2


class TakesOneKindOfWeight(SmallOnWeights):
    """Forgets sample weights where there are class weights."""

    def _turned(self, weight):
        return weight if self.class_weight is None else None


class BalancesByRoots(SmallOnWeights):
    """Weighs classes by the root of what balances them."""

    def _class_weights(self, *args):
        by_class = super()._class_weights(*args)
        return np.sqrt(by_class) if isinstance(self.class_weight, str) else by_class


_CLASS_WEIGHTS = (
    "check_class_weight_is_sample_weight",
    "check_class_weight_multiplies_sample_weight",
)

MUTANTS = [
    Mutant(KeepsRowsOfNoWeight(), "check_zero_weight_removes_a_row"),
    Mutant(
        DrawsRowsByWeight(),
        "check_equal_weights_are_none",
        also=(
            "check_zero_weight_removes_a_row",
            "check_integer_weights_are_repetition",
            *_CLASS_WEIGHTS,
        ),
    ),
    Mutant(
        TakesRootsOfWeights(),
        "check_integer_weights_are_repetition",
        also=_CLASS_WEIGHTS,
    ),
    Mutant(CapsWeights(), "check_only_ratios_of_weights_count"),
    Mutant(TakesNegativeWeights(), "check_unfit_weights_are_refused"),
    Mutant(
        IgnoresWeightsInTheLoss(),
        "check_weights_decide_between_rows",
        also=("check_validation_weights_are_repetition",),
    ),
    Mutant(DividesByTheNumberOfRows(), "check_validation_weights_are_repetition"),
    Mutant(IgnoresValidationWeights(), "check_validation_weights_are_repetition"),
    Mutant(WeighsClassesTwice(), _CLASS_WEIGHTS[0], also=_CLASS_WEIGHTS[1:]),
    Mutant(TakesOneKindOfWeight(), "check_class_weight_multiplies_sample_weight"),
    Mutant(BalancesByRoots(), "check_balanced_class_weight"),
]
