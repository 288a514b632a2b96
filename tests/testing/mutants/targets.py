"""Mutants that take y wrongly, for the checks of targets to catch."""

import numpy as np
from sklearn.utils.validation import column_or_1d
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.data import ClassTarget, ValueTarget, check_labels


class SmallOnTargets(TorchLearner):
    """A small network."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )


class UnsortedTarget(ClassTarget):
    """Find labels among classes in any order."""

    def codes(self, y):
        y = column_or_1d(check_labels(y))
        super().codes(np.sort(y))  # the checks of y
        order = np.argsort(self.classes)
        return order[np.searchsorted(self.classes, y, sorter=order)]


class OrdersLabelsByAppearance(SmallOnTargets, ClassifierLearner):
    """Keeps classes in the order in which they come."""

    def _make_target(self, y, classes):
        target = super()._make_target(y, classes)
        if target.kind == "classes":
            _, first = np.unique(y, return_index=True)
            self.classes_ = np.asarray(y).ravel()[np.sort(first)]
            target = UnsortedTarget(self.classes_)
        return target


class PredictsCodesOfWords(SmallOnTargets, ClassifierLearner):
    """Predicts the number of a class where labels are words."""

    def predict(self, X):
        predicted = super().predict(X)
        if predicted.dtype.kind in "UO":
            return np.searchsorted(self.classes_, predicted)
        return predicted


class PredictsCodesOfIntegers(SmallOnTargets, ClassifierLearner):
    """Predicts the number of a class where labels are integers."""

    def predict(self, X):
        predicted = super().predict(X)
        if predicted.dtype.kind == "i" and predicted.ndim == 1:
            return np.searchsorted(self.classes_, predicted)
        return predicted


class PredictsNumbersForBools(SmallOnTargets, ClassifierLearner):
    """Predicts 0 and 1 where labels are False and True."""

    def predict(self, X):
        predicted = super().predict(X)
        return predicted.astype(int) if predicted.dtype == bool else predicted


class WantsAllClassesInValidation(SmallOnTargets, ClassifierLearner):
    """Refuses validation rows that lack a class."""

    def _given_validation(self, columns, target, by_class, X_val, y_val, weight):
        rows = super()._given_validation(
            columns, target, by_class, X_val, y_val, weight
        )
        if rows is not None and len(np.unique(rows[1])) < target.n_outputs:
            raise ValueError("y_val lacks a class.")
        return rows


class StratifiesAtAnyPrice(SmallOnTargets, ClassifierLearner):
    """Refuses to split where a class has one row."""

    def _split(self, target, rows, seed):
        if np.bincount(rows[1].ravel()).min() < 2:
            raise ValueError("The least populated class has one member.")
        return super()._split(target, rows, seed)


class TakesUnseenForFirst(SmallOnTargets, ClassifierLearner):
    """Takes an unknown label of y_val for the first class."""

    def _given_validation(self, columns, target, by_class, X_val, y_val, weight):
        if y_val is not None and target.kind == "classes":
            y_val = np.where(np.isin(y_val, target.classes), y_val, target.classes[0])
        return super()._given_validation(
            columns, target, by_class, X_val, y_val, weight
        )


class PredictsOneLabelOfMany(SmallOnTargets, ClassifierLearner):
    """Predicts the most probable label where a row has several."""

    def predict(self, X):
        if self._target.kind == "labels":
            return self._outputs(X).argmax(axis=1)
        return super().predict(X)


class ClipsTargetInPlace(SmallOnTargets, RegressorLearner):
    """Clips outliers in the y that was given to fit."""

    def _fit(self, X, y, *rest, **more):
        fine = getattr(y, "dtype", None) == np.float64 and y.flags.writeable
        if fine and len(y) and np.isfinite(y).all():
            np.clip(y, y.mean(axis=0) - 4 * y.std(axis=0), None, out=y)
        return super()._fit(X, y, *rest, **more)


class CenteredTarget(ValueTarget):
    """Subtract the mean, and divide by nothing."""

    def fit(self, codes, weight):
        super().fit(codes, weight)
        self.scale = np.ones_like(self.scale)


class LeavesTheUnitOfY(SmallOnTargets, RegressorLearner):
    """Does not divide y by its standard deviation."""

    def _make_target(self, y, classes):
        return CenteredTarget(**vars(super()._make_target(y, classes)))


class PredictsIntegersAfterIntegers(SmallOnTargets, RegressorLearner):
    """Rounds predictions to the dtype of y."""

    def _fit(self, X, y, *rest, **more):
        self._rounds = getattr(y, "dtype", np.dtype(float)).kind == "i"
        return super()._fit(X, y, *rest, **more)

    def predict(self, X):
        predicted = super().predict(X)
        return predicted.round().astype(int) if self._rounds else predicted


class UnguardedTarget(ValueTarget):
    """Divide by a standard deviation that may be zero."""

    def fit(self, codes, weight):
        super().fit(codes, weight)
        self.scale = np.where(np.ptp(codes, axis=0) == 0, 0.0, self.scale)

    def tensor(self, codes):
        with np.errstate(invalid="ignore"):
            return super().tensor(codes)


class DividesYByNoSpread(SmallOnTargets, RegressorLearner):
    """Divides a constant y by its standard deviation."""

    def _make_target(self, y, classes):
        return UnguardedTarget(**vars(super()._make_target(y, classes)))


class LearningTarget(ValueTarget):
    """Leave a constant to the network."""

    def predict(self, outputs):
        values = outputs.astype(np.float64) * self.scale + self.center
        return values[..., 0] if self.flat else values


class LearnsAConstant(SmallOnTargets, RegressorLearner):
    """Predicts what the network returns where y is constant."""

    def _make_target(self, y, classes):
        return LearningTarget(**vars(super()._make_target(y, classes)))


class PredictsDoubles(SmallOnTargets, RegressorLearner):
    """Predicts float64 whatever X is."""

    def predict(self, X):
        return super().predict(X).astype(np.float64)


class TakesLogarithmOfZero(SmallOnTargets, ClassifierLearner):
    """Takes the logarithm of probabilities that were rounded to 0."""

    def predict_log_proba(self, X):
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class PredictsTheFirstTarget(SmallOnTargets, RegressorLearner):
    """Predicts the first of several targets."""

    def predict(self, X):
        predicted = super().predict(X)
        return predicted if predicted.ndim == 1 else predicted[:, 0]


class FlattensColumnsSilently(SmallOnTargets, ClassifierLearner):
    """Flattens a column y without a warning."""

    def _fit(self, X, y, *rest, **more):
        if np.ndim(y) == 2 and np.shape(y)[1] == 1:
            y = np.ravel(y)
        return super()._fit(X, y, *rest, **more)


class DropsMissingTargets(SmallOnTargets, RegressorLearner):
    """Leaves out rows whose target is NaN."""

    def _fit(self, X, y, *rest, **more):
        if isinstance(y, np.ndarray) and y.ndim == 1 and np.isnan(y).any():
            X, y = X[~np.isnan(y)], y[~np.isnan(y)]
        return super()._fit(X, y, *rest, **more)


MUTANTS = [
    Mutant(OrdersLabelsByAppearance(), "check_labels_may_come_in_any_order"),
    Mutant(
        PredictsCodesOfWords(),
        "check_labels_may_be_words",
        also=(
            "check_labels_may_come_in_any_order",
            "check_predict_is_the_most_probable_class",
        ),
    ),
    Mutant(PredictsCodesOfIntegers(), "check_labels_may_be_any_integers"),
    Mutant(PredictsNumbersForBools(), "check_two_classes"),
    Mutant(WantsAllClassesInValidation(), "check_class_may_lack_in_a_batch"),
    Mutant(StratifiesAtAnyPrice(), "check_class_may_have_one_row"),
    Mutant(TakesUnseenForFirst(), "check_unseen_labels_in_y_val_are_refused"),
    Mutant(
        PredictsOneLabelOfMany(),
        "check_several_labels_a_row",
        also=("check_predictions_have_declared_shapes",),
    ),
    Mutant(ClipsTargetInPlace(), "check_data_given_are_not_changed"),
    Mutant(
        LeavesTheUnitOfY(),
        "check_scale_of_y_does_not_matter",
        also=("check_recorded_loss_is_that_of_the_predictions",),
    ),
    Mutant(PredictsIntegersAfterIntegers(), "check_integers_are_values_too"),
    Mutant(DividesYByNoSpread(), "check_constant_target_is_predicted"),
    Mutant(LearnsAConstant(), "check_constant_target_is_predicted"),
    Mutant(
        PredictsDoubles(),
        "check_float32_rows_have_float32_values",
        also=("check_dtype_of_features_does_not_matter",),
    ),
    Mutant(TakesLogarithmOfZero(), "check_log_probabilities_are_finite"),
    Mutant(
        PredictsTheFirstTarget(),
        "check_several_targets",
        also=("check_predictions_have_declared_shapes",),
    ),
    Mutant(FlattensColumnsSilently(), "check_y_as_a_column"),
    Mutant(DropsMissingTargets(), "check_missing_targets_are_refused"),
]
