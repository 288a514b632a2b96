"""The skorch net inside every learner, with a loop of its own.

What skorch's callbacks see (hooks, history, datasets) is skorch's; how a batch is made
and stepped is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn
from torch.utils.data import Dataset

from torchlearners.exceptions import NonFiniteLossError
from torchlearners.nn import (
    MeanMembers,
    bind_generator,
    draws_unbound_numbers,
    random_numbers_from,
)
from torchlearners.storage import restoring
from torchlearners.training._batches import Batch, Batches, TensorData
from torchlearners.training._losses import Criterion
from torchlearners.training._optimizer_choice import build_optimizer, group_options
from torchlearners.training._row_blocks import RowBlocks, hooks_of
from torchlearners.training._state import load_training_state
from torchlearners.training._steps import Steps


class Net(Steps):
    """A `skorch.NeuralNet` over in-memory tensors, in the learner's encoded space.

    Made by a learner's `fit` and kept as ``net_``: classes are 0 to n_classes - 1,
    targets are standardized. skorch's callbacks work on it.

    Parameters
    ----------
    module : torch.nn.Module
        The initialized network.
    criterion : torch.nn.Module
        Of output, target and row weights, as `build_loss` returns it.
    optimizer : str, Optimizer or class
        See `build_optimizer`.
    generator : torch.Generator
        Source of shuffling and dropout, and of whatever else the network draws.
    lr, weight_decay : float
        For the optimizer.
    max_epochs : int
        Epochs that `fit_loop` runs.
    batch_size : int
        Rows in one forward and backward pass of training.
    accumulate_grad : int
        Passes whose gradients make one optimizer step.
    grad_clip : float or None
        Largest norm of the gradient of all weights.
    eval_every : int
        Epochs from one evaluation of the validation rows to the next; the last epoch
        is always evaluated.
    row_order : callable or None
        See `Batches`.
    drop_last : bool
        See `Batches`.
    callbacks : list or None
        skorch callbacks, or pairs of name and callback.
    device : torch.device
        Where the module is trained.
    n_outputs : int
        Number of values the module returns for a row.
    own_settings : dict of str to dict
        By name what parameters have of their own in the optimizer.
    precision : {"float32", "bf16"}, default="float32"
        What the module computes in; weights, outputs and losses are float32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> learner = MLPClassifier(max_epochs=2, random_state=0)
    >>> net = learner.fit(*load_iris(return_X_y=True)).net_
    >>> len(net.history)
    2
    """

    # Evaluation needs no gradients, hence affords larger batches.
    evaluation_batch_size = 4096

    def __init__(
        self,
        module: nn.Module,
        criterion: Criterion,
        *,
        optimizer: Any,
        generator: torch.Generator,
        lr: float,
        weight_decay: float,
        max_epochs: int,
        batch_size: int,
        accumulate_grad: int,
        grad_clip: float | None,
        eval_every: int,
        row_order: Callable[..., Tensor] | None,
        drop_last: bool,
        callbacks: list[Any] | None,
        device: torch.device,
        n_outputs: int,
        own_settings: Mapping[str, dict[str, float]] = MappingProxyType({}),
        precision: str = "float32",
    ) -> None:
        super().__init__(
            module,
            criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            train_split=None,
            callbacks=callbacks,
            verbose=0,
            device=device,
        )
        self.weight_decay = weight_decay
        self.generator = generator
        self.n_outputs = n_outputs
        self.own_settings = own_settings
        self.precision = precision
        self.accumulate_grad = self._n_pieces = accumulate_grad
        self.grad_clip = grad_clip
        self.eval_every = eval_every
        self.row_order = row_order
        self.drop_last = drop_last
        self.stop_training = self.resuming = False
        # Of the validation rows in this epoch, where a callback wants them.
        self.valid_outputs_: Tensor | None = None
        # Rows of history that come before the training in progress.
        self.epochs_before = 0
        # What tells this training from others, as plain data; set by the learner.
        self.identity: dict[str, Any] = {}
        # Of a training batch and a generator: what the network is shown in its place.
        self.change_batch: Callable[[Batch, torch.Generator], Batch] | None = None
        self.iterator_valid__batch_size = self.evaluation_batch_size  # for skorch
        # By number of threads; true of this process alone.
        self.row_blocks: dict[tuple[int | None, int], RowBlocks] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "row_blocks": {}}

    def row_blocks_with(self, n_threads: int | None) -> RowBlocks:
        """Return the sizes of blocks of rows that agree in this process.

        Parameters
        ----------
        n_threads : int or None
            What the learner was given.

        Returns
        -------
        RowBlocks
        """
        threads = n_threads, torch.get_num_threads()
        known = self.row_blocks.get(threads)
        if known is None:
            most = self.evaluation_batch_size
            if self.device.type == "cpu":  # what more rows compute leaves its caches
                most = min(most, 1024)
            known = self.row_blocks.setdefault(threads, RowBlocks(most))
        return known

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    def initialize_module(self) -> Net:
        """Take the module as it is, on the device and drawing from the generator."""
        self.module_ = self.module.to(self.device)
        self.own_hooks = hooks_of(self.module_)
        self.device_generator = self._make_device_generator()
        bind_generator(self.module_, self.device_generator)
        self.n_weights = sum(p.numel() for p in self.module_.parameters())
        self._unbound = draws_unbound_numbers(self.module_)
        ends = [m for m in self.module_.modules() if isinstance(m, MeanMembers)]
        self._mean_members = ends[0].mean if ends else None
        for end in ends:
            end.join = self.criterion.join_members
        return self

    def _make_device_generator(self) -> torch.Generator:
        """Return what draws on the device: a generator there, seeded by ours."""
        if self.device.type == "cpu":
            return self.generator
        seed = int(torch.randint(2**62, (1,), generator=self.generator))
        return torch.Generator(self.device).manual_seed(seed)

    def initialize_criterion(self) -> Net:
        """Take the loss function as it is."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> Net:
        """Build the optimizer over the parameters that require a gradient."""
        trainable = self._trainable = [
            (name, p) for name, p in self.module_.named_parameters() if p.requires_grad
        ]
        options = group_options(self.optimizer, self.module_)
        own = self.own_settings
        self.optimizer_ = build_optimizer(
            self.optimizer,
            [p for _, p in trainable],
            self.lr,
            self.weight_decay,
            {
                p: {**options.get(name, {}), **own.get(name, {})}
                for name, p in trainable
            },
        )
        return self

    def train_on(
        self,
        train: TensorData,
        valid: TensorData | None,
        *,
        resume_from: dict[str, Any] | None = None,
    ) -> Net:
        """Run up to `max_epochs` epochs.

        Parameters
        ----------
        train, valid : TensorData
            `valid` is evaluated every `eval_every` epochs; None goes without.
        resume_from : dict or None, default=None
            What `training_state` returned in the training that is to go on; its epochs
            count towards `max_epochs`.

        Returns
        -------
        Net
            This net, in evaluation mode.

        Raises
        ------
        NonFiniteLossError
            At the end of the first epoch with a NaN or infinite training loss.
        KeyboardInterrupt
            Raised again after callbacks have seen the end of training.
        """
        train = train.to(self.device)
        valid = None if valid is None else valid.to(self.device)
        self.epochs_before = len(self.history)
        self.stop_training = False
        if self.history:
            for group in self.optimizer_.param_groups:
                # torch's schedulers want it where training goes on, and only there.
                group.setdefault("initial_lr", group["lr"])
        self.resuming = resume_from is not None
        self.notify("on_train_begin", X=train.X, y=train.y)
        if resume_from is not None:
            with restoring("the checkpoint"):
                load_training_state(self, resume_from)
        else:
            # A callback may have loaded epochs, as skorch's LoadInitState.
            self.epochs_before = len(self.history)
        try:
            with random_numbers_from(self.device_generator, when=self._unbound):
                self.fit_loop(train, valid=valid)
        except (KeyboardInterrupt, NonFiniteLossError):
            # Broken off within an epoch, whose row is not whole.
            if self.history and "dur" not in self.history[-1]:
                del self.history[-1]
            if self.history:
                self.notify("on_train_end", X=train.X, y=train.y)
            raise
        finally:
            self.module_.eval()
        self.notify("on_train_end", X=train.X, y=train.y)
        self.valid_outputs_ = None
        return self

    def fit_loop(
        self,
        X: TensorData,
        y: None = None,
        epochs: int | None = None,
        *,
        valid: TensorData | None = None,
        **fit_params: Any,
    ) -> Net:
        """Run the epochs; `train_on` is the call that also begins and ends training."""
        data = {"dataset_train": X, "dataset_valid": valid}
        train_batches = self.get_iterator(X, training=True)
        valid_batches = None if valid is None else self.get_iterator(valid)
        last = self.epochs_before + (self.max_epochs if epochs is None else epochs)
        while len(self.history) < last and not self.stop_training:
            start = time.perf_counter()
            self.valid_outputs_ = None
            self.notify("on_epoch_begin", **data)
            self.run_single_epoch(train_batches, True, "train", self.train_step)
            epoch = len(self.history)
            if epoch % self.eval_every == 0 or epoch == last or self.stop_training:
                self.notify("on_evaluation_begin", **data)
                self.run_single_epoch(
                    valid_batches, False, "valid", self.validation_step
                )
            self.history.record("dur", time.perf_counter() - start)
            self._end_epoch(data)
        return self

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Net:
        """Say that it is the learner that fits."""
        raise TypeError(
            "A net trains on the encoded tensors of its learner, which alone can make "
            "them: call fit or partial_fit of the learner."
        )

    partial_fit = fit

    def __sklearn_clone__(self) -> Net:
        raise TypeError(
            "A net belongs to the fit that made it and cannot be cloned. Clone the "
            "learner, or take a copy of it with copy.deepcopy."
        )

    def load_params(self, *args: Any, **kwargs: Any) -> None:
        """Load weights and the like as skorch does, also from safetensors files.

        Parameters
        ----------
        *args, **kwargs
            See `skorch.NeuralNet.load_params`.
        """
        device = self.device
        self.__dict__["device"] = str(device)  # safetensors takes no torch.device
        try:
            super().load_params(*args, **kwargs)
        finally:
            self.__dict__["device"] = device

    def close(self) -> None:
        """Let callbacks give back what they hold, however training ended."""
        for _, callback in self.callbacks_:
            if hasattr(callback, "close"):
                callback.close()

    def _end_epoch(self, data: dict[str, Any]) -> None:
        for callback in self._overriding("on_epoch_end"):
            try:
                callback.on_epoch_end(self, **data)
            except KeyboardInterrupt:
                # skorch's own way to stop; from anything else it is the user's Ctrl-C.
                if not isinstance(callback, EarlyStopping):
                    raise
                self.stop_training = True

    def get_iterator(self, dataset: Any, training: bool = False) -> Batches:
        """Return the batches of a dataset, shuffled anew in each training epoch."""
        if training:
            rows = self.batch_size * self.accumulate_grad
            return Batches(
                dataset, rows, self.generator, self.row_order, self.drop_last
            )
        return Batches(dataset, self.evaluation_batch_size)

    def get_dataset(self, X: Any, y: Any = None) -> TensorData:
        """Return X where it is a TensorData, else one of a tensor or torch Dataset."""
        if isinstance(X, TensorData):
            return X
        if isinstance(X, Dataset):
            rows = [X[i] for i in range(len(X))]  # type: ignore[arg-type]
            parts = [row[0] if isinstance(row, tuple | list) else row for row in rows]
            X = np.stack([np.asarray(part) for part in parts])
        X = torch.as_tensor(X, dtype=torch.float32)
        return TensorData(X, torch.zeros(len(X)) if y is None else torch.as_tensor(y))

    def run_single_epoch(
        self,
        iterator: Batches | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, Tensor]],
        **fit_params: Any,
    ) -> None:
        """Step through the batches once and record the mean loss.

        The history gets one row of the whole epoch, or one a batch where a callback
        follows batches. Losses stay on the device until the epoch is over.
        """
        if iterator is None:
            return
        self._set_training(training)
        begin = self._overriding("on_batch_begin")
        end = self._overriding("on_batch_end")
        follow = bool(end)
        keep = not training and any(
            getattr(callback, "wants_valid_outputs", False)
            for _, callback in self.callbacks_
        )
        losses, sizes, outputs, n_rows = [], [], [], 0
        for batch in iterator:
            x, y, weight = batch
            n_rows += len(y)
            if follow:
                self.history.new_batch()
            for callback in begin:
                callback.on_batch_begin(self, batch=(x, y), training=training)
            step = step_fn(batch)
            losses.append(step["loss"].detach())
            sizes.append(len(y) if weight is None else weight.sum())
            if keep:
                outputs.append(step["y_pred"])
            if follow:
                self._record_batch(prefix, losses[-1].item(), len(y))
                for callback in end:
                    callback.on_batch_end(self, batch=(x, y), training=training, **step)
        if keep:
            self.valid_outputs_ = torch.cat(outputs)
        self._record_epoch(prefix, losses, sizes, n_rows, follow)

    def _record_batch(self, prefix: str, loss: float, n_rows: int) -> None:
        self.history.record_batch(f"{prefix}_loss", loss)
        self.history.record_batch(f"{prefix}_batch_size", n_rows)

    def _record_epoch(
        self,
        prefix: str,
        losses: list[Tensor],
        sizes: list[Any],
        n_rows: int,
        followed: bool,
    ) -> None:
        values = torch.stack(losses).double().cpu().numpy()
        if prefix == "train":
            self._check_finite(values)
        weighted = isinstance(sizes[0], Tensor)
        share = torch.stack(sizes).cpu().numpy() if weighted else np.array(sizes)
        mean = float(np.average(values, weights=share))
        if not followed:
            if prefix == "train":
                self.history.new_batch()
            self._record_batch(prefix, mean, n_rows)
        name, best = f"{prefix}_loss", f"{prefix}_loss_best"
        lowest = next((r[name] for r in reversed(self.history) if r.get(best)), np.inf)
        self.history.record(name, mean)
        self.history.record(best, mean < lowest)
        self.history.record(f"{prefix}_batch_count", len(values))

    def _check_finite(self, losses: np.ndarray) -> None:
        if not np.isfinite(losses).all():
            first = int(np.flatnonzero(~np.isfinite(losses))[0])
            raise NonFiniteLossError(
                f"The training loss became {losses[first]} in epoch "
                f"{len(self.history)}, batch {first + 1} of {len(losses)} (lr="
                f"{self.optimizer_.param_groups[0]['lr']:g}). Lower lr, set "
                "grad_clip, or look for extreme values in X and y."
            )

    def on_evaluation_begin(self, net: Net, **kwargs: Any) -> None:
        """Do nothing; a hook between the training and the validation rows."""

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call a hook on this net and on the callbacks whose class overrides it."""
        getattr(self, method_name)(self, **cb_kwargs)
        for callback in self._overriding(method_name):
            getattr(callback, method_name)(self, **cb_kwargs)

    def _overriding(self, method_name: str) -> list[Callback]:
        inherited = getattr(Callback, method_name, None)
        return [
            callback
            for _, callback in self.callbacks_
            if getattr(type(callback), method_name, None) is not inherited
        ]
