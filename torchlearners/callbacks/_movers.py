"""What a `Schedule` does to the net: one small class for each kind of schedule."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

from skorch import NeuralNet
from torch import nn
from torch.optim import lr_scheduler

from torchlearners.callbacks._decays import Policy
from torchlearners.callbacks._plateau import Plateau
from torchlearners.nn import Dropout
from torchlearners.params import did_you_mean

_DROPOUTS = (
    Dropout,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
_BETAS = {"beta1": 0, "beta2": 1}
_BELOW_ONE = {*_BETAS, "dropout", "momentum"}


class Setting:
    """A hyperparameter wherever it stands: groups of the optimizer, dropout modules."""

    def __init__(self, net: NeuralNet, name: str) -> None:
        self.name = name
        self.net = net
        self.key = {"dropout": "p", **dict.fromkeys(_BETAS, "betas")}.get(name, name)
        places = self._places()
        if not places:
            raise ValueError(
                "hyperparameter='dropout': the network has no dropout module. Set the "
                "learner's dropout above 0, or schedule something else."
            )
        if self.key not in places[0]:
            known = {k for k, v in places[0].items() if isinstance(v, float)}
            known |= set(_BETAS) if "betas" in places[0] else set()
            raise ValueError(
                f"hyperparameter={name!r}: {type(net.optimizer_).__name__} has none of "
                f"that name.{did_you_mean(name, known)} It has {sorted(known)}; "
                "'dropout' is the rate of the dropout modules."
            )
        self.start = [self._read(place) for place in places]

    def value(self) -> float:
        """Return the value as it is now, in the first place."""
        return float(self._read(self._places()[0]))

    def scale(self, factor: float, lowest: float = -math.inf) -> None:
        """Set the starting value times a factor, but no less than `lowest`."""
        for start, place in zip(self.start, self._places(), strict=True):
            value = start * factor
            if value < lowest:
                value = min(start, lowest)
            limit = 1.0 if self.name in _BELOW_ONE else math.inf
            if not 0 <= value < limit:
                raise ValueError(
                    f"The schedule of {self.name!r} gave {start:g} * {factor:g} = "
                    f"{value:g}; it must stay in [0, {limit:g})."
                )
            if self.name in _BETAS:
                betas = list(place["betas"])
                betas[_BETAS[self.name]] = value
                place["betas"] = tuple(betas)
            else:
                place[self.key] = value

    def _places(self) -> list[dict[str, Any]]:
        """Return the dicts that hold the value: groups, or attributes of modules."""
        if self.name == "dropout":
            modules = self.net.module_.modules()
            return [vars(m) for m in modules if isinstance(m, _DROPOUTS)]
        # Asked for anew each time: loading a state gives an optimizer new groups.
        return self.net.optimizer_.param_groups

    def _read(self, place: dict[str, Any]) -> float:
        value = place[self.key]
        return value[_BETAS[self.name]] if self.name in _BETAS else value


class TimeMover:
    """Follow a closed form of time."""

    def __init__(
        self, factor_at: Callable[[float, float], float], setting: Setting, total: int
    ) -> None:
        self.factor_at = factor_at
        self.setting = setting
        self.total = total

    def move(self, t: float) -> None:
        """Set the value for the step that begins after `t` epochs."""
        self.setting.scale(self.factor_at(t, self.total))

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Look at the history's row of the epoch."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs, as plain data."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""


class PlateauMover(TimeMover):
    """Follow a score with a `Plateau`."""

    def __init__(self, policy: Plateau, setting: Setting, net: NeuralNet) -> None:
        super().__init__(self._factor, setting, net.max_epochs)
        self.policy = policy
        self.follows = policy.begin()
        stopper = dict(net.callbacks_).get("early_stopping")
        followed = getattr(stopper, "monitor", "valid_loss")
        self.monitor = policy.monitor or followed
        greater = policy.greater_is_better
        if greater is None and self.monitor == followed:
            greater = getattr(stopper, "greater_is_better", None)
        if greater is None:
            greater = not self.monitor.endswith("loss")
        self.greater_is_better = bool(greater)

    def _factor(self, t: float, total: float) -> float:
        return float(self.follows["factor"])

    def move(self, t: float) -> None:
        """Set the value for the step that begins after `t` epochs."""
        self.setting.scale(self._factor(t, self.total), self.policy.min_lr)

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Look at the history's row of the epoch."""
        if self.monitor in row:
            self.follows = self.policy.follow(
                self.follows, row[self.monitor], self.greater_is_better
            )

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs, as plain data."""
        return dict(self.follows)

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.follows = dict(state)


class TorchMover(TimeMover):
    """Step a scheduler of torch."""

    def __init__(
        self, make: Any, setting: Setting, net: NeuralNet, n_steps: int
    ) -> None:
        super().__init__(self._unused, setting, net.max_epochs)
        given = make.keywords if isinstance(make, functools.partial) else {}
        known = inspect.signature(torch_class(make)).parameters
        inferred: dict[str, Any] = {"total_steps": n_steps, "T_max": n_steps}
        if "max_lr" in known and "base_lr" not in known:
            inferred["max_lr"] = setting.start
        if {"epochs", "steps_per_epoch"} & set(given):
            del inferred["total_steps"]
        needed = {k: v for k, v in inferred.items() if k in known and k not in given}
        for group in net.optimizer_.param_groups:
            # Of a fit before; this one begins anew, CyclicLR at its own base_lr.
            group.pop("initial_lr", None)
        try:
            self.scheduler = make(net.optimizer_, **needed)
        except TypeError as error:
            name = torch_class(make).__name__
            raise ValueError(
                f"{name} could not be made: {error}. Give what it needs by "
                f"functools.partial({name}, ...)."
            ) from error

    @staticmethod
    def _unused(t: float, total: float) -> float:
        raise NotImplementedError

    @property
    def follows_a_score(self) -> bool:
        """Whether the scheduler is stepped with a score."""
        return isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau)

    def move(self, t: float) -> None:
        """Set the value for the step that begins after `t` epochs."""
        if t > 0 and not self.follows_a_score:
            self.scheduler.step()

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Look at the history's row of the epoch."""
        if self.follows_a_score and "valid_loss" in row:
            self.scheduler.step(row["valid_loss"])

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs, as plain data."""
        # What else there is (functions, a Counter) comes from the constructor.
        state = self.scheduler.state_dict()
        return {key: value for key, value in state.items() if _is_plain(value)}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned; the net restores the optimizer's groups."""
        # torch warns of a step before the optimizer's first one, which came before
        # the training was resumed.
        steps = max(2, state.get("_step_count", 2))
        self.scheduler.load_state_dict(
            {**self.scheduler.state_dict(), **state, "_step_count": steps}
        )


def make_mover(policy: Any, name: str, net: NeuralNet, n_steps: int) -> Any:
    """Return what moves a hyperparameter along a schedule of `n_steps` steps."""
    if torch_class(policy) is not None and name != "lr":
        raise ValueError(
            f"hyperparameter={name!r}: a scheduler of torch moves the learning rate "
            "only. Use a schedule of torchlearners.callbacks."
        )
    setting = Setting(net, name)
    if torch_class(policy) is not None:
        return TorchMover(policy, setting, net, n_steps)
    if isinstance(policy, Plateau):
        return PlateauMover(policy, setting, net)
    if isinstance(policy, Policy):
        return TimeMover(policy.factor_at, setting, net.max_epochs)
    return TimeMover(lambda t, total: policy(t / total), setting, net.max_epochs)


def torch_class(policy: Any) -> Any:
    """Return the scheduler class of torch that a policy is or stands for, else None."""
    made = policy.func if isinstance(policy, functools.partial) else policy
    is_scheduler = isinstance(made, type) and issubclass(
        made, lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau
    )
    return made if is_scheduler else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
