"""What y looks like, how it becomes a tensor, and how outputs become predictions."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit, log_expit, log_softmax, logsumexp
from sklearn.utils.validation import check_consistent_length, column_or_1d

from torchlearners.data._checks import check_labels
from torchlearners.data._schema import center_and_scale


class Target:
    """Base of the kinds of target.

    `codes` checks y and turns it into numbers (what is split, merged and weighted),
    `tensor` turns those numbers into what the loss compares, `labels` turns that back
    into what the user gave, and so does `predict` with network outputs.
    """

    kind: ClassVar[str]
    default_loss: ClassVar[str]

    @property
    def n_outputs(self) -> int:
        """Number of values the network returns for a row."""
        raise NotImplementedError

    def codes(self, y: Any) -> np.ndarray:
        """Return checked y as numbers, one row for each sample."""
        raise NotImplementedError

    def fit(self, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn from the training rows what `tensor` needs; nothing by default."""

    def having_seen(self, codes: np.ndarray) -> Target:
        """Return the target with more training rows, in place of those of `fit`."""
        return self

    def tensor(self, codes: np.ndarray) -> torch.Tensor:
        """Return what the loss compares the network's outputs with."""
        raise NotImplementedError

    def labels(self, encoded: np.ndarray) -> np.ndarray:
        """Turn what the loss compares with back into y."""
        raise NotImplementedError

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Turn network outputs (n_samples, n_outputs) into predictions."""
        raise NotImplementedError

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Turn network outputs into probabilities, where the kind has them."""
        raise NotImplementedError

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Turn network outputs into logarithms of probabilities, likewise."""
        raise NotImplementedError

    def decision(self, outputs: np.ndarray) -> np.ndarray:
        """Turn network outputs into logits, where the kind has them."""
        raise NotImplementedError

    def mean_logits(self, outputs: np.ndarray) -> np.ndarray:
        """Return logits of the mean probabilities, where the kind has them.

        Parameters
        ----------
        outputs : ndarray of shape (n_networks, n_samples, n_outputs)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        raise NotImplementedError

    def spread(self, outputs: np.ndarray) -> np.ndarray:
        """Return distances between values in the units of y, where there are units."""
        raise NotImplementedError

    def fits_float32(self) -> bool:
        """Tell whether predictions may be float32, where the kind has values."""
        raise NotImplementedError

    def groups(self, codes: np.ndarray) -> np.ndarray | None:
        """Return what a validation split is stratified by, if anything."""
        return None

    def state(self) -> dict[str, Any]:
        """Return plain data from which `restore_target` makes the target again."""
        return {"kind": self.kind, **vars(self)}


class ClassTarget(Target):
    """One class label a row, encoded as 0 to n_classes - 1.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ClassTarget
    >>> target = ClassTarget(np.array(["no", "yes"]))
    >>> target.codes(["yes", "no"])
    array([1, 0])
    >>> target.predict(np.array([[0.1, 0.9]]))
    array(['yes'], dtype='<U3')
    """

    kind = "classes"
    default_loss = "cross_entropy"

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def codes(self, y: Any) -> np.ndarray:
        """Return class codes of shape (n_samples,)."""
        y = column_or_1d(check_labels(y), warn=True)
        unseen = np.setdiff1d(y, self.classes)
        if len(unseen):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes}. 'y' has {unseen}."
            )
        return np.searchsorted(self.classes, y)

    def groups(self, codes: np.ndarray) -> np.ndarray:
        """Return the class codes."""
        return codes

    def tensor(self, codes: np.ndarray) -> torch.Tensor:
        """Return int64 class codes of shape (n_samples,)."""
        return torch.as_tensor(codes, dtype=torch.int64)

    def labels(self, encoded: np.ndarray) -> np.ndarray:
        """Return the labels of class codes."""
        return self.classes[encoded]

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return the label of the largest output."""
        return self.classes[outputs.argmax(axis=1)]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return softmax of the outputs in float64, shape (n_samples, n_classes)."""
        outputs = outputs.astype(np.float64)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithms, finite also where a probability is rounded to 0."""
        logs: np.ndarray = log_softmax(outputs.astype(np.float64), axis=1)
        return logs

    def decision(self, outputs: np.ndarray) -> np.ndarray:
        """Return logits; for two classes their difference, shape (n_samples,)."""
        outputs = outputs.astype(np.float64)
        return outputs[:, 1] - outputs[:, 0] if self.n_outputs == 2 else outputs

    def mean_logits(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithms of the mean probabilities."""
        logs = log_softmax(outputs.astype(np.float64), axis=-1)
        # In logarithms, where the smallest probabilities do not vanish.
        return logsumexp(logs, axis=0) - np.log(len(outputs))


class MultilabelTarget(Target):
    """Any number of labels a row, given as a 0/1 matrix.

    Parameters
    ----------
    n_labels : int
        Number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import MultilabelTarget
    >>> MultilabelTarget(2).predict(np.array([[0.3, -2.0]]))
    array([[1, 0]])
    """

    kind = "labels"
    default_loss = "binary_cross_entropy"

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels

    @property
    def n_outputs(self) -> int:
        """Number of labels."""
        return self.n_labels

    @property
    def classes(self) -> np.ndarray:
        """Column numbers."""
        return np.arange(self.n_labels)

    def codes(self, y: Any) -> np.ndarray:
        """Return the indicator matrix as int64."""
        y = check_labels(y)
        if y.ndim != 2 or y.shape[1] != self.n_labels or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y must be a 0/1 matrix with {self.n_labels} columns as in the first "
                f"fit, got shape {y.shape}."
            )
        return y.astype(np.int64)

    def tensor(self, codes: np.ndarray) -> torch.Tensor:
        """Return the float32 indicator matrix."""
        return torch.as_tensor(codes, dtype=torch.float32)

    def labels(self, encoded: np.ndarray) -> np.ndarray:
        """Return the 0/1 matrix as int64."""
        return encoded.astype(np.int64)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return the 0/1 matrix of labels with probability above one half."""
        return (outputs > 0).astype(np.int64)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each label in float64."""
        return expit(outputs.astype(np.float64))

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithms, finite also where a probability is rounded to 0."""
        return log_expit(outputs.astype(np.float64))

    def decision(self, outputs: np.ndarray) -> np.ndarray:
        """Return logits in float64."""
        return outputs.astype(np.float64)

    def mean_logits(self, outputs: np.ndarray) -> np.ndarray:
        """Return the log-odds of the mean probability of each label."""
        outputs = outputs.astype(np.float64)
        # Sums stand for means: the logarithm of their number cancels.
        yes = logsumexp(log_expit(outputs), axis=0)
        return yes - logsumexp(log_expit(-outputs), axis=0)


_DOMAINS = {"non-negative": "at least 0", "positive": "above 0"}


class ValueTarget(Target):
    """One or several numbers a row, scaled for training.

    Parameters
    ----------
    n_values : int
        Number of target columns.
    flat : bool
        Whether y was 1-D, so that predictions are.
    center, scale : ndarray of shape (n_values,) or None
        What `fit` learned.
    clamp : bool, default=False
        Whether predictions stay in the range of the training rows.
    lowest, highest : ndarray of shape (n_values,) or None
        That range, in the units of y. A column of a single value is predicted as it.
    domain : {"real", "non-negative", "positive"}, default="real"
        Which values there may be. Real ones are standardized. Others are divided by
        their mean, and what is predicted is such a ratio.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners.data import ValueTarget
    >>> target = ValueTarget(n_values=1, flat=True)
    >>> target.fit(target.codes([10.0, 30.0]), None)
    >>> target.predict(np.array([[0.5]]))
    array([25.])
    """

    kind = "values"
    default_loss = "mse"

    def __init__(
        self,
        n_values: int,
        flat: bool,
        center: Any = None,
        scale: Any = None,
        clamp: bool = False,
        lowest: Any = None,
        highest: Any = None,
        domain: str = "real",
    ) -> None:
        self.n_values = n_values
        self.flat = flat
        self.center = center
        self.scale = scale
        self.clamp = clamp
        self.lowest = lowest
        self.highest = highest
        self.domain = domain

    @property
    def n_outputs(self) -> int:
        """Number of target columns."""
        return self.n_values

    def codes(self, y: Any) -> np.ndarray:
        """Return float64 values of shape (n_samples, n_values)."""
        values = np.asarray(y, dtype=np.float64)
        check_consistent_length(y, values)
        values = values.reshape(len(values), -1)
        if values.shape[1] != self.n_values:
            raise ValueError(
                f"y has {values.shape[1]} columns, but the first fit had "
                f"{self.n_values}."
            )
        self._check_domain(values)
        return values

    def _check_domain(self, values: np.ndarray) -> None:
        if self.domain == "real":
            return
        outside = values < 0 if self.domain == "non-negative" else values <= 0
        if outside.any():
            row, _ = np.argwhere(outside)[0]
            raise ValueError(
                "Some value(s) of y are out of the valid range of the loss: y is "
                f"{values[outside][0]:g} in row {row}, and all must be "
                f"{_DOMAINS[self.domain]}. Leave such rows out, or choose another "
                'loss: "mse" and "gaussian" take any value, "poisson" and '
                '"tweedie" take 0.'
            )

    def fit(self, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn center and scale of each column, and its range."""
        self.lowest, self.highest = codes.min(axis=0), codes.max(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            self.center, self.scale = center_and_scale(codes, weight)
        if not (np.isfinite(self.center) & np.isfinite(self.scale)).all():
            raise ValueError(
                f"The spread of y is too large for a float (largest value "
                f"{np.abs(codes).max():g}). Rescale y, or predict its logarithm."
            )
        if self.domain != "real":
            mean = self.center
            self.center, self.scale = 0 * mean, np.where(mean > 0, mean, 1.0)

    def having_seen(self, codes: np.ndarray) -> ValueTarget:
        """Return the target with a range that holds these values as well."""
        target = copy.copy(self)
        target.lowest = np.minimum(self.lowest, codes.min(axis=0))
        target.highest = np.maximum(self.highest, codes.max(axis=0))
        return target

    def fits_float32(self) -> bool:
        """Tell whether predictions are neither too large nor too small for float32."""
        largest = max(np.abs(self.lowest).max(), np.abs(self.highest).max())
        return largest == 0 or bool(1e-30 < largest < 1e30)

    def tensor(self, codes: np.ndarray) -> torch.Tensor:
        """Return scaled float32 values of shape (n_samples, n_values)."""
        return torch.as_tensor((codes - self.center) / self.scale, dtype=torch.float32)

    def labels(self, encoded: np.ndarray) -> np.ndarray:
        """Return values in the units of y, as precise as float32 kept them."""
        return self._shaped(encoded.astype(np.float64) * self.scale + self.center)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return float64 values in the units of y; targets are on the last axis."""
        values = outputs.astype(np.float64) * self.scale + self.center
        if self.clamp:
            values = values.clip(self.lowest, self.highest)
        constant = self._constant()
        # What no training row contradicts needs no network.
        return self._shaped(
            np.where(constant, self.lowest, values) if constant.any() else values
        )

    def spread(self, outputs: np.ndarray) -> np.ndarray:
        """Return scaled distances in the units of y; targets as in `predict`."""
        values = outputs.astype(np.float64) * self.scale
        return self._shaped(np.where(self._constant(), 0.0, values))

    def _constant(self) -> np.ndarray:
        """Return which columns had one value in all training rows."""
        if self.lowest is None:
            return np.zeros(self.n_values, dtype=bool)
        return np.equal(self.lowest, self.highest)

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[..., 0] if self.flat else values


class NoTarget(Target):
    """What learners have that learn from X alone.

    Their networks return the loss of each row.

    Examples
    --------
    >>> from torchlearners.data import NoTarget
    >>> NoTarget().n_outputs
    1
    """

    kind = "nothing"

    @property
    def n_outputs(self) -> int:
        """One: the loss."""
        return 1

    def codes(self, y: Any) -> np.ndarray:
        """Return zeros of shape (n_samples,)."""
        return np.zeros(len(y))

    def tensor(self, codes: np.ndarray) -> torch.Tensor:
        """Return zeros of shape (n_samples,)."""
        return torch.as_tensor(codes, dtype=torch.float32)


_KINDS: dict[str, type[Target]] = {
    target.kind: target
    for target in (ClassTarget, MultilabelTarget, NoTarget, ValueTarget)
}


def restore_target(state: dict[str, Any]) -> Target:
    """Make the target again whose `Target.state` was `state`.

    Parameters
    ----------
    state : dict

    Returns
    -------
    Target

    Examples
    --------
    >>> from torchlearners.data import MultilabelTarget, restore_target
    >>> restore_target(MultilabelTarget(3).state()).n_outputs
    3
    """
    settings = dict(state)
    return _KINDS[settings.pop("kind")](**settings)
