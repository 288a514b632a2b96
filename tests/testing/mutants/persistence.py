"""Mutants that lose something when they are stored or copied."""

import numpy as np
import torch
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.data import Schema
from torchlearners.training import net_state


class Storable(ClassifierLearner):
    """A learner without a fault, from which the mutants derive."""

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )


def _no_scaling(n_features):
    return Schema(scaling=None).fit(np.zeros((2, n_features)), None).state()


class LosesScaling(Storable):
    """Forgets the scaling of the features when it is stored."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_schema" in state:
            state["_schema"] = _no_scaling(self.n_features_in_)
        return state


class LosesHistory(Storable):
    """Forgets the history when it is stored."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_net_state" in state:
            state["_net_state"]["history"] = []
        return state


class StoresOptimizer(Storable):
    """Stores the state of the optimizer too."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_net_state" in state:
            state["_net_state"] = net_state(self.net_)
        return state


class LosesGenerator(Storable):
    """Begins its random numbers anew after it was stored."""

    def network(self, spec):
        return nn.Sequential(nn.Dropout(0.5), super().network(spec))

    def __getstate__(self):
        state = super().__getstate__()
        if "_net_state" in state:
            new = torch.Generator().manual_seed(1).get_state().numpy()
            state["_net_state"].update(generator=new, device_generator=new)
        return state


class SharesWeights(Storable):
    """Shares its network with its deep copies."""

    def __deepcopy__(self, memo):
        twin = type(self)(**self.get_params())
        vars(twin).update(vars(self))
        return twin


class LosesUnfittedParameter(Storable):
    """Forgets a parameter when it is stored before it is fitted."""

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in vars(self):
            return state
        return {**state, "early_stopping": type(self)().early_stopping}


class KeepsData(Storable):
    """Keeps the rows it was trained on, and stores them."""

    def _fit(self, X, y, *args, **kwargs):
        super()._fit(X, y, *args, **kwargs)
        self._rows = X
        return self


class StoresModule(Storable):
    """Stores the torch module as it is."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_net_state" in state:
            state["_module"] = self.net_.module_
        return state


_SAME = "check_stored_learner_is_the_same"
_GOES_ON = "check_stored_learner_goes_on_training"
MUTANTS = [
    Mutant(LosesScaling(), _SAME, also=(_GOES_ON,)),
    Mutant(LosesHistory(), _SAME, also=(_GOES_ON,)),
    Mutant(LosesGenerator(), _GOES_ON),
    Mutant(StoresOptimizer(), "check_pickle_holds_no_optimizer", also=(_GOES_ON,)),
    Mutant(SharesWeights(), "check_deepcopy_is_isolated"),
    Mutant(LosesUnfittedParameter(), "check_unfitted_learner_is_stored"),
    Mutant(KeepsData(), "check_pickle_holds_no_training_data"),
    Mutant(StoresModule(), "check_pickle_is_plain_data"),
]
