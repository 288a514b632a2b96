import copy

import pytest
import torch
from torch import nn

import torchlearners.nn as own
from torchlearners.nn import StackedModules, stacking_key

CODES = torch.tensor([[0, 11], [3, 4], [2, 0], [1, 1], [3, 7]])
NUMBERS = torch.linspace(-2, 2, 15).reshape(5, 3)


def several(make, n=3):
    """Return networks with numbers of their own, also where they start equal."""
    modules = []
    for seed in range(n):
        generator = torch.Generator().manual_seed(seed)
        module = make()
        with torch.no_grad():
            for p in module.parameters():
                p.copy_(torch.randn(p.shape, generator=generator))
        own.bind_generator(module, generator)
        modules.append(module)
    return modules


def assert_computes_what_the_modules_do(make, inputs, n_rows):
    """Compare outputs, gradients and buffers with those of modules by themselves."""
    modules = several(make)
    alone = [copy.deepcopy(module) for module in modules]
    for module, one in zip(modules, alone, strict=True):
        assert stacking_key(module) == stacking_key(modules[0])
        for layer, same in zip(module.modules(), one.modules(), strict=True):
            if isinstance(layer, own.Dropout):
                same.generator = layer.generator.clone_state()
    x = torch.stack(inputs)
    stack = StackedModules(modules)
    outputs = stack(x, n_rows)
    own_rows = [out[:n] for out, n in zip(outputs, n_rows, strict=True)]
    sum(out.square().sum() for out in own_rows).backward()
    for module, one, rows, out in zip(modules, alone, x, own_rows, strict=True):
        expected = one(rows[: len(out)])
        expected.square().sum().backward()
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
        for p, q in zip(module.parameters(), one.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-4)
        for b, c in zip(module.buffers(), one.buffers(), strict=True):
            torch.testing.assert_close(b, c)


def encoding():
    layer = own.PiecewiseLinearEmbedding(3, n_bins=4, d_embedding=2)
    layer.encoding.fit_to(torch.randn(20, 3))
    return layer


NUMERIC = {
    "linear": lambda: nn.Linear(3, 2),
    "linear without bias": lambda: nn.Linear(3, 2, bias=False),
    "ntk": lambda: nn.Sequential(own.ScaleFeatures(3), own.NTKLinear(3, 2)),
    "activation": lambda: nn.Sequential(own.ParametricActivation(3), nn.SELU()),
    "layer norm": lambda: nn.Sequential(nn.LayerNorm(3), nn.LayerNorm(3, bias=False)),
    "batch norm": lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()),
    "dropout": lambda: nn.Sequential(own.Dropout(0.4), nn.Linear(3, 2), own.Dropout(0)),
    "piecewise": lambda: nn.Sequential(encoding(), nn.Flatten(), nn.Linear(6, 2)),
    "periodic": lambda: own.PeriodicEmbedding(3, 4, d_embedding=2),
    "periodic, shared": lambda: own.PeriodicEmbedding(3, 4, d_embedding=2, lite=True),
    "pbld": lambda: own.PBLDEmbedding(3, 4),
    "members": lambda: nn.Sequential(
        own.ExpandMembers(4),
        own.ScaleEnsemble(3, 4),
        own.BatchEnsembleLinear(3, 5, 4),
        nn.Linear(5, 5),
        own.Dropout(0.3),
        own.LinearEnsemble(5, 2, 4),
        own.MeanMembers("classes"),
    ),
}


@pytest.mark.parametrize("n_rows", [[5, 5, 5], [5, 4, 2]], ids=str)
@pytest.mark.parametrize("kind", NUMERIC)
def test_a_stack_computes_what_its_modules_do(kind, n_rows):
    inputs = [NUMBERS, NUMBERS.flip(0), NUMBERS * 0.3]
    assert_computes_what_the_modules_do(NUMERIC[kind], inputs, n_rows)


@pytest.mark.parametrize(
    "make",
    [
        lambda: own.OneHotEmbedding((4, 12)),
        lambda: own.CategoricalEmbedding((4, 12), 3),
        lambda: nn.Sequential(nn.Embedding(12, 3), nn.Flatten()),
    ],
)
def test_each_member_looks_codes_up_in_its_own_table(make):
    inputs = [CODES, CODES.flip(0), CODES.roll(2, 0)]
    assert_computes_what_the_modules_do(make, inputs, [5, 5, 5])


def test_a_code_outside_is_not_looked_up_in_the_table_of_another():
    modules = several(lambda: own.OneHotEmbedding((4, 12)), n=2)
    stack = StackedModules(modules)
    with pytest.raises(ValueError, match="Code 12 in column 1, row 1 of the batch"):
        stack(torch.tensor([[[0, 0], [0, 12]], [[0, 0], [0, 0]]]), [2, 2])


def test_a_step_with_one_module_s_parameters_is_one_of_the_stack():
    modules = several(lambda: nn.Linear(3, 2), n=2)
    stack = StackedModules(modules)
    stack(torch.ones(2, 4, 3), [4, 4]).sum().backward()
    other = modules[1].weight.clone()
    torch.optim.SGD(modules[0].parameters(), lr=1.0).step()
    outputs = stack(torch.ones(2, 4, 3), [4, 4])
    torch.testing.assert_close(outputs[0], modules[0](torch.ones(4, 3)))
    assert torch.equal(modules[1].weight, other)
    stack.zero_grad()
    assert not modules[0].weight.grad.any()


def test_released_modules_share_nothing():
    modules = several(lambda: nn.BatchNorm1d(3), n=2)
    stack = StackedModules(modules)
    stack(torch.randn(2, 4, 3), [4, 4])
    stack.release()
    before = modules[1].running_mean.clone()
    modules[0].running_mean.zero_()
    assert torch.equal(modules[1].running_mean, before)
    assert before.any()
    assert modules[0].num_batches_tracked == 1
    for value in (*modules[0].parameters(), *modules[0].buffers()):
        assert value.untyped_storage().nbytes() == value.nbytes


class Twice(nn.Linear):
    """A layer that computes something else than the class it derives from."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "module",
    [
        Twice(3, 2),
        nn.Conv2d(1, 1, 1),
        nn.Dropout(0.1),
        nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1)),
        nn.BatchNorm1d(3, affine=False),
        nn.BatchNorm1d(3, momentum=None),
        nn.Embedding(3, 2, padding_idx=0),
        nn.Flatten(0),
        nn.Linear(3, 2).requires_grad_(False),
    ],
    ids=str,
)
def test_networks_with_other_layers_have_no_key(module):
    assert stacking_key(module) is None


def test_the_key_tells_networks_of_different_settings_apart():
    equal = [stacking_key(own.Dropout(p)) for p in (0.1, 0.2)]
    assert equal[0] == equal[1]
    different = [
        nn.LeakyReLU(0.1),
        nn.LeakyReLU(0.2),
        nn.LayerNorm(3),
        nn.LayerNorm(3, eps=0.1),
        nn.Linear(3, 2),
        nn.Linear(3, 2, bias=False),
        nn.Linear(3, 2).double(),
        own.ParametricActivation(3, "selu"),
        own.ParametricActivation(3, "mish"),
    ]
    assert len({stacking_key(module) for module in different}) == len(different)
