"""The walk of the data through `fit` and `predict`, shared by all learners."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import nn

from torchlearners.base._parameters import LearnerParameters
from torchlearners.callbacks import EarlyStopping
from torchlearners.data import (
    DataSpec,
    Schema,
    Target,
    check_features,
    check_weights,
    drop_zero_weights,
    merge_repeated_rows,
    restore_target,
    validation_split,
)
from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import random_numbers_from
from torchlearners.training import (
    Net,
    TensorData,
    automatic_batch_size,
    build_loss,
    resolve_device,
    resolve_threads,
    torch_threads,
)

_EARLY_STOPPING_ROWS = 200
# One to three rows would go through other kernels than many, with other rounding.
_ROW_MULTIPLE = 4

_ATTRIBUTES = """
Attributes
----------
n_features_in_ : int
    Number of features seen in `fit`.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, where X had column names that are all strings.
n_iter_ : int
    Number of epochs trained, over all fits of a warm start.
best_epoch_ : int or None
    Epoch with the best validation loss, counted from 1; None without validation rows.
best_score_ : float or None
    That validation loss.
history_ : skorch.history.History
    One dict an epoch, with ``train_loss``, ``valid_loss`` and ``dur`` (seconds).
net_ : torchlearners.training.Net
    The trained `skorch.NeuralNet`; ``net_.module_`` is the torch module.
device_ : str
    Device on which the network was trained.
seed_ : int
    Seed of the one generator that all random numbers came from.
"""


class TorchLearner(LearnerParameters):
    """Base of every learner; a new one declares parameters and writes `network`.

    Derive from this class for the parameters of a model, then from that class and
    `ClassifierLearner` or `RegressorLearner` for the two learners.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from torchlearners.base import ClassifierLearner
    >>> class LinearClassifier(ClassifierLearner):
    ...     def network(self, spec):
    ...         return nn.Linear(spec.n_numeric, spec.n_outputs)
    >>> learner = LinearClassifier(lr=0.1, random_state=0)
    >>> learner.fit(*load_iris(return_X_y=True)).predict([[5, 3, 1, 0.2]])
    array([0])
    """

    _doc_sections: ClassVar[dict[str, str]] = {"attributes": _ATTRIBUTES}

    def network(self, spec: DataSpec) -> nn.Module:
        """Return the untrained network for data described by `spec`.

        Parameters
        ----------
        spec : DataSpec
            Sizes of input and output.

        Returns
        -------
        torch.nn.Module
            From float32 (n_rows, n_numeric) to (n_rows, n_outputs). Its initial
            weights may be drawn by any torch function.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define network(self, spec)."
        )

    def schema(self) -> Schema:
        """Return how numeric features are scaled, before it is fitted."""
        return Schema()

    @property
    def history_(self) -> Any:
        """The training history, one dict an epoch."""
        return self.net_.history

    # What a kind of learner defines.

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        raise NotImplementedError

    def _make_net(self, target: Target, **settings: Any) -> Net:
        raise NotImplementedError

    def _weigh(
        self, target: Target, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        return weight

    # The walk through fit.

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] = (None, None, None),
        *,
        continuing: bool,
        classes: Any = None,
        one_epoch: bool = False,
    ) -> Any:
        """Fit, or leave the learner exactly as it was."""
        before = dict(self.__dict__)
        try:
            # The caller may have switched gradients off.
            with torch.inference_mode(mode=False), torch.enable_grad():
                interrupt = self._fit_steps(
                    X, y, sample_weight, validation, continuing, classes, one_epoch
                )
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        if interrupt is not None:
            raise interrupt
        return self

    def _fit_steps(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
        continuing: bool,
        classes: Any,
        one_epoch: bool,
    ) -> KeyboardInterrupt | None:
        device = resolve_device(self.device)
        X, y = check_features(self, X, y, reset=not continuing)
        target = self._target if continuing else self._make_target(y, classes)
        seed = self.seed_ if continuing else _draw_seed(self.random_state)
        train = self._weighted_rows(target, X, y, sample_weight)
        valid = self._given_validation(target, *validation)
        if valid is None and not one_epoch and self._splits(len(train[0])):
            train, valid = self._split(target, train, seed)
        batch_size = self._batch_size(len(train[0]))
        if batch_size >= len(train[0]):
            train = merge_repeated_rows(*train)
        schema = self._schema if continuing else self.schema().fit(train[0], train[2])
        if not continuing:
            target.fit(train[1], train[2])
        spec = DataSpec(n_numeric=X.shape[1], n_outputs=target.n_outputs)
        generator = torch.Generator().manual_seed(seed)
        net_state = self.net_.state() if continuing else None
        net = self._build_net(spec, target, generator, device, batch_size, net_state)
        if one_epoch:
            net.max_epochs = 1
        if valid is not None:
            self._add_early_stopping(net)
        n_before = len(net.history)
        interrupt = None
        try:
            n_threads = self._threads(net, batch_size)
            with torch_threads(n_threads):
                net.train_on(
                    _tensors(schema, target, *train),
                    None if valid is None else _tensors(schema, target, *valid),
                )
        except KeyboardInterrupt as error:
            if len(net.history) == n_before:
                raise
            interrupt = error
        self._keep(net, spec, schema, target, seed, device)
        return interrupt

    def _weighted_rows(
        self, target: Target, X: np.ndarray, y: np.ndarray, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        codes = target.codes(y)
        weight = check_weights(sample_weight, X)
        return drop_zero_weights(X, codes, self._weigh(target, codes, weight))

    def _given_validation(
        self, target: Target, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            raise ValueError(
                "X_val and y_val must be given together; got "
                f"X_val={'None' if X_val is None else 'data'}, "
                f"y_val={'None' if y_val is None else 'data'}."
            )
        X, y = check_features(self, X_val, y_val, reset=False)
        return self._weighted_rows(target, X, y, sample_weight_val)

    def _splits(self, n_rows: int) -> bool:
        if self.early_stopping == "auto":
            return n_rows >= _EARLY_STOPPING_ROWS
        return bool(self.early_stopping)

    def _split(self, target: Target, rows: tuple[Any, Any, Any], seed: int) -> Any:
        X, codes, weight = rows
        parts = validation_split(
            len(X), self.validation_fraction, target.groups(codes), seed % 2**32
        )
        return [
            (X[part], codes[part], None if weight is None else weight[part])
            for part in parts
        ]

    def _batch_size(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return automatic_batch_size(n_rows)
        return int(self.batch_size)

    def _threads(self, net: Net, n_rows: int) -> int | None:
        return resolve_threads(self.n_threads, n_rows * net.n_weights)

    def _build_net(
        self,
        spec: DataSpec,
        target: Target,
        generator: torch.Generator,
        device: torch.device,
        batch_size: int,
        net_state: dict[str, Any] | None,
    ) -> Net:
        with torch_threads(1), random_numbers_from(generator):
            module = self.network(spec)
            self._check_network(module, spec)
        loss = target.default_loss if self._is_auto("loss") else self.loss
        net = self._make_net(
            target,
            module=module,
            criterion=build_loss(loss, target.kind),
            optimizer=self.optimizer,
            generator=generator,
            lr=self.lr,
            weight_decay=self.weight_decay,
            max_epochs=self.max_epochs,
            batch_size=batch_size,
            callbacks=clone(list(self._named_callbacks()), safe=False),
            device=device,
            n_outputs=spec.n_outputs,
        )
        with torch_threads(1):
            net.initialize()
            return net if net_state is None else net.load_state(net_state)

    def _check_network(self, module: Any, spec: DataSpec) -> None:
        """Try the network on two rows, before any training step."""
        name = f"{type(self).__name__}.network"
        if not isinstance(module, nn.Module):
            raise ArchitectureError(
                f"{name} returned {module!r}; it must return a torch.nn.Module."
            )
        if not any(p.requires_grad for p in module.parameters()):
            raise ArchitectureError(
                f"The module of {name} has no parameter to train. Return one with at "
                "least one parameter that requires a gradient."
            )
        rows = torch.zeros(2, spec.n_numeric)
        module.eval()
        try:
            with torch.no_grad():
                output = module(rows)
        except RuntimeError as error:
            raise ArchitectureError(
                f"The module of {name} fails on rows of shape {tuple(rows.shape)}: "
                f"{error}"
            ) from error
        expected = (2, spec.n_outputs)
        if getattr(output, "shape", None) != expected:
            raise ArchitectureError(
                f"The module of {name} turns 2 rows into an output of shape "
                f"{tuple(getattr(output, 'shape', ()))}; it must be {expected}: "
                "spec.n_outputs values a row."
            )

    def _is_auto(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, str) and value == "auto"

    def _add_early_stopping(self, net: Net) -> None:
        callback = EarlyStopping(
            patience=self.patience if self.early_stopping else None,
            min_delta=self.min_delta,
            restore_best=self.restore_best,
        )
        net.callbacks_.append(("early_stopping", callback.initialize()))

    def _keep(
        self,
        net: Net,
        spec: DataSpec,
        schema: Schema,
        target: Target,
        seed: int,
        device: torch.device,
    ) -> None:
        stopper = dict(net.callbacks_).get("early_stopping")
        self.net_: Net = net
        self.n_iter_ = len(net.history)
        self.best_epoch_ = stopper and stopper.best_epoch_
        self.best_score_ = stopper and stopper.best_score_
        self.device_ = str(device)
        self.seed_ = seed
        self._spec, self._schema, self._target = spec, schema, target
        # What the network was built from, whatever set_params does afterwards.
        self._fitted_params = {
            name: clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }

    # The walk through predict.

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the network's outputs, float32 of shape (n_samples, n_outputs)."""
        if not self._is_plain(X):
            check_is_fitted(self)
            X = check_features(self, X, reset=False)
        net = self.net_
        rows = self.predict_batch_size
        rows = net.evaluation_batch_size if rows == "auto" else int(rows)
        n_threads = self._threads(net, min(rows, len(X)))
        with torch_threads(n_threads), torch.inference_mode():
            if len(X) <= rows:
                return self._forward(X)
            return np.concatenate(
                [self._forward(X[i : i + rows]) for i in range(0, len(X), rows)]
            )

    def _forward(self, X: np.ndarray) -> np.ndarray:
        rows = self._schema.tensor(X, _ROW_MULTIPLE).to(self.net_.device)
        return self.net_.module_(rows).numpy(force=True)[: len(X)]

    def _is_plain(self, X: Any) -> bool:
        """Tell in well under a microsecond that X needs no further checks."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype in (np.float64, np.float32)
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and len(X) > 0
            and not hasattr(self, "feature_names_in_")
            and hasattr(self, "net_")
        )

    # State as plain data: the skorch net is dropped and built again.

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "net_" in state:
            state["_net_state"] = state.pop("net_").state()
            for name in ("_spec", "_schema", "_target"):
                state[name] = state[name].state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        net_state = state.pop("_net_state", None)
        super().__setstate__(state)
        if net_state is None:
            return
        self._spec = DataSpec(**state["_spec"])
        self._schema = Schema(**state["_schema"])
        self._target = restore_target(state["_target"])
        try:
            device = resolve_device(self.device_)
        except ValueError:  # trained on an accelerator that this machine lacks
            device = torch.device("cpu")
        as_fitted = type(self)(**self._fitted_params)
        self.net_ = as_fitted._build_net(
            self._spec, self._target, torch.Generator(), device, 1, net_state
        )


def _tensors(
    schema: Schema,
    target: Target,
    X: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray | None,
) -> TensorData:
    relative = None
    if weight is not None:
        # Only ratios count; around one they all fit into float32.
        relative = torch.as_tensor(weight / weight.mean(), dtype=torch.float32)
    return TensorData(schema.tensor(X), target.tensor(codes), relative)


def _draw_seed(random_state: Any) -> int:
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(random_state.randint(2**31 - 1))
