"""The kit for losses: values, gradients, row weights, parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from torchlearners.tabular import MLPClassifier, MLPRegressor
from torchlearners.testing._assertions import must_work
from torchlearners.testing._declared import (
    dead_parameters,
    require_clone,
    require_documented,
    require_repr,
    require_same_defaults,
    require_signature,
)
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._loss_batches import (
    N_ROWS,
    batch_for,
    is_declared,
    kind_of,
    some_outputs,
    takes_weights,
    value_of,
)
from torchlearners.testing._probe import quick, toy
from torchlearners.testing._runner import CheckReport, run_checks
from torchlearners.training import build_loss

_checks_losses = partial(torch_check, subject="loss")


def _namesake(loss: Any) -> Any:
    """Return the class of torch.nn with the name of a declared loss, else None."""
    name = type(loss).__name__
    return getattr(nn, name, None) or getattr(nn, f"{name}Loss", None)


def _has_namesake(loss: Any) -> bool:
    return is_declared(loss) and _namesake(loss) is not None


@_checks_losses()
def check_loss_takes_a_kind_of_target(name: str, loss: Any) -> None:
    """Check that outputs and targets of classes, labels or values give a scalar."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    value = build_loss(loss, kind)(some_outputs(loss, kind), target, None)
    assert value.ndim == 0, (
        f"{name} returned shape {tuple(value.shape)} for {kind}; training needs a "
        "scalar, the mean over rows."
    )
    assert torch.isfinite(value), f"{name} returned {value} for usual outputs ({kind})."


@_checks_losses()
def check_loss_gives_each_row_a_gradient(name: str, loss: Any) -> None:
    """Check that the value depends on each row, differentiably."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind).requires_grad_()
    value = value_of(loss, kind, outputs, target)
    assert value.requires_grad, (
        f"The value of {name} has no gradient. Compute it by torch functions, without "
        "detach(), item(), numpy() or no_grad()."
    )
    value.backward()
    gradient = outputs.grad
    assert gradient is not None, f"{name} does not depend on the outputs."
    assert torch.isfinite(gradient).all(), f"{name} has gradients that are not finite."
    silent = (gradient == 0).all(1).nonzero()[:, 0].tolist()
    assert not silent, (
        f"{name} has no gradient for rows {silent} of {N_ROWS}, so they do not train."
    )


@_checks_losses()
def check_loss_is_lower_for_better_outputs(name: str, loss: Any) -> None:
    """Check that outputs that fit the targets have the lower value."""
    kind = kind_of(name, loss)
    good, worse, target = batch_for(loss, kind)
    best = value_of(loss, kind, good, target).item()
    for outputs in worse:
        value = value_of(loss, kind, outputs, target).item()
        assert best < value, (
            f"{name} is {best:g} for outputs that fit the {kind} and {value:g} for "
            "worse ones. Training minimizes it; look for a wrong sign."
        )


@_checks_losses()
def check_loss_takes_a_batch_of_one_row(name: str, loss: Any) -> None:
    """Check that a last batch of one row has a finite value."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    value = value_of(loss, kind, some_outputs(loss, kind)[:1], target[:1])
    assert torch.isfinite(value), f"{name} is {value} for a batch of one row."


@_checks_losses()
def check_loss_leaves_its_inputs_alone(name: str, loss: Any) -> None:
    """Check that neither outputs nor targets are changed in place."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind)
    before = outputs.clone(), target.clone()
    build_loss(loss, kind)(outputs, target, None)
    assert torch.equal(outputs, before[0]), f"{name} changes the outputs in place."
    assert torch.equal(target, before[1]), f"{name} changes the targets in place."


@_checks_losses()
def check_loss_is_finite_for_extreme_outputs(name: str, loss: Any) -> None:
    """Check value and gradient where outputs are ten thousand, right and wrong."""
    kind = kind_of(name, loss)
    good, _, target = batch_for(loss, kind)
    signs = torch.where(good > good.mean(), 1.0, -1.0)
    for outputs in (1e4 * signs, -1e4 * signs):
        outputs.requires_grad_()
        value = value_of(loss, kind, outputs, target)
        (gradient,) = torch.autograd.grad(value, outputs)
        assert torch.isfinite(value), (
            f"{name} is {value} for outputs of size 1e4. Use functions of torch that "
            "take logits, such as logsigmoid and log_softmax."
        )
        assert torch.isfinite(gradient).all(), (
            f"{name} has gradients that are not finite for outputs of size 1e4."
        )


@_checks_losses(takes_weights)
def check_loss_equal_weights_are_none(name: str, loss: Any) -> None:
    """Check that weights of 3 for all rows give the value without weights."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind)
    plain = value_of(loss, kind, outputs, target)
    weighted = value_of(loss, kind, outputs, target, torch.full((N_ROWS,), 3.0))
    assert _close(plain, weighted), (
        f"{name} is {plain:g} without weights and {weighted:g} with weights of 3. "
        "Divide by the sum of the weights: sum(w * l) / sum(w)."
    )


@_checks_losses(takes_weights)
def check_loss_weights_are_repetition(name: str, loss: Any) -> None:
    """Check that a row of weight 0 is as good as gone, and one of weight 2 as twice."""
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind).requires_grad_()
    weight = torch.ones(N_ROWS)
    weight[0], weight[1] = 0, 2
    rows = torch.arange(N_ROWS).repeat_interleave(weight.long())
    repeated = value_of(loss, kind, outputs[rows], target[rows])
    weighted = value_of(loss, kind, outputs, target, weight)
    assert _close(repeated, weighted), (
        f"{name} is {repeated:g} where a row is left out and another is repeated, but "
        f"{weighted:g} where they have weights 0 and 2. It must be "
        "sum(w * l) / sum(w)."
    )
    (gradient,) = torch.autograd.grad(weighted, outputs)
    assert not gradient[0].any(), f"{name} has a gradient for a row of weight 0."


@_checks_losses()
def check_loss_of_a_batch_is_that_of_its_parts(name: str, loss: Any) -> None:
    """Check that halves of a batch have its value as their mean, or that it says no.

    A declared loss says so by ``splits_batches = False``; one from elsewhere is tried
    by learners, which refuse `accumulate_grad` then.
    """
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind)
    if not build_loss(loss, kind).splits_batches(outputs.shape[1]):
        return
    half = N_ROWS // 2
    whole = value_of(loss, kind, outputs, target)
    first = value_of(loss, kind, outputs[:half], target[:half])
    last = value_of(loss, kind, outputs[half:], target[half:])
    assert _close(whole, (first + last) / 2), (
        f"{name} is {whole:g} for a batch, and {first:g} and {last:g} for its halves, "
        "whose mean is another. Set splits_batches = False where it compares rows with "
        "each other, so that no batch is cut into pieces."
    )


@_checks_losses()
def check_loss_trains_a_learner(name: str, loss: Any) -> None:
    """Check that the training loss of a small learner falls."""
    kind = kind_of(name, loss)
    learner = (
        MLPRegressor(preset="simple")
        if kind == "values"
        else MLPClassifier(preset="simple")
    )
    X, y = toy(learner)
    if kind == "labels":
        y = np.stack([y == 0, y == 1], axis=1).astype(int)
    if is_declared(loss) and loss.domain != "real":
        y = y - y.min() + 1
    fitted = quick(learner, loss=loss, hidden_layer_sizes=(8,), lr=0.05, max_epochs=10)
    with must_work(name, f"fit of a learner for {kind}", "Return one value, a mean."):
        losses = fitted.fit(X, y).history_[:, "train_loss"]
    assert losses[-1] < losses[0], (
        f"In ten epochs of a learner for {kind}, {name} went from {losses[0]:g} to "
        f"{losses[-1]:g}. Look at its sign and its gradient."
    )


@_checks_losses(is_declared)
def check_loss_parameters_matter(name: str, loss: Any) -> None:
    """Check that each parameter changes the value for some outputs."""

    def outcome(changed: Any) -> str:
        kind = changed.target
        good, worse, target = batch_for(changed, kind)
        outputs = [good, *worse, some_outputs(changed, kind)]
        return str([value_of(changed, kind, o, target).item() for o in outputs])

    dead = dead_parameters(loss, outcome)
    assert not dead, f"Parameters {dead} of {name} change nothing. Use or drop them."


@_checks_losses(is_declared)
def check_loss_parameters_are_the_signature(name: str, loss: Any) -> None:
    """Check that get_params returns the arguments of the constructor."""
    require_signature(name, loss)


@_checks_losses(is_declared)
def check_loss_documents_parameters(name: str, loss: Any) -> None:
    """Check that the docstring of the class has an entry for each parameter."""
    require_documented(name, loss)


@_checks_losses(is_declared)
def check_loss_clones_alike(name: str, loss: Any) -> None:
    """Check that clone and repr tell the parameters, also of a changed loss."""
    require_clone(name, loss)
    require_repr(name, loss)


@_checks_losses(is_declared)
def check_loss_parameters_are_reached_from_a_learner(name: str, loss: Any) -> None:
    """Check that a learner with it has its parameters as `loss__...`."""
    learner = MLPClassifier(preset="simple", loss=clone(loss))
    for param, value in loss.get_params(deep=False).items():
        key = f"loss__{param}"
        assert key in learner.get_params(), f"A learner with {name} has no {key!r}."
        learner.set_params(**{key: value})
        assert getattr(learner.loss, param) is value, f"set_params ignores {key!r}."


@_checks_losses(is_declared)
def check_loss_reads_its_outputs(name: str, loss: Any) -> None:
    """Check that outputs are read as one number for each class, label or value.

    And that they are in the domain of the loss, and, where the loss tells of them, that
    quantiles do not cross, standard deviations are positive, and members of an ensemble
    that agree predict what each of them does.
    """
    outputs = some_outputs(loss, loss.target)
    outputs = torch.cat([outputs, 2 * outputs], dim=1)
    values = outputs.numpy()
    expected = N_ROWS, values.shape[1] // loss.outputs_per_value
    points = loss.read_points(values)
    _require_shape(name, "read_points", points, expected)
    assert loss.domain == "real" or (points > 0).all(), (
        f"{name} is for {loss.domain} values, and read_points returns {points.min():g}."
        " It must return the mean on the scale of the values, as exp(outputs)."
    )
    if hasattr(loss, "read_quantiles"):
        at = np.asarray(loss.default_quantiles())
        found = loss.read_quantiles(values, at)
        _require_shape(name, "read_quantiles", found, (*expected, len(at)))
        assert (np.diff(found) >= 0).all(), (
            f"Quantiles of {name} cross: a higher one is less than a lower one. Sort "
            "what read_quantiles returns, or make it ascend."
        )
    if hasattr(loss, "read_std"):
        found = loss.read_std(values)
        _require_shape(name, "read_std", found, expected)
        assert (found > 0).all(), f"{name} has standard deviations of {found.min():g}."
    if hasattr(loss, "join_members"):
        joined = loss.join_members(outputs[:, None].expand(-1, 3, -1))
        found = loss.read_points(joined.numpy())
        assert np.allclose(found, points, rtol=1e-4, atol=1e-5), (
            f"Three members that agree predict other than one of them with {name}. "
            "Look at join_members, which makes one output of theirs."
        )


def _require_shape(
    name: str, method: str, found: np.ndarray, expected: tuple[int, ...]
) -> None:
    assert found.shape == expected, (
        f"{method} of {name} returns shape {found.shape}; it must be {expected}: rows "
        "and classes, labels or values come first. Look at outputs_per_value too."
    )


@_checks_losses(_has_namesake)
def check_loss_has_torchs_defaults(name: str, loss: Any) -> None:
    """Check that parameters have the defaults of torch's class of the same name."""
    require_same_defaults(name, loss, _namesake(loss))


@_checks_losses(_has_namesake)
def check_loss_equals_torch(name: str, loss: Any) -> None:
    """Check that values are those of the class of torch.nn of the same name."""
    theirs = _namesake(loss)
    kind = kind_of(name, loss)
    _, _, target = batch_for(loss, kind)
    outputs = some_outputs(loss, kind)
    expected = theirs(**loss.get_params(deep=False))(outputs, target)
    value = value_of(loss, kind, outputs, target)
    assert _close(value, expected), (
        f"{name} is {value:g} where torch.nn.{theirs.__name__} is {expected:g}."
    )


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-5, atol=1e-6)


LOSS_CHECKS = (
    check_loss_takes_a_kind_of_target,
    check_loss_gives_each_row_a_gradient,
    check_loss_is_lower_for_better_outputs,
    check_loss_takes_a_batch_of_one_row,
    check_loss_leaves_its_inputs_alone,
    check_loss_is_finite_for_extreme_outputs,
    check_loss_equal_weights_are_none,
    check_loss_weights_are_repetition,
    check_loss_of_a_batch_is_that_of_its_parts,
    check_loss_trains_a_learner,
    check_loss_parameters_matter,
    check_loss_parameters_are_the_signature,
    check_loss_documents_parameters,
    check_loss_clones_alike,
    check_loss_parameters_are_reached_from_a_learner,
    check_loss_reads_its_outputs,
    check_loss_has_torchs_defaults,
    check_loss_equals_torch,
)


def check_loss(
    loss: Any,
    *,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
    callback: Callable[..., None] | None = None,
    expected_failed_checks: dict[str, str] | None = None,
) -> CheckReport:
    """Check that learners can train with a loss, also with row weights.

    Parameters
    ----------
    loss : Loss, torch.nn loss or callable
        An object, not a class. A function that returns a scalar is not checked with
        row weights, which it cannot have.
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
    >>> from torchlearners.testing import check_loss
    >>> from torchlearners.training import Huber
    >>> print(check_loss(Huber(delta=2.0)))
    Huber: 18 passed
    """
    return run_checks(
        loss,
        LOSS_CHECKS,
        on_fail=on_fail,
        on_skip=on_skip,
        callback=callback,
        expected_failed_checks=expected_failed_checks,
    )
