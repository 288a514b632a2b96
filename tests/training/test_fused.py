import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchlearners.training._fused import FusedAdam, FusedAdamW, FusedSGD

CASES = [
    (FusedAdam, torch.optim.Adam, {"lr": 0.01}),
    (FusedAdam, torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    (FusedAdam, torch.optim.Adam, {"lr": 0.01, "amsgrad": True}),
    (FusedAdam, torch.optim.Adam, {"lr": 0.01, "betas": (0.5, 0.6), "eps": 0.1}),
    (FusedAdamW, torch.optim.AdamW, {"lr": 0.01}),
    (FusedAdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    (FusedAdamW, torch.optim.AdamW, {"lr": 0.01, "amsgrad": True}),
    (FusedAdamW, torch.optim.AdamW, {"lr": 0.01, "betas": (0.5, 0.6), "eps": 0.1}),
    (FusedSGD, torch.optim.SGD, {"lr": 0.1}),
    (FusedSGD, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    (FusedSGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (FusedSGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    (FusedSGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
]
EACH_CASE = pytest.mark.parametrize(
    ("ours", "torchs", "settings"),
    CASES,
    ids=[f"{ours.__name__}-{settings}" for ours, _, settings in CASES],
)
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(32, 5, generator=GENERATOR, dtype=torch.float64)
Y = torch.randn(32, 2, generator=GENERATOR, dtype=torch.float64)


class Branches(nn.Module):
    """A network of which a part may be left out."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.first = nn.Linear(5, 8)
        self.extra = nn.Linear(5, 8)
        self.last = nn.Linear(8, 2)
        self.to(dtype)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in self.parameters():
                p.normal_(std=0.3, generator=generator)

    def forward(self, x, extra):
        hidden = self.first(x) + (self.extra(x) if extra else 0)
        return self.last(hidden.tanh())


def train(module, optimizer, n_steps, extra=True):
    for i in range(n_steps):
        optimizer.zero_grad()
        use = extra(i) if callable(extra) else extra
        dtype = module.last.weight.dtype
        F.mse_loss(module(X.to(dtype), use), Y.to(dtype)).backward()
        optimizer.step()


def pair(ours, torchs, settings):
    """Return two equal modules, one with our optimizer and one with torch's."""
    a, b = Branches(), Branches()
    left = ours(a.parameters(), **settings)
    return (a, left), (b, torchs(b.parameters(), **settings, foreach=False))


def assert_same_weights(a, b):
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-12)


@EACH_CASE
def test_twenty_steps_equal_those_of_torch(ours, torchs, settings):
    a, b = pair(ours, torchs, settings)
    start = copy.deepcopy(a[0])
    for module, optimizer in (a, b):
        train(module, optimizer, 20)
    assert_same_weights(a[0], b[0])
    assert (a[0].first.weight - start.first.weight).abs().max() > 1e-3


@EACH_CASE
def test_twenty_steps_equal_torchs_fused_ones_bit_for_bit(ours, torchs, settings):
    a, b = Branches(torch.float32), Branches(torch.float32)
    train(a, ours(a.parameters(), **settings), 20)
    train(b, torchs(b.parameters(), **settings, fused=True), 20)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)


@EACH_CASE
def test_parameters_without_gradient_stay(ours, torchs, settings):
    a, b = pair(ours, torchs, settings)
    start = copy.deepcopy(a[0].extra)
    for module, optimizer in (a, b):
        train(module, optimizer, 20, extra=False)
    assert_same_weights(a[0].extra, start)
    assert_same_weights(a[0], b[0])


@EACH_CASE
def test_parameters_may_get_a_gradient_later_or_only_at_times(ours, torchs, settings):
    a, b = pair(ours, torchs, settings)
    for module, optimizer in (a, b):
        train(module, optimizer, 20, extra=lambda i: i > 4 and i % 3 != 0)
    assert_same_weights(a[0], b[0])


@EACH_CASE
def test_a_step_without_any_gradient_does_nothing(ours, torchs, settings):
    (module, optimizer), _ = pair(ours, torchs, settings)
    start = copy.deepcopy(module)
    optimizer.step()
    assert_same_weights(module, start)


@EACH_CASE
def test_the_state_has_torchs_names_and_values(ours, torchs, settings):
    a, b = pair(ours, torchs, settings)
    for module, optimizer in (a, b):
        train(module, optimizer, 3)
    left, right = (
        {index: state for index, state in o.state_dict()["state"].items() if state}
        for o in (a[1], b[1])
    )
    assert left.keys() == right.keys()
    for index in left:
        assert left[index].keys() == right[index].keys()
        for name in left[index]:
            torch.testing.assert_close(
                left[index][name], right[index][name], rtol=0, atol=1e-12
            )


@EACH_CASE
@pytest.mark.parametrize("into_torch", [True, False], ids=["to torch", "from torch"])
def test_training_goes_on_in_the_other_class(ours, torchs, settings, into_torch):
    a, b = pair(ours, torchs, settings)
    for module, optimizer in (a, b):
        train(module, optimizer, 5)
    (module, from_), (_, to) = (a, b) if into_torch else (b, a)
    other = to.__class__(module.parameters(), **settings)
    other.load_state_dict(from_.state_dict())
    train(module, other, 5)
    through = copy.deepcopy(module)
    reference = Branches()
    train(reference, torchs(reference.parameters(), **settings, foreach=False), 10)
    assert_same_weights(through, reference)


@EACH_CASE
def test_a_loaded_state_replaces_the_one_in_use(ours, torchs, settings):
    (module, optimizer), _ = pair(ours, torchs, settings)
    train(module, optimizer, 5)
    weights = copy.deepcopy(module.state_dict())
    state = copy.deepcopy(optimizer.state_dict())
    train(module, optimizer, 5)
    first = copy.deepcopy(module)
    module.load_state_dict(weights)
    optimizer.load_state_dict(state)
    train(module, optimizer, 5)
    for p, q in zip(module.parameters(), first.parameters(), strict=True):
        assert torch.equal(p, q)


@EACH_CASE
def test_parameter_groups_have_their_own_settings(ours, torchs, settings):
    modules = Branches(), Branches()
    for module, cls in zip(modules, (ours, torchs), strict=True):
        groups = [
            {"params": list(module.first.parameters()), "lr": 0.05},
            {"params": list(module.last.parameters()), "weight_decay": 0.3},
        ]
        optimizer = cls(groups, **settings)
        train(module, optimizer, 5)
        optimizer.add_param_group({"params": list(module.extra.parameters())})
        train(module, optimizer, 5)
    assert_same_weights(*modules)


@EACH_CASE
def test_learning_rate_schedules_of_torch_work(ours, torchs, settings):
    rates, modules = [], []
    for module, optimizer in pair(ours, torchs, settings):
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        trace = []
        for _ in range(6):
            trace.append(optimizer.param_groups[0]["lr"])
            train(module, optimizer, 1)
            schedule.step()
        rates.append(trace)
        modules.append(module)
    lr = settings["lr"]
    assert rates[0] == rates[1]
    assert rates[0] == [lr, lr, lr / 2, lr / 2, lr / 4, lr / 4]
    assert_same_weights(*modules)


@EACH_CASE
def test_a_closure_is_called_once_and_its_loss_returned(ours, torchs, settings):
    modules, losses = [], []
    for module, optimizer in pair(ours, torchs, settings):
        calls = []

        def closure(module=module, optimizer=optimizer, calls=calls):
            optimizer.zero_grad()
            loss = F.mse_loss(module(X, True), Y)
            loss.backward()
            calls.append(loss)
            return loss

        losses.append([optimizer.step(closure).item() for _ in range(3)])
        assert len(calls) == 3
        modules.append(module)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert_same_weights(*modules)


@EACH_CASE
def test_an_optimizer_is_still_torchs(ours, torchs, settings):
    optimizer = pair(ours, torchs, settings)[0][1]
    assert isinstance(optimizer, torchs)


def test_building_and_stepping_does_not_import_the_compiler(run_script):
    run_script(
        """
import sys
import torch
from torchlearners.training import OPTIMIZERS, build_optimizer

for name in ("adam", "adamw", "sgd"):
    module = torch.nn.Linear(2, 2)
    optimizer = build_optimizer(name, module.parameters(), 0.1, 0.0)
    for _ in range(2):
        optimizer.zero_grad()
        module(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert "torch._dynamo" not in sys.modules, name
"""
    )
