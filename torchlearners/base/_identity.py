"""What a resumed run must share with its checkpoint."""

from __future__ import annotations

import dis
import hashlib
import re
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

from torchlearners._compat import BaseEstimator
from torchlearners.base._callbacks import arguments_of
from torchlearners.data import ColumnEncoder, Schema, Target
from torchlearners.params import Parameters
from torchlearners.training import Net, TensorData, to_plain

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
# Rows that are read for a digest, where not all rows are in memory.
_READ_ROWS = 64
_Functions = FunctionType | MethodType | BuiltinFunctionType | partial


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
        name: _plain(learner._promoted(name, value))
        for name, value in learner.resolved_params().items()
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
        **_settings_of_callbacks(net),
    }


def _options(net: Net) -> dict[str, Any]:
    """Return what the optimizer is told beside rates, which may move."""
    moving = {"params", "lr", "initial_lr", "weight_decay"}
    return {
        name: _plain(value)
        for name, value in net.optimizer_.defaults.items()
        if name not in moving
    }


def data_identity(train: TensorData, valid: TensorData | None) -> dict[str, str]:
    """Return digests of the rows that a run trains and validates on, in their order.

    Of rows that are read when they are needed, some are read for it.

    Parameters
    ----------
    train : TensorData
    valid : TensorData or None

    Returns
    -------
    dict
        A name for each aspect, with a hexadecimal digest or "none".

    Examples
    --------
    >>> import torch
    >>> from torchlearners.base._identity import data_identity
    >>> from torchlearners.training import TensorData
    >>> data = TensorData(torch.zeros(2, 1), torch.zeros(2))
    >>> sorted(set(data_identity(data, None).values()))[-1]
    'none'
    """
    found = {}
    for what, data in (("training", train), ("validation", valid)):
        if data is None:
            parts: list[tuple[Any, ...]] = [(), (), ()]
        else:
            parts = [(data.X,), (data.y,), (data.weight, data.given_weight)]
        names = "data", "targets", "weights of the rows"
        for name, tensors in zip(names, parts, strict=True):
            found[f"digest of the {what} {name}"] = _digest(tensors)
    return found


def _digest(tensors: tuple[Any, ...]) -> str:
    if all(tensor is None for tensor in tensors):
        return "none"
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            continue
        n_rows = len(tensor)
        if not isinstance(tensor, torch.Tensor):
            some = np.unique(np.linspace(0, n_rows - 1, _READ_ROWS).astype(np.int64))
            tensor = next(iter(tensor.batches([some])))
        values = np.ascontiguousarray(tensor.numpy(force=True))
        digest.update(f"{n_rows} {values.shape} {values.dtype.str}".encode())
        digest.update(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    return digest.hexdigest()[:32]


def _settings_of_callbacks(net: Net) -> dict[str, Any]:
    """Return the parameters of the callbacks that decide what training computes."""
    found = {}
    for name, callback in net.callbacks_:
        free = getattr(callback, "free_on_resume", ())
        ours = isinstance(callback, Parameters)
        for key, value in (arguments_of(callback) or {}).items():
            if key not in free:
                plain = _plain(value) if ours else _plain_setting(value)
                found[f"callback {name!r}: {key}"] = plain
    return found


def _plain_setting(value: Any) -> Any:
    """Return what a foreign callback was given; of what it may fill the type alone."""
    names = isinstance(value, list) and all(isinstance(item, str) for item in value)
    known = str | bool | int | float | tuple | type | BaseEstimator | _Functions
    if value is None or (names and value) or isinstance(value, known):
        return _plain(value)
    return f"a {type(value).__name__}"


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
    if isinstance(value, _Functions):
        return _plain_function(value)
    if isinstance(value, BaseEstimator):
        # All of its parameters, however many they are.
        text = value.__repr__(N_CHAR_MAX=10**6)  # type: ignore[call-arg]
        inside = value.get_params().values()
        codes = [_plain_function(v) for v in inside if isinstance(v, _Functions)]
        text = f"{text} with {codes}" if codes else text
    else:
        text = repr(value)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _plain_function(function: Any) -> str:
    """Return the name of a function; of one without a name of its own the code too."""
    if isinstance(function, partial):
        given = _plain([*function.args, function.keywords])
        return f"{_plain(function.func)} with {given}"
    name = f"{function.__module__}.{function.__qualname__}"
    code = getattr(function, "__code__", None)
    if code is None or not ("<lambda>" in name or "<locals>" in name):
        return name
    cells = getattr(function, "__closure__", None) or ()
    if any(step.opname == "STORE_DEREF" for step in dis.get_instructions(code)):
        cells = ()  # it counts there, or the like
    held = [_plain_setting(cell.cell_contents) for cell in cells]
    text = repr((_plain_code(code), held, _plain_setting(function.__defaults__)))
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _plain_code(code: CodeType) -> tuple[Any, ...]:
    constants = [
        _plain_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts
    ]
    return code.co_code.hex(), constants, code.co_names
