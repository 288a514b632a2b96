"""Every op passes the kit for ops, and the kit says what is wrong."""

import pytest
import torch
from mutants.graph_ops import PredictsTheWidthOfItsInput
from torch import nn

from torchlearners.graph import (
    Fn,
    Linear,
    Op,
    Pretrained,
    ReLU,
    TensorSpec,
    as_op,
    list_ops,
    size_of,
)
from torchlearners.testing._graph_ops import _KIT, check_graph_op
from torchlearners.testing._op_instances import op_instances

INSTANCES = op_instances()


@pytest.mark.parametrize(
    ("op", "specs"), [pytest.param(*pair, id=repr(pair[0])[:40]) for pair in INSTANCES]
)
def test_every_op_passes_the_kit(op, specs):
    report = check_graph_op(op, specs=specs, on_fail=None)
    assert report.names("failed") == [], str(report)
    assert len(report) == len(_KIT)


def test_every_op_of_the_listing_is_checked():
    checked = [type(op).__name__ for op, _ in INSTANCES]
    rows = [r for r in list_ops() if r["group"] not in ("ingress", "segment")]
    assert sorted(checked) == sorted(row["name"] for row in rows)


class Scale(nn.Module):
    def __init__(self, n_features, start=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.full((n_features,), start))

    def forward(self, x):
        return x * self.factor


ScaleOp = as_op(Scale, {"n_features": size_of(-1)}, name="ScaleOp")


class Forked(Op):
    """Has two outputs, the second of integers."""

    outputs = ("output", "order")
    example_specs = (TensorSpec((None, 4)),)

    def make_module(self, specs, outputs):
        return Sorted()


class Sorted(nn.Module):
    def forward(self, x):
        return tuple(x.sort(-1))


@pytest.mark.parametrize(
    ("op", "specs"),
    [
        (ScaleOp(2.0), [TensorSpec((None, 3))]),
        (Forked(), None),
        (Linear(3, name="named"), None),
        (Fn(torch.clamp, {"max": 1.0}), [TensorSpec((None, 3))]),
        (Pretrained(nn.Linear(4, 2), freeze=True), [TensorSpec((None, 4))]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_ops_of_other_kinds_pass_the_kit(op, specs):
    report = check_graph_op(op, specs=specs, on_fail=None)
    assert report.names("failed") == [], str(report)


def test_an_op_of_unknown_inputs_is_told_to_give_some():
    with pytest.raises(ValueError, match="Give specs="):
        check_graph_op(ScaleOp())


def test_a_class_is_no_op():
    with pytest.raises(TypeError, match=r"ReLU\(\)"):
        check_graph_op(ReLU)


def test_a_failing_check_is_raised_with_what_is_wrong():
    with pytest.raises(AssertionError, match=r"predicts the shape \(None, 3, 6\)"):
        check_graph_op(PredictsTheWidthOfItsInput())


def test_the_op_given_is_left_as_it_was():
    op = Linear(3)
    before = dict(vars(op))
    check_graph_op(op, specs=[TensorSpec((None, 4))])
    assert vars(op) == before
