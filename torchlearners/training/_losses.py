"""Losses as declared choices; each weighs its rows by sum(w * l) / sum(w)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn import random_numbers_from
from torchlearners.params import did_you_mean, fraction, param, positive
from torchlearners.training._criterion import Criterion, Loss, weighted_mean
from torchlearners.training._descriptors import promote
from torchlearners.training._distributional import Gaussian, Quantile
from torchlearners.training._log_link import Gamma, Poisson, Tweedie


class CrossEntropy(Loss):
    """Negative log-likelihood of the true class under the softmax of the outputs.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import CrossEntropy
    >>> loss = CrossEntropy().build()
    >>> loss(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    tensor(0.6931)
    """

    label_smoothing: float = param(
        default=0.0,
        check=fraction,
        tune=(0.0, 0.2),
        doc="Share of the probability that is spread evenly over all classes.",
    )

    target = "classes"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each row; see `Loss.rows`."""
        return F.cross_entropy(
            output, target, reduction="none", label_smoothing=self.label_smoothing
        )

    def mean(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over rows."""
        return F.cross_entropy(output, target, label_smoothing=self.label_smoothing)


class BinaryCrossEntropy(Loss):
    """Negative log-likelihood of each label under the sigmoid of its output.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import BinaryCrossEntropy
    >>> BinaryCrossEntropy().build()(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    tensor(0.6931)
    """

    target = "labels"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each row: the mean over its labels."""
        losses = F.binary_cross_entropy_with_logits(output, target, reduction="none")
        return losses.mean(dim=1)

    def mean(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over rows and labels."""
        return F.binary_cross_entropy_with_logits(output, target)


class MSE(Loss):
    """Mean squared error of the standardized target: predicts the mean.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import MSE
    >>> MSE().build()(torch.tensor([[1.0]]), torch.tensor([[3.0]]))
    tensor(4.)
    """

    target = "values"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared error of each row."""
        return (output - target).square().mean(dim=1)

    def mean(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over rows and targets."""
        return F.mse_loss(output, target)


class MAE(Loss):
    """Mean absolute error of the standardized target: predicts the median.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import MAE
    >>> MAE().build()(torch.tensor([[1.0]]), torch.tensor([[3.0]]))
    tensor(2.)
    """

    target = "values"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute error of each row."""
        return (output - target).abs().mean(dim=1)


class Huber(Loss):
    """Squared for small errors, absolute for large ones: robust to outliers [1]_.

    {parameters}

    References
    ----------
    .. [1] Huber (1964). Robust estimation of a location parameter. Annals of
       Mathematical Statistics 35.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Huber
    >>> Huber(delta=1.0).build()(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
    tensor(2.5000)
    """

    delta: float = param(
        default=1.0,
        check=positive,
        tune=(0.1, 10.0, "log"),
        doc="Error, in standard deviations of the target, where the two meet.",
    )

    target = "values"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean Huber loss of each row."""
        losses = F.huber_loss(output, target, reduction="none", delta=self.delta)
        return losses.mean(dim=1)


LossChoice = (
    Literal[
        "binary_cross_entropy",
        "cross_entropy",
        "gamma",
        "gaussian",
        "huber",
        "mae",
        "mse",
        "poisson",
        "quantile",
        "tweedie",
    ]
    | Loss
    | nn.Module
    | Callable[..., Any]
)
LOSSES: dict[str, type[Loss]] = {
    "binary_cross_entropy": BinaryCrossEntropy,
    "cross_entropy": CrossEntropy,
    "gamma": Gamma,
    "gaussian": Gaussian,
    "huber": Huber,
    "mae": MAE,
    "mse": MSE,
    "poisson": Poisson,
    "quantile": Quantile,
    "tweedie": Tweedie,
}

_OF_COUNTS = 'the logarithm of the mean of y as it is given; take loss="poisson"'
_OF_SPREAD = 'a variance beside them; take loss="gaussian"'
_OF_PROBABILITIES = 'probabilities, not logits; take loss="binary_cross_entropy"'
_OF_SIGNS = 'targets of -1 and 1; take loss="binary_cross_entropy", of a classifier'

# Losses of torch for which outputs are not what learners read of them.
_READ_OTHERWISE: dict[Any, str] = {
    nn.BCELoss: _OF_PROBABILITIES,
    F.binary_cross_entropy: _OF_PROBABILITIES,
    nn.GaussianNLLLoss: _OF_SPREAD,
    F.gaussian_nll_loss: _OF_SPREAD,
    nn.HingeEmbeddingLoss: _OF_SIGNS,
    F.hinge_embedding_loss: _OF_SIGNS,
    nn.KLDivLoss: 'logarithms of probabilities; take loss="cross_entropy"',
    F.kl_div: 'logarithms of probabilities; take loss="cross_entropy"',
    nn.PoissonNLLLoss: _OF_COUNTS,
    F.poisson_nll_loss: _OF_COUNTS,
    nn.SoftMarginLoss: _OF_SIGNS,
    F.soft_margin_loss: _OF_SIGNS,
}


def build_loss(choice: Any, target: str) -> Criterion:
    """Return the module that a learner's `loss` parameter stands for.

    Parameters
    ----------
    choice : str, Loss, torch.nn loss (class or instance) or callable
        A callable takes outputs and encoded targets. It returns one loss a row, or
        their mean where no row weights are used.
    target : {"classes", "labels", "values"}
        What the learner predicts.

    Returns
    -------
    torch.nn.Module
        Of output, target and weight (tensor of shape (n_rows,), or None).

    Raises
    ------
    ValueError
        Where the loss is for another kind of target, its name is unknown, or it is one
        of torch whose outputs are no class scores, logits or values.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import build_loss
    >>> loss = build_loss(torch.nn.SmoothL1Loss, "values")
    >>> loss(torch.tensor([[0.0]]), torch.tensor([[3.0]]), None)
    tensor(2.5000)
    """
    fitting = [name for name, loss in LOSSES.items() if loss.target == target]
    choice = promote(choice, LOSSES)
    if isinstance(choice, str):
        raise ValueError(
            f"loss='{choice}' is unknown; for this target there are {fitting}."
            + did_you_mean(choice, fitting)
        )
    if isinstance(choice, Loss):
        if choice.target != target:
            raise ValueError(
                f"loss={choice!r} is for {choice.target}, but the target holds "
                f"{target}. Choose one of {fitting}."
            )
        criterion = choice.build()
        if not isinstance(criterion, Criterion):
            raise TypeError(
                f"build() of {choice!r} returned a {type(criterion).__name__}; it must "
                "return a torchlearners.training.Criterion."
            )
        return criterion
    if isinstance(choice, type) and not issubclass(choice, nn.Module):
        raise TypeError(
            f"loss={choice!r} is not a loss; give one of {fitting}, an object of "
            "torchlearners.training, a torch.nn loss, or a function."
        )
    foreign = choice() if isinstance(choice, type) else choice
    _check_read_alike(foreign)
    return _ForeignCriterion(foreign, target)


def _check_read_alike(loss: Any) -> None:
    """Raise where outputs trained by a loss are not what predictions are read from."""
    for theirs, wanted in _READ_OTHERWISE.items():
        if loss is theirs or (isinstance(theirs, type) and isinstance(loss, theirs)):
            raise ValueError(
                f"loss={loss!r} does not go with how a learner reads the outputs of "
                f"its network: it wants {wanted}."
            )


def loss_of_members(
    criterion: Criterion, outputs: Tensor, target: Tensor, weight: Tensor | None
) -> Tensor:
    """Return the mean of the losses of an ensemble's members.

    Parameters
    ----------
    criterion : Criterion
    outputs : torch.Tensor of shape (n_rows, k, n_outputs)
        Of each member.
    target : torch.Tensor of shape (n_rows, ...)
    weight : torch.Tensor of shape (n_rows,) or None

    Returns
    -------
    torch.Tensor of shape ()
    """
    k = outputs.shape[1]
    if weight is not None:
        weight = weight.repeat_interleave(k)
    return criterion(outputs.flatten(0, 1), target.repeat_interleave(k, 0), weight)


def training_loss(
    criterion: Criterion,
    outputs: Tensor,
    target: Tensor,
    weight: Tensor | None,
    of_members: bool = False,
) -> Tensor:
    """Return the loss of rows that may have several targets, each with its weight.

    Parameters
    ----------
    criterion : Criterion
    outputs : torch.Tensor of shape (n_rows, n_outputs), or (n_rows, k, n_outputs)
        The latter of an ensemble's members.
    target : torch.Tensor of shape (n_rows, ...), or (n_rows, n_targets, ...)
    weight : torch.Tensor of shape (n_rows,) or None, or (n_rows, n_targets)
    of_members : bool, default=False
        Whether outputs are those of members.

    Returns
    -------
    torch.Tensor of shape ()
    """
    if weight is not None and weight.ndim == 2:
        outputs = outputs.repeat_interleave(weight.shape[1], 0)
        target, weight = target.flatten(0, 1), weight.flatten()
    if of_members:
        return loss_of_members(criterion, outputs, target, weight)
    loss: Tensor = criterion(outputs, target, weight)
    return loss


def penalized(loss: Tensor, penalties: list[Tensor], weight: Tensor | None) -> Tensor:
    """Return the loss with what modules of the network add to it.

    Parameters
    ----------
    loss : torch.Tensor of shape ()
    penalties : list of torch.Tensor of shape (n_rows,)
        See `torchlearners.nn.add_penalty`.
    weight : torch.Tensor of shape (n_rows,) or None, or (n_rows, n_targets)

    Returns
    -------
    torch.Tensor of shape ()
    """
    by_row = weight.sum(1) if weight is not None and weight.ndim == 2 else weight
    for rows in penalties:
        loss = loss + weighted_mean(rows.float(), by_row)
    return loss


class _ForeignCriterion(Criterion):
    """A loss from elsewhere, taught row weights where it can be."""

    def __init__(self, function: Any, target: str) -> None:
        super().__init__()
        self.loss = Loss()
        self.target = target
        # The user's module must not change: it may serve other fits.
        self.function = copy.deepcopy(function)
        self.unreduced = None
        if getattr(function, "reduction", None) == "mean":
            self.unreduced = copy.deepcopy(function)
            self.unreduced.reduction = "none"

    def splits_batches(self, n_outputs: int) -> bool:
        """Tell it by what the function gives for four made-up rows, and their halves.

        An attribute ``splits_batches = False`` of the function says it as well.
        """
        if not getattr(self.function, "splits_batches", True):
            return False
        values = [
            self._tried(copy.deepcopy(self.function), n_outputs, rows)
            for rows in (slice(4), slice(4), slice(2), slice(2, 4))
        ]
        if any(value is None for value in values):
            return True
        whole, again, *halves = (float(v.mean()) for v in values if v is not None)
        # What differs where it is asked twice tells nothing.
        return again != whole or math.isclose(whole, sum(halves) / 2, rel_tol=1e-4)

    def weighs_rows(self, n_outputs: int) -> bool:
        """Tell whether the function returns a loss for each of four made-up rows."""
        function = copy.deepcopy(self.unreduced or self.function)
        losses = self._tried(function, n_outputs, slice(4))
        return losses is None or losses.shape[:1] == (4,)

    def _tried(self, function: Any, n_outputs: int, rows: slice) -> Tensor | None:
        """Return what a function gives for some of four rows; None where it fails."""
        generator = torch.Generator().manual_seed(0)
        output, values = torch.randn(2, 4, n_outputs, generator=generator)
        target = {
            "classes": torch.arange(4) * n_outputs // 4,
            "labels": (values > 0).float(),
            "values": values,
        }[self.target]
        try:
            with random_numbers_from(generator):
                losses: Tensor = function(output[rows], target[rows])
            return losses if isinstance(losses, Tensor) else None
        except Exception:  # noqa: BLE001  (it fails again where it is trained with)
            return None

    def forward(
        self, output: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        if weight is None:
            losses = self.function(output, target)
            return losses if losses.ndim == 0 else losses.mean()
        losses = torch.atleast_1d((self.unreduced or self.function)(output, target))
        if losses.shape[:1] != weight.shape:
            raise ValueError(
                f"loss={self.function!r} returned shape {tuple(losses.shape)}, but row "
                f"weights need one loss for each of the {len(weight)} rows. Return "
                "unreduced losses, or fit without what weighs them: sample_weight, "
                "class_weight, mixed targets."
            )
        total = weight
        if isinstance(self.function, nn.CrossEntropyLoss | nn.NLLLoss):
            shares = self.function.weight
            # torch divides by the sum of the weights of the rows' classes.
            total = weight if shares is None else weight * shares[target]
        return (losses.reshape(len(losses), -1).mean(1) * weight).sum() / total.sum()
