import torch
from torch import nn

from torchlearners.training import Lion, build_optimizer


def test_steps_are_those_of_the_paper():
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = build_optimizer(Lion(betas=(0.5, 0.75)), [weight], 0.1, 0.2)
    expected, mean = weight.detach().double().clone(), torch.zeros(3).double()
    for gradient in ([1.0, -1.0, 0.0], [-0.5, 3.0, 1.0], [-1.0, 0.25, 2.0]):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        gradient = weight.grad.double()
        update = torch.sign(0.5 * mean + 0.5 * gradient)
        expected -= 0.1 * (update + 0.2 * expected)
        mean = 0.75 * mean + 0.25 * gradient
    torch.testing.assert_close(weight.detach().double(), expected)
