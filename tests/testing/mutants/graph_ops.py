"""Mutants that the checks of ops must catch."""

from dataclasses import replace

import torch
from torch import nn

from mutants import Mutant
from torchlearners.graph import Op, TensorSpec
from torchlearners.params import param
from torchlearners.testing._graph_ops import check_graph_op


class SoundOp(Op):
    """Nothing is broken."""

    width: int = param(kw_only=False, default=4)

    example_specs = (TensorSpec((None, 3, 6)),)

    def make_module(self, specs, outputs):
        return nn.Linear(specs[0].shape[-1], self.width)

    def infer(self, specs, outputs):
        (spec,) = specs
        return [replace(spec, shape=(*spec.shape[:-1], self.width), cardinalities=())]


class PredictsTheWidthOfItsInput(SoundOp):
    """Predicts that the shape stays what it is."""

    def infer(self, specs, outputs):
        return list(specs)


class ForgetsUnknownSizes(SoundOp):
    """Takes an unknown size for one."""

    def infer(self, specs, outputs):
        (spec,) = super().infer(specs, outputs)
        shape = (spec.shape[0], *(n or 1 for n in spec.shape[1:]))
        return [replace(spec, shape=shape)]


class PredictsNothing(SoundOp):
    """Says that all sizes are unknown."""

    def infer(self, specs, outputs):
        return [replace(specs[0], shape=(None, None, None))]


class PredictsIntegers(SoundOp):
    """Predicts another dtype than that of its output."""

    def infer(self, specs, outputs):
        (spec,) = super().infer(specs, outputs)
        return [replace(spec, dtype=torch.int64)]


class ForgetsTheBatch(SoundOp):
    """Names the dimensions after the batch only."""

    def infer(self, specs, outputs):
        (spec,) = super().infer(specs, outputs)
        return [replace(spec, names=(None, None, "feature"))]


class _Squeezed(nn.Linear):
    def forward(self, x):
        return super().forward(x).squeeze()


class LosesABatchOfOne(SoundOp):
    """Drops every dimension of size one, the batch too."""

    def make_module(self, specs, outputs):
        return _Squeezed(specs[0].shape[-1], self.width)


class _WithIdleWeight(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.scale = nn.Parameter(torch.ones(1))


class HasAnIdleWeight(SoundOp):
    """Has a weight that its output does not depend on."""

    def make_module(self, specs, outputs):
        return _WithIdleWeight(specs[0].shape[-1], self.width)


class DrawsFromTheGlobalGenerator(SoundOp):
    """Asks torch's global generator for its weights."""

    def make_module(self, specs, outputs):
        module = super().make_module(specs, outputs)
        if module.weight.is_meta:
            return module
        nn.init.normal_(module.weight, generator=torch.default_generator)
        return module


class KeepsItsWeights(SoundOp):
    """Makes its module once for all networks."""

    _made = {}

    def make_module(self, specs, outputs):
        return self._made.setdefault(self.width, super().make_module(specs, outputs))


class LiesAboutItself(SoundOp):
    """Shows its default where it has another width."""

    def __repr__(self):
        return f"{type(self).__name__}()"


class ForgetsWhenCopied(SoundOp):
    """Falls back to its default width where it is copied."""

    def __deepcopy__(self, memo):
        return type(self)()

    def __reduce__(self):
        return type(self), ()


class RoundsItsParameter(SoundOp):
    """Stores something else than it was given."""

    def set_params(self, **params):
        if "width" in params:
            params["width"] += 1
        return super().set_params(**params)


class DrawsWhilePredicting(SoundOp):
    """Moves the global generator where it predicts shapes."""

    def infer(self, specs, outputs):
        torch.rand(1)
        return super().infer(specs, outputs)


class _Secret(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.secret = torch.rand(sizes[1]) * 5

    def forward(self, x):
        return super().forward(x) * self.secret


class KeepsWeightsOutOfTheState(SoundOp):
    """Computes with random numbers that the state does not hold."""

    def make_module(self, specs, outputs):
        return _Secret(specs[0].shape[-1], self.width)


def _mutant(op, caught_by, *also):
    return Mutant(op, caught_by, also, kit=check_graph_op)


MUTANTS = [
    _mutant(PredictsTheWidthOfItsInput(), "check_op_predicts_shapes"),
    _mutant(ForgetsUnknownSizes(), "check_op_predicts_shapes"),
    _mutant(PredictsNothing(), "check_op_predicts_shapes"),
    _mutant(PredictsIntegers(), "check_op_predicts_shapes"),
    _mutant(ForgetsTheBatch(), "check_op_names_dimensions"),
    _mutant(LosesABatchOfOne(), "check_op_takes_any_batch_size"),
    _mutant(HasAnIdleWeight(), "check_op_trains_all_weights"),
    _mutant(DrawsFromTheGlobalGenerator(), "check_op_draws_weights_from_the_generator"),
    _mutant(KeepsItsWeights(), "check_op_makes_new_weights"),
    _mutant(LiesAboutItself(5), "check_op_repr_says_what_it_is"),
    _mutant(ForgetsWhenCopied(5), "check_op_can_be_copied"),
    _mutant(RoundsItsParameter(), "check_op_has_parameters"),
    _mutant(DrawsWhilePredicting(), "check_op_predicts_without_side_effects"),
    _mutant(KeepsWeightsOutOfTheState(), "check_op_module_can_be_saved"),
]
