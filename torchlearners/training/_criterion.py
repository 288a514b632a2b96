"""What every loss is: a declared choice, and the module a net computes it with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from torchlearners.training._descriptors import Descriptor


class Criterion(nn.Module):
    """A loss as a module of output, target and row weights (or None).

    Attributes
    ----------
    loss : Loss
        How the network's outputs are read.
    """

    loss: Loss

    def forward(
        self, output: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Return the mean loss, weighted by row where there are weights."""
        raise NotImplementedError

    def splits_batches(self, n_outputs: int) -> bool:
        """Tell whether the loss of a batch is the mean of those of its parts.

        Parameters
        ----------
        n_outputs : int
            Of the network.

        Returns
        -------
        bool
        """
        return self.loss.splits_batches

    def weighs_rows(self, n_outputs: int) -> bool:
        """Tell whether there is a loss of each row, which can be weighted.

        Parameters
        ----------
        n_outputs : int
            Of the network.

        Returns
        -------
        bool
        """
        return True

    def read_points(self, outputs: np.ndarray) -> np.ndarray:
        """Return what outputs predict, one number for each value."""
        return self.loss.read_points(outputs)

    @property
    def join_members(self) -> Callable[[Tensor], Tensor] | None:
        """What makes one output of the members' ones; None has their mean."""
        return getattr(self.loss, "join_members", None)


class Loss(Descriptor):
    """Base of the losses: what a network's outputs cost against the encoded target.

    A loss may want several outputs for each value, from which it then reads what to
    predict; see `Distributional`.
    """

    target: ClassVar[str]  # what it is for: "classes", "labels" or "values"
    # Whether the loss of a batch is the mean of those of its parts. Where rows are
    # compared with each other it is not, and no batch may be cut to save memory.
    splits_batches: ClassVar[bool] = True

    @property
    def outputs_per_value(self) -> int:
        """Number of outputs for each class, label or target; they stand together."""
        return 1

    @property
    def domain(self) -> str:
        """Which numbers y may hold: "real", "non-negative" or "positive".

        Real ones are standardized for training. All others are divided by their mean,
        which leaves 0 where it is.
        """
        return "real"

    def read_points(self, outputs: np.ndarray) -> np.ndarray:
        """Return what outputs predict, one number for each class, label or target.

        Parameters
        ----------
        outputs : ndarray of shape (n_rows, n_values * outputs_per_value)

        Returns
        -------
        ndarray of shape (n_rows, n_values)
        """
        return outputs

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each row.

        Parameters
        ----------
        output : torch.Tensor of shape (n_rows, n_outputs)
            What the network returned.
        target : torch.Tensor
            Class codes (n_rows,), indicators or scaled values (n_rows, n_values).

        Returns
        -------
        torch.Tensor of shape (n_rows,)
        """
        raise NotImplementedError

    def mean(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the unweighted mean over rows, in as few operations as possible."""
        return self.rows(output, target).mean()

    def build(self) -> Criterion:
        """Return the module that a net computes its loss with.

        Raises
        ------
        InvalidParameterError
            Where a parameter of this object is out of range.
        """
        self._validate_params()
        # Parameters that are set later are for the next fit.
        return DeclaredCriterion(copy.deepcopy(self))


def weighted_mean(rows: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over rows, weighted where there are weights.

    Parameters
    ----------
    rows, weight : torch.Tensor of shape (n_rows,)

    Returns
    -------
    torch.Tensor of shape ()
    """
    return rows.mean() if weight is None else (rows * weight).sum() / weight.sum()


class DeclaredCriterion(Criterion):
    """One of our own losses."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, output: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        if weight is None:
            return self.loss.mean(output, target)
        return weighted_mean(self.loss.rows(output, target), weight)
