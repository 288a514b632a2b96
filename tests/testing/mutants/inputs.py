"""Mutants that take X wrongly, for the checks of inputs to catch."""

import numpy as np
import torch
from scipy.sparse import issparse
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.data import RowSelection, Schema
from torchlearners.training import ClassifierNet


class SmallOnInputs(ClassifierLearner):
    """A small learner; mutants turn X into something else in fit, predict or both."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )

    def _in_fit(self, X):
        return X

    def _in_predict(self, X):
        return X

    # Inside the part of fit that puts attributes back where it fails.
    def _fit_steps(self, X, *rest):
        return super()._fit_steps(self._in_fit(X), *rest)

    def _outputs(self, X):
        return super()._outputs(self._in_predict(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.input_tags.sparse = False
        return tags


def is_array(X):
    masked = isinstance(X, np.ma.MaskedArray)
    is_table = isinstance(X, np.ndarray) and X.ndim == 2 and not masked
    return is_table and X.dtype.kind == "f"


class TakesUint8ForPixels(SmallOnInputs):
    """Divides uint8 by 255, but in predict only."""

    def _in_predict(self, X):
        return X / 255 if getattr(X, "dtype", None) == np.uint8 else X


class ReadsMemoryInOrder(SmallOnInputs):
    """Takes the values of X in the order in which memory holds them."""

    def _in_fit(self, X):
        return X.ravel(order="K").reshape(X.shape) if is_array(X) else X


class ClipsOutliersInPlace(SmallOnInputs):
    """Clips outliers in the array that was given to fit."""

    def _in_fit(self, X):
        if is_array(X) and X.flags.writeable and X.size and np.isfinite(X).all():
            np.clip(X, X.mean(axis=0) - 5 * X.std(axis=0), None, out=X)
        return X


class RoundsPandas(SmallOnInputs):
    """Takes pandas frames as float32, arrays as float64."""

    def _in_fit(self, X):
        return (
            X.astype("float32") if hasattr(X, "iloc") and hasattr(X, "columns") else X
        )


class TakesValuesOfFrames(SmallOnInputs):
    """Asks every frame for what only those of pandas have."""

    def _in_fit(self, X):
        return X.values if hasattr(X, "columns") else X

    _in_predict = _in_fit


class SortsColumns(SmallOnInputs):
    """Sorts the columns of a frame by name."""

    def _in_fit(self, X):
        return X[sorted(X.columns)] if hasattr(X, "columns") else X

    _in_predict = _in_fit


class MakesNamesOfNumbers(SmallOnInputs):
    """Takes columns named by numbers for columns named by words."""

    def _in_fit(self, X):
        return X.rename(columns=str) if hasattr(X, "iloc") else X

    _in_predict = _in_fit


class ForgetsColumnNames(SmallOnInputs):
    """Takes the columns of a frame by position, whatever they are called."""

    def _in_fit(self, X):
        return np.asarray(X) if hasattr(X, "columns") else X

    _in_predict = _in_fit


class SpreadOfRow(nn.Module):
    """Divide each row by the spread of its values."""

    def forward(self, x):
        return x / x.std(dim=1, keepdim=True)


class TakesColumnsByPosition(SmallOnInputs):
    """Calls the columns of a frame in predict as those at their place in fit."""

    def _in_predict(self, X):
        if not hasattr(X, "set_axis"):
            return X
        return X.set_axis(self.feature_names_in_, axis=1)


class DividesRowsBySpread(SmallOnInputs):
    """Divides by the standard deviation of a row, which one feature does not have."""

    def network(self, spec):
        return nn.Sequential(SpreadOfRow(), super().network(spec))


class UnguardedScale(Schema):
    """Divide by a standard deviation that may be zero."""

    def fit(self, X, weight):
        rows = np.concatenate([block for _, block in RowSelection.of(X).blocks()])
        self.center = rows.mean(axis=0)
        with np.errstate(divide="ignore"):
            self.inverse_scale = 1 / rows.std(axis=0)
        return self


class DividesByNoSpread(SmallOnInputs):
    """Divides constant features by their standard deviation."""

    def schema(self):
        return UnguardedScale()


class LeavesFeaturesUnscaled(SmallOnInputs):
    """Gives the network features as they are."""

    def schema(self):
        return Schema(scaling=None)


class KnowsFewFeatures(SmallOnInputs):
    """Builds its first layer for 32 features at most."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(min(spec.n_numeric, 32), 16),
            nn.ReLU(),
            nn.Linear(16, spec.n_outputs),
        )


class NeedsFiveRows(SmallOnInputs):
    """Refuses to fit on fewer than five rows."""

    def _in_fit(self, X):
        if 0 < len(X) < 5:
            raise ValueError("n_neighbors=5 is more than there are rows.")
        return X


class SqueezedLinear(nn.Linear):
    """Drop all dimensions of length one."""

    def forward(self, x):
        return super().forward(x).squeeze()


class SqueezesBatches(SmallOnInputs):
    """Loses the dimension of the rows where a batch has one."""

    def network(self, spec):
        return SqueezedLinear(spec.n_numeric, spec.n_outputs)


class DropsABatchOfOne(SmallOnInputs):
    """Leaves out the last row where it would be a batch by itself."""

    def _build_net(self, *args):
        net = super()._build_net(*args)
        make = net.get_iterator

        def get_iterator(data, training=False):
            batches = make(data, training)
            if training and batches.sizes[-1] == net.batch_size + 1:
                batches.sizes[-1] -= 1
            return batches

        net.get_iterator = get_iterator
        return net


class NaivePiecesNet(ClassifierNet):
    """A net that accumulates gradients over pieces of any size."""

    def _accumulate(self, batch):
        whole, self.batch_size = self.batch_size, 1
        try:
            return super()._accumulate(batch)
        finally:
            self.batch_size = whole


class CutsPiecesOfOneRow(SmallOnInputs):
    """Cuts batches into pieces of one row, which batch normalization cannot take."""

    def network(self, spec):
        return nn.Sequential(nn.BatchNorm1d(spec.n_numeric), super().network(spec))

    def _make_net(self, target, **settings):
        return NaivePiecesNet(**settings)


class SqueezesPredictions(SmallOnInputs):
    """Predicts a scalar for one row."""

    def predict(self, X):
        return super().predict(X).squeeze()


class RefusesLargeBatches(SmallOnInputs):
    """Refuses a batch_size above the number of rows."""

    def _batch_size(self, n_rows):
        if self.batch_size != "auto" and self.batch_size > n_rows:
            raise ValueError(f"batch_size={self.batch_size} is more than {n_rows}.")
        return super()._batch_size(n_rows)


class RefusesBatchesOfOne(SmallOnInputs):
    """Refuses batch_size=1 and does not say why."""

    def _batch_size(self, n_rows):
        if self.batch_size == 1:
            raise ValueError("Bad parameters.")
        return super()._batch_size(n_rows)


class FillsMissingSilently(SmallOnInputs):
    """Takes NaN for zero, without saying so in its tags."""

    def _in_fit(self, X):
        return np.where(np.isnan(X), 0, X) if is_array(X) else X

    _in_predict = _in_fit


class PromisesMissing(SmallOnInputs):
    """Has the tag of missing values, and refuses them in predict."""

    def _in_predict(self, X):
        if is_array(X) and np.isnan(X).any():
            raise ValueError("Input X contains NaN.")
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class ForgetsMasks(SmallOnInputs):
    """Takes what a masked array masks for values."""

    def _in_fit(self, X):
        return np.asarray(X) if isinstance(X, np.ma.MaskedArray) else X

    _in_predict = _in_fit


class TakesInfinity(SmallOnInputs):
    """Takes infinity for a large number."""

    def _in_fit(self, X):
        return np.where(np.isinf(X), 1e4, X).astype(X.dtype) if is_array(X) else X

    _in_predict = _in_fit


class TakesCategories(SmallOnInputs):
    """No mutant: takes columns of categories by their codes, and unseen ones as -1."""

    def _in_fit(self, X):
        self._categories = {
            column: X[column].unique().tolist()
            for column in getattr(X, "columns", [])
            if str(X[column].dtype) in ("category", "str", "object")
        }
        return self._in_predict(X)

    def _in_predict(self, X):
        for column, seen in self._categories.items():
            X = X.copy()
            X[column] = self._codes(X[column], seen)
        return X

    def _codes(self, values, seen):
        return [float(seen.index(v)) if v in seen else -1.0 for v in values]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags


class IgnoresCategories(TakesCategories):
    """Has the tag of categories, and takes all of them for the same."""

    def _codes(self, values, seen):
        return [0.0] * len(values)


class FailsOnUnseenCategories(TakesCategories):
    """Looks up categories that were not there in fit."""

    def _codes(self, values, seen):
        return [float(seen.index(v)) for v in values]


class CutsColumns(SmallOnInputs):
    """Leaves out columns that are too many in predict."""

    def _in_predict(self, X):
        return X[:, : self.n_features_in_] if is_array(X) else X


class AnswersNothingToNothing(SmallOnInputs):
    """Predicts no rows without asking whether that was meant."""

    def _outputs(self, X):
        if len(X) == 0:
            return torch.zeros(0, self._spec.n_outputs).numpy()
        return super()._outputs(X)


class TakesSparseInFitOnly(SmallOnInputs):
    """Fits on sparse X, but does not predict it."""

    def _in_fit(self, X):
        return X.toarray() if issparse(X) else X


class Cube(nn.Module):
    def forward(self, x):
        return x**3


class CubesFeatures(SmallOnInputs):
    """Takes the cube of features, which float32 cannot hold where they are large."""

    def network(self, spec):
        return nn.Sequential(Cube(), super().network(spec))


MUTANTS = [
    Mutant(CubesFeatures(), "check_largest_values_do_no_harm"),
    Mutant(TakesUint8ForPixels(), "check_dtype_of_features_does_not_matter"),
    Mutant(ReadsMemoryInOrder(), "check_memory_layout_does_not_matter"),
    Mutant(ClipsOutliersInPlace(), "check_data_given_are_not_changed"),
    Mutant(
        RoundsPandas(),
        "check_pandas_frame_equals_array",
        also=(
            "check_column_names_of_any_script_work",
            "check_data_frame_through_column_transformer",
        ),
    ),
    Mutant(
        TakesValuesOfFrames(),
        "check_polars_frame_equals_array",
        also=(
            "check_column_names_may_be_numbers",
            "check_columns_are_known_by_name",
            "check_data_frame_through_column_transformer",
        ),
    ),
    Mutant(
        SortsColumns(),
        "check_column_names_of_any_script_work",
        also=("check_column_names_may_be_numbers",),
    ),
    Mutant(MakesNamesOfNumbers(), "check_column_names_may_be_numbers"),
    Mutant(
        TakesColumnsByPosition(),
        "check_columns_are_known_by_name",
        also=("check_column_names_may_be_numbers",),
    ),
    Mutant(
        ForgetsColumnNames(),
        "check_data_frame_through_column_transformer",
        also=(
            "check_columns_are_known_by_name",
            "check_column_names_may_be_numbers",
        ),
    ),
    Mutant(DividesRowsBySpread(), "check_one_feature_is_enough"),
    Mutant(DividesByNoSpread(), "check_constant_feature_does_no_harm"),
    Mutant(LeavesFeaturesUnscaled(), "check_feature_far_from_zero_does_no_harm"),
    Mutant(KnowsFewFeatures(), "check_more_features_than_rows_work"),
    Mutant(NeedsFiveRows(), "check_few_rows_work"),
    Mutant(
        SqueezesBatches(),
        "check_network_has_declared_outputs",
        also=("check_batches_of_one_row",),
    ),
    Mutant(RefusesBatchesOfOne(), "check_batches_of_one_row"),
    Mutant(CutsPiecesOfOneRow(), "check_pieces_of_a_batch_of_one_row"),
    Mutant(DropsABatchOfOne(), "check_every_row_trains_in_every_epoch"),
    Mutant(SqueezesPredictions(), "check_predictions_have_declared_shapes"),
    Mutant(
        RefusesLargeBatches(),
        "check_batch_size_above_the_number_of_rows",
        also=("check_integer_weights_are_repetition",),
    ),
    Mutant(
        FillsMissingSilently(),
        "check_missing_values_are_refused",
        also=("check_tags_match_behaviour",),
    ),
    Mutant(
        PromisesMissing(),
        "check_missing_values_are_taken",
        also=("check_masked_values_are_missing", "check_tags_match_behaviour"),
    ),
    Mutant(ForgetsMasks(), "check_masked_values_are_missing"),
    Mutant(TakesInfinity(), "check_infinities_are_refused"),
    Mutant(IgnoresCategories(), "check_categories_are_taken"),
    Mutant(FailsOnUnseenCategories(), "check_categories_are_taken"),
    Mutant(CutsColumns(), "check_number_of_features_is_compared"),
    Mutant(AnswersNothingToNothing(), "check_empty_tables_are_refused"),
    Mutant(TakesSparseInFitOnly(), "check_sparse_tables_are_taken_or_refused"),
]
