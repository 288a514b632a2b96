"""Checks of what goes in and comes out: tags, shapes, and the network in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.utils import get_tags
from torch import nn

from torchlearners.nn import MeanMembers
from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import quick, record, require_fitted, toy

_META = torch.device("meta")
# With a choice of its own here, a configuration may refuse what its class takes.
_NARROWING = ("class_weight", "loss", "measures_train", "measures_valid", "sampler")


@torch_check(predicts)
def check_tags_match_behaviour(name: str, learner: Any) -> None:
    """Check that fit takes what the tags say it takes, and raises for the rest."""
    tags = get_tags(learner)
    X, y = toy(learner)
    with_nan = X.copy()
    with_nan.reshape(-1)[0] = np.nan
    claims = []
    if is_classifier(learner):
        of = tags.classifier_tags
        three, labels = np.arange(len(X)) % 3, np.eye(2, dtype=int)[y % 2]
        claims.append(("classifier_tags.multi_class", of.multi_class, X, three))
        claims.append(("classifier_tags.multi_label", of.multi_label, X, labels))
    else:
        both = np.column_stack([y, -y])
        claims.append(
            ("target_tags.multi_output", tags.target_tags.multi_output, X, both)
        )
    claims.append(("input_tags.allow_nan", tags.input_tags.allow_nan, with_nan, y))
    for tag, claimed, rows, target in claims:
        error = _error_of_fit(learner, rows, target)
        assert (error is None) == claimed, (
            f"The tag {tag} of {name} is {claimed}, but fit "
            f"{'works' if error is None else f'raised {error!r}'} on such data. Set "
            "the tag in __sklearn_tags__, or raise ValueError in fit."
        )


@torch_check(predicts)
def check_network_has_declared_outputs(name: str, learner: Any) -> None:
    """Check that `network(spec)` returns `spec.n_outputs` values for each row.

    For 1, 2 and 7 rows in evaluation mode, and for 7 while training.
    """
    fitted, rows = _fitted_and_rows(learner)
    module = _network(fitted)
    for n_rows, training in ((1, False), (2, False), (7, False), (7, True)):
        expected = n_rows, fitted._spec.n_outputs
        found = _output_shape(name, module.train(training), rows[:n_rows])
        if training and any(isinstance(m, MeanMembers) for m in module.modules()):
            found = found[::2]  # the members in between have a loss each
        assert found == expected, (
            f"The network of {name} turns {n_rows} rows into an output of shape "
            f"{found}; it must be {expected}. Avoid squeeze and fixed numbers of rows."
        )


@torch_check(predicts)
def check_network_builds_on_meta_device(name: str, learner: Any) -> None:
    """Check that the network is built and run on torch's meta device, without memory.

    What runs there moves to any device. List the check among the
    expected_failed_checks, with the reason, where a network cannot.
    """
    fitted, rows = _fitted_and_rows(learner)
    with _META:
        module = _network(fitted)
    expected = 7, fitted._spec.n_outputs
    found = _output_shape(name, module.eval(), rows[:7].to(_META))
    assert found == expected, (
        f"The network of {name} returns shape {found} on the meta device; it must be "
        f"{expected}."
    )


@torch_check(predicts)
def check_network_is_new_in_each_call(name: str, learner: Any) -> None:
    """Check that two calls of `network(spec)` share neither modules nor weights."""
    fitted, _ = _fitted_and_rows(learner)
    first, second = _network(fitted), _network(fitted)
    modules = {id(part) for part in first.modules()}
    shared = [
        key or "itself" for key, part in second.named_modules() if id(part) in modules
    ]
    storages = {_address(tensor) for tensor in first.state_dict().values()}
    shared += [k for k, v in second.state_dict().items() if _address(v) in storages]
    assert not shared, (
        f"Two networks of {name} share {shared}: training one changes the other. Build "
        "each module inside network(spec); copy.deepcopy one that is a parameter."
    )


@torch_check(predicts)
def check_predictions_have_declared_shapes(name: str, learner: Any) -> None:
    """Check the shapes of all predictions, for each kind of target that it takes.

    Two and three classes, a matrix of labels, one and two values; 1 and 7 rows.
    """
    for what, X, y, columns in _targets(learner):
        fitted = _unrestricted(learner).fit(X, y)
        for n_rows in (1, 7):
            for method, n_columns in columns.items():
                if not hasattr(fitted, method):
                    continue
                found = np.shape(getattr(fitted, method)(X[:n_rows]))
                expected = (n_rows,) if n_columns is None else (n_rows, n_columns)
                assert found == expected, (
                    f"{method} of {name} fitted on {what} returns shape {found} for "
                    f"{n_rows} rows; it must be {expected}."
                )


def _targets(learner: Any) -> Iterator[tuple[str, Any, Any, dict[str, int | None]]]:
    """Yield kinds of data and how many columns each method returns; None for 1-D."""
    tags = get_tags(learner)
    X, y = toy(learner)
    if is_classifier(learner):
        kinds = ("predict", "predict_proba", "decision_function")
        X, y = toy(learner, n_classes=2)
        yield "two classes", X, y, dict(zip(kinds, (None, 2, None), strict=True))
        if tags.classifier_tags.multi_class:
            X, y = toy(learner, n_classes=3)
            yield "three classes", X, y, dict(zip(kinds, (None, 3, 3), strict=True))
        if tags.classifier_tags.multi_label:
            labels = np.column_stack([y == 0, y != 1, y == 1]).astype(int)
            yield "three labels", X, labels, dict.fromkeys(kinds, 3)
        return
    yield "one value", X, y, {"predict": None}
    if tags.target_tags.multi_output:
        yield "two values", X, np.column_stack([y, -y]), {"predict": 2}


def _unrestricted(learner: Any) -> Any:
    one = quick(learner, max_epochs=1)
    defaults = type(learner)().get_params(deep=False)
    return one.set_params(**{k: defaults[k] for k in _NARROWING if k in defaults})


def _error_of_fit(learner: Any, X: Any, y: Any) -> Exception | None:
    try:
        _unrestricted(learner).fit(X, y).predict(X)
    except (TypeError, ValueError) as error:
        return error
    return None


def _fitted_and_rows(learner: Any) -> tuple[Any, torch.Tensor]:
    """Return a fitted learner, and the rows as its network got them."""
    fitted, recorded = record(learner, *toy(learner), max_epochs=1)
    require_fitted(fitted, "network", "_spec")
    return fitted, torch.cat([batch["X"] for batch in recorded.train_batches])


def _network(fitted: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        return fitted.build_module(fitted._spec).float()


def _output_shape(name: str, module: nn.Module, rows: torch.Tensor) -> tuple[int, ...]:
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return tuple(module(rows).shape)
    except Exception as error:
        mode = "training" if module.training else "evaluation"
        raise AssertionError(
            f"The network of {name} fails on {len(rows)} rows on the device "
            f"{rows.device} in {mode} mode: {error!r}. Register constants as buffers, "
            "and take device and number of rows from the input."
        ) from error


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
