"""What a network must be."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torchlearners.base._rows import Rows
from torchlearners.data import DataSpec, Target
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Node, plan_network


def as_module(network: Any, spec: DataSpec, name: str) -> Any:
    """Return the module of a graph; a module is returned as it is.

    Parameters
    ----------
    network : Node or torch.nn.Module
    spec : DataSpec
    name : str
        What the messages call the learner.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ArchitectureError
        Where the graph does not fit the data or the task.
    """
    if not isinstance(network, Node):
        return network
    plan = plan_network(network, spec, None)
    if plan.output.shape != (None, spec.n_outputs):
        raise ArchitectureError(
            f"The network of {name} ends in {plan.output}; the target needs (batch, "
            f"feature={spec.n_outputs}). End it with Head()."
        )
    return plan.module()


def check_network(module: Any, spec: DataSpec, name: str) -> None:
    """Try a new network on two rows, before any training step.

    Parameters
    ----------
    module : object
        What ``network(spec)`` returned; left on the CPU, in float32 and in
        evaluation mode.
    spec : DataSpec
        The data it is for.
    name : str
        What the messages call it.

    Raises
    ------
    ArchitectureError
        Where it is no module, has nothing to train, or does not fit the data.
    """
    if not isinstance(module, nn.Module):
        raise ArchitectureError(
            f"{name} returned {module!r}; it must return a torch.nn.Module."
        )
    if not any(p.requires_grad for p in module.parameters()):
        raise ArchitectureError(
            f"The module of {name} has no parameter to train. Return one with at "
            "least one parameter that requires a gradient."
        )
    # Data are float32, whatever torch's default is; the net moves both to the device.
    module.cpu().float()
    rows = torch.zeros(2, spec.n_columns, dtype=torch.float32)
    module.eval()
    try:
        with torch.no_grad():
            output = module(rows)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        codes = (
            f" The last {len(spec.cardinalities)} of the {spec.n_columns} columns are "
            "codes of categories, of which spec.cardinalities tells the numbers."
        )
        raise ArchitectureError(
            f"The module of {name} fails on rows of shape {tuple(rows.shape)}: {error}"
            f"{codes if spec.cardinalities else ''}"
        ) from error
    expected = (2, spec.n_outputs)
    if not isinstance(output, torch.Tensor):
        raise ArchitectureError(
            f"The module of {name} returns a {type(output).__name__}; it must return "
            f"a tensor, for 2 rows of shape {expected}: spec.n_outputs values a row."
        )
    if output.shape != expected:
        flat = output.shape == (2,) and spec.n_outputs == 1
        raise ArchitectureError(
            f"The module of {name} turns 2 rows into an output of shape "
            f"{tuple(output.shape)}; it must be {expected}: spec.n_outputs values a "
            f"row.{' Add the column with output.unsqueeze(1).' if flat else ''}"
        )


def check_same_outputs(learner: Any, spec: DataSpec, fitted: DataSpec) -> None:
    """Raise where a fitted network has not the outputs that the loss now wants.

    Parameters
    ----------
    learner : TorchLearner
    spec : DataSpec
        Of the rows and the loss that training is to go on with.
    fitted : DataSpec
        What the network was built for.

    Raises
    ------
    ValueError
        Where the numbers of outputs differ.
    """
    if spec.n_outputs != fitted.n_outputs:
        raise ValueError(
            f"loss={learner.loss!r} needs {spec.n_outputs} outputs of the network, but "
            f"the one fitted before has {fitted.n_outputs}. Set the loss of that fit "
            "again, or start anew: with warm_start=False, or from a clone."
        )


def check_same_domain(learner: Any, target: Target) -> None:
    """Raise where the loss now wants y scaled otherwise than it was in the fit before.

    Parameters
    ----------
    learner : TorchLearner
    target : Target
        Of that fit.

    Raises
    ------
    ValueError
        Where it does.
    """
    domain = getattr(target, "domain", None)
    if domain is not None and domain != learner._criterion(target).loss.domain:
        raise ValueError(
            f"loss={learner.loss!r} is for other values of y than that of the fit "
            f"before, whose network was trained on {domain} ones. Set the loss of that "
            "fit again, or start anew: with warm_start=False, or from a clone."
        )


def check_loss_of_rows(
    learner: Any, target: Target, train: Rows, valid: Rows | None
) -> bool:
    """Raise where the loss cannot be computed from parts of a batch, but must be.

    Parameters
    ----------
    learner : TorchLearner
    target : Target
    train, valid : tuple
        See `weighted_rows`.

    Returns
    -------
    bool
        Whether there is a loss of each row, so that rows may have weights.

    Raises
    ------
    ValueError
        Where gradients of pieces are to be added up, or rows have weights.
    """
    criterion = learner._criterion(target)
    n_outputs = target.n_outputs * criterion.loss.outputs_per_value
    if learner.accumulate_grad > 1 and not criterion.splits_batches(n_outputs):
        raise ValueError(
            f"loss={learner.loss!r} of a batch is not the mean of the losses of its "
            f"parts, of which accumulate_grad={learner.accumulate_grad} makes one "
            "step. Set accumulate_grad=1."
        )
    by_row = criterion.weighs_rows(n_outputs)
    weighted = [rows for rows in (train, valid) if rows and rows[2] is not None]
    if weighted and not by_row:
        raise ValueError(
            f"loss={learner.loss!r} returns one number for all rows, but row weights "
            "need one loss for each. Return unreduced losses of shape (n_rows,), or "
            "fit without sample_weight and class_weight."
        )
    return by_row


def check_validation(X_val: Any, y_val: Any, splitter: Any) -> None:
    """Raise where rows that are given to validate do not go with other arguments.

    Parameters
    ----------
    X_val, y_val : object
        As given to `fit`, one at least.
    splitter : cross-validation generator or None
        The learner's `validation_split`.

    Raises
    ------
    ValueError
        Where one of them is missing, or the splitter would have no use.
    """
    if X_val is None or y_val is None:
        raise ValueError(
            "X_val and y_val must be given together; got "
            f"X_val={'None' if X_val is None else 'data'}, "
            f"y_val={'None' if y_val is None else 'data'}."
        )
    if splitter is not None:
        raise ValueError(
            f"X_val and y_val validate, so validation_split={splitter!r} would have "
            "no use. Leave them out, or set validation_split=None."
        )
