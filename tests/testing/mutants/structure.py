"""Mutants that the checks of structure must catch."""

from functools import wraps

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.params import param, positive_int
from torchlearners.training import OPTIMIZERS, Optimizer, promote


class Plain(TorchLearner):
    """Nothing is broken; the mutants derive from it."""

    lr: float = param(default=0.01)

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16), nn.ReLU(), nn.Linear(16, spec.n_outputs)
        )


class PlainClassifier(Plain, ClassifierLearner):
    """Nothing is broken."""


class PlainRegressor(Plain, RegressorLearner):
    """Nothing is broken."""


class SharesAFrozenWeight(PlainClassifier):
    """Puts one parameter, which is never trained, into all its networks."""

    _temperature = nn.Parameter(torch.ones(1), requires_grad=False)

    def network(self, spec):
        network = super().network(spec)
        self._temperature.data.fill_(1)
        network.register_parameter("temperature", self._temperature)
        return network


class ClonesWhatItLearned(PlainClassifier):
    """Takes the network along when it is cloned."""

    def __sklearn_clone__(self):
        twin = type(self)(**clone(self.get_params(deep=False), safe=False))
        for name in vars(self).keys() - vars(twin).keys():
            setattr(twin, name, getattr(self, name))
        return twin


class HidesAParameter(PlainClassifier):
    """Leaves a parameter out of get_params."""

    width: int = param(default=16, check=positive_int, doc="Units.")

    def get_params(self, deep=True):
        params = super().get_params(deep=deep)
        del params["width"]
        return params


def _after(init, also):
    """Return a constructor that does more than the generated one."""

    @wraps(init)
    def longer(self, **params):
        init(self, **params)
        also(self)

    return longer


class DrawsInItsConstructor(PlainClassifier):
    """Draws from torch's global generator as soon as it is built."""


class ConvertsInItsConstructor(PlainClassifier):
    """Makes a float of the learning rate before anyone checked it."""


DrawsInItsConstructor.__init__ = _after(
    DrawsInItsConstructor.__init__, lambda self: torch.rand(1)
)
ConvertsInItsConstructor.__init__ = _after(
    ConvertsInItsConstructor.__init__, lambda self: setattr(self, "lr", float(self.lr))
)


class DescribesAnOldParameter(PlainClassifier):
    """Describes a parameter that is not there any more.

    {parameters}
    momentum : float, default=0.9
        Taken over from the optimizer.

    Examples
    --------
    >>> DescribesAnOldParameter()
    DescribesAnOldParameter()
    """


class ShowsNoExample(PlainClassifier):
    """Describes its parameters, but not how it is used.

    {parameters}
    """


class DescribesNoMethod(PlainClassifier):
    """Has a public method without a docstring."""

    def forget(self):
        return self


class FlattensItsParameters(PlainClassifier):
    """Ignores `deep` in get_params."""

    def get_params(self, deep=True):
        return super().get_params(deep=False)


class SetsOneByOne(PlainClassifier):
    """Sets the parameters before a misspelt one."""

    def set_params(self, **params):
        for name, value in params.items():
            super().set_params(**{name: value})
        return self


class SettlesOnAnOptimizer(PlainClassifier):
    """Replaces the name of the optimizer by an object in fit."""

    def _make_net(self, target, **settings):
        self.optimizer = promote(self.optimizer, OPTIMIZERS)
        return super()._make_net(target, **settings)


class WritesOnTheOptimizer(PlainClassifier):
    """Leaves a note on the optimizer object that it was given."""

    def _make_net(self, target, **settings):
        if isinstance(self.optimizer, Optimizer):
            self.optimizer.n_outputs_ = target.n_outputs
        return super()._make_net(target, **settings)


class PrintsNoParameters(PlainClassifier):
    """Prints its name only."""

    def __repr__(self, N_CHAR_MAX=700):
        return f"{type(self).__name__}()"


class DeniesLabels(PlainClassifier):
    """Says that it takes no matrix of labels, and takes it."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


class Shift(nn.Module):
    """Adds a constant that is no buffer."""

    def __init__(self, size):
        super().__init__()
        self.by = torch.from_numpy(np.ones(size, dtype=np.float32))

    def forward(self, x):
        return x + self.by


class HidesAConstant(PlainClassifier):
    """Keeps a constant where moving the network to a device does not find it."""

    def network(self, spec):
        return nn.Sequential(Shift(spec.n_numeric), super().network(spec))


class SharesAModule(PlainClassifier):
    """Puts one module into all its networks."""

    _gate = nn.Identity()

    def network(self, spec):
        return nn.Sequential(self._gate, super().network(spec))


class AnswersInAColumn(PlainRegressor):
    """Predicts a column for a target of one dimension."""

    def predict(self, X):
        values = super().predict(X)
        return values.reshape(len(values), -1)


MUTANTS = [
    Mutant(
        SharesAFrozenWeight(),
        "check_ensembles_have_members_of_their_own",
        also=(
            "check_network_is_new_in_each_call",
            "check_deepcopy_is_isolated",
        ),
    ),
    Mutant(ClonesWhatItLearned(), "check_clone_is_isolated"),
    Mutant(HidesAParameter(), "check_constructor_names_its_parameters"),
    Mutant(
        DrawsInItsConstructor(),
        "check_constructor_only_stores",
        also=("check_global_random_states_are_left_alone",),
    ),
    Mutant(ConvertsInItsConstructor(), "check_constructor_only_stores"),
    Mutant(DescribesAnOldParameter(), "check_docstring_describes_every_parameter"),
    Mutant(ShowsNoExample(), "check_docstring_has_an_example"),
    Mutant(DescribesNoMethod(), "check_public_methods_have_docstrings"),
    Mutant(FlattensItsParameters(), "check_nested_parameters_are_kept"),
    Mutant(SetsOneByOne(), "check_misspelt_parameter_sets_nothing"),
    Mutant(SettlesOnAnOptimizer(), "check_fit_leaves_parameters_alone"),
    Mutant(WritesOnTheOptimizer(), "check_fit_leaves_parameters_alone"),
    Mutant(PrintsNoParameters(), "check_repr_shows_changed_parameters"),
    Mutant(DeniesLabels(), "check_tags_match_behaviour"),
    Mutant(HidesAConstant(), "check_network_builds_on_meta_device"),
    Mutant(SharesAModule(), "check_network_is_new_in_each_call"),
    Mutant(
        AnswersInAColumn(),
        "check_target_can_be_transformed",
        also=(
            "check_predictions_have_declared_shapes",
            "check_ensembles_have_members_of_their_own",
            "check_multi_output_equals_fits_by_column",
            "check_recorded_loss_is_that_of_the_predictions",
        ),
    ),
]
