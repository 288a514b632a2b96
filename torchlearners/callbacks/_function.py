"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback

from torchlearners.params import did_you_mean

# The net has one stage more than skorch: between training and validation rows.
STAGES = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_evaluation_begin",
    "on_epoch_end",
    "on_train_end",
)


class FunctionCallback(Callback):
    """Base of what `callback` makes: a class that has the given stages only.

    Examples
    --------
    >>> from torchlearners.callbacks import FunctionCallback, callback
    >>> isinstance(callback(on_epoch_end=print), FunctionCallback)
    True
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        # Being attributes, they are called without self, and are parameters to skorch.
        self.__dict__.update(functions)

    def __sklearn_clone__(self) -> FunctionCallback:
        return callback(**vars(self))

    def __reduce__(self) -> Any:
        return _restore, (dict(vars(self)),)

    def __repr__(self) -> str:
        given = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"callback({given})"


def callback(**functions: Callable[..., Any]) -> FunctionCallback:
    """Return a callback that calls a function at each given stage of training.

    Parameters
    ----------
    **functions : callable
        By the stage at which they are called: ``on_train_begin``, ``on_epoch_begin``,
        ``on_batch_begin``, ``on_grad_computed``, ``on_batch_end``,
        ``on_evaluation_begin`` (before validation rows), ``on_epoch_end``,
        ``on_train_end``. Each takes the net and keywords: ``f(net, **kwargs)``. The
        two of batches make training slower and its history longer.

    Returns
    -------
    FunctionCallback
        Clones share the functions.

    Raises
    ------
    TypeError
        Where there is no such stage, or no function.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import callback
    >>> def tell(net, **kwargs):
    ...     print("epoch", len(net.history))
    >>> learner = MLPClassifier(max_epochs=2, callbacks=[callback(on_epoch_end=tell)])
    >>> _ = learner.fit(*load_iris(return_X_y=True))
    epoch 1
    epoch 2
    """
    if not functions:
        raise TypeError(f"callback() needs a function for one of {list(STAGES)}.")
    for stage, function in functions.items():
        if stage not in STAGES:
            raise TypeError(
                f"callback() has no stage '{stage}'.{did_you_mean(stage, STAGES)} The "
                f"stages are {list(STAGES)}."
            )
        if not callable(function):
            raise TypeError(f"{stage} must be a function, got {function!r}.")
    # The net calls a stage only where the class differs from skorch's Callback.
    stages = {stage: _stage(stage) for stage in functions}
    made = type("FunctionCallback", (FunctionCallback,), stages)
    return made(**functions)


def _stage(name: str) -> Callable[..., None]:
    def call(self: FunctionCallback, net: Any, **kwargs: Any) -> None:
        vars(self)[name](net, **kwargs)

    return call


def _restore(functions: dict[str, Callable[..., Any]]) -> FunctionCallback:
    return callback(**functions)
