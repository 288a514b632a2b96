"""Mutants that the checks of learning must catch."""

import numpy as np
import torch
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.params import param
from torchlearners.training import ClassifierNet


def layers(spec, *more):
    return nn.Sequential(
        nn.Linear(spec.n_numeric, 16),
        nn.ReLU(),
        nn.Linear(16, spec.n_outputs),
        *more,
    )


class TwoLayers(nn.Module):
    """A network to derive broken ones from."""

    def __init__(self, spec):
        super().__init__()
        self.first = nn.Linear(spec.n_numeric, 16)
        self.last = nn.Linear(16, spec.n_outputs)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


class TrainsOneEpochByDefault(ClassifierLearner):
    """Has a default that is too small to learn with."""

    max_epochs: int = param(default=1)

    def network(self, spec):
        return layers(spec)


class SummingNet(ClassifierNet):
    """A net that records the loss of all epochs so far, about."""

    def train_step(self, batch, **fit_params):
        step = super().train_step(batch, **fit_params)
        return {**step, "loss": step["loss"] * len(self.history)}


class AddsUpItsLosses(ClassifierLearner):
    """Adds up the training loss over the epochs."""

    def network(self, spec):
        return layers(spec)

    def _make_net(self, target, **settings):
        return SummingNet(**settings)


class EndsInASoftmax(ClassifierLearner):
    """Returns probabilities where logits are expected."""

    def network(self, spec):
        return layers(spec, nn.Softmax(dim=1))


class EndsInATanh(RegressorLearner):
    """Cannot predict values beyond one standard deviation."""

    def network(self, spec):
        return layers(spec, nn.Tanh())


class DetachedLayers(TwoLayers):
    """Cuts the gradient in the middle."""

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).detach())


class CutsTheGradient(ClassifierLearner):
    """Detaches the hidden layer from the output."""

    def network(self, spec):
        return DetachedLayers(spec)


class UnusedBranch(TwoLayers):
    """Has a layer that forward leaves out."""

    def __init__(self, spec):
        super().__init__(spec)
        self.shortcut = nn.Linear(spec.n_numeric, spec.n_outputs)


class ForgetsABranch(RegressorLearner):
    """Leaves a layer out of forward."""

    def network(self, spec):
        return UnusedBranch(spec)


class HoldsOneLayerStill(ClassifierLearner):
    """Trains its first layer with a learning rate of zero."""

    def network(self, spec):
        return layers(spec)

    def _build_net(self, *args):
        net = super()._build_net(*args)
        (group,) = net.optimizer_.param_groups
        first, rest = group["params"][:2], group["params"][2:]
        group["params"] = rest
        net.optimizer_.add_param_group({"params": first, "lr": 0.0})
        return net


class LeavesWeightsOutOfTheOptimizer(RegressorLearner):
    """Hands the optimizer the last layer only."""

    def network(self, spec):
        return layers(spec)

    def _build_net(self, *args):
        net = super()._build_net(*args)
        del net.optimizer_.param_groups[0]["params"][:2]
        return net


class MovingCenter(TwoLayers):
    """Keeps a running mean in a frozen parameter."""

    def __init__(self, spec):
        super().__init__(spec)
        self.center = nn.Parameter(torch.zeros(spec.n_numeric), requires_grad=False)

    def forward(self, x):
        if self.training:
            self.center.data.lerp_(x.detach().mean(dim=0), 0.1)
        return super().forward(x - self.center)


class WritesToAFrozenWeight(ClassifierLearner):
    """Updates a weight that is meant to stay."""

    def network(self, spec):
        return MovingCenter(spec)


class NeverTrainingMode(nn.Module):
    """Ignores train()."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def train(self, mode=True):
        return super().train(False)

    def forward(self, x):
        return self.module(x)


class NeverDropsUnits(ClassifierLearner):
    """Trains in evaluation mode."""

    def network(self, spec):
        return NeverTrainingMode(layers(spec))


class ForgetsEval(ClassifierLearner):
    """Predicts in training mode."""

    def network(self, spec):
        return layers(spec)

    def _forward(self, X, n_rows):
        self.net_.module_.train()
        try:
            return super()._forward(X, n_rows)
        finally:
            self.net_.module_.eval()


class CountingLayers(TwoLayers):
    """Counts predictions in a buffer."""

    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x):
        self.n_calls += torch.is_inference_mode_enabled()
        return super().forward(x)


class CountsItsCalls(RegressorLearner):
    """Changes a buffer in predict."""

    def network(self, spec):
        return CountingLayers(spec)


class RecordsGradientsInPredict(RegressorLearner):
    """Builds a graph in predict that nobody uses."""

    def network(self, spec):
        return layers(spec)

    def _forward(self, X, n_rows):
        with torch.inference_mode(mode=False), torch.enable_grad():
            return super()._forward(X, n_rows)


class TakesSigmoidsForProbabilities(ClassifierLearner):
    """Computes probabilities of several classes as if each stood alone."""

    def network(self, spec):
        return layers(spec)

    def predict_proba(self, X):
        logits = self._outputs(X).astype(float)
        return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


class HalvesDecisions(ClassifierLearner):
    """Returns something else than logits from decision_function."""

    def network(self, spec):
        return layers(spec)

    def decision_function(self, X):
        return super().decision_function(X) / 2


class RoundsLogarithms(ClassifierLearner):
    """Computes log-probabilities in single precision."""

    def network(self, spec):
        return layers(spec)

    def predict_log_proba(self, X):
        return np.log(self.predict_proba(X).astype(np.float32))


class RecordsHalfTheLoss(RegressorLearner):
    """Averages the validation loss over twice as many rows as there are."""

    def network(self, spec):
        return layers(spec)

    def _build_net(self, *args):
        net = super()._build_net(*args)
        step = net.validation_step

        def halved(batch, **params):
            result = step(batch, **params)
            return {**result, "loss": result["loss"] / 2}

        net.validation_step = halved
        return net


class WithoutColumn(TwoLayers):
    """Sets a column to zero."""

    def __init__(self, spec, column):
        super().__init__(spec)
        self.register_buffer("kept", torch.arange(spec.n_numeric) != column)

    def forward(self, x):
        return super().forward(x * self.kept)


class DropsTheFirstColumn(ClassifierLearner):
    """Does not look at the first feature."""

    def network(self, spec):
        return WithoutColumn(spec, 0)


class DropsTheSecondColumn(ClassifierLearner):
    """Does not look at the second feature."""

    def network(self, spec):
        return WithoutColumn(spec, 1)


MUTANTS = [
    Mutant(TrainsOneEpochByDefault(), "check_beats_a_constant"),
    Mutant(AddsUpItsLosses(), "check_training_loss_falls"),
    Mutant(EndsInASoftmax(), "check_overfits_eight_rows"),
    Mutant(EndsInATanh(), "check_overfits_eight_rows"),
    Mutant(CutsTheGradient(), "check_gradients_reach_all_weights"),
    Mutant(ForgetsABranch(), "check_gradients_reach_all_weights"),
    Mutant(
        HoldsOneLayerStill(),
        "check_training_changes_all_weights",
        also=("check_train_parameters_reach_the_run",),
    ),
    Mutant(LeavesWeightsOutOfTheOptimizer(), "check_training_changes_all_weights"),
    Mutant(WritesToAFrozenWeight(), "check_frozen_weights_stay"),
    Mutant(NeverDropsUnits(), "check_modes_while_training"),
    Mutant(ForgetsEval(), "check_predicts_in_evaluation_mode"),
    Mutant(
        CountsItsCalls(),
        "check_predict_leaves_the_network_alone",
        also=("check_stored_learner_is_the_same",),
    ),
    Mutant(RecordsGradientsInPredict(), "check_predicts_in_evaluation_mode"),
    Mutant(
        TakesSigmoidsForProbabilities(),
        "check_probabilities_are_probabilities",
        also=(
            "check_predict_is_the_most_probable_class",
            "check_recorded_loss_is_that_of_the_predictions",
            "check_measures_are_those_of_scorers",
            "check_best_weights_are_kept",
        ),
    ),
    Mutant(HalvesDecisions(), "check_predict_is_the_most_probable_class"),
    Mutant(
        RoundsLogarithms(),
        "check_predict_is_the_most_probable_class",
        also=("check_log_probabilities_are_finite",),
    ),
    Mutant(RecordsHalfTheLoss(), "check_recorded_loss_is_that_of_the_predictions"),
    Mutant(
        DropsTheFirstColumn(),
        "check_importance_is_found_by_permutation",
        also=("check_informative_features_matter",),
    ),
    Mutant(DropsTheSecondColumn(), "check_informative_features_matter"),
]
