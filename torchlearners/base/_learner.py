"""The walk of the data through `fit`, shared by all learners."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from torchlearners._compat import CallbackSupportMixin, callback_teardown
from torchlearners.base._arguments import encoded_validation
from torchlearners.base._checks import (
    as_module,
    check_loss_of_rows,
    check_network,
    check_same_domain,
    check_same_outputs,
)
from torchlearners.base._control import (
    add_watching_callbacks,
    has_good_weights,
    holds_checkpoint,
    own_settings,
    training_callbacks,
)
from torchlearners.base._hooks import TrainingHooks
from torchlearners.base._identity import data_identity, training_identity
from torchlearners.base._outputs import NetworkOutputs
from torchlearners.base._parameters import ATTRIBUTES, LearnerParameters
from torchlearners.base._rows import (
    Rows,
    draw_seed,
    encoded_rows,
    row_order,
    set_aside,
    split_rows,
    tensors_of,
    weighted_rows,
)
from torchlearners.base._state import PlainState
from torchlearners.base._views import NetworkViews
from torchlearners.callbacks import (
    check_identity,
    folder_of,
    is_template,
    read_checkpoint,
)
from torchlearners.data import (
    ColumnEncoder,
    DataSpec,
    Schema,
    Target,
    check_groups,
    check_weights,
    merge_repeated_rows,
)
from torchlearners.exceptions import NonFiniteLossError
from torchlearners.graph import Node
from torchlearners.nn import fit_to_data, random_numbers_from
from torchlearners.training import (
    Criterion,
    Net,
    TensorData,
    automatic_batch_size,
    build_loss,
    load_net_state,
    net_state,
    no_autocast,
    resolve_device,
    resolve_threads,
    torch_defaults,
    torch_threads,
)

_EARLY_STOPPING_ROWS = 200


class TorchLearner(
    PlainState,
    CallbackSupportMixin,
    NetworkViews,
    NetworkOutputs,
    TrainingHooks,
    LearnerParameters,
):
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

    _doc_sections: ClassVar[dict[str, str]] = {"attributes": ATTRIBUTES}
    _largest_batch: ClassVar[int] = 1024  # of batch_size="auto", from 257 rows on

    # A path is not metadata that a pipeline could route.
    __metadata_request__fit = {"resume": False}

    def network(self, spec: DataSpec) -> nn.Module | Node:
        """Return the untrained network for data described by `spec`.

        Parameters
        ----------
        spec : DataSpec
            Sizes of input and output.

        Returns
        -------
        Node or torch.nn.Module
            A network written with `torchlearners.graph`, or a module from float32
            (n_rows, n_columns) to (n_rows, n_outputs). Its initial weights may be
            drawn by any torch function.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define network(self, spec)."
        )

    def schema(self) -> Schema:
        """Return how numeric features are scaled, before it is fitted."""
        return Schema()

    def encoder(self) -> ColumnEncoder:
        """Return what makes rows of numbers of X, before it is fitted."""
        return ColumnEncoder(self.categorical_features)

    @property
    def history_(self) -> Any:
        """The training history, one dict an epoch."""
        return self.net_.history

    def _network_node(self, spec: DataSpec) -> Any:
        return self.network(spec)

    def build_module(self, spec: DataSpec) -> nn.Module:
        """Return the torch module of the network, with fresh weights.

        Parameters
        ----------
        spec : DataSpec
            Sizes of input and output.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ArchitectureError
            Where the network does not fit such data.
        """
        return as_module(self._network_node(spec), spec, type(self).__name__)

    # What a kind of learner defines.

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        raise NotImplementedError

    def _make_net(self, target: Target, **settings: Any) -> Net:
        raise NotImplementedError

    def _class_weights(
        self, target: Target, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return a weight for each class code, or None."""
        return None

    # The walk through fit.

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] = (None, None, None),
        *,
        groups: Any = None,
        continuing: bool,
        classes: Any = None,
        one_epoch: bool = False,
        resume: Any = None,
    ) -> Any:
        """Fit, or leave the learner exactly as it was."""
        if continuing and resume is not None:
            raise ValueError(
                "resume goes on from a checkpoint and warm_start from this learner's "
                "weights; set warm_start=False to resume."
            )
        before = dict(self.__dict__)
        try:
            # The caller may have switched gradients off.
            with torch_defaults(), torch.inference_mode(False), torch.enable_grad():
                stopped_by = self._fit_steps(
                    X,
                    y,
                    sample_weight,
                    validation,
                    groups,
                    continuing,
                    classes,
                    one_epoch,
                    resume,
                )
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        if stopped_by is not None:
            raise stopped_by
        return self

    def _fit_steps(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
        groups: Any,
        continuing: bool,
        classes: Any,
        one_epoch: bool,
        resume: Any,
    ) -> BaseException | None:
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        device = resolve_device(self.device)
        known = resume is not None and not is_template(resume)
        checkpoint = read_checkpoint(resume) if known else None
        columns = self._columns if continuing else self.encoder()
        X, y = columns.check(self, X, y, reset=not continuing)
        target = self._target if continuing else self._make_target(y, classes)
        seed = self._seed(continuing, checkpoint)
        codes, weight = target.codes(y), check_weights(sample_weight, X)
        if continuing:
            target = target.having_seen(codes)
        by_class = self._class_weights(target, codes, weight)
        train, valid = weighted_rows(X, codes, weight, by_class), None
        given_valid = any(part is not None for part in validation)
        groups = check_groups(groups, X, self.validation_split)
        if not (given_valid or one_epoch):
            train, valid = set_aside(self, target, train, given["X"], y, groups, seed)
        if not continuing:  # after the split, since only rows that train teach
            columns = self._fitted_columns(columns, X, weight, train[0].rows)
        matrix = columns.matrix(X)
        train = encoded_rows(matrix, train)
        if given_valid:
            valid = self._given_validation(columns, target, by_class, *validation)
        elif valid is not None:
            valid = encoded_rows(matrix, valid)
        del matrix
        n_rows = len(train[0]), 0 if valid is None else len(valid[0])
        batch_size = self._batch_size(n_rows[0])
        by_row = check_loss_of_rows(self, target, train, valid)
        whole = batch_size * self.accumulate_grad >= len(train[0])
        if by_row and whole and self.sampler is None:
            train = merge_repeated_rows(*train)
        if continuing:
            schema = self._schema
        else:
            schema = self._fitted_schema(columns, train, X, seed)
            target.fit(train[1], train[2])
        n_fitted = self._spec.n_rows if continuing else n_rows[0]
        spec = columns.spec(self._n_outputs(target), target.kind, n_fitted)
        if continuing:
            check_same_outputs(self, spec, self._spec)
            check_same_domain(self, target)
        generator = torch.Generator().manual_seed(seed)
        state = net_state(self.net_) if continuing else None
        callbacks = training_callbacks(
            self, target, validates=valid is not None, one_epoch=one_epoch
        )
        net = self._build_net(
            spec, target, generator, device, batch_size, callbacks, state
        )
        if one_epoch:
            net.max_epochs = 1
        fitted_data = columns, schema, target
        net.identity = training_identity(self, net, fitted_data, seed, n_rows)
        keeps_identity = resume is not None or holds_checkpoint(self)

        def fitted(net: Net) -> dict[str, Any]:
            return self._fitted_attributes(net, spec, fitted_data, seed, device)

        add_watching_callbacks(self, net, given, fitted)
        n_before = len(net.history)
        stopped_by = None
        try:
            n_threads = self._threads(net, batch_size)
            with torch_threads(n_threads), no_autocast(device), callback_teardown(self):
                data = tensors_of(schema, target, by_class, *train)
                held_out = valid and tensors_of(schema, target, by_class, *valid)
                del X, train, valid  # the tensors are all that is needed now
                if keeps_identity:
                    net.identity |= data_identity(data, held_out)
                if resume is not None and not known:
                    checkpoint = read_checkpoint(folder_of(resume, net))
                if checkpoint is not None:
                    check_identity(checkpoint["identity"], net.identity, resume)
                if not continuing:
                    self._before_first_step(net, data)
                self._train(
                    net,
                    self._training_data(net, data),
                    held_out,
                    checkpoint and checkpoint["training"],
                )
        except (KeyboardInterrupt, NonFiniteLossError) as error:
            if not has_good_weights(net, n_before, error):
                raise
            stopped_by = error
        self.__dict__.update(fitted(net))
        return stopped_by

    def _before_first_step(self, net: Net, data: TensorData) -> None:
        """Let a new network see the training rows."""
        fit_to_data(net.module_, data.X.to(net.device))

    def _training_data(self, net: Net, data: TensorData) -> TensorData:
        """Return what the network trains on, in every fit: the training rows."""
        return data

    def _train(self, net: Net, train: Any, valid: Any, resume_from: Any) -> None:
        """Train a net that is ready."""
        try:
            net.train_on(train, valid, resume_from=resume_from)
        finally:
            net.close()

    def _seed(self, continuing: bool, checkpoint: dict[str, Any] | None) -> int:
        if continuing:
            return int(self.__dict__["seed_"])
        if checkpoint is not None and self.random_state is None:
            return int(checkpoint["identity"]["seed"])
        return draw_seed(self.random_state)

    def _given_validation(
        self,
        columns: ColumnEncoder,
        target: Target,
        by_class: np.ndarray | None,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> Rows:
        validation = X_val, y_val, sample_weight_val
        rows = encoded_validation(self, columns, target, *validation)
        return weighted_rows(*rows, by_class)

    def _splits(self, n_rows: int) -> bool:
        if self._is_auto("early_stopping"):
            return n_rows >= _EARLY_STOPPING_ROWS
        return bool(self.early_stopping)

    def _split(self, target: Target, rows: Rows, seed: int) -> tuple[Rows, Rows]:
        return split_rows(target, rows, self._validation_fraction(len(rows[0])), seed)

    def _validation_fraction(self, n_rows: int) -> float:
        fraction: float = self.value_of("validation_fraction")
        return fraction

    def _value_for(self, name: str, spec: DataSpec) -> Any:
        """Return a parameter, or what its "auto" stands for with such rows."""
        return self.value_of(name)

    def _batch_size(self, n_rows: int) -> int:
        size = self.value_of("batch_size")
        if size == "auto":
            return automatic_batch_size(n_rows, self._largest_batch)
        return int(size)

    def _threads(self, net: Net, n_rows: int) -> int | None:
        return resolve_threads(self.n_threads, n_rows * net.n_weights)

    def _build_net(
        self,
        spec: DataSpec,
        target: Target,
        generator: torch.Generator,
        device: torch.device,
        batch_size: int,
        callbacks: list[tuple[str, Any]],
        state: dict[str, Any] | None,
    ) -> Net:
        with torch_threads(1), random_numbers_from(generator):
            module = self.build_module(spec)
            check_network(module, spec, f"{type(self).__name__}.network")
        net = self._make_net(
            target,
            module=module,
            criterion=self._criterion(target),
            optimizer=self.value_of("optimizer"),
            generator=generator,
            lr=self.value_of("lr"),
            weight_decay=self._value_for("weight_decay", spec),
            max_epochs=int(self._value_for("max_epochs", spec)),
            batch_size=batch_size,
            accumulate_grad=self.accumulate_grad,
            grad_clip=self.value_of("grad_clip"),
            eval_every=self.eval_every,
            row_order=self._row_order(target),
            drop_last=self.drop_last,
            callbacks=callbacks,
            device=device,
            n_outputs=spec.n_outputs,
            own_settings=own_settings(self, module),
            precision=self.precision,
        )
        with torch_threads(1):
            net.initialize()
            return net if state is None else load_net_state(net, state)

    def _criterion(self, target: Target) -> Criterion:
        loss = self.value_of("loss")
        if self._is_auto("loss") and getattr(loss, "target", None) != target.kind:
            loss = target.default_loss
        return build_loss(loss, target.kind)

    def _n_outputs(self, target: Target) -> int:
        return target.n_outputs * self._criterion(target).loss.outputs_per_value

    def _row_order(self, target: Target) -> Any:
        return row_order(self.sampler, self.shuffle, target)

    def _fitted_attributes(
        self,
        net: Net,
        spec: DataSpec,
        fitted_data: tuple[ColumnEncoder, Schema, Target],
        seed: int,
        device: torch.device,
    ) -> dict[str, Any]:
        columns, schema, target = fitted_data
        stopper = dict(net.callbacks_).get("early_stopping")
        return {
            "net_": net,
            "n_iter_": len(net.history),
            "best_epoch_": stopper and stopper.best_epoch_,
            "best_score_": stopper and stopper.best_score_,
            "stopped_epoch_": stopper and stopper.stopped_epoch_,
            "device_": str(device),
            "seed_": seed,
            "_spec": spec,
            "_columns": columns,
            "_schema": schema,
            "_target": target,
            # What the network was built from, whatever set_params does afterwards.
            "_fitted_params": {
                name: clone(value, safe=False)
                for name, value in self.get_params(deep=False).items()
                if name != "callbacks"
            },
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags
