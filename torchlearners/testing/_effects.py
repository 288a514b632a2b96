"""The check that no constructor parameter is dead."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import KFold
from torch import nn

from torchlearners._compat import StrOptions, make_constraint
from torchlearners.callbacks import Progress, callback
from torchlearners.data import ImageColumn
from torchlearners.exceptions import UnreadableImageWarning
from torchlearners.graph import Head
from torchlearners.tabular import TabNetPretrainer
from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import Recorder, history_rows, outputs, quick, toy

_N_FITS = "number of fits"
_IMAGES = "column of images"


@torch_check(predicts)
def check_every_parameter_matters(name: str, learner: Any) -> None:
    """Check that changing any constructor parameter changes a fit or a prediction.

    Compared are network, optimizer, loss, batches, gradients, history, predictions,
    errors and what is printed. Another value of a parameter of the learner's own comes
    from ``tune=`` or ``check=`` of its declaration, or from the type of its default; it
    may matter by itself, or together with another value of one more parameter.
    """
    quick(learner)
    known: dict[str, Any] = {}
    for parameter in learner.get_params(deep=False):
        if parameter in _SHARED:
            circumstances, value = _SHARED[parameter]
            matters = _matters(learner, {parameter: value}, circumstances, known)
            error = known[repr(circumstances)].get("error")
            assert error is None, (
                f"Whether {parameter!r} of {name} matters cannot be seen, because fit "
                f"fails with {circumstances}: {error}"
            )
        else:
            matters = _own_parameter_matters(name, learner, parameter, known)
        assert matters, (
            f"The parameter {parameter!r} of {name} is dead: another value changes "
            "neither the network, nor how it is trained, nor what it predicts. Use it, "
            "or remove it."
        )


def _own_parameter_matters(
    name: str, learner: Any, parameter: str, known: dict[str, Any]
) -> bool:
    others = list(_other_values(learner, parameter))
    assert others, (
        f"No other value of {name}'s parameter {parameter!r} is known, so that its "
        "effect cannot be checked. Declare some in param(..., tune=[...])."
    )
    if any(_matters(learner, {parameter: value}, {}, known) for value in others):
        return True
    # It may matter only where another parameter has another value: one of those first
    # that made an earlier parameter matter, which spares most of the fits.
    helped = known.setdefault("helped", [])
    beside = [
        {key: value}
        for key in learner.get_params(deep=False)
        if key != parameter and key not in _SHARED
        for value in _other_values(learner, key)
    ]
    for circumstances in sorted(beside, key=lambda c: repr(c) not in helped):
        if any(
            _matters(learner, {parameter: value}, circumstances, known)
            for value in others
        ):
            helped.append(repr(circumstances))
            return True
    return False


def _other_values(learner: Any, parameter: str) -> Iterator[Any]:
    """Yield legal values of a parameter of the learner's own, other than it has."""
    now = learner.get_params(deep=False)[parameter]
    field = getattr(type(learner), "_fields", {}).get(parameter)
    tune = field.tune if field is not None else None
    check = field.check if field is not None else []
    guesses: list[Any] = list(tune[:2] if isinstance(tune, tuple) else tune or [])
    for constraint in check:
        if isinstance(constraint, StrOptions):
            guesses += sorted(constraint.options)
        elif constraint is None:
            guesses.append(None)
    guesses += _NETWORKS.get(parameter, [])
    if isinstance(now, bool | np.bool_):
        guesses.append(not now)
    elif isinstance(now, Integral):
        guesses += [int(now) + 1, 2 * int(now), int(now) - 1]
    elif isinstance(now, Real):
        guesses += [2 * float(now), float(now) / 2, 0.5]
    allowed = [make_constraint(c) for c in check if c != "no_validation"]
    for guess in guesses:
        legal = not allowed or any(c.is_satisfied_by(guess) for c in allowed)
        if legal and repr(guess) != repr(now):
            yield guess


def _matters(
    learner: Any,
    change: dict[str, Any],
    circumstances: dict[str, Any],
    known: dict[str, Any],
) -> bool:
    """Tell whether a change of parameters is seen, under given circumstances."""
    key = repr(circumstances)
    if key not in known:
        known[key] = _traces(learner, circumstances)
    return bool(_traces(learner, {**circumstances, **change}) != known[key])


def _traces(learner: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return all that is seen of a fit and a prediction, as comparable values."""
    X: Any
    X, y = toy(learner, 40)
    n_fits = params.get(_N_FITS, 1)
    settings = {"batch_size": 16, "callbacks": [], **params}
    settings.pop(_N_FITS, None)
    if (first := settings.pop(_IMAGES, None)) is not None:
        X = _column(first, len(X))
    settings["callbacks"] = [*settings["callbacks"], ("recorder", Recorder())]
    printed = io.StringIO()
    try:
        fitted = quick(learner, **settings)
        with contextlib.redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore", UnreadableImageWarning)
            for _ in range(n_fits):
                fitted.fit(X, y)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    net, n_reads = fitted.net_, 0
    if first is not None:
        n_reads = getattr(X.sources[0], "n_reads", 0)
        X = X[1:]  # not all that `fit` skips can be predicted
    # Of each pass whether it is rounded, which a constant would not show.
    passes: list[bool] = []

    def note(*_: Any) -> None:
        passes.append(torch.is_autocast_enabled(net.device.type))

    hook = net.module_.register_forward_hook(note)
    predictions = outputs(fitted, X)
    hook.remove()
    groups = [
        {k: v for k, v in group.items() if k != "params"}
        for group in net.optimizer_.param_groups
    ]
    return {
        "module": _text(net.module_),
        "optimizer": _text((type(net.optimizer_), groups)),
        "loss": _text(net.criterion_),
        "epochs": [
            getattr(fitted, key, None)
            for key in ("n_iter_", "best_epoch_", "stopped_epoch_")
        ],
        "history": _text(history_rows(fitted)),
        "weights": _digest(net.module_.state_dict()),
        "predictions": _digest(predictions),
        "forward passes in predict": passes,
        "number of times that an image is read": n_reads,
        # A notebook shows it elsewhere.
        "progress": bool(printed.getvalue())
        or any(isinstance(c, Progress) for _, c in net.callbacks_),
        **_seen(dict(net.callbacks_).get("recorder")),
    }


def _seen(recorder: Recorder | None) -> dict[str, Any]:
    if recorder is None:  # where the parameter `callbacks` is dead
        return {}
    return {
        "stages": recorder.stages,
        "training batches": _digest(recorder.train_batches),
        "validation batches": _digest(recorder.valid_batches),
        "gradients": _text(recorder.grads),
    }


def _digest(value: Any) -> str:
    """Return a short text that differs where any bit of nested arrays does."""
    total = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key, item in part.items():
                add(key)
                add(item)
        elif isinstance(part, list):
            for item in part:
                add(item)
        elif isinstance(part, torch.Tensor | np.ndarray):
            array = np.asarray(part.cpu() if isinstance(part, torch.Tensor) else part)
            total.update(repr((array.dtype, array.shape)).encode())
            total.update(array.tobytes())
        else:
            total.update(_text(part).encode())

    add(value)
    return total.hexdigest()


def _text(value: Any) -> str:
    # Objects without a repr of their own tell where they lie in memory.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


# The shared parameters: another value, and the circumstances in which it must matter.


def _rising(net: Any, **kwargs: Any) -> None:
    net.history.record("valid_loss", float(len(net.history)))


def _falling(net: Any, **kwargs: Any) -> None:
    net.history.record("valid_loss", -float(len(net.history)))


def _stop(net: Any, **kwargs: Any) -> None:
    net.stop_training = True


def _squares(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (outputs - 3).square().mean(dim=1)


class _Stumbling:
    """A store that answers every other time, and not at first."""

    asked = False

    def __call__(self) -> np.ndarray:
        self.asked = not self.asked
        if self.asked:
            raise TimeoutError
        return np.zeros((5, 6))


class _Counted:
    """An image that counts how often this process reads it."""

    n_reads = 0

    def __call__(self) -> np.ndarray:
        self.n_reads += 1
        return np.ones((5, 6))


# What stands in the first row of a column of images.
_FIRST_ROW = {
    "good": lambda: np.ones((5, 6)),
    "damaged": lambda: b"",
    "counted": _Counted,
    "stumbling": _Stumbling,
}


def _column(first: str, n_rows: int) -> ImageColumn:
    """Return small images of no two brightnesses, after a first row of some kind."""
    images = [np.full((5 + i % 2, 6), i / n_rows) for i in range(1, n_rows)]
    return ImageColumn([_FIRST_ROW[first](), *images], channels=1)


def _negative(image: np.ndarray) -> np.ndarray:
    return 255 - image


def _first_half(data: Any, generator: Any) -> torch.Tensor:
    return torch.arange(len(data) // 2)


def _first(y_true: Any, y_pred: Any) -> float:
    return float(y_pred[0])


def _linear(n_numeric: int, n_outputs: int) -> nn.Module:
    return nn.Linear(n_numeric, n_outputs)


_SPLIT = {"early_stopping": True, "validation_fraction": 0.2}
# Of learners around a network of the user's, of images, and of those that start from
# another one.
_NETWORKS: dict[str, list[Any]] = {
    "module": [_linear],
    "network": [Head()],
    "image_shape": [(2, 2), (1, 2, 2)],
    "pretrained": [TabNetPretrainer(max_epochs=1)],
}

# By parameter: the circumstances in which it must matter, and another value.
_SHARED: dict[str, tuple[dict[str, Any], Any]] = {
    "max_epochs": ({}, 2),
    "batch_size": ({}, 7),
    "optimizer": ({"optimizer": "adamw"}, "sgd"),
    "lr": ({"lr": 0.01}, 0.02),
    "weight_decay": ({"optimizer": "adamw", "weight_decay": 0.0}, 0.1),
    "lr_schedule": ({"lr_schedule": None}, "cosine"),
    "loss": ({}, _squares),
    # AdamW would undo it.
    "grad_clip": ({"optimizer": "sgd", "lr": 0.01, "grad_clip": None}, 1e-3),
    "accumulate_grad": ({"accumulate_grad": 1}, 2),
    "shuffle": ({"shuffle": False}, True),
    "sampler": ({"sampler": None}, _first_half),
    "drop_last": ({"drop_last": False}, True),
    # Nothing is left to train, which is an error.
    "freeze": ({"freeze": None}, "*"),
    "max_time": ({"max_time": None}, 1e-9),
    "callbacks": ({}, [callback(on_epoch_end=_stop)]),
    "validation_fraction": (_SPLIT, 0.4),
    "validation_split": ({**_SPLIT, "validation_split": None}, KFold(4)),
    "early_stopping": ({}, True),
    "patience": ({**_SPLIT, "callbacks": [callback(on_epoch_end=_rising)]}, 1),
    "min_delta": (
        {**_SPLIT, "callbacks": [callback(on_epoch_end=_falling)], "patience": 1},
        10.0,
    ),
    "restore_best": (
        {
            **_SPLIT,
            "callbacks": [callback(on_epoch_end=_rising)],
            "restore_best": True,
        },
        False,
    ),
    "measures_train": ({"measures_train": None}, _first),
    "measures_valid": ({**_SPLIT, "measures_valid": None}, _first),
    "eval_every": (_SPLIT, 2),
    # Learners that take no categories refuse them.
    "categorical_features": ({}, [0]),
    "predict_batch_size": ({}, 7),
    "device": ({}, "no-such-device"),
    "precision": ({"precision": "float32"}, "bf16"),
    # In one step only: more threads than cores are slow.
    "n_threads": ({"n_threads": 1, "max_epochs": 1, "batch_size": 40}, 2),
    "random_state": ({}, 1),
    "warm_start": ({_N_FITS: 2}, True),
    "verbose": ({"verbose": 0}, 2),
    "n_ensemble": ({"n_ensemble": 1}, 2),
    "n_folds": ({"n_folds": None}, 2),
    "class_weight": ({"class_weight": None}, {0: 5.0}),
    "calibration": ({"calibration": None, "n_folds": 2}, "temperature"),
    # Of learners that read images.
    "image_size": ({_IMAGES: "good", "image_size": None}, 8),
    "resize": ({_IMAGES: "good", "image_size": 8, "resize": "squash"}, "pad"),
    "on_error": ({_IMAGES: "damaged", "on_error": "skip", "max_bad": 1}, "raise"),
    "max_bad": ({_IMAGES: "damaged", "on_error": "skip", "max_bad": 1}, 0),
    "retries": ({_IMAGES: "stumbling", "retries": 1}, 0),
    "image_transform": ({_IMAGES: "good", "image_transform": None}, _negative),
    # It changes no number, only how often images are read, and where.
    "decode": ({_IMAGES: "counted", "decode": "once"}, "batches"),
    "loader_params": (
        {_IMAGES: "counted", "image_size": 8, "loader_params": None},
        {"num_workers": 1},
    ),
}
