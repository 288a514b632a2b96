"""Checks of what a learner is before and after a fit, whatever it learns."""

from __future__ import annotations

import ast
import inspect
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import torch
from sklearn.base import clone
from sklearn.utils import check_random_state, estimator_html_repr

from torchlearners.callbacks import TimeLimit
from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import (
    quick,
    require_fitted,
    require_parameters,
    toy,
    weights,
)
from torchlearners.training import AdamW

_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
# Choices by name, a parameter of each, and the same one misspelt.
_CHOICES = {"optimizer": "adamw", "loss": "huber", "lr_schedule": "step"}
_NESTED = {
    "optimizer__betas": (0.5, 0.6),
    "loss__delta": 0.5,
    "lr_schedule__step_size": 7,
    "callbacks__limit__seconds": 5.0,
}
_MISSPELT = {
    "max_epoch": "max_epochs",
    "optimiser__betas": "optimizer",
    "optimizer__bettas": "betas",
    "loss__dleta": "delta",
    "lr_schedule__stepsize": "step_size",
    "callbacks__limt__seconds": "limit",
    "callbacks__limit__second": "seconds",
}


@torch_check(predicts)
def check_has_shared_parameters(name: str, learner: Any) -> None:
    """Check that the learner has the training parameters that all learners share."""
    require_parameters(learner, "loss", "optimizer", "callbacks", "lr", "max_epochs")


@torch_check()
def check_constructor_names_its_parameters(name: str, learner: Any) -> None:
    """Check that signature, `get_params` and attributes tell of the same parameters.

    Each has a default, so that the learner can be built without arguments.
    """
    parameters = inspect.signature(type(learner)).parameters.values()
    starred = [
        str(p) for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    assert not starred, (
        f"The constructor of {name} takes {starred[0]}, which clone and get_params "
        "cannot see. Declare each parameter by its name with param(default=...)."
    )
    default, told = _default(name, learner), learner.get_params(deep=False)
    for parameter in parameters:
        key = parameter.name
        assert key in told, (
            f"{name}.get_params() lacks {key!r}, a constructor parameter."
        )
        stored = getattr(default, key, "no attribute")
        assert stored is parameter.default, (
            f"{name}().{key} is {stored!r}; the signature says {parameter.default!r}. "
            "The constructor must store each parameter as it is, under its name."
        )
    extra = sorted(set(told) - {p.name for p in parameters})
    assert not extra, f"{name}.get_params() has {extra}, which the constructor lacks."


@torch_check()
def check_constructor_only_stores(name: str, learner: Any) -> None:
    """Check that the constructor stores its arguments as they are, and does no more.

    It copies, converts and checks nothing (scikit-learn's clone relies on it), draws
    no random numbers, and takes next to no time: searches build many learners.
    """
    before = _random_states()
    default = _default(name, learner)
    assert _random_states() == before, (
        f"{name}() changed a global random state (of torch, numpy or random). Draw "
        "random numbers in fit only."
    )
    params = inspect.signature(type(learner)).parameters
    extra = sorted(set(vars(default)) - set(params))
    assert not extra, (
        f"{name}() has the attributes {extra} besides its parameters. Whatever is not "
        "given by the caller is to be made in fit."
    )
    for key in params:
        given = object()
        try:
            kept = getattr(type(learner)(**{key: given}), key)
        except Exception as error:
            raise AssertionError(
                f"{name}({key}=object()) raised {error!r}. The constructor must store "
                "parameters unseen; fit checks them."
            ) from error
        assert kept is given, (
            f"{name}({key}=value) keeps {kept!r} instead of the value itself. Convert "
            "and copy in fit, not in the constructor."
        )
    seconds = min(_seconds_to_build(learner) for _ in range(3))
    assert seconds < 0.1, (
        f"{name}() takes {seconds:.2f} seconds of CPU time. Build and load in fit."
    )


def _takes_sections(learner: Any) -> bool:
    """Tell whether the class's docstring is more than a summary."""
    return bool(_HEADING.search(inspect.cleandoc(type(learner).__doc__ or "")))


@torch_check(_takes_sections)
def check_docstring_describes_every_parameter(name: str, learner: Any) -> None:
    """Check that the section Parameters of the docstring is what the signature says.

    Names, order and defaults are compared, and each parameter needs a text. For
    learners whose docstring has sections.
    """
    documented = dict(_documented(_sections(learner).get("Parameters", "")))
    signature = inspect.signature(type(learner)).parameters
    missing = [key for key in signature if key not in documented]
    hint = "Write {parameters} in the docstring, which fills in what param declares."
    assert not missing, (
        f"The docstring of {name} lacks the parameters {missing}. {hint}"
    )
    wrong = [key for key in documented if key not in signature]
    assert not wrong, (
        f"The docstring of {name} describes {wrong}, which the constructor lacks. "
        f"{hint}"
    )
    assert list(documented) == list(signature), (
        f"The docstring of {name} has the parameters in the order {list(documented)}, "
        f"the signature in the order {list(signature)}. {hint}"
    )
    for key, (kind, text) in documented.items():
        told, default = kind.rpartition("default=")[2], signature[key].default
        assert told == repr(default) or _same_literal(told, default), (
            f"The docstring of {name} says {key} : {kind!r}; the default is "
            f"{default!r}. {hint}"
        )
        assert text, (
            f"The docstring of {name} says nothing of {key}. Give param a doc=."
        )


@torch_check(_takes_sections)
def check_docstring_has_an_example(name: str, learner: Any) -> None:
    """Check that the docstring has a section Examples with code to run.

    For learners whose docstring has sections.
    """
    examples = _sections(learner).get("Examples", "")
    assert ">>> " in examples, (
        f"The docstring of {name} has no section Examples with a line that starts with "
        "'>>> '. Show how it is imported, fitted and used."
    )


@torch_check()
def check_public_methods_have_docstrings(name: str, learner: Any) -> None:
    """Check that each public method and property has a docstring, or inherits one."""
    bare = [
        key
        for key, value in inspect.getmembers(type(learner))
        if not key.startswith("_")
        and (callable(value) or isinstance(value, property))
        and not (inspect.getdoc(value) or "").strip()
    ]
    assert not bare, (
        f"Public methods of {name} without a docstring: {bare}. Say what they do, or "
        "start their names with an underscore."
    )


@torch_check(predicts)
def check_nested_parameters_are_kept(name: str, learner: Any) -> None:
    """Check that `optimizer__betas` and the like are set, shown, cloned and used.

    On a name such as "adamw", they first turn it into the object it stands for.
    """
    chosen = _with_choices(learner).set_params(**_NESTED)
    copy = clone(chosen)
    for which, one in (("it", chosen), ("its clone", copy)):
        params = one.get_params(deep=True)
        for key, value in _NESTED.items():
            assert params.get(key, "nothing") == value, (
                f"After {name}.set_params({key}={value!r}), get_params of {which} has "
                f"{params.get(key, 'nothing')!r}. Do not override get_params or "
                "set_params, and keep parameters as they are given."
            )
    copy.set_params(optimizer__betas=(0.1, 0.2), callbacks__limit__seconds=1.0)
    changed = [k for k, v in _NESTED.items() if chosen.get_params()[k] != v]
    assert not changed, (
        f"Setting {changed} on a clone of {name} changed the original: they share "
        "the object that holds it."
    )
    nested = {"optimizer": "adamw", "optimizer__betas": (0.5, 0.6)}
    fitted = quick(learner, max_epochs=1, **nested).fit(*toy(learner))
    require_fitted(fitted, "net_")
    used = fitted.net_.optimizer_.param_groups[0].get("betas")
    assert used == (0.5, 0.6), (
        f"{name} trains with betas={used} after set_params("
        "optimizer__betas=(0.5, 0.6))."
    )


@torch_check(predicts)
def check_misspelt_parameter_sets_nothing(name: str, learner: Any) -> None:
    """Check that a misspelt name raises ValueError with a near one, and sets nothing.

    Also where it is a nested name, and others of the same call are right.
    """
    for wrong, near in _MISSPELT.items():
        chosen = _with_choices(learner)
        before = _shown(chosen)
        raised = _error_of_setting(
            chosen, max_epochs=7, optimizer__eps=0.5, **{wrong: 1}
        )
        assert isinstance(raised, ValueError), (
            f"{name}.set_params({wrong}=1) raised {raised!r}; it must raise ValueError."
        )
        assert repr(near) in str(raised), (
            f"{name}.set_params({wrong}=1) does not suggest {near!r}: {raised}"
        )
        after = _shown(chosen)
        changed = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
        assert not changed, (
            f"{name}.set_params(max_epochs=7, optimizer__eps=0.5, {wrong}=1) raised, "
            f"but changed {changed}. Check all names before setting the first."
        )


@torch_check()
def check_clone_is_isolated(name: str, learner: Any) -> None:
    """Check that a clone of a fitted learner is unfitted and shares no tensor.

    Training the clone must leave the weights of the original as they are.
    """
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    before = weights(fitted)
    copy = clone(fitted)
    learned = sorted(set(vars(copy)) - set(vars(quick(learner))))
    assert not learned, (
        f"clone of a fitted {name} is fitted: it has {learned}. Keep what fit learns "
        "in attributes that end in an underscore and are no constructor parameters."
    )
    copy.set_params(random_state=1).fit(X, y)
    after = weights(fitted)
    changed = [key for key, value in before.items() if not value.equal(after[key])]
    assert not changed, (
        f"Training a clone of {name} changed weights of the original: {changed}. "
        "network(spec) must build new modules in each call."
    )


@torch_check()
def check_fit_leaves_parameters_alone(name: str, learner: Any) -> None:
    """Check that fit changes no constructor parameter, nor an object given as one.

    An optimizer is a template; fit works with a copy of it. Callbacks are used
    themselves, and keep their parameters.
    """
    limit = [("limit", TimeLimit(seconds=1000.0))]
    for given in ({}, {"callbacks": limit, "optimizer": AdamW()}):
        unfitted = quick(learner, **given)
        before = unfitted.get_params(deep=True)
        own = {k: v for k, v in before.items() if not k.startswith("callbacks__")}
        states = {key: _state(value) for key, value in own.items()}
        after = unfitted.fit(*toy(learner)).get_params(deep=True)
        for key, value in before.items():
            now = after.get(key)
            assert now is value or repr(now) == repr(value), (
                f"fit of {name} changed its parameter {key} from {value!r} to {now!r}. "
                "Store what fit finds out in an attribute that ends in an underscore."
            )
            assert key not in states or _state(value) == states[key], (
                f"fit of {name} changed the object given as {key} from {states[key]} "
                f"to {_state(value)}. Work with clone(self.{key.partition('__')[0]})."
            )


@torch_check()
def check_repr_shows_changed_parameters(name: str, learner: Any) -> None:
    """Check that repr and HTML show a changed parameter, before and after fit."""
    changed = quick(_default(name, learner), max_epochs=3)
    for when in ("before", "after"):
        text, page = repr(changed), estimator_html_repr(changed)
        assert "max_epochs=3" in text, (
            f"repr of {name} {when} fit lacks 'max_epochs=3', which was set: {text}. "
            "Do not override __repr__."
        )
        assert name in page, f"The HTML repr of {name} {when} fit lacks its name."
        assert "max_epochs" in page, (
            f"The HTML repr of {name} {when} fit lacks 'max_epochs', which was set."
        )
        changed.fit(*toy(learner))


def _default(name: str, learner: Any) -> Any:
    try:
        return type(learner)()
    except Exception as error:
        raise AssertionError(
            f"{name}() raised {error!r}; each parameter needs a default that works."
        ) from error


def _random_states() -> str:
    # With None, scikit-learn returns numpy's global RandomState.
    of_numpy = check_random_state(None).get_state(legacy=True)
    of_torch = torch.get_rng_state().numpy().tobytes()
    return repr((of_torch, of_numpy[1].tobytes(), of_numpy[2:], random.getstate()))


def _seconds_to_build(learner: Any) -> float:
    start = time.process_time()
    type(learner)()
    return time.process_time() - start


def _sections(learner: Any) -> dict[str, str]:
    _, *parts = _HEADING.split(inspect.cleandoc(type(learner).__doc__ or ""))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _documented(section: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield name, type and description of each entry of a numpydoc section."""
    for entry in re.split(r"\n(?=\S)", section.strip("\n")):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(":")
        for key in filter(None, (part.strip() for part in names.split(","))):
            yield key, (kind.strip(), text.strip())


def _same_literal(text: str, value: Any) -> bool:
    try:
        told = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return False
    return type(told) is type(value) and bool(told == value)


def _with_choices(learner: Any) -> Any:
    require_parameters(learner, *_CHOICES, "callbacks", "max_epochs")
    limit = [("limit", TimeLimit(seconds=9.0))]
    return clone(learner).set_params(**_CHOICES, callbacks=limit)


def _error_of_setting(learner: Any, **params: Any) -> Exception | None:
    try:
        learner.set_params(**params)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return error
    return None


def _shown(learner: Any) -> dict[str, str]:
    return {key: repr(value) for key, value in learner.get_params(deep=True).items()}


def _state(value: Any) -> tuple[str, list[str]]:
    """Return what shows that an object was used: its repr, and which attributes."""
    return repr(value), [] if isinstance(value, type) else sorted(
        getattr(value, "__dict__", {})
    )
