"""The base class that turns declared fields into a scikit-learn constructor."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from torchlearners._compat import Constraint, ParameterTooltips
from torchlearners.params._checks import Check, describe
from torchlearners.params._names import did_you_mean
from torchlearners.params._validation import check_made, made_constraints

_UNSET: Any = type("Unset", (), {"__repr__": lambda self: "unset"})()


class _Required:
    """Stands for the default of a parameter that has none."""

    def __repr__(self) -> str:
        return "required"

    def __reduce__(self) -> str:  # there is one of it
        return "REQUIRED"

    def __deepcopy__(self, memo: Any) -> _Required:
        return self


# As a default: the parameter must be given. Learners have no such parameter.
REQUIRED: Any = _Required()


@dataclass(frozen=True)
class Field:
    """What one call of `param` declares."""

    default: Any = _UNSET
    check: Check = _UNSET
    tune: tuple[Any, ...] | list[Any] | None = _UNSET
    doc: str = _UNSET
    kw_only: bool = _UNSET

    def over(self, inherited: Field | None) -> Field:
        """Fill what this field leaves open from the field it overrides."""
        base = inherited or Field(
            check=["no_validation"], tune=None, doc="", kw_only=True
        )
        given = {k: v for k, v in vars(self).items() if v is not _UNSET}
        return replace(base, **given)


def param(
    *,
    default: Any = _UNSET,
    check: Check = _UNSET,
    tune: tuple[Any, ...] | list[Any] | None = _UNSET,
    doc: str = _UNSET,
    kw_only: bool = _UNSET,
) -> Any:
    """Declare a constructor parameter of a class that inherits from `Parameters`.

    A subclass may declare a parameter again to change only what it names, most
    often the default.

    Parameters
    ----------
    default : object
        Default value. Required on the first declaration.
    check : list
        scikit-learn parameter constraints, or one of the checks in this module. The
        value is checked in `fit`, not in the constructor, as everywhere in
        scikit-learn.
    tune : tuple or list
        The values worth searching: ``(low, high)``, ``(low, high, "log")``, or a list
        of choices. None keeps the parameter out of `Parameters.search_space`.
    doc : str
        Description for the ``Parameters`` section of the class docstring.
    kw_only : bool, default=True
        False lets the value be given by position as well.

    Returns
    -------
    Field
        The declaration; typed as Any so that ``lr: float = param(...)`` type-checks.

    Examples
    --------
    >>> from torchlearners.params import Parameters, param, positive
    >>> class Ridge(Parameters):
    ...     alpha: float = param(default=1.0, check=positive, tune=(0.01, 10.0, "log"))
    >>> Ridge(alpha=2.0).alpha
    2.0
    """
    return Field(default, check, tune, doc, kw_only)


@dataclass_transform(kw_only_default=True, field_specifiers=(param,))
class Parameters(ParameterTooltips):
    """Base of classes whose constructor parameters are declared by `param`.

    Subclassing generates ``__init__`` (keyword-only, storing each value under its
    name), ``_parameter_constraints``, and the text that replaces ``{parameters}`` in
    the class docstring. Meant to stand left of `sklearn.base.BaseEstimator`, whose
    nested parameters (``optimizer__betas``) the constructor then takes as well.

    Examples
    --------
    >>> from torchlearners.params import Parameters, param
    >>> class Shift(Parameters):
    ...     by: float = param(default=0.0, tune=(0.0, 1.0), doc="How far.")
    >>> Shift.search_space()["by"].interval(1.0)
    (np.float64(0.0), np.float64(1.0))
    """

    _own_fields: ClassVar[dict[str, Field]] = {}
    _fields: ClassVar[MappingProxyType[str, Field]] = MappingProxyType({})
    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    # Inherited parameters that a class does not have.
    _left_out: ClassVar[frozenset[str]] = frozenset()
    # Other sections of the docstring that a family of classes shares.
    _doc_sections: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Field] = {}
        for base in cls.__mro__[1:]:
            for name, field in base.__dict__.get("_own_fields", {}).items():
                inherited.setdefault(name, field)
        own = {
            name: value.over(inherited.get(name))
            for name, value in list(cls.__dict__.items())
            if isinstance(value, Field)
        }
        for name, field in own.items():
            if field.default is _UNSET:
                raise TypeError(f"{cls.__name__}.{name} needs a default=")
            delattr(cls, name)
        new = {name: field for name, field in own.items() if name not in inherited}
        fields = {
            name: field
            for name, field in {**new, **inherited, **own}.items()
            if name not in cls._left_out
        }
        cls._own_fields = own
        cls._fields = MappingProxyType(fields)
        cls._parameter_constraints = {
            # scikit-learn knows this one word outside of a list only.
            name: field.check if field.check != ["no_validation"] else "no_validation"
            for name, field in fields.items()
        }
        written = cls.__init__ is not object.__init__ and not hasattr(
            cls.__init__, "generated_by"
        )
        if "__init__" not in cls.__dict__ and (own or not written):
            setattr(cls, "__init__", _make_init(cls, fields))  # noqa: B010
        if cls.__doc__:
            cls.__doc__ = _fill(cls.__doc__, cls._doc_sections, fields)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the constructor's arguments, as scikit-learn asks for them."""
        if hasattr(cls.__init__, "generated_by"):
            return sorted(cls._fields)  # without reading the signature each time
        return super()._get_param_names()  # type: ignore[misc]

    def _validate_params(self) -> None:
        """Check each value, as scikit-learn asks in `fit` by this name."""
        self._check_values(self.get_params(deep=False))  # type: ignore[attr-defined]

    def _check_values(self, values: Mapping[str, Any]) -> None:
        cls: Any = type(self)  # which mypy does not take for hashable
        check_made(_constraints_of(cls), values, cls.__name__)

    @classmethod
    def search_space(cls, prefix: str = "") -> dict[str, Any]:
        """Return what is worth searching, for `sklearn.model_selection`.

        Parameters
        ----------
        prefix : str, default=""
            Put before each name, for example ``"mlpclassifier__"`` in a pipeline.

        Returns
        -------
        dict
            Name to scipy distribution or list of values, as
            `sklearn.model_selection.RandomizedSearchCV` takes it.

        Examples
        --------
        >>> from torchlearners import MLPClassifier
        >>> sorted(MLPClassifier.search_space("mlp__"))[:2]
        ['mlp__activation', 'mlp__batch_size']
        """
        return {
            prefix + name: _distribution(field.tune)
            for name, field in cls._fields.items()
            if field.tune is not None
        }


@functools.cache
def _constraints_of(cls: Any) -> dict[str, list[Constraint]]:
    checks = cls._parameter_constraints
    return {name: made_constraints(check) for name, check in checks.items()}


def _make_init(cls: type, fields: dict[str, Field]) -> Callable[..., None]:
    # Those that may be given by position stand first, as Python wants it.
    fields = dict(sorted(fields.items(), key=lambda item: item[1].kw_only))
    defaults = {name: field.default for name, field in fields.items()}
    positional = [name for name, field in fields.items() if not field.kw_only]

    def __init__(self: Any, *args: Any, **params: Any) -> None:
        given = _by_position(cls.__name__, positional, args, params)
        nested = {name: value for name, value in params.items() if "__" in name}
        given |= {name: value for name, value in params.items() if name not in nested}
        tunable = hasattr(self, "set_params")
        _check_names(cls.__name__, [*given, *nested], given, defaults, tunable)
        self.__dict__.update({**defaults, **given})
        if nested:
            self.set_params(**nested)

    # scikit-learn, IDEs and help() all read this signature.
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        + [_argument(name, field) for name, field in fields.items()]
    )
    __init__.generated_by = Parameters  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__.__module__ = cls.__module__
    return __init__


def _by_position(
    class_name: str, names: list[str], values: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    if len(values) > len(names):
        besides = f" besides {', '.join(names)}" if names else ""
        raise TypeError(
            f"{class_name} takes keyword arguments only{besides}, got {len(values)} "
            f"positional: {values!r}."
        )
    given = dict(zip(names, values, strict=False))
    for name in given.keys() & named.keys():
        raise TypeError(f"{class_name} got '{name}' both by position and by name.")
    return given


def _check_names(
    class_name: str,
    names: Iterable[str],
    given: dict[str, Any],
    defaults: dict[str, Any],
    tunable: bool,
) -> None:
    for name in names:
        head = name.partition("__")[0] if tunable else name
        if head not in defaults:
            raise TypeError(
                f"{class_name} got an unexpected parameter '{name}'."
                + did_you_mean(head, defaults)
            )
    for name, default in defaults.items():
        if default is REQUIRED and name not in given:
            raise TypeError(f"{class_name} needs a value for '{name}'.")


def _argument(name: str, field: Field) -> inspect.Parameter:
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    required = field.default is REQUIRED
    default = inspect.Parameter.empty if required else field.default
    return inspect.Parameter(name, kinds[field.kw_only], default=default)


def _fill(doc: str, sections: dict[str, str], fields: dict[str, Field]) -> str:
    entries = [
        f"{name} : {describe(field.check)}"
        + ("\n" if field.default is REQUIRED else f", default={field.default!r}\n")
        + textwrap.indent(_wrap(inspect.cleandoc(field.doc)), "    ")
        for name, field in fields.items()
    ]
    heading = "Parameters\n----------\n" if entries else ""
    texts = {"parameters": heading + "\n".join(entries), **sections}
    doc = inspect.cleandoc(doc)
    for name, text in texts.items():
        doc = doc.replace("{" + name + "}", inspect.cleandoc(text))
    return doc


def _wrap(text: str) -> str:
    return textwrap.fill(text, 80, break_on_hyphens=False, break_long_words=False)


def _distribution(tune: tuple[Any, ...] | list[Any]) -> Any:
    from scipy import stats  # a slow import that only a search needs

    if isinstance(tune, list):
        return tune
    low, high, *scale = tune
    if scale not in ([], ["log"]):
        raise ValueError(
            f"tune={tune!r} has an unknown scale; write (low, high), (low, high, "
            '"log"), or a list of choices.'
        )
    whole = isinstance(low, int) and isinstance(high, int)
    if scale == ["log"]:
        if whole:
            grid = np.geomspace(low, high, num=13).round().astype(int)
            return sorted(set(grid.tolist()))
        return stats.loguniform(low, high)
    return stats.randint(low, high + 1) if whole else stats.uniform(low, high - low)
