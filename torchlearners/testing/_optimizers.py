"""The kit for optimizers: steps, state, parameters, and what torch does."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor, nn

from torchlearners.tabular import MLPClassifier
from torchlearners.testing._declared import (
    dead_parameters,
    require_clone,
    require_documented,
    require_repr,
    require_same_defaults,
    require_signature,
    said,
)
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._probe import quick, toy
from torchlearners.testing._runner import CheckReport, run_checks
from torchlearners.training import (
    Optimizer,
    build_optimizer,
    group_options,
    to_plain,
    to_tensors,
)

_checks_optimizers = partial(torch_check, subject="optimizer")
# How torch computes a step, not what it computes.
_ROUTES = {"params", "fused", "foreach", "capturable", "differentiable"}


def _weights() -> list[nn.Parameter]:
    """Return a vector and the matrices of an input, a hidden and an output layer."""
    hidden = torch.linspace(1, 2, 4).view(2, 2)
    values = torch.linspace(1, 2, 4), torch.ones(2, 2), hidden, torch.ones(2, 2)
    return [nn.Parameter(value) for value in values]


def _as_module(weights: list[Any]) -> nn.Module:
    """Return a network that has those weights."""
    layers = []
    for weight in weights[1:]:
        layers.append(nn.Linear(2, 2, bias=False, device="meta"))
        layers[-1].weight = weight
    module = nn.Sequential(*layers)
    module.register_parameter("vector", weights[0])
    return module


def _cost(weights: list[Any]) -> Tensor:
    """Return a convex function with another curvature in each direction."""
    vector, *matrices = weights
    bends = torch.tensor([1.0, 2.0, 3.0, 4.0])
    of_vector = (bends * vector**2 + vector.cosh().log()).sum()
    return of_vector + sum((matrix - 0.5).square().sum() for matrix in matrices)


def _build(
    name: str, optimizer: Any, weights: Any, lr: float = 0.1, weight_decay: float = 0.0
) -> Any:
    options = group_options(optimizer, _as_module(weights))
    named = dict(_as_module(weights).named_parameters())
    own = {named[key]: value for key, value in options.items()}
    built = build_optimizer(optimizer, weights, lr, weight_decay, own)
    assert isinstance(built, torch.optim.Optimizer), (
        f"{name}.build returned a {type(built).__name__}; it must be an optimizer of "
        "torch."
    )
    return built


def _run(built: Any, weights: list[Any], n_steps: int = 4) -> list[Tensor]:
    """Do some steps; return copies of the weights."""

    def closure() -> Tensor:
        built.zero_grad()
        value = _cost(weights)
        value.backward()
        return value

    for _ in range(n_steps):
        closure()
        built.step(closure)
    return [w.detach().clone() for w in weights]


def _same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(map(torch.equal, ours, theirs))


def _ends(name: str, optimizer: Any, **settings: float) -> list[Tensor]:
    """Return the weights after so many steps that moments matter."""
    weights = _weights()
    return _run(_build(name, optimizer, weights, **settings), weights, n_steps=12)


def _namesake(optimizer: Any) -> Any:
    """Return the class of torch.optim that has the name, or is named, else None."""
    declared = getattr(optimizer, "torch_class", None)
    if declared is not None and declared.__module__.startswith("torchlearners."):
        return None  # it does more than its namesake, as Muon does for vectors
    return getattr(torch.optim, type(optimizer).__name__, None) or declared


def _has_namesake(optimizer: Any) -> bool:
    return _namesake(optimizer) is not None


@_checks_optimizers()
def check_optimizer_steps_downhill(name: str, optimizer: Any) -> None:
    """Check that one step lowers a convex function, for some learning rate."""
    start = _cost(_weights()).item()
    after = []
    for lr in (0.1, 1e-2, 1e-3):
        weights = _weights()
        _run(_build(name, optimizer, weights, lr), weights, n_steps=1)
        after.append(_cost(weights).item())
    assert min(after) < start, (
        f"No step of {name} goes downhill: from {start:g} to {after} with learning "
        "rates of 0.1, 0.01 and 0.001. Look at the sign of the step."
    )


@_checks_optimizers()
def check_optimizer_takes_lr(name: str, optimizer: Any) -> None:
    """Check that lr stands in the parameter groups, where schedules look, and works."""
    groups = _build(name, optimizer, _weights(), lr=0.03).param_groups
    found = [group.get("lr") for group in groups]
    assert found == [0.03] * len(groups), (
        f"{name} was built with lr=0.03, but its groups have {found}. Give lr to the "
        "class of torch."
    )
    slow, fast = _ends(name, optimizer, lr=1e-3), _ends(name, optimizer, lr=2e-3)
    assert not _same(slow, fast), f"lr does not change the steps of {name}."


@_checks_optimizers()
def check_optimizer_takes_weight_decay(name: str, optimizer: Any) -> None:
    """Check that weight_decay stands in the groups and works, or is refused."""
    try:
        built = _build(name, optimizer, _weights(), weight_decay=0.2)
    except (ValueError, TypeError) as error:
        if "weight_decay" in str(error):
            return
        raise AssertionError(
            f"With weight_decay=0.2, {name} raised {said(error)}. Say that "
            "weight_decay must be 0."
        ) from error
    found = [group.get("weight_decay") for group in built.param_groups]
    assert found == [0.2] * len(found), (
        f"{name} was built with weight_decay=0.2, but its groups have {found}. Give it "
        "to the class of torch, or raise a ValueError."
    )
    without = _ends(name, optimizer)
    assert not _same(without, _ends(name, optimizer, weight_decay=0.2)), (
        f"weight_decay does not change the steps of {name}."
    )


@_checks_optimizers()
def check_optimizer_goes_on_from_its_state(name: str, optimizer: Any) -> None:
    """Check that a new optimizer with the state of another continues bit for bit.

    The state goes through plain data, as in a checkpoint.
    """
    weights = _weights()
    built = _build(name, optimizer, weights)
    halfway = [nn.Parameter(w) for w in _run(built, weights, 3)]
    state = to_tensors(to_plain(copy.deepcopy(built.state_dict())))
    straight = _run(built, weights, 3)
    resumed = _build(name, optimizer, halfway)
    resumed.load_state_dict(state)
    assert _same(straight, _run(resumed, halfway, 3)), (
        f"{name} with a loaded state_dict steps otherwise than the one that made it. "
        "Keep all that steps depend on in `state` and `param_groups`."
    )


@_checks_optimizers()
def check_optimizer_leaves_frozen_weights_alone(name: str, optimizer: Any) -> None:
    """Check that a weight without gradient stays as it is, until it gets one."""
    weights = _weights()
    built = _build(name, optimizer, weights)
    for group in built.param_groups:
        if group.get("weight_decay") is not None:
            group["weight_decay"] = 0.1
    frozen = weights[1].detach().clone()
    weights[1].requires_grad_(False)
    try:
        _run(built, weights)
    except Exception as error:
        raise AssertionError(
            f"A weight without gradient made a step of {name} raise {said(error)}. "
            "Pass over weights whose grad is None."
        ) from error
    assert torch.equal(weights[1], frozen), (
        f"{name} changed a weight without gradient. Pass over weights whose grad is "
        "None, also for weight decay."
    )
    weights[1].requires_grad_(True)
    _run(built, weights)
    assert not torch.equal(weights[1], frozen), (
        f"{name} does not train a weight that got its first gradient later."
    )


@_checks_optimizers()
def check_optimizer_trains_a_learner(name: str, optimizer: Any) -> None:
    """Check that the training loss of a small learner falls, for some learning rate."""
    _build(name, optimizer, _weights())
    X, y = toy(MLPClassifier(preset="simple"))
    ends = []
    for lr in (0.1, 1e-2, 1e-3):
        learner = quick(
            MLPClassifier(preset="simple", hidden_layer_sizes=(8,)), max_epochs=5, lr=lr
        )
        learner.set_params(optimizer=optimizer)
        losses = learner.fit(X, y).history_[:, "train_loss"]
        ends.append((losses[0], losses[-1]))
        if losses[-1] < losses[0]:
            return
    raise AssertionError(
        f"The training loss of a learner with {name} does not fall; first and last "
        f"with learning rates of 0.1, 0.01 and 0.001: {ends}."
    )


@_checks_optimizers()
def check_optimizer_parameters_matter(name: str, optimizer: Any) -> None:
    """Check that each parameter changes the steps, at least together with another."""
    dead = dead_parameters(
        optimizer, lambda changed: str([w.tolist() for w in _ends(name, changed)])
    )
    assert not dead, f"Parameters {dead} of {name} change nothing. Use or drop them."


@_checks_optimizers()
def check_optimizer_parameters_are_the_signature(name: str, optimizer: Any) -> None:
    """Check that get_params returns the arguments of the constructor."""
    require_signature(name, optimizer)


@_checks_optimizers()
def check_optimizer_documents_parameters(name: str, optimizer: Any) -> None:
    """Check that the docstring of the class has an entry for each parameter."""
    require_documented(name, optimizer)


@_checks_optimizers()
def check_optimizer_clones_alike(name: str, optimizer: Any) -> None:
    """Check that clone and repr tell the parameters, also of a changed one."""
    require_clone(name, optimizer)
    require_repr(name, optimizer)


@_checks_optimizers()
def check_optimizer_parameters_are_reached_from_a_learner(
    name: str, optimizer: Any
) -> None:
    """Check that a learner with it has its parameters as `optimizer__...`."""
    learner = MLPClassifier(preset="simple", optimizer=clone(optimizer))
    for param, value in optimizer.get_params(deep=False).items():
        key = f"optimizer__{param}"
        assert key in learner.get_params(), f"A learner with {name} has no {key!r}."
        learner.set_params(**{key: value})
        assert getattr(learner.optimizer, param) is value, (
            f"set_params ignores {key!r}."
        )


@_checks_optimizers(_has_namesake)
def check_optimizer_has_torchs_defaults(name: str, optimizer: Any) -> None:
    """Check that parameters have the defaults of torch's class of the same name."""
    require_same_defaults(name, optimizer, _namesake(optimizer))


@_checks_optimizers(_has_namesake)
def check_optimizer_equals_torch(name: str, optimizer: Any) -> None:
    """Check that steps are those of the class of torch.optim of the same name."""
    theirs = _namesake(optimizer)
    ours, plain = _weights(), _weights()
    built = _build(name, optimizer, ours)
    known = inspect.signature(theirs).parameters.keys() - _ROUTES
    group = {k: v for k, v in built.param_groups[0].items() if k in known}
    ends = zip(_run(built, ours), _run(theirs(plain, **group), plain), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-7) for a, b in ends), (
        f"Four steps of {name} end elsewhere than those of torch.optim."
        f"{theirs.__name__} with the same settings."
    )


OPTIMIZER_CHECKS = (
    check_optimizer_steps_downhill,
    check_optimizer_takes_lr,
    check_optimizer_takes_weight_decay,
    check_optimizer_goes_on_from_its_state,
    check_optimizer_leaves_frozen_weights_alone,
    check_optimizer_trains_a_learner,
    check_optimizer_parameters_matter,
    check_optimizer_parameters_are_the_signature,
    check_optimizer_documents_parameters,
    check_optimizer_clones_alike,
    check_optimizer_parameters_are_reached_from_a_learner,
    check_optimizer_has_torchs_defaults,
    check_optimizer_equals_torch,
)


class _TorchClass(Optimizer):
    """A class of torch.optim as it stands, as a choice without parameters."""

    def build(self, parameters: Any, lr: float, weight_decay: float) -> Any:
        return build_optimizer(self.torch_class, parameters, lr, weight_decay)


def check_optimizer(
    optimizer: Any,
    *,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
    callback: Callable[..., None] | None = None,
    expected_failed_checks: dict[str, str] | None = None,
) -> CheckReport:
    """Check that learners can train with an optimizer, and resume with its state.

    Parameters
    ----------
    optimizer : Optimizer or class
        An object of `torchlearners.training` or of a class derived from its
        `Optimizer`, or a `torch.optim.Optimizer` class.
    on_fail : {"raise", "warn"} or None, default="raise"
        As in `check_torch_learner`, like all that follow.
    on_skip : {"warn"} or None, default="warn"
        Whether checks that cannot run here are warned of.
    callback : callable or None, default=None
        Called after each check with the keys of its result.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that may fail, and why.

    Returns
    -------
    CheckReport
        A list with one dict for each check; ``print`` shows it as a table.

    Raises
    ------
    Exception
        What the first failing check raised, with ``on_fail="raise"``.

    See Also
    --------
    check_torch_learner : The same for a learner.

    Examples
    --------
    >>> from torchlearners.testing import check_optimizer
    >>> from torchlearners.training import SGD
    >>> print(check_optimizer(SGD(momentum=0.9)))
    SGD: 13 passed
    """
    if isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer):
        # The runner takes objects; this one has the name of the class.
        held = {"torch_class": optimizer, "__doc__": _TorchClass.__doc__}
        optimizer = type(optimizer.__name__, (_TorchClass,), held)()
    return run_checks(
        optimizer,
        OPTIMIZER_CHECKS,
        on_fail=on_fail,
        on_skip=on_skip,
        callback=callback,
        expected_failed_checks=expected_failed_checks,
    )
