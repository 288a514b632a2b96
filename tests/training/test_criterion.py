import numpy as np
import pytest
import torch

from torchlearners.training import LOSSES, Huber, Quantile, build_loss

NOT_AS_RETURNED = {"gamma", "gaussian", "poisson", "quantile", "tweedie"}
ONE_OUTPUT = sorted(set(LOSSES) - NOT_AS_RETURNED)


@pytest.mark.parametrize("name", ONE_OUTPUT)
def test_a_loss_of_one_output_predicts_what_the_network_returns(name):
    criterion = LOSSES[name]().build()
    outputs = np.array([[1.0, -2.0]], dtype=np.float32)
    assert criterion.loss.outputs_per_value == 1
    assert criterion.read_points(outputs) is outputs
    assert criterion.join_members is None


def test_a_loss_from_elsewhere_has_one_output_for_each_value():
    criterion = build_loss(torch.nn.SmoothL1Loss, "values")
    outputs = np.array([[1.0, -2.0]], dtype=np.float32)
    assert criterion.loss.outputs_per_value == 1
    assert criterion.read_points(outputs) is outputs
    assert criterion.join_members is None


def test_parameters_that_are_set_later_are_for_the_next_fit():
    loss, other = Quantile(quantiles=(0.1, 0.9)), Huber(delta=0.5)
    criterion, other_criterion = loss.build(), other.build()
    loss.set_params(quantiles=(0.5,))
    other.set_params(delta=3.0)
    assert criterion.loss.outputs_per_value == 2
    assert other_criterion.loss.delta == 0.5
