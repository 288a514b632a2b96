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
from torch import Tensor, nn

from torchlearners.nn import Dropout
from torchlearners.training._batches import Batch, Batches, TensorData
from torchlearners.training._criterion import DeclaredCriterion
from torchlearners.training._net import Net

# Weights times rows of a step, from which on the arithmetic costs most; measured.
MOST_WORK = 2**20
# Numbers in the data of all nets together, which wait for each other.
_MOST_NUMBERS = 2**26

_ELEMENTWISE = (
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.Identity,
    nn.LeakyReLU,
    nn.Mish,
    nn.ReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
)


class StackedNets:
    """Nets that wait for each other, and then are trained together.

    Each ends as `Net.train_on` would have left it, up to rounding: random numbers are
    drawn from its own generator, in the same order. Nets of different shapes, losses or
    numbers of batches are trained one after the other.

    Parameters
    ----------
    n_nets : int
        How many are expected.
    most_work : int, default=2**20
        Weights times rows of a step, beyond which a net does not wait.

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

    def __init__(self, n_nets: int, most_work: int = MOST_WORK) -> None:
        self.n_nets = n_nets
        self.most_work = most_work
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
            Whether `train` will train it. Not a net that is too large, or has other
            layers than linear ones, dropout and elementwise functions.
        """
        if not (self._is_small(net, train) and _is_plain(net)):
            return False
        run = _Run(net, train, valid)
        self.groups.setdefault(repr(run.shape()), []).append(run)
        return True

    def _is_small(self, net: Net, train: TensorData) -> bool:
        return (
            net.n_weights * net.batch_size <= self.most_work
            and train.X.numel() * self.n_nets <= _MOST_NUMBERS
        )

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
            [_without_rate(layer) for layer in net.module_],
            [(n, tuple(p.shape)) for n, p in net.module_.named_parameters()],
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


class _Stack:
    """The weights of several modules along a first axis, of which theirs are views."""

    def __init__(self, modules: list[Any]) -> None:
        self.modules = modules
        # By the parameter of the first module, which may be in several layers.
        self.weights: dict[Tensor, Tensor] = {}
        for name, _ in modules[0].named_parameters():
            own = [module.get_parameter(name) for module in modules]
            weight = torch.stack([p.data for p in own]).requires_grad_()
            weight.grad = torch.zeros_like(weight)
            for p, value, grad in zip(own, weight.data, weight.grad, strict=True):
                p.data, p.grad = value, grad
            self.weights[own[0]] = weight

    def release(self) -> None:
        """Give each module weights of its own again."""
        for module in self.modules:
            for p in module.parameters():
                p.data, p.grad = p.data.clone(), None

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        for weight in self.weights.values():
            assert weight.grad is not None
            weight.grad.zero_()

    def forward(self, x: Tensor, n_rows: list[int]) -> Tensor:
        """Return the outputs (n_modules, most rows, n_outputs) of a batch of each."""
        for layers in zip(*self.modules, strict=True):
            first = layers[0]
            if isinstance(first, nn.Linear):
                weight = self.weights[first.weight].mT
                if first.bias is None:
                    x = torch.bmm(x, weight)
                else:
                    x = torch.baddbmm(self.weights[first.bias][:, None], x, weight)
            elif isinstance(first, Dropout):
                x = _dropped(layers, x, n_rows)
            else:
                x = first(x)
        return x


def _dropped(layers: tuple[Any, ...], x: Tensor, n_rows: list[int]) -> Tensor:
    """Return x with dropout of each module's own, drawn for its own rows."""
    factors = torch.ones_like(x)
    for layer, factor, n in zip(layers, factors, n_rows, strict=True):
        if layer.p > 0:
            keep = 1 - layer.p
            own = torch.empty_like(factor[:n])
            own.bernoulli_(keep, generator=layer.generator)
            factor[:n] = own.div_(keep)
    return x * factors


def _train_group(runs: list[_Run]) -> None:
    for run in runs:
        run.begin()
    active = [run for run in runs if run.goes_on()]
    while active:
        together = len(active)
        stack = _Stack([run.net.module_ for run in active])
        try:
            while len(active) == together:
                _train_epoch(stack, active)
                active = [run for run in active if run.goes_on()]
        finally:
            # What has stopped must not move with the others.
            stack.release()
    for run in runs:
        run.end()


def _train_epoch(stack: _Stack, runs: list[_Run]) -> None:
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


def _step(stack: _Stack, runs: list[_Run], batches: tuple[Batch, ...]) -> Tensor:
    """Take one step of each net; return their losses, of shape (n_nets,)."""
    n_rows = [len(y) for _, y, _ in batches]
    most = max(n_rows)
    x = _joined([x for x, _, _ in batches], most)
    y = _joined([y for _, y, _ in batches], most)
    outputs = stack.forward(x, n_rows)
    loss = runs[0].net.criterion_.loss
    rows = loss.rows(outputs.flatten(0, 1), y.flatten(0, 1)).view(len(runs), most)
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


def _without_rate(layer: nn.Module) -> str:
    return "Dropout" if isinstance(layer, Dropout) else repr(layer)


def _is_plain(net: Net) -> bool:
    """Tell whether a step of the net is one that `_step` takes."""
    module = net.module_
    return (
        type(net).train_step is Net.train_step
        and type(net).fit_loop is Net.fit_loop
        and type(module) is nn.Sequential
        and all(type(layer) in (nn.Linear, Dropout, *_ELEMENTWISE) for layer in module)
        and not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
        and not any(m._backward_hooks for m in module.modules())
        and all(p.requires_grad for p in module.parameters())
        and isinstance(net.criterion_, DeclaredCriterion)
        and not isinstance(net.optimizer_, torch.optim.LBFGS)
        and net.accumulate_grad == 1
        and net.row_order is None
        and not net._overriding("on_batch_end")
    )
