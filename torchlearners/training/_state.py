"""The trained state of a net as arrays and plain values, and back."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch.history import History

from torchlearners.exceptions import ArchitectureError, StorageError

if TYPE_CHECKING:
    from torchlearners.training._net import Net

_BFLOAT16 = "bfloat16 as int16"


def to_plain(value: Any) -> Any:
    """Turn tensors into arrays and numpy scalars into Python's, at any depth."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:  # numpy has none
            return {_BFLOAT16: value.view(torch.int16).numpy().copy()}
        return value.numpy().copy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_plain(item) for item in value)
    return value


def to_tensors(value: Any) -> Any:
    """Turn arrays into tensors, at any depth: the inverse of `to_plain`."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict) and value.keys() == {_BFLOAT16}:
        return to_tensors(value[_BFLOAT16]).view(torch.bfloat16)
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value


def net_state(net: Net, *, optimizer: bool = True) -> dict[str, Any]:
    """Return weights, optimizer state, history and generator as plain data.

    Parameters
    ----------
    net : Net
        An initialized net.
    optimizer : bool, default=True
        Whether the state of the optimizer, up to twice the weights, is in it. Training
        that goes on without it begins as a new optimizer does.

    Returns
    -------
    dict
        Arrays and JSON-able values, at any depth. The state of the optimizer is kept
        by the name of the parameter, whatever groups it stands in.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> from torchlearners.training import net_state
    >>> learner = DummyTorchRegressor(max_epochs=1).fit([[0], [1]], [0.0, 1.0])
    >>> net_state(learner.net_)["module"]
    {'value': array([...], dtype=float32)}
    """
    states = net.optimizer_.state_dict()["state"] if optimizer else {}
    names = _optimized_names(net)
    return {
        "module": to_plain(dict(net.module_.state_dict())),
        "optimizer_class": type(net.optimizer_).__name__,
        "optimizer": {names[i]: to_plain(state) for i, state in states.items()},
        "history": to_plain(net.history.to_list()),
        "generator": to_plain(net.generator.get_state()),
        "device_generator": to_plain(net.device_generator.get_state()),
    }


def load_net_state(net: Net, state: dict[str, Any]) -> Net:
    """Restore what `net_state` returned; hyperparameters stay those of this net.

    Parameters
    ----------
    net : Net
        An initialized net.
    state : dict
        As returned by `net_state`.

    Returns
    -------
    Net
        The net, in evaluation mode.

    Raises
    ------
    ArchitectureError
        Where the weights are those of another network.
    StorageError
        Where a weight is NaN.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> from torchlearners.training import load_net_state, net_state
    >>> learner = DummyTorchRegressor(max_epochs=1).fit([[0], [1]], [0.0, 1.0])
    >>> net = load_net_state(learner.net_, net_state(learner.net_))
    """
    weights = to_tensors(state["module"])
    now = {k: tuple(v.shape) for k, v in net.module_.state_dict().items()}
    then = {k: tuple(v.shape) for k, v in weights.items()}
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            raise ArchitectureError(
                f"The network was fitted with '{name}' of shape {then.get(name)}, "
                f"but its parameters now ask for {now.get(name)}. Set the "
                "parameters back, or fit anew with warm_start=False."
            )
    parameters = dict(net.module_.named_parameters())
    for name in parameters:
        if weights[name].isnan().any():
            raise StorageError(
                f"The stored weight '{name}' is NaN in places, as no training leaves "
                "it. Use an older copy, or fit anew."
            )
    net.module_.load_state_dict(weights)
    if state["optimizer_class"] == type(net.optimizer_).__name__:
        saved = {
            name: _laid_out_as(parameters[name], to_tensors(state))
            for name, state in state["optimizer"].items()
        }
        names = _optimized_names(net)
        net.optimizer_.load_state_dict(
            {
                "state": {i: saved[n] for i, n in enumerate(names) if n in saved},
                "param_groups": net.optimizer_.state_dict()["param_groups"],
            }
        )
    net.history_ = History({**row, "epoch": row["epoch"]} for row in state["history"])
    net.generator.set_state(to_tensors(state["generator"]))
    if net.device_generator is not net.generator:
        saved_generator = to_tensors(state["device_generator"])
        # A state from another kind of device is of another size; a new seed it is.
        if saved_generator.shape == net.device_generator.get_state().shape:
            net.device_generator.set_state(saved_generator)
    net.module_.eval()
    return net


def training_state(net: Net) -> dict[str, Any]:
    """Return all that a training in progress needs to go on as if never stopped.

    Parameters
    ----------
    net : Net
        A net between two epochs.

    Returns
    -------
    dict
        What `net_state` returns, the hyperparameters of the optimizer as they are now,
        the state of every callback that has a ``state_dict``, and how far training has
        come.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> from torchlearners.training import training_state
    >>> learner = DummyTorchRegressor(max_epochs=1).fit([[0], [1]], [0.0, 1.0])
    >>> training_state(learner.net_)["epochs_before"]
    0
    """
    groups = net.optimizer_.state_dict()["param_groups"]
    return {
        **net_state(net),
        "param_groups": to_plain(
            [{k: v for k, v in group.items() if k != "params"} for group in groups]
        ),
        "callbacks": {
            name: to_plain(callback.state_dict())
            for name, callback in net.callbacks_
            if hasattr(callback, "state_dict")
        },
        "epochs_before": net.epochs_before,
    }


def load_training_state(net: Net, state: dict[str, Any]) -> None:
    """Restore what `training_state` returned.

    Callbacks come first, because they may change what the optimizer holds.

    Parameters
    ----------
    net : Net
        A net whose callbacks have seen the beginning of training.
    state : dict
        As returned by `training_state`, by a net of the same architecture, optimizer
        and callbacks.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> from torchlearners.training import load_training_state, training_state
    >>> learner = DummyTorchRegressor(max_epochs=1).fit([[0], [1]], [0.0, 1.0])
    >>> load_training_state(learner.net_, training_state(learner.net_))
    """
    for name, callback in net.callbacks_:
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])
    load_net_state(net, state)
    for group, saved in zip(
        net.optimizer_.param_groups, state["param_groups"], strict=True
    ):
        _check_numbers(group, saved)
        group.update(saved)
    epochs_before = index(state["epochs_before"])
    if not 0 <= epochs_before <= len(net.history):
        raise ValueError(f"epochs_before={epochs_before} of {len(net.history)} epochs")
    net.epochs_before = epochs_before
    # Early stopping is for good; a time limit or a user's wish was for that call.
    net.stop_training = any(
        getattr(callback, "stopped_epoch_", None) is not None
        for _, callback in net.callbacks_
    )


def _check_numbers(group: dict[str, Any], saved: dict[str, Any]) -> None:
    """Raise where a setting of an optimizer would no longer be a number."""
    for key, value in group.items():
        if isinstance(value, int | float) and not isinstance(saved[key], int | float):
            raise TypeError(f"{key}={saved[key]!r} in the groups of the optimizer")


def _laid_out_as(parameter: torch.Tensor, state: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's state of a parameter with its strides.

    Fused optimizers step through memory, where channels may come last.
    """
    return {
        key: torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)
        if isinstance(value, torch.Tensor) and value.shape == parameter.shape
        else value
        for key, value in state.items()
    }


def _optimized_names(net: Net) -> list[str]:
    """Return the names of the optimizer's parameters, in its own order."""
    names = {id(p): name for name, p in net.module_.named_parameters()}
    groups = net.optimizer_.param_groups
    return [names[id(p)] for group in groups for p in group["params"]]
