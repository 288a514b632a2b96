"""Learners that predict classes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from torchlearners._compat import ClassifierMixin, fit_context
from torchlearners.base._arguments import answers_unknown_arguments
from torchlearners.base._calibration import best_temperature
from torchlearners.base._ensemble import MEMBER_ATTRIBUTES, EnsembleLearner
from torchlearners.base._folds import Folds
from torchlearners.base._parameters import ATTRIBUTES
from torchlearners.data import ClassTarget, MultilabelTarget, Target, check_labels
from torchlearners.params import one_of, optional, param
from torchlearners.training import ClassifierNet, Net

_CLASSES = """
classes_ : ndarray of shape (n_classes,)
    Class labels; column numbers for a multilabel target.
temperature_ : float or None
    What logits are divided by, with `calibration`; above 1 where probabilities were
    too sure.
"""


_KINDS = ("binary", "multiclass", "multiclass-multioutput", "multilabel-indicator")


class ClassifierLearner(ClassifierMixin, EnsembleLearner):
    """Base of classifiers: binary, multiclass and multilabel.

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
    >>> learner.fit(*load_iris(return_X_y=True)).predict_proba([[5, 3, 1, 0.2]]).shape
    (1, 3)
    """

    class_weight: dict[Any, Any] | Literal["balanced"] | None = param(
        default=None,
        check=optional([dict, *one_of("balanced")]),
        doc="Weights of the classes, multiplied with `sample_weight`: a dict from "
        'label to weight, or "balanced" for weights inversely proportional to the '
        "(weighted) class frequencies. Not for multilabel targets.",
    )

    calibration: Literal["temperature"] | None = param(
        default=None,
        check=optional(one_of("temperature")),
        doc='"temperature" divides the logits of the mean probabilities by the number '
        "that gives ``oof_prediction_`` the least weighted log loss, so that "
        "probabilities are frequencies; needs `n_folds`. A multilabel target has one "
        "number for all labels, whose log losses are added up.",
    )

    _doc_sections = {
        "attributes": ATTRIBUTES.rstrip() + MEMBER_ATTRIBUTES.rstrip() + _CLASSES
    }

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        resume: Any = None,
    ) -> ClassifierLearner:
        """Fit the learner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a 0/1 matrix of labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows; rows of weight 0 are left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for `validation_split`.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows that validate instead of a split of X.
        resume : str, Path or None, default=None
            A checkpoint, or the folder of a `torchlearners.callbacks.Checkpoint`, from
            which training goes on to `max_epochs` in total. An empty or missing folder
            starts from the beginning, so that the same call starts and restarts a run.

        Returns
        -------
        estimator
            The fitted learner.

        Raises
        ------
        ValueError
            Where data or parameters are unfit; the learner is then as it was before.
        NonFiniteLossError
            Where training diverges; the learner then holds the weights of the best
            epoch where validation rows gave one, and else is as it was before.
        KeyboardInterrupt
            On Ctrl-C; after a first epoch the learner then holds its best weights.
        """
        continuing = self.warm_start and hasattr(self, "net_")
        if continuing:
            self._check_same_classes(y)
        return self._fit(
            X,
            y,
            sample_weight,
            (X_val, y_val, sample_weight_val),
            continuing=continuing,
            groups=groups,
            resume=resume,
        )

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> ClassifierLearner:
        """Train one epoch on the given rows.

        The first call fixes the scaling of the features, so it should be given rows
        that are like those to come. Schedules, also that of `lr_schedule`, do not run:
        nobody knows how many calls there will be.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a 0/1 matrix of labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows.

        Returns
        -------
        estimator
            The fitted learner.
        """
        continuing = hasattr(self, "net_")
        if not continuing and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if continuing and classes is not None:
            classes = np.unique(classes)
            if not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"`classes={classes}` is not the same as on last call to "
                    f"partial_fit, was: {self.classes_}."
                )
        return self._fit(
            X,
            y,
            sample_weight,
            continuing=continuing,
            classes=classes,
            one_epoch=True,
        )

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or every label with probability above one half.
        """
        outputs = self._outputs(X)
        return self._target.predict(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. For a multilabel target the probability of
            each label, which do not sum to one.
        """
        outputs = self._outputs(X)
        return self._target.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithms of probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Of what `predict_proba` returns; finite also where a probability is so small
            that it is rounded to 0.
        """
        outputs = self._outputs(X)
        return self._target.log_probabilities(outputs)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits; of several members those of their mean probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
            For two classes the log-odds of the second one.
        """
        outputs = self._outputs(X)
        return self._target.decision(outputs)

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the network's logits, or those that stand for all members."""
        members = self._members()
        if not members:
            return super()._outputs(X)
        return self._mean_of(members, X) / (getattr(self, "temperature_", None) or 1.0)

    def _mean_of(self, members: list[Any], X: Any) -> np.ndarray:
        outputs = np.stack([member._outputs(X) for member in members])
        return members[0]._target.mean_logits(outputs)

    def _out_of_fold(self, predicted: np.ndarray, folds: Folds) -> dict[str, Any]:
        temperature = None
        if self.calibration is not None:
            known = ~np.isnan(predicted).any(axis=1)
            weight = None if folds.weight is None else folds.weight[known]
            temperature = best_temperature(predicted[known], folds.codes[known], weight)
            predicted = predicted / temperature
        return {
            "oof_prediction_": folds.target.probabilities(predicted),
            "temperature_": temperature,
        }

    def _as_member(self) -> dict[str, Any]:
        return {**super()._as_member(), "calibration": None}

    def _check_members(self, *args: Any) -> None:
        if self.calibration is not None and self.n_folds is None:
            raise ValueError(
                f"calibration={self.calibration!r} needs predictions of rows that did "
                "not train. Set n_folds, for example n_folds=5, or use "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        super()._check_members(*args)

    def _check_same_classes(self, y: Any) -> None:
        if self._target.kind == "classes":
            now = np.unique(check_labels(y))
            if not np.array_equal(now, self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in "
                    f"the previous call to fit. Previously got {self.classes_}, `y` "
                    f"has {now}."
                )

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        y = check_labels(y)
        kind = type_of_target(y, input_name="y")
        if kind not in _KINDS:
            check_classification_targets(y)  # looks at y once more, and raises
        if kind == "multilabel-indicator":
            target: Any = MultilabelTarget(y.shape[1])
        elif kind == "multiclass-multioutput":
            raise ValueError(
                "Unknown label type: y has several columns with more than two values. "
                f"{type(self).__name__} predicts one class or a 0/1 matrix of labels; "
                "use sklearn.multioutput.MultiOutputClassifier for several classes."
            )
        else:
            target = ClassTarget(np.unique(y if classes is None else classes))
        self.classes_ = target.classes
        return target

    def _make_net(self, target: Target, **settings: Any) -> Net:
        return (ClassifierNet if target.kind == "classes" else Net)(**settings)

    def _class_weights(
        self, target: Target, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if target.kind != "classes":
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported for multilabel "
                "targets. Use sample_weight."
            )
        assert isinstance(target, ClassTarget)
        n_classes = target.n_outputs
        if isinstance(self.class_weight, dict):
            present = np.unique(codes)
            by_class = np.ones(n_classes)
            by_class[present] = compute_class_weight(
                self.class_weight,
                classes=target.classes[present],
                y=target.classes[codes],
            )
            if not (by_class >= 0).all() or not np.isfinite(by_class).all():
                raise ValueError(
                    f"class_weight={self.class_weight!r} must hold finite weights of "
                    "at least 0."
                )
            if not by_class[present].any():
                raise ValueError(
                    f"class_weight={self.class_weight!r} gives every row weight 0."
                )
            return by_class
        total = np.bincount(codes, weight, minlength=n_classes)
        with np.errstate(divide="ignore"):
            return np.where(total > 0, total.sum() / (n_classes * total), 0.0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
