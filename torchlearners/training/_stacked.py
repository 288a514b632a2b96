"""Small nets of one shape, trained at once.

A step of a small net is mostly the cost of calling torch. Here one call does the work
of all nets: their weights are stacked along a first axis, and the nets' own parameters
are views of them. So all else of a net stays its own: optimizer and learning rate,
schedules, clipping, validation, history, the best epoch and where it stops.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from torchlearners.nn import ExpandMembers, StackedModules, stacking_key
from torchlearners.training._batches import Batch, Batches, TensorData
from torchlearners.training._criterion import DeclaredCriterion
from torchlearners.training._net import Net

# Weights times rows of a step, and weights of a net, beyond which arithmetic and memory
# cost most, so that nothing is gained; docs/design/ensembles.rst has what was measured.
MOST_WORK = 2**23
MOST_WEIGHTS = 2**17
# Numbers in the data of all nets together, which wait for each other.
_MOST_NUMBERS = 2**26


class StackedNets:
    """Nets that wait for each other, and then are trained together.

    Each ends as `Net.train_on` would have left it, up to rounding: random numbers are
    drawn from its own generator, in the same order. Nets of different shapes, losses or
    numbers of batches are trained one after the other.

    Parameters
    ----------
    n_nets : int
        How many are expected.
    most_work : int, default=2**23
        Weights times rows of a step, beyond which a net does not wait.
    most_weights : int, default=2**17
        Weights of a net, beyond which it does not wait.

    Attributes
    ----------
    groups : dict of str to list
        The nets that wait, by what is equal in those that are trained at once.

    Examples
    --------
    >>> from torchlearners.training import StackedNets
    >>> waiting = StackedNets(n_nets=5)
    >>> waiting.train()  # none has been taken
    """

    def __init__(
        self,
        n_nets: int,
        most_work: float = MOST_WORK,
        most_weights: float = MOST_WEIGHTS,
    ) -> None:
        self.n_nets = n_nets
        self.most_work = most_work
        self.most_weights = most_weights
        self.groups: dict[str, list[_Run]] = {}

    def takes(self, net: Net, train: TensorData, valid: TensorData | None) -> bool:
        """Keep a net that is ready for training, or return False.

        Parameters
        ----------
        net : Net
            Initialized, with its callbacks.
        train, valid : TensorData
            As for `Net.train_on`.

        Returns
        -------
        bool
            Whether `train` will train it. Not a net that is too large, computes in
            another precision than float32, or has layers that
            `torchlearners.nn.StackedModules` does not know.
        """
        if not _is_plain(net) or train.X.numel() * self.n_nets > _MOST_NUMBERS:
            return False
        layers = stacking_key(net.module_)
        run = _Run(net, train, valid)
        sizes = run.batches.sizes
        # On one row, batch normalization has an error to raise.
        if layers is None or min(sizes) == 1 or not self._is_small(net, max(sizes)):
            return False
        self.groups.setdefault(layers + repr(run.shape()), []).append(run)
        return True

    def _is_small(self, net: Net, n_rows: int) -> bool:
        layers = net.module_.modules()
        # Members inside of a net use the same weights, in one product that is cheap.
        uses = [layer.k / 4 for layer in layers if isinstance(layer, ExpandMembers)]
        work = net.n_weights * n_rows * max([1, *uses])
        return work <= self.most_work and net.n_weights <= self.most_weights

    def train(self) -> None:
        """Train all nets, each until its last epoch or where it stops.

        Raises
        ------
        NonFiniteLossError
            At the end of the first epoch in which one has no finite training loss.
        """
        for runs in self.groups.values():
            if len(runs) == 1:
                runs[0].net.train_on(runs[0].train, runs[0].valid)
            else:
                _train_group(runs)


class _Run:
    """One of the nets, with its rows."""

    def __init__(self, net: Net, train: TensorData, valid: TensorData | None) -> None:
        self.net = net
        self.train = train.to(net.device)
        self.valid = None if valid is None else valid.to(net.device)
        self.batches = net.get_iterator(self.train, training=True)
        self.valid_batches: Batches | None = None
        if self.valid is not None:
            self.valid_batches = net.get_iterator(self.valid)
        self.data = {"dataset_train": self.train, "dataset_valid": self.valid}

    def shape(self) -> tuple[Any, ...]:
        """Return what must be equal in nets that are trained together."""
        net, y = self.net, self.train.y
        return (
            net.criterion_.loss,
            (net.device, y.dtype, tuple(y.shape[1:]), tuple(self.train.X.shape[1:])),
            len(self.batches),
        )

    def begin(self) -> None:
        """Do what precedes the first epoch."""
        net = self.net
        net.epochs_before = len(net.history)
        net.stop_training = False
        net.resuming = False
        net.notify("on_train_begin", X=self.train.X, y=self.train.y)

    def end(self) -> None:
        """Do what follows the last epoch."""
        self.net.module_.eval()
        self.net.notify("on_train_end", X=self.train.X, y=self.train.y)
        self.net.valid_outputs_ = None

    def goes_on(self) -> bool:
        """Tell whether there is another epoch."""
        return len(self.net.history) < self._last() and not self.net.stop_training

    def _last(self) -> int:
        return self.net.epochs_before + self.net.max_epochs

    def begin_epoch(self) -> Iterator[Batch]:
        """Return the batches of a new epoch."""
        self.net.valid_outputs_ = None
        self.net.notify("on_epoch_begin", **self.data)
        self.net._set_training(True)
        return iter(self.batches)

    def begin_step(self, batch: Batch) -> None:
        for callback in self.net._overriding("on_batch_begin"):
            callback.on_batch_begin(self.net, batch=batch[:2], training=True)

    def step(self, batch: Batch) -> None:
        """Take the step of the optimizer, from gradients that are there."""
        self.net._finish_gradient(batch)
        self.net.optimizer_.step()

    def end_epoch(
        self, losses: list[Tensor], sizes: list[Any], n_rows: int, dur: float
    ) -> None:
        """Record the epoch and evaluate it."""
        net, start = self.net, time.perf_counter()
        net._record_epoch("train", losses, sizes, n_rows, False)
        epoch = len(net.history)
        if epoch % net.eval_every == 0 or epoch == self._last() or net.stop_training:
            net.notify("on_evaluation_begin", **self.data)
            net.run_single_epoch(
                self.valid_batches, False, "valid", net.validation_step
            )
        net.history.record("dur", dur + time.perf_counter() - start)
        net._end_epoch(self.data)


def _train_group(runs: list[_Run]) -> None:
    for run in runs:
        run.begin()
    active = [run for run in runs if run.goes_on()]
    while active:
        together = len(active)
        stack = StackedModules([run.net.module_ for run in active])
        try:
            while len(active) == together:
                _train_epoch(stack, active)
                active = [run for run in active if run.goes_on()]
        finally:
            # What has stopped must not move with the others.
            stack.release()
    for run in runs:
        run.end()


def _train_epoch(stack: StackedModules, runs: list[_Run]) -> None:
    start = time.perf_counter()
    losses: list[Tensor] = []
    sizes: list[list[Any]] = [[] for _ in runs]
    n_rows = [0] * len(runs)
    for batches in zip(*[run.begin_epoch() for run in runs], strict=True):
        for run, batch in zip(runs, batches, strict=True):
            run.begin_step(batch)
        losses.append(_step(stack, runs, batches))
        for i, (_, y, weight) in enumerate(batches):
            sizes[i].append(len(y) if weight is None else weight.sum())
            n_rows[i] += len(y)
    share = (time.perf_counter() - start) / len(runs)
    for i, run in enumerate(runs):
        run.end_epoch([step[i] for step in losses], sizes[i], n_rows[i], share)


def _step(
    stack: StackedModules, runs: list[_Run], batches: tuple[Batch, ...]
) -> Tensor:
    """Take one step of each net; return their losses, of shape (n_nets,)."""
    n_rows = [len(y) for _, y, _ in batches]
    most = max(n_rows)
    x = _joined([x for x, _, _ in batches], most)
    y = _joined([y for _, y, _ in batches], most)
    rows = _losses(runs[0].net, stack(x, n_rows), y)
    if all(weight is None for _, _, weight in batches) and min(n_rows) == most:
        means = rows.mean(dim=1)
    else:
        # What fills up a batch counts nothing.
        weight = _joined(
            [rows.new_ones(len(y)) if w is None else w for _, y, w in batches], most, 0
        )
        means = (rows * weight).sum(dim=1) / weight.sum(dim=1)
    stack.zero_grad()
    means.sum().backward()
    for run, batch in zip(runs, batches, strict=True):
        run.step(batch)
    return means.detach()


def _losses(net: Net, outputs: Tensor, y: Tensor) -> Tensor:
    """Return the loss of each row (n_nets, rows), the mean of several predictions."""
    shape = outputs.shape[:-1]
    if net._mean_members is not None:
        y = y.repeat_interleave(shape[2], 1)
    rows = net.criterion_.loss.rows(outputs.flatten(0, -2), y.flatten(0, 1)).view(shape)
    return rows if rows.ndim == 2 else rows.mean(dim=2)


def _joined(parts: list[Tensor], most: int, fill: float | None = None) -> Tensor:
    """Stack rows; where there are fewer, add `fill`, or the first row again."""
    full = []
    for part in parts:
        missing = most - len(part)
        if missing:
            more = part[:1].expand(missing, *part.shape[1:])
            more = more if fill is None else torch.full_like(more, fill)
            part = torch.cat([part, more])
        full.append(part)
    return torch.stack(full)


def _is_plain(net: Net) -> bool:
    """Tell whether a step of the net is one that `_step` takes."""
    return (
        type(net).train_step is Net.train_step
        and type(net).fit_loop is Net.fit_loop
        and isinstance(net.criterion_, DeclaredCriterion)
        and not isinstance(net.optimizer_, torch.optim.LBFGS)
        and net.accumulate_grad == 1
        and net.precision == "float32"
        and net.row_order is None
        and net.change_batch is None
        and not net._overriding("on_batch_end")
    )
