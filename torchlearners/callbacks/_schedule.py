"""The callbacks that move a hyperparameter along a schedule."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import StrOptions
from torchlearners.callbacks._decays import Policy
from torchlearners.callbacks._movers import PlateauMover, make_mover
from torchlearners.callbacks._movers import torch_class as torch_class_of
from torchlearners.callbacks._schedules import SCHEDULES, ScheduleChoice
from torchlearners.params import Parameters, optional, param
from torchlearners.training import batch_sizes, promote

# The schedulers that torch tells to step after each batch.
_TORCH_PER_BATCH = {"CyclicLR", "OneCycleLR"}


class Schedule(Parameters, BaseEstimator, Callback):
    """Set a hyperparameter at the start of each epoch, along a schedule.

    The value is kept in the history, under the name of the hyperparameter. It is not
    set back when training ends; a warm start follows the schedule anew.

    {parameters}

    See Also
    --------
    BatchSchedule : The same before each batch.
    schedule_callback : Makes the one of the two that suits the schedule.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import Schedule
    >>> schedule = Schedule(policy="exponential")
    >>> learner = MLPClassifier(max_epochs=3, lr=0.1, callbacks=[schedule])
    >>> history = learner.fit(*load_iris(return_X_y=True)).history_
    >>> [round(lr, 6) for lr in history[:, "lr"]]
    [0.1, 0.095, 0.09025]
    """

    policy: ScheduleChoice = param(
        default="cosine",
        check=[StrOptions(set(SCHEDULES)), Policy, callable],
        doc="A name, one of our schedules, a class of `torch.optim.lr_scheduler` or a "
        "`functools.partial` of one, or a function that returns the factor on the "
        "starting value for the share of the training that is done. Of a torch class, "
        "``total_steps``, ``T_max`` and OneCycleLR's ``max_lr`` (the learner's lr) are "
        "filled in.",
    )
    hyperparameter: str | None = param(
        default=None,
        check=optional([str]),
        doc="What moves, as in our schedules. None asks the schedule; for functions "
        'and torch\'s schedulers it is "lr".',
    )

    step_every = "epoch"

    def initialize(self) -> Schedule:
        """Check the parameters and forget an earlier training."""
        self._validate_params()
        self._mover: Any = None
        return self

    def on_train_begin(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        """Look up what moves, and its starting value."""
        policy = promote(self.policy, SCHEDULES)
        if isinstance(policy, type) and torch_class_of(policy) is None:
            raise ValueError(
                f"policy={policy!r} is a class. Give an object, for example "
                f"{policy.__name__}(), or a class of torch.optim.lr_scheduler."
            )
        if isinstance(policy, Policy):
            policy.check()
        rows = net.batch_size * net.accumulate_grad
        self._n_batches = len(batch_sizes(len(X), rows, net.drop_last))
        n_steps = net.max_epochs
        if self.step_every == "batch":
            n_steps *= self._n_batches
        name = self.hyperparameter or str(getattr(policy, "hyperparameter", "lr"))
        self._mover = make_mover(policy, name, net, n_steps)

    def on_epoch_begin(
        self, net: NeuralNet, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Set the value for this epoch."""
        self._check_score(dataset_valid)
        self._move(net, _epochs_done(net))

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Look at the score of the epoch."""
        self._mover.end_epoch(net.history[-1])

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {} if self._mover is None else self._mover.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, after training has begun."""
        self._mover.load(state)

    def _move(self, net: NeuralNet, t: float) -> None:
        self._mover.move(t)
        setting = self._mover.setting
        if setting.name not in net.history[-1]:
            net.history.record(setting.name, setting.value())

    def _check_score(self, dataset_valid: Any) -> None:
        follows = getattr(self._mover, "follows_a_score", False)
        if isinstance(self._mover, PlateauMover):
            follows = self._mover.monitor.startswith("valid")
        if follows and dataset_valid is None:
            raise ValueError(
                f"policy={self.policy!r} follows a validation score, but there are no "
                "validation rows. Give X_val and y_val to fit, set "
                "early_stopping=True, or use Plateau(monitor='train_loss')."
            )


class BatchSchedule(Schedule):
    """Set a hyperparameter before each batch, along a schedule.

    Like `Schedule`; the history keeps the value of the first batch of each epoch. With
    accumulated gradients, the batches that make one step count as one.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import BatchSchedule
    >>> schedule = BatchSchedule(policy=lambda t: 1 - t)
    >>> learner = MLPClassifier(max_epochs=2, lr=0.1, callbacks=[schedule])
    >>> learner.fit(*load_iris(return_X_y=True)).history_[:, "lr"]
    [0.1, 0.05]
    """

    step_every = "batch"

    def on_epoch_begin(
        self, net: NeuralNet, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Count the batches of this epoch."""
        self._check_score(dataset_valid)
        self._batch = 0

    def on_batch_begin(
        self, net: NeuralNet, batch: Any = None, training: Any = None, **kwargs: Any
    ) -> None:
        """Set the value for this batch."""
        if training:
            self._move(net, _epochs_done(net) + self._batch / self._n_batches)
            self._batch += 1


def schedule_callback(
    policy: Any, step_every: str | None = None, hyperparameter: str | None = None
) -> Schedule:
    """Return the callback that suits a schedule.

    Setting a value per batch costs a call a batch, so it is done only where it makes a
    difference.

    Parameters
    ----------
    policy : str, Policy, class or callable
        See `Schedule`.
    step_every : {"epoch", "batch"}, default=None
        None asks the schedule: "batch" for those that move smoothly, for torch's
        OneCycleLR and CyclicLR, and "epoch" for the others and for functions.
    hyperparameter : str, default=None
        See `Schedule`.

    Returns
    -------
    Schedule or BatchSchedule

    Raises
    ------
    ValueError
        Where `step_every` is neither.

    Examples
    --------
    >>> from torchlearners.callbacks import schedule_callback
    >>> schedule_callback("step")
    Schedule(policy='step')
    >>> schedule_callback("one_cycle")
    BatchSchedule(policy='one_cycle')
    """
    if step_every is None:
        torch_class = torch_class_of(policy)
        if torch_class is not None and torch_class.__name__ in _TORCH_PER_BATCH:
            step_every = "batch"
        else:
            chosen = promote(policy, SCHEDULES)
            step_every = getattr(chosen, "step_every", "epoch")
    if step_every not in ("epoch", "batch"):
        raise ValueError(f"step_every must be 'epoch' or 'batch', got {step_every!r}.")
    made = BatchSchedule if step_every == "batch" else Schedule
    return made(policy=policy, hyperparameter=hyperparameter)


def _epochs_done(net: NeuralNet) -> int:
    """Return the epochs of this training that came before the one in progress."""
    return len(net.history) - 1 - net.epochs_before
