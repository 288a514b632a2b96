"""What surrounds a learner and must stay as it is: global states, settings, silence."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback

from torchlearners.testing._probe import outputs, quick, toy


class Setting(NamedTuple):
    """A setting of the process; two values, so that each one that is set is seen."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], Any]
    values: tuple[Any, Any]


SETTINGS = (
    Setting(
        "torch.get_num_threads()", torch.get_num_threads, torch.set_num_threads, (2, 3)
    ),
    Setting(
        "torch.get_default_dtype()",
        torch.get_default_dtype,
        torch.set_default_dtype,
        (torch.float32, torch.float64),
    ),
    Setting(
        "torch.is_grad_enabled()",
        torch.is_grad_enabled,
        torch.set_grad_enabled,
        (True, False),
    ),
    Setting(
        "torch.get_float32_matmul_precision()",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        ("highest", "high"),
    ),
    Setting(
        "torch.backends.cudnn.benchmark",
        lambda: torch.backends.cudnn.benchmark,
        lambda value: setattr(torch.backends.cudnn, "benchmark", value),
        (True, False),
    ),
    Setting(
        "torch.backends.cudnn.deterministic",
        lambda: torch.backends.cudnn.deterministic,
        lambda value: setattr(torch.backends.cudnn, "deterministic", value),
        (True, False),
    ),
    Setting(
        "numpy.geterr()",
        lambda: np.geterr()["over"],
        lambda value: np.seterr(over=value),
        ("warn", "ignore"),
    ),
    Setting(
        "warnings.filters",
        lambda: warnings.filters[0][0],
        warnings.simplefilter,
        ("default", "ignore"),
    ),
)


class _Breaks(Callback):
    """Raise in the first batch."""

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        """Raise."""
        raise LookupError


def uses_of(learner: Any, **params: Any) -> Iterator[str]:
    """Use a learner in each way, and yield the name of the use when it is over."""
    X, y = toy(learner)
    made = type(learner)(**learner.get_params(deep=False))
    yield "The constructor"
    made = quick(made, **params)
    yield "clone"
    made.fit(X, y)
    yield "fit"
    outputs(made, X)
    yield "predict"
    if hasattr(made, "partial_fit"):
        made.partial_fit(X, y)
        yield "partial_fit"
    with contextlib.suppress(ValueError):
        outputs(made, X[:, :1])
    yield "A failed predict"
    with contextlib.suppress(LookupError):
        quick(learner, callbacks=[("breaks", _Breaks())], **params).fit(X, y)
    yield "A failed fit"


def random_states() -> dict[str, Any]:
    # The global state itself is what is looked at.
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": {**numpy["state"], "key": numpy["state"]["key"].tolist()},
        "random": random.getstate(),
    }


@contextlib.contextmanager
def globally_seeded(seed: int) -> Iterator[None]:
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


class _Log(logging.Handler):
    """Collect the messages of warnings and errors."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Collect one."""
        self.told.append(record.getMessage())


@contextlib.contextmanager
def everything_told() -> Iterator[list[str]]:
    """Collect what is printed, warned of and logged; complete when the context ends."""
    told: list[str] = []
    log = _Log(told)
    logging.getLogger().addHandler(log)
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        # Libraries that changed are not the learner's fault.
        warnings.simplefilter("ignore", DeprecationWarning)
        saved = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            with (
                open(1, "w", closefd=False) as out,
                open(2, "w", closefd=False) as err,
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                yield told
        finally:
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            logging.getLogger().removeHandler(log)
        file.seek(0)
        told += file.read().decode(errors="replace").splitlines()
        told += [f"{w.category.__name__}: {w.message}" for w in seen]
