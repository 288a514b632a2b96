"""Measures of the training and validation rows, recorded in the history."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import sklearn
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.callbacks._fast_metrics import FAST
from torchlearners.callbacks._measure_choice import Measure, resolve_measures
from torchlearners.callbacks._responses import Responses, forward, view_of
from torchlearners.data import Target
from torchlearners.exceptions import MeasureError
from torchlearners.params import Parameters, one_of, param, positive_int


class Measures(Parameters, BaseEstimator, Callback):
    """Evaluate measures after an epoch, all on one forward pass.

    Learners add it by themselves; see their `measures_train`, `measures_valid` and
    `eval_every`. The history gets ``valid_accuracy`` or ``train_accuracy`` for a
    measure "accuracy", and ``valid_accuracy_best``, which is True where the epoch is
    the best so far. Values are those of scikit-learn's scorers: the greater the
    better. A plain metric function is recorded as it is.

    An epoch is evaluated where its number is a multiple of `eval_every`, and where it
    is the last one. Where training ends sooner than planned, the last epoch is
    evaluated at the end of training, before the best weights are restored.

    Weights of the rows count in every measure that takes `sample_weight`.

    {parameters}

    Raises
    ------
    MeasureError
        While training, where a measure raises an error. A NaN is recorded as it is.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from torchlearners.callbacks import Measures
    >>> from torchlearners.data import ClassTarget
    >>> target = ClassTarget(np.array(["no", "yes"]))
    >>> outputs = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], dtype=np.float32)
    >>> codes = torch.tensor([0, 1, 1])
    >>> measures = Measures(measures=["accuracy", "roc_auc"], target=target)
    >>> measures.initialize().values(outputs, codes)
    {'accuracy': 0.666..., 'roc_auc': 0.75}
    """

    free_on_resume = frozenset({"measures", "on", "eval_every", "target"})

    measures: Any = param(
        default="loss",
        check=["no_validation"],
        doc="What `resolve_measures` takes: a name of a scikit-learn scorer, a scorer, "
        'a metric function, "loss" (recorded anyhow), a list of those, or a dict from '
        "name to those.",
    )
    on: Literal["train", "valid"] = param(
        default="valid",
        check=one_of("train", "valid"),
        doc="Which rows. Training rows are evaluated without dropout, once the epoch "
        "is over.",
    )
    eval_every: int = param(
        default=1,
        check=positive_int,
        doc="Epochs from one evaluation to the next.",
    )
    target: Any = param(
        default=None,
        check=[Target],
        doc="Turns outputs and encoded targets back into what the user gave.",
    )

    def initialize(self) -> Measures:
        """Resolve the measures."""
        measures = resolve_measures(self.measures)
        self.measures_ = [m for m in measures if m.function is not None]
        # skorch takes an attribute without a last underscore for a parameter.
        self._data_: Any = None
        self._labels_: tuple[Any, Any] = (None, None)
        self._twins_: dict[str, Any] = {}
        self._pending_ = self._checked_ = False
        return self

    @property
    def wants_valid_outputs(self) -> bool:
        """Whether the outputs of the validation pass would be of use."""
        return self.on == "valid" and bool(self.measures_)

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Note that the weights are about to move."""
        self._pending_ = False

    def on_epoch_end(
        self,
        net: NeuralNet,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Evaluate, where it is this epoch's turn."""
        self._data_ = dataset_train if self.on == "train" else dataset_valid
        self._pending_ = self._data_ is not None and bool(self.measures_)
        epoch = net.history[-1]["epoch"]
        last = getattr(net, "epochs_before", 0) + net.max_epochs
        if epoch % self.eval_every == 0 or epoch >= last:
            self._evaluate(net)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Evaluate the last epoch, where that has not happened yet."""
        self._evaluate(net)
        self._data_, self._labels_ = None, (None, None)

    def values(
        self, outputs: np.ndarray, y: torch.Tensor, weight: Any = None, view: Any = None
    ) -> dict[str, float]:
        """Evaluate the measures on the outputs of a network.

        Parameters
        ----------
        outputs : ndarray of shape (n_rows, n_values)
            One for each class, label or target.
        y : torch.Tensor of shape (n_rows, ...)
            Encoded targets.
        weight : torch.Tensor of shape (n_rows,) or None, default=None
        view : estimator, default=None
            What a scorer ``(estimator, X, y)`` is called on.

        Returns
        -------
        dict
            Name to value.

        Raises
        ------
        MeasureError
            Where a measure raises an error.
        """
        if self._labels_[0] is not y:  # the same rows in every epoch
            self._labels_ = y, self.target.labels(y.numpy(force=True))
            self._twins_ = {}
            self._checked_ = False
        y_true = self._labels_[1]
        if weight is not None:
            weight = weight.numpy(force=True).astype(np.float64)
        responses = Responses(self.target, outputs)
        view = view or view_of(responses, None, None)
        # The first evaluation runs all of scikit-learn's checks. Afterwards only the
        # outputs differ, and those are checked here, once for all measures.
        known = self._checked_ and bool(np.isfinite(outputs).all())
        settings = sklearn.get_config()
        values = {}
        with sklearn.config_context(
            assume_finite=known or settings["assume_finite"],
            skip_parameter_validation=known or settings["skip_parameter_validation"],
        ):
            for measure in self.measures_:
                try:
                    values[measure.name] = self._value(
                        measure, responses, view, y_true, weight, known
                    )
                except Exception as error:
                    raise MeasureError(
                        f"The measure '{measure.name}' failed on the {len(y_true)} "
                        f"{self.on} rows: {type(error).__name__}: {error}"
                    ) from error
        self._checked_ = True
        return values

    def _value(
        self,
        measure: Measure,
        responses: Responses,
        view: Any,
        y: Any,
        weight: Any,
        known: bool,
    ) -> float:
        kwargs = measure.kwargs
        if weight is not None and measure.takes_weight:
            kwargs = {**kwargs, "sample_weight": weight}
        if measure.takes_estimator:
            return float(measure.function(view, view.X, y, **kwargs))
        response = responses.for_scorer(measure)
        twin = self._twins_.get(measure.name)
        if known and twin is not None:
            return measure.sign * float(twin(y, response, weight))
        value = float(measure.function(y, response, **kwargs))
        if not (self._checked_ or measure.kwargs) and y.ndim == 1:
            twin = FAST.get(measure.function)
            again = math.nan if twin is None else float(twin(y, response, weight))
            if math.isclose(value, again, rel_tol=1e-12):
                self._twins_[measure.name] = twin
                value = again  # as in the epochs to come, to the last bit
        return measure.sign * value

    def _evaluate(self, net: NeuralNet) -> None:
        if not self._pending_:
            return
        self._pending_ = False
        data = self._data_
        outputs = getattr(net, "valid_outputs_", None) if self.on == "valid" else None
        if outputs is None:
            outputs = forward(net, data.X)
        outputs = net.criterion_.read_points(outputs.float().numpy(force=True))
        view = view_of(Responses(self.target, outputs), net, data.X)
        for measure, (name, value) in zip(
            self.measures_,
            self.values(outputs, data.y, data.given_weight, view).items(),
            strict=True,
        ):
            self._record(net.history, f"{self.on}_{name}", value, measure)

    def _record(self, history: Any, key: str, value: float, measure: Measure) -> None:
        flag = f"{key}_best"
        worst = -np.inf if measure.greater else np.inf
        best = next((r[key] for r in reversed(history) if r.get(flag)), worst)
        history.record(key, value)
        history.record(flag, value > best if measure.greater else value < best)
