"""Learners around a torch module of the user's."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from sklearn.base import clone
from torch import nn

from torchlearners.base import ClassifierLearner, RegressorLearner, ScalingLearner
from torchlearners.data import DataSpec
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Head, Linear, Node, ReLU, Sequence, table_input
from torchlearners.params import did_you_mean, optional, param

_REQUIRED = inspect.Parameter.empty
# Arguments that the data decide.
_FROM_DATA = ("spec", *(field.name for field in fields(DataSpec)))


class ModuleCall:
    """A module class, or a function that returns a module, with arguments for it.

    ``ModuleClassifier(Net, module__width=32)`` makes one; its arguments are nested
    parameters of the learner. Like an estimator it is cloned, printed and searched.

    Parameters
    ----------
    make : class or callable
        Returns a new `torch.nn.Module` each time it is called.
    **arguments : dict
        Arguments by name. Those called ``spec``, or like a field of
        `torchlearners.data.DataSpec` (``n_numeric``, ``n_outputs``), are filled in from
        the data where they are left out.

    Raises
    ------
    ValueError
        Where `make` has no argument of such a name.

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.custom import ModuleCall, ModuleRegressor
    >>> def hidden_layer(n_numeric, n_outputs, width=8):
    ...     first, last = nn.Linear(n_numeric, width), nn.Linear(width, n_outputs)
    ...     return nn.Sequential(first, nn.ReLU(), last)
    >>> ModuleRegressor(hidden_layer, module__width=32)
    ModuleRegressor(module=ModuleCall(hidden_layer, width=32))
    >>> ModuleCall(hidden_layer).get_params()
    {'width': 8}
    """

    def __init__(self, make: Callable[..., Any], /, **arguments: Any) -> None:
        self.make = make
        self.arguments: dict[str, Any] = {}
        self.set_params(**arguments)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the arguments given, and the defaults of the others.

        Parameters
        ----------
        deep : bool, default=True
            Of no effect.

        Returns
        -------
        dict
            Names mapped to values. What the data decide is left out where it was not
            given; ``inspect.Parameter.empty`` stands for a required argument that was
            not.
        """
        defaults = {
            name: parameter.default
            for name, parameter in _named(self.make).items()
            if name not in _FROM_DATA
        }
        return {**defaults, **self.arguments}

    def set_params(self, /, **params: Any) -> ModuleCall:
        """Set arguments.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        ModuleCall
            This object.

        Raises
        ------
        ValueError
            Where there is no such argument; nothing is set then.
        """
        self.check_known(*params)
        given = {**self.arguments, **params}
        self.arguments = {k: v for k, v in given.items() if v is not _REQUIRED}
        return self

    def check_known(self, *names: str) -> None:
        """Raise a ValueError where there is no argument of such a name.

        Parameters
        ----------
        *names : str
            Of arguments, those that the data decide included.
        """
        valid = _named(self.make)
        for name in names:
            if name not in valid:
                raise ValueError(
                    f"Invalid parameter {name!r} for {self!r}."
                    f"{did_you_mean(name, valid)} Valid parameters are: {list(valid)}."
                )

    def build(self, spec: DataSpec) -> Any:
        """Call the class or function.

        Parameters
        ----------
        spec : DataSpec
            Sizes that are filled in.

        Returns
        -------
        object
            What it returns.

        Raises
        ------
        ArchitectureError
            Where a required argument is missing.
        """
        named = _named(self.make)
        from_data = {"spec": spec, **vars(spec)}
        # Copied, since an argument may be a module, which training would change.
        values = {k: v for k, v in from_data.items() if k in named} | copy.deepcopy(
            self.arguments
        )
        missing = [
            name
            for name, parameter in named.items()
            if parameter.default is _REQUIRED and name not in values
        ]
        if missing:
            raise ArchitectureError(
                f"{_name_of(self.make)} needs {', '.join(map(repr, missing))}, which "
                f"neither you nor the data gave. {', '.join(_FROM_DATA)} are filled in "
                "from the data; give others by name: "
                f"{', '.join(f'module__{name}=...' for name in missing)}."
            )
        by_position = [
            values.pop(name, parameter.default)
            for name, parameter in named.items()
            if parameter.kind is parameter.POSITIONAL_ONLY
        ]
        return self.make(*by_position, **values)

    def __repr__(self) -> str:
        arguments = [f"{name}={value!r}" for name, value in self.arguments.items()]
        return f"ModuleCall({', '.join([_name_of(self.make), *arguments])})"

    def __sklearn_clone__(self) -> ModuleCall:
        arguments = {k: clone(v, safe=False) for k, v in self.arguments.items()}
        return ModuleCall(clone(self.make, safe=False), **arguments)


def _named(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the arguments that have a name; none where Python cannot tell."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def _name_of(make: Callable[..., Any]) -> str:
    return getattr(make, "__name__", repr(make))


class BaseModuleLearner(ScalingLearner):
    """A network that the user wrote."""

    module: Any = param(
        default=None,
        check=optional([nn.Module, ModuleCall, type, callable]),
        kw_only=False,
        doc="A `torch.nn.Module` class or a function that returns a new module, called "
        "in each fit; or a module, of which each fit trains a copy. Arguments of a "
        "class or function are given as ``module__<name>``, except those that the data "
        "decide: ``n_numeric``, ``n_outputs``, ``cardinalities`` (numbers of codes of "
        "categorical columns, which stand behind the numeric ones in a row), or "
        "``spec`` for all in a `DataSpec`. None is one hidden layer of 128 units.",
    )

    # For small networks on few rows, where epochs have one step.
    lr: float = param(default=5e-3)

    def network(self, spec: DataSpec) -> nn.Module | Node:
        """Return a new module, or a copy of the one given."""
        if self.module is None and spec.cardinalities:
            return Sequence([*table_input(spec), Linear(128), ReLU(), Head()])
        if self.module is None:
            first, last = nn.Linear(spec.n_numeric, 128), nn.Linear(128, spec.n_outputs)
            return nn.Sequential(first, nn.ReLU(), last)
        if isinstance(self.module, nn.Module):
            return copy.deepcopy(self.module)
        made: nn.Module = self._promoted("module", self.module).build(spec)
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        call = self._promoted("module", self.module)
        asks = isinstance(call, ModuleCall) and "cardinalities" in _named(call.make)
        tags.input_tags.categorical = asks or self.module is None
        return tags

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the learner.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of its module, optimizer, loss and callbacks.

        Returns
        -------
        dict
            Names mapped to values.
        """
        params = super().get_params(deep=deep)
        call = self._promoted("module", self.module)
        if deep and isinstance(call, ModuleCall):
            nested = call.get_params()
            params.update({f"module__{name}": v for name, v in nested.items()})
        return params

    def _check_known(self, key: str, params: dict[str, Any]) -> None:
        name, _, rest = key.partition("__")
        owner = self._promoted(name, params.get(name, getattr(self, name, None)))
        if rest and isinstance(owner, ModuleCall):
            # What the data decide is not listed, but may be given all the same.
            owner.check_known(rest)
        else:
            super()._check_known(key, params)

    def _promoted(self, name: str, value: Any) -> Any:
        makes = callable(value) and not isinstance(value, nn.Module | ModuleCall)
        if name == "module" and makes:
            return ModuleCall(value)
        return super()._promoted(name, value)


class ModuleClassifier(BaseModuleLearner, ClassifierLearner):
    """Classifier around a `torch.nn.Module` of yours.

    The module turns float32 rows (n_rows, n_numeric) into logits (n_rows, n_outputs),
    one a class or label. All the rest is as in any learner: encoding of labels,
    scaling, validation, seeds. `random_state` decides the initial weights, unless the
    module was made before. Dropout, batch normalization and buffers work as they are.

    A fitted learner can be pickled where its class or function can be imported: not
    with a lambda, for which joblib's processes still work.

    {parameters}

    {attributes}

    See Also
    --------
    ModuleRegressor : The same for numbers.
    torchlearners.base.ClassifierLearner : To declare parameters with checks and
        documentation instead.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from torchlearners import ModuleClassifier
    >>> class HiddenLayer(nn.Module):
    ...     def __init__(self, n_numeric, n_outputs, width=8):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(n_numeric, width)
    ...         self.output = nn.Linear(width, n_outputs)
    ...
    ...     def forward(self, x):
    ...         return self.output(self.hidden(x).relu())
    >>> learner = ModuleClassifier(HiddenLayer, module__width=32, random_state=0)
    >>> learner = learner.fit(*load_iris(return_X_y=True))
    >>> learner.net_.module_
    HiddenLayer(
      (hidden): Linear(in_features=4, out_features=32, bias=True)
      (output): Linear(in_features=32, out_features=3, bias=True)
    )
    >>> learner.predict([[5, 3, 1, 0.2]])
    array([0])
    """


class ModuleRegressor(BaseModuleLearner, RegressorLearner):
    """Regressor around a `torch.nn.Module` of yours.

    The module turns float32 rows (n_rows, n_numeric) into values (n_rows, n_outputs),
    which the learner brings back from mean 0 and standard deviation 1 to the units of
    y. All the rest is as in any learner: scaling, validation, seeds. `random_state`
    decides the initial weights, unless the module was made before. Dropout, batch
    normalization and buffers work as they are.

    A fitted learner can be pickled where its class or function can be imported: not
    with a lambda, for which joblib's processes still work.

    {parameters}

    {attributes}

    See Also
    --------
    ModuleClassifier : The same for classes.
    torchlearners.base.RegressorLearner : To declare parameters with checks and
        documentation instead.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torch import nn
    >>> from torchlearners import ModuleRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> pretrained = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    >>> pretrained[0].requires_grad_(False)
    Linear(in_features=10, out_features=16, bias=True)
    >>> learner = ModuleRegressor(pretrained, random_state=0).fit(X, y)
    >>> bool((learner.net_.module_[0].weight == pretrained[0].weight).all())
    True
    """
