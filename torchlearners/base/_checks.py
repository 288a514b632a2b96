"""What a network must be, and what a resumed run must share with its checkpoint."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import nn

from torchlearners._compat import BaseEstimator
from torchlearners.base._rows import Rows
from torchlearners.data import ColumnEncoder, DataSpec, Schema, Target
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Node, plan_network
from torchlearners.training import Net, to_plain

# What a resumed training may do otherwise: how long and where it runs, and what is told
# of it. The identity tells of seed and rows by themselves.
_FREE = {
    "batch_size",
    "callbacks",
    "categorical_features",
    "decode",
    "device",
    "early_stopping",
    "loader_params",
    "loss",
    "max_bad",
    "max_epochs",
    "max_time",
    "measures_train",
    "n_ensemble",
    "n_folds",
    "n_threads",
    "on_error",
    "optimizer",
    "patience",
    "predict_batch_size",
    "pretrained",
    "random_state",
    "retries",
    "validation_fraction",
    "validation_split",
    "verbose",
    "warm_start",
}
# These come first, because other differences follow from them.
_SETTINGS = ("lr", "weight_decay", "grad_clip", "accumulate_grad")


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


def training_identity(
    learner: Any,
    net: Net,
    fitted_data: tuple[ColumnEncoder, Schema, Target],
    seed: int,
    n_rows: tuple[int, int],
) -> dict[str, Any]:
    """Return what a checkpoint must share with the run that resumes from it.

    Parameters
    ----------
    learner : TorchLearner
    net : Net
        Initialized, with its callbacks.
    fitted_data : tuple of ColumnEncoder, Schema, Target
    seed : int
    n_rows : tuple of int
        Training and validation rows, before equal ones are merged.

    Returns
    -------
    dict
        A name for each aspect, with plain data.
    """
    columns, schema, target = fitted_data
    named = {
        name: _plain(learner._promoted(name, learner.value_of(name)))
        for name in learner.get_params(deep=False)
        if name not in _FREE
    }
    # The first that differs is named, so causes stand before what follows from them.
    return {
        "learner": type(learner).__name__,
        "number of features": int(learner.n_features_in_),
        "encoding of the columns": columns.state(),
        "number of training rows": n_rows[0],
        "number of validation rows": n_rows[1],
        "batch size": net.batch_size,
        "optimizer": type(net.optimizer_).__name__,
        **{name: named[name] for name in _SETTINGS},
        "loss": _plain(getattr(net.criterion_, "function", net.criterion_.loss)),
        "weights in the loss": to_plain(dict(net.criterion_.state_dict())),
        "target": target.state(),
        "list of callbacks": [
            f"{name}: {type(callback).__name__}" for name, callback in net.callbacks_
        ],
        "network": [
            *(f"{n} {tuple(v.shape)}" for n, v in net.module_.state_dict().items()),
            *str(net.module_).splitlines(),
        ],
        "seed": seed,
        "scaling of the features": schema.state(),
        **{f"optimizer's {k}": v for k, v in _options(net).items()},
        **named,
    }


def _options(net: Net) -> dict[str, Any]:
    """Return what the optimizer is told beside rates, which may move."""
    moving = {"params", "lr", "initial_lr", "weight_decay"}
    return {
        name: _plain(value)
        for name, value in net.optimizer_.defaults.items()
        if name not in moving
    }


def _plain(value: Any) -> Any:
    """Return a parameter's value as plain data that is equal in equal trainings."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, BaseEstimator):
        # All of its parameters, however many they are.
        text = value.__repr__(N_CHAR_MAX=10**6)  # type: ignore[call-arg]
    else:
        text = repr(value)
    return re.sub(r" at 0x[0-9a-f]+", "", text)
