"""Mutants that the checks of the ecosystem must catch."""

import threading
from importlib.util import find_spec

import numpy as np
from sklearn.metrics import log_loss
from sklearn.utils.metadata_routing import UNUSED

from mutants import Mutant
from mutants.structure import PlainClassifier, PlainRegressor


class NeverFitted(PlainClassifier):
    """Says that it is not fitted to all but its own methods."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_spec") and "_predicting" in vars(self)

    def _outputs(self, X):
        self._predicting = True
        try:
            return super()._outputs(X)
        finally:
            del self._predicting


class ClonesShallowly(PlainClassifier):
    """Shares objects given as parameters with its clones."""

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))


class KeepsItsEpochs(PlainClassifier):
    """Trains at most as many epochs as the learner that it was cloned from."""

    def __sklearn_clone__(self):
        twin = super().__sklearn_clone__()
        twin._at_most = self.max_epochs
        return twin

    def _make_net(self, target, *, max_epochs, **settings):
        max_epochs = min(max_epochs, getattr(self, "_at_most", max_epochs))
        return super()._make_net(target, max_epochs=max_epochs, **settings)


class ScoresByLoss(PlainClassifier):
    """Returns the negative log-loss as its score."""

    def score(self, X, y, sample_weight=None):
        proba = self.predict_proba(X)
        return -log_loss(y, proba, sample_weight=sample_weight, labels=self.classes_)


class RoutesNoWeights(PlainClassifier):
    """Lets no pipeline pass sample_weight on."""

    __metadata_request__fit = {"sample_weight": UNUSED}


class RoutesNoValidationRows(PlainClassifier):
    """Lets no pipeline pass X_val on."""

    __metadata_request__fit = {"X_val": UNUSED}


class RoutesNoGroups(PlainClassifier):
    """Lets no pipeline pass groups on."""

    __metadata_request__fit = {"groups": UNUSED}


class ForgetsSklearnCallbacks(PlainClassifier):
    """Takes callbacks of scikit-learn and does not call them."""

    def set_callbacks(self, *callbacks):
        return self


class DecidesInTwoColumns(PlainClassifier):
    """Returns one logit for each of two classes, not their difference."""

    def decision_function(self, X):
        logits = super().decision_function(X)
        return logits if logits.ndim == 2 else np.column_stack([-logits, logits])


class SharesItsTarget(PlainRegressor):
    """Keeps the scaling of the target where later learners of a thread change it."""

    _of_thread = threading.local()

    def _make_target(self, y, classes):
        targets = vars(self._of_thread)
        return targets.setdefault(y.shape[1:], super()._make_target(y, classes))


MUTANTS = [
    Mutant(
        NeverFitted(),
        "check_pipeline_equals_steps",
        also=(
            "check_data_frame_through_column_transformer",
            "check_sample_weight_is_routed",
        ),
    ),
    Mutant(
        ClonesShallowly(),
        "check_grid_search_refits_the_best",
        also=("check_nested_parameters_are_kept",),
    ),
    Mutant(KeepsItsEpochs(), "check_halving_search_over_epochs"),
    Mutant(
        ScoresByLoss(),
        "check_cross_validation_equals_fits",
        also=("check_beats_a_constant", "check_overfits_eight_rows"),
    ),
    Mutant(RoutesNoWeights(), "check_sample_weight_is_routed"),
    Mutant(RoutesNoValidationRows(), "check_validation_rows_are_routed"),
    Mutant(RoutesNoGroups(), "check_groups_are_routed"),
    Mutant(
        DecidesInTwoColumns(),
        "check_probabilities_can_be_calibrated",
        also=("check_predictions_have_declared_shapes", "check_two_classes"),
    ),
    Mutant(SharesItsTarget(), "check_multi_output_equals_fits_by_column"),
]
if find_spec("sklearn.callback"):  # from scikit-learn 1.9 on
    MUTANTS.append(
        Mutant(ForgetsSklearnCallbacks(), "check_sklearn_callbacks_follow_epochs")
    )
