"""Outputs and targets that checks of losses try them with."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchlearners.testing._declared import said
from torchlearners.training import Loss, build_loss

_KINDS = ("values", "classes", "labels")
N_ROWS = 12


def batch_for(loss: Any, kind: str) -> tuple[Tensor, list[Tensor], Tensor]:
    """Return good outputs, outputs that are worse, and the targets of both."""
    good, worse, target = _points(kind)
    if is_declared(loss) and loss.domain != "real":
        good, *worse = (_outputs_that_predict(loss, x) for x in (good, *worse))
    more = loss.outputs_per_value - 1 if is_declared(loss) else 0
    # The first output of each value is as for a loss with a single one.
    good, *worse = (
        nn.functional.pad(x[..., None], (0, more)).flatten(1) for x in (good, *worse)
    )
    return good, worse, target


def _points(kind: str) -> tuple[Tensor, list[Tensor], Tensor]:
    """Return the same for a loss with one output for each class, label or value."""
    if kind == "classes":
        target = torch.arange(N_ROWS) % 3
        good = 4.0 * torch.eye(3)[target]
        return good, [good.roll(1, 1)], target
    if kind == "labels":
        rows = torch.arange(N_ROWS)
        labels = torch.stack([rows % 2, rows // 2 % 2], 1).float()
        return 8 * labels - 4, [4 - 8 * labels], labels
    values = 1.5 + torch.linspace(0, 1, N_ROWS)[:, None]
    return values, [values + 0.5, values - 0.5], values.clone()


def _outputs_that_predict(loss: Any, points: Tensor) -> Tensor:
    """Return outputs of a loss with one output for each value that ascends with it."""
    grid = np.linspace(-5, 5, 10_001)
    read = loss.read_points(grid[:, None])[:, 0]
    return torch.as_tensor(np.interp(points.numpy(), read, grid)).float()


def some_outputs(loss: Any, kind: str) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    good, _, _ = batch_for(loss, kind)
    return torch.randn(good.shape, generator=generator)


def value_of(
    loss: Any, kind: str, outputs: Tensor, target: Tensor, weight: Any = None
) -> Tensor:
    """Return the value as a scalar, also where the loss forgets the mean."""
    return build_loss(loss, kind)(outputs, target.clone(), weight).mean()


def _orders(loss: Any, kind: str) -> bool:
    """Tell whether better outputs have a lower loss."""
    good, worse, target = batch_for(loss, kind)
    lowest = value_of(loss, kind, good, target)
    return all(bool(lowest < value_of(loss, kind, bad, target)) for bad in worse)


def fit_kinds(loss: Any) -> tuple[list[str], str]:
    """Return the kinds of target that a loss takes, and why it does not the others."""
    fitting, reasons = [], []
    for kind in [loss.target] if is_declared(loss) else _KINDS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # torch warns of shapes that differ
                _orders(loss, kind)
        except Exception as error:  # noqa: BLE001  (whatever a foreign loss raises)
            reasons.append(f"{kind}: {said(error)}")
        else:
            fitting.append(kind)
    return fitting, "; ".join(reasons)


def kind_of(name: str, loss: Any) -> str:
    """Return the kind of target that the loss is for."""
    fitting, reasons = fit_kinds(loss)
    assert fitting, (
        f"{name} takes no kind of target: {reasons}. It is called with outputs and "
        "encoded targets."
    )
    return next((kind for kind in fitting if _orders(loss, kind)), fitting[0])


def takes_weights(loss: Any) -> bool:
    """Tell whether the loss gives one value for each row, which can be weighted."""
    fitting, _ = fit_kinds(loss)
    try:
        _, _, target = batch_for(loss, fitting[0])
        outputs = some_outputs(loss, fitting[0])
        build_loss(loss, fitting[0])(outputs, target, torch.ones(N_ROWS))
    except IndexError:  # fits none
        return False
    except ValueError as error:
        return "row weights need" not in str(error)
    return True


def is_declared(loss: Any) -> bool:
    return isinstance(loss, Loss)
