"""How a net makes a step of a batch, and evaluates one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from skorch import NeuralNet
from torch import Tensor, nn

from torchlearners.exceptions import BatchSplitWarning
from torchlearners.nn import collect_penalties
from torchlearners.training._batches import Batch, split_batch, total_weight
from torchlearners.training._losses import penalized, training_loss


class Steps(NeuralNet):
    """The part of `Net` that sees one batch at a time."""

    if TYPE_CHECKING:  # what `Net` has
        accumulate_grad: int
        change_batch: Callable[[Batch, torch.Generator], Batch] | None
        device_generator: torch.Generator
        grad_clip: float | None
        precision: str
        _mean_members: Any
        _n_pieces: int
        _trainable: list[tuple[str, nn.Parameter]]

        def _overriding(self, method_name: str) -> list[Any]: ...

    def compute(self, module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return the outputs of the network, or a part of it, computed in `precision`.

        Parameters
        ----------
        module : callable
            The module, or a method of it.
        x : torch.Tensor of shape (n_rows, ...)
            float32.

        Returns
        -------
        torch.Tensor
            float32, whatever they were computed in.
        """
        if self.precision == "float32":
            return module(x)
        # A cache of weights outlives a step where the caller's autocast is on too.
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            return module(x).float()

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Do one optimizer step; return the first loss and outputs of it.

        Where gradients are accumulated, or an accelerator's memory does not hold the
        batch, the batch is cut into pieces; their gradients add up to the batch's.
        """
        optimizer, change = self.optimizer_, self.change_batch
        steps: list[dict[str, Tensor]] = []
        shown = batch if change is None else change(batch, self.device_generator)

        def closure() -> Tensor:
            while True:
                try:
                    optimizer.zero_grad()
                    steps.append(self._accumulate(shown))
                    break
                except torch.OutOfMemoryError:
                    self._halve_pieces(len(batch[1]))
            self._finish_gradient(batch)
            return steps[-1]["loss"]

        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        return steps[0]

    def _accumulate(self, batch: Batch) -> dict[str, Tensor]:
        """Add the gradient of the batch's loss to the parameters' gradients."""
        if self._n_pieces == 1:
            loss, y_pred = self._train_forward(*batch)
            loss.backward()
            return {"loss": loss, "y_pred": y_pred}
        losses, outputs = [], []
        for piece in split_batch(batch, self._n_pieces, least=min(2, self.batch_size)):
            loss, y_pred = self._train_forward(*piece)
            loss = loss * (total_weight(piece) / total_weight(batch))
            loss.backward()
            losses.append(loss.detach())
            outputs.append(y_pred.detach())
        return {"loss": torch.stack(losses).sum(), "y_pred": torch.cat(outputs)}

    def _train_forward(self, x: Tensor, y: Tensor, weight: Any) -> Any:
        """Return loss and outputs; of several members the mean loss, and their mean."""
        try:
            with collect_penalties() as penalties:
                outputs = self.compute(self.module_, x)
        except ValueError as error:
            if len(x) > 1:
                raise
            raise ValueError(
                f"The network cannot train on a batch of one row: {error}. Batch "
                "normalization needs two: raise batch_size, or give more than one "
                "sample."
            ) from error
        members = self._mean_members
        loss = training_loss(self.criterion_, outputs, y, weight, members is not None)
        if members is not None:
            outputs = members(outputs.detach())
        return penalized(loss, penalties, weight), outputs

    def _halve_pieces(self, n_rows: int) -> None:
        """Take half as many rows a pass from now on, or give up on a single row."""
        if self._n_pieces >= n_rows:
            raise
        if not self.criterion_.splits_batches(self.n_outputs):
            raise ValueError(
                f"A batch of {n_rows} rows does not fit into the memory of "
                f"{self.device}, and cannot be computed in pieces: its loss is not the "
                "mean of the losses of its parts. Lower batch_size."
            )
        if self._n_pieces == self.accumulate_grad:
            warnings.warn(
                f"A batch of {n_rows} rows does not fit into the memory of "
                f"{self.device}; it is computed in pieces, with the same gradient.",
                BatchSplitWarning,
                stacklevel=2,
            )
        self._n_pieces = min(2 * self._n_pieces, n_rows)

    def _finish_gradient(self, batch: Batch) -> None:
        for callback in self._overriding("on_grad_computed"):
            callback.on_grad_computed(
                self,
                named_parameters=self._trainable,
                batch=batch[:2],
                training=True,
            )
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_([p for _, p in self._trainable], self.grad_clip)

    def validation_step(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Return loss and outputs of a batch, without gradients."""
        x, y, weight = batch
        with torch.no_grad():
            y_pred = self.compute(self.module_, x)
            return {"loss": self.criterion_(y_pred, y, weight), "y_pred": y_pred}

    def evaluation_step(self, batch: Batch, training: bool = False) -> Tensor:
        """Return the outputs of a batch."""
        self.check_is_fitted()
        self._set_training(training)
        with torch.set_grad_enabled(training):
            return self.compute(self.module_, batch[0].to(self.device))
