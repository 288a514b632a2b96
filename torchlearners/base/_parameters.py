"""The constructor parameters that all learners share, and nested access to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from sklearn.base import clone
from torch import nn

from torchlearners._compat import BaseEstimator, Callback, Constraint, StrOptions
from torchlearners.base._callbacks import fresh_callbacks
from torchlearners.callbacks import SCHEDULES, Policy, ScheduleChoice, Selection
from torchlearners.params import (
    Parameters,
    boolean,
    did_you_mean,
    non_negative,
    one_of,
    open_fraction,
    optional,
    param,
    positive,
    positive_int,
)
from torchlearners.training import (
    LOSSES,
    OPTIMIZERS,
    Loss,
    LossChoice,
    Optimizer,
    OptimizerChoice,
    promote,
)

# Parameters for which a name stands for an object with parameters of its own.
_NAMED: dict[str, Any] = {
    "optimizer": OPTIMIZERS,
    "loss": LOSSES,
    "lr_schedule": SCHEDULES,
}

ATTRIBUTES = """
Attributes
----------
n_features_in_ : int
    Number of features seen in `fit`.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, where X had column names that are all strings.
n_iter_ : int
    Number of epochs trained, over all fits of a warm start.
best_epoch_ : int or None
    Epoch with the best validation score, counted from 1; None without validation rows.
best_score_ : float or None
    That score: of the first of `measures_valid`, else the validation loss.
stopped_epoch_ : int or None
    Epoch after which early stopping ended training; None where it did not.
history_ : skorch.history.History
    One dict an epoch, with ``train_loss``, ``valid_loss`` and ``dur`` (seconds).
net_ : torchlearners.training.Net
    The trained `skorch.NeuralNet`; ``net_.module_`` is the torch module.
device_ : str
    Device on which the network was trained.
seed_ : int
    Seed of the one generator that all random numbers came from.
"""


class Callbacks(Constraint):
    """Allow a list of skorch callbacks, or of pairs of name and callback (or None)."""

    def __init__(self) -> None:
        self.hidden = False  # read by scikit-learn

    def is_satisfied_by(self, val: Any) -> bool:
        """Tell whether `val` is such a list."""
        return isinstance(val, list | tuple) and all(map(_is_callback, val))

    def __str__(self) -> str:
        return "a list of skorch callbacks or (name, callback) pairs"


def _is_callback(item: Any) -> bool:
    if isinstance(item, tuple):
        named = len(item) == 2 and isinstance(item[0], str)
        return named and (item[1] is None or _is_callback(item[1]))
    cls = item if isinstance(item, type) else type(item)
    return issubclass(cls, Callback)


class LearnerParameters(Parameters, BaseEstimator):
    """Training, validation and run parameters.

    A nested parameter of a choice given by name is reached directly:
    ``set_params(optimizer__betas=(0.9, 0.95))`` on ``optimizer="adamw"`` first turns
    the name into the object it stands for. A callback is reached by its name, by
    default that of its class: ``callbacks__Checkpoint__monitor``.
    """

    max_epochs: int = param(
        default=100,
        check=positive_int,
        doc="Most passes over the training rows; with `warm_start` in each call of "
        "`fit`.",
    )
    batch_size: int | Literal["auto"] = param(
        default="auto",
        check=[*one_of("auto"), *positive_int],
        tune=(32, 1024, "log"),
        doc='Rows in one optimizer step. "auto" takes all rows up to 256, then the '
        "power of two nearest to a fortieth of them, between 32 and 1024. A batch that "
        "holds all rows makes weights equal to repetition exactly.",
    )
    optimizer: OptimizerChoice = param(
        default="adamw",
        check=[StrOptions(set(OPTIMIZERS)), Optimizer, type],
        doc="A name, an object of `torchlearners.training` such as "
        "``AdamW(betas=(0.9, 0.95))``, or a `torch.optim` class.",
    )
    lr: float = param(
        default=1e-3,
        check=positive,
        tune=(1e-4, 1e-1, "log"),
        doc="Learning rate of the optimizer.",
    )
    weight_decay: float = param(
        default=0.0,
        check=non_negative,
        tune=(1e-6, 1e-1, "log"),
        doc="Weight decay of the optimizer, decoupled from the gradient with AdamW.",
    )
    lr_schedule: ScheduleChoice = param(
        default=None,
        check=optional([StrOptions(set(SCHEDULES)), Policy, type, callable]),
        doc="How the learning rate moves while training: a name, an object of "
        "`torchlearners.callbacks` such as ``Step(step_size=10)``, a class of "
        "`torch.optim.lr_scheduler`, or a function from [0, 1] to a factor. None keeps "
        "it constant.",
    )
    loss: LossChoice | Literal["auto"] = param(
        default="auto",
        check=[StrOptions({"auto", *LOSSES}), Loss, nn.Module, type, callable],
        doc="A name, an object of `torchlearners.training` such as ``Huber(delta=2)``, "
        "a `torch.nn` loss, or a function of outputs and encoded targets. "
        '"auto" is cross-entropy for classes, binary cross-entropy for multilabel '
        'targets and the mean squared error for values; "quantile" and "gaussian" '
        'predict distributions of values, "poisson", "gamma" and "tweedie" means of '
        "counts and amounts.",
    )
    grad_clip: float | None = param(
        default=None,
        check=optional(positive),
        tune=(0.1, 10.0, "log"),
        doc="Largest norm of the gradient of all weights together; a longer one is "
        "shortened to it. None leaves gradients alone.",
    )
    accumulate_grad: int = param(
        default=1,
        check=positive_int,
        doc="Batches whose gradients make one optimizer step, as if they were one "
        "batch, for less memory.",
    )
    shuffle: bool = param(
        default=True,
        check=boolean,
        doc="Whether each epoch takes the training rows in a new order.",
    )
    sampler: Literal["balanced"] | Callable[..., Any] | None = param(
        default=None,
        check=optional([*one_of("balanced"), callable]),
        doc='Which rows make an epoch. None takes each once; "balanced" draws with '
        "replacement so that each class is equally likely; a function of data "
        "(`TensorData`) and generator returns row numbers.",
    )
    drop_last: bool = param(
        default=False,
        check=boolean,
        doc="Whether to leave out a last batch that is not full.",
    )
    freeze: Any = param(
        default=None,
        check=optional([str, Selection]),
        doc="Weights that keep their initial values: a glob on parameter names such as "
        '``"linear_1.*"``, or a selection from `torchlearners.callbacks.select`.',
    )
    max_time: float | None = param(
        default=None,
        check=optional(positive),
        doc="Seconds of training after which it ends.",
    )
    callbacks: list[Any] | None = param(
        default=None,
        check=optional([Callbacks()]),
        doc="skorch callbacks, or pairs of name and callback. `fit` uses these objects "
        "themselves; a clone of the learner, as in a search, has new ones that share "
        "what their constructors were given.",
    )
    validation_fraction: float = param(
        default=0.1,
        check=open_fraction,
        doc="Share of the rows, stratified by class, that `early_stopping` sets aside.",
    )
    validation_split: Any = param(
        default=None,
        check=optional([Constraint(["split", "get_n_splits"])]),
        doc="A splitter of `sklearn.model_selection`, such as ``GroupShuffleSplit()`` "
        "or ``TimeSeriesSplit()``, whose first split says which rows train and which "
        "validate, instead of `validation_fraction`; with `n_folds` its splits are the "
        "folds. Without a `random_state` it draws by the learner's. What it needs of "
        "groups, `fit` takes.",
    )
    early_stopping: bool | Literal["auto"] = param(
        default="auto",
        check=[*one_of("auto"), *boolean],
        doc='Whether to stop when the validation loss stagnates. "auto" does so where '
        "`X_val` or `validation_split` is given or there are at least 200 rows. "
        "Without it, and without `X_val`, all rows train.",
    )
    patience: int = param(
        default=16,
        check=positive_int,
        doc="Evaluations without improvement after which early stopping ends training.",
    )
    min_delta: float = param(
        default=0.0,
        check=non_negative,
        doc="An improvement is a loss lower than the best one by more than this.",
    )
    restore_best: bool = param(
        default=True,
        check=boolean,
        doc="Whether the weights of the epoch with the best validation loss are kept "
        "instead of the last ones.",
    )
    measures_train: Any = param(
        default=None,
        check=optional([str, list, tuple, dict, callable]),
        doc="What to record of the training rows after each evaluated epoch, in "
        "``history_``: names of scikit-learn scorers, scorers or metric functions; a "
        "list or a dict of them.",
    )
    measures_valid: Any = param(
        default=None,
        check=optional([str, list, tuple, dict, callable]),
        doc="The same for the validation rows. Early stopping follows the first one, "
        "instead of the validation loss.",
    )
    eval_every: int = param(
        default=1,
        check=positive_int,
        doc="Epochs from one evaluation of the validation rows to the next. The last "
        "epoch is always evaluated.",
    )
    categorical_features: Literal["from_dtype"] | Any = param(
        default="from_dtype",
        check=optional(["array-like", *one_of("from_dtype")]),
        doc='Which columns of X are categories. "from_dtype" takes those of a '
        "DataFrame that hold strings or have a categorical dtype; an array of names, "
        "of column numbers, or of a bool for each column takes those; None takes none. "
        "In a column of more than nine levels, those of a single row are one level, to "
        "which those that `fit` has not seen belong.",
    )
    predict_batch_size: int | Literal["auto"] = param(
        default="auto",
        check=[*one_of("auto"), *positive_int],
        doc='Most rows in one forward pass of `predict`; "auto" is 1024 on a CPU, 4096 '
        "elsewhere and less for large images. A pass may take a few more where the "
        "processor rounds fewer rows otherwise: predictions do not depend on it.",
    )
    device: str | torch.device = param(
        default="auto",
        check=[str, torch.device],
        doc='"auto" is the first available of cuda, mps, xpu and cpu.',
    )
    precision: Literal["float32", "bf16"] = param(
        default="float32",
        check=one_of("float32", "bf16"),
        doc='What the network computes in. "bf16" is bfloat16 for what torch.autocast '
        "deems safe, mainly products of matrices; weights, losses and predictions stay "
        "float32. Large networks train faster by it on GPUs and on CPUs with AMX, and "
        "predictions lose digits: about three are left.",
    )
    n_threads: int | None = param(
        default=None,
        check=optional(positive_int),
        doc="Number of torch threads during `fit` and `predict`. None takes 1 where a "
        "step is small, which is faster there, and otherwise torch's own setting. The "
        "number changes the last bits of the result.",
    )
    random_state: Any = param(
        default=None,
        check=["random_state"],
        doc="Seed of validation split, initial weights, order of the rows and "
        "dropout. No global random state is read or written.",
    )
    warm_start: bool = param(
        default=False,
        check=boolean,
        doc="Whether `fit` goes on from the weights of the fit before.",
    )
    verbose: int = param(
        default=0,
        check=["verbose"],
        doc="1 shows a live line with time left, epoch, losses and measures, unless "
        "standard error is a file or a pipe; 2 writes a table there, a row for each "
        "epoch.",
    )

    def auto_values(self) -> dict[str, Any]:
        """Return what "auto" stands for, where other parameters decide about it.

        Returns
        -------
        dict
            By the name of the parameter; empty by default. What depends on the data
            is not in it.
        """
        return {}

    def value_of(self, name: str) -> Any:
        """Return a parameter, or what "auto" stands for.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        object
            "auto" where only the data can tell.
        """
        auto = self.auto_values() if self._is_auto(name) else {}
        return auto.get(name, getattr(self, name))

    def resolved_params(self) -> dict[str, Any]:
        """Return all parameters, or what "auto" stands for, as `value_of` does.

        Returns
        -------
        dict
            Names mapped to values.
        """
        auto = self.auto_values()
        params = {name: getattr(self, name) for name in self._get_param_names()}
        return {k: auto.get(k, v) if self._is_auto(k) else v for k, v in params.items()}

    def _is_auto(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, str) and value == "auto"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the learner.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of its optimizer, loss and callbacks.

        Returns
        -------
        dict
            Names mapped to values.
        """
        params = super().get_params(deep=deep)
        if deep:
            for name, callback in self._named_callbacks():
                key = f"callbacks__{name}"
                params[key] = callback
                if hasattr(callback, "get_params") and not isinstance(callback, type):
                    nested = callback.get_params(deep=True)
                    params.update({f"{key}__{k}": v for k, v in nested.items()})
        return params

    def set_params(self, **params: Any) -> LearnerParameters:
        """Set parameters, also nested ones such as ``optimizer__betas``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        estimator
            The learner.

        Raises
        ------
        ValueError
            Where there is no such parameter; nothing is set then.
        """
        for key in params:
            self._check_known(key, params)
        super().set_params(**{k: v for k, v in params.items() if "__" not in k})
        nested: dict[str, Any] = {}
        for key, value in params.items():
            name, delimiter, rest = key.partition("__")
            if name == "callbacks" and delimiter:
                self._set_callback_param(rest, value)
            elif delimiter:
                nested[key] = value
                setattr(self, name, self._promoted(name, getattr(self, name)))
        super().set_params(**nested)
        return self

    def __sklearn_clone__(self) -> Any:
        # scikit-learn would deep-copy what callbacks hold, such as an open file.
        bare = object.__new__(type(self))
        bare.__dict__.update(self.__dict__, callbacks=None)
        copied = super(LearnerParameters, bare).__sklearn_clone__()
        copied.callbacks = fresh_callbacks(self.callbacks)
        return copied

    def _check_known(self, key: str, params: dict[str, Any]) -> None:
        """Raise where no parameter `key` would exist once `params` are set."""
        name, delimiter, rest = key.partition("__")
        _check_name("parameter", name, self._get_param_names(), self)
        if not delimiter:
            return
        owner = params.get(name, getattr(self, name))
        if name == "callbacks":
            named = dict(_name_callbacks(owner))
            callback, delimiter, rest = rest.partition("__")
            _check_name("callback", callback, named, self)
            owner = named[callback]
            if not delimiter:
                return
        owner = self._promoted(name, owner)
        if not hasattr(owner, "get_params") or isinstance(owner, type):
            raise ValueError(
                f"Invalid parameter {rest!r} for estimator {owner!r}, which has no "
                f"parameters to set. Give {name} as what makes such an object: a name, "
                "a class, or an object with set_params."
            )
        _check_name("parameter", rest, owner.get_params(), owner)

    def _promoted(self, name: str, value: Any) -> Any:
        """Return the object with parameters of its own that a value stands for."""
        if isinstance(value, str) and value == "auto":
            value = clone(self.auto_values().get(name, value), safe=False)
        return promote(value, _NAMED.get(name, {}))

    def _named_callbacks(self) -> Iterator[tuple[str, Any]]:
        return _name_callbacks(self.callbacks)

    def _set_callback_param(self, key: str, value: Any) -> None:
        name, delimiter, param_name = key.partition("__")
        named = dict(self._named_callbacks())
        if delimiter:
            named[name].set_params(**{param_name: value})
        else:
            self.callbacks = [(n, value if n == name else c) for n, c in named.items()]


def _check_name(kind: str, name: str, valid: Iterable[str], owner: Any) -> None:
    if name not in valid:
        raise ValueError(
            f"Invalid {kind} {name!r} for estimator {owner!r}."
            f"{did_you_mean(name, valid)} Valid {kind}s are: {sorted(valid)!r}."
        )


def _name_callbacks(callbacks: Any) -> Iterator[tuple[str, Any]]:
    # Before fit has checked it, the parameter may hold anything.
    items = callbacks if isinstance(callbacks, list | tuple) else []
    unnamed = [_class_name(item) for item in items if not isinstance(item, tuple)]
    seen: Counter[str] = Counter()
    for item in items:
        if isinstance(item, tuple):
            yield item
            continue
        name = _class_name(item)
        seen[name] += 1
        # As in skorch, callbacks of one class are numbered.
        yield f"{name}_{seen[name]}" if unnamed.count(name) > 1 else name, item


def _class_name(callback: Any) -> str:
    return (callback if isinstance(callback, type) else type(callback)).__name__
