"""Learners with members: several fits of one learner, whose mean is predicted."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from torchlearners._compat import (
    Interval,
    callback_teardown,
    member_callbacks,
    open_callback_context,
)
from torchlearners.base._callbacks import fresh_callbacks
from torchlearners.base._control import holds_checkpoint
from torchlearners.base._folds import Folds
from torchlearners.base._learner import TorchLearner
from torchlearners.base._parameters import ATTRIBUTES
from torchlearners.base._state import check_format, stored_by
from torchlearners.params import optional, param, positive_int
from torchlearners.storage import restoring
from torchlearners.training import (
    StackedNets,
    no_autocast,
    torch_defaults,
    torch_threads,
)

# What only a learner with members has; None in all others.
_OF_MEMBERS = ("members_", "oof_prediction_", "temperature_")

MEMBER_ATTRIBUTES = """
members_ : list of estimator or None
    The fitted learners whose mean is predicted, with `n_ensemble` or `n_folds`; those
    of a fold stand together. What tells of one network and its training (``net_``,
    ``history_``, ``n_iter_``, ``best_epoch_`` and the like) is then the first one's.
oof_prediction_ : ndarray of shape (n_samples, ...) or None
    With `n_folds`, what the members that were not trained on a row predict for it, in
    the order of the rows: of classifiers the probabilities, of regressors the values.
    A row of weight 0 that validates no member has the mean of all. Where a
    `validation_split` leaves a row to validation several times, or never, it has the
    mean over these, or NaN.
"""


class EnsembleLearner(TorchLearner):
    """Base of learners that can be the mean of several fits of their own.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> learner = MLPClassifier(n_folds=3, max_epochs=5, random_state=0)
    >>> learner = learner.fit(*load_iris(return_X_y=True))
    >>> len(learner.members_), learner.oof_prediction_.shape
    (3, (150, 3))
    """

    n_ensemble: int = param(
        default=1,
        check=positive_int,
        doc="Number of members, whose mean is predicted: fits with initial weights, "
        "order of the rows and validation split of their own. All other parameters, "
        "`max_epochs` and `max_time` too, are those of each member. With `n_folds` the "
        "number of members for each fold.",
    )
    n_folds: int | None = param(
        default=None,
        check=optional([Interval(Integral, 2, None, closed="left")]),
        doc="Number of parts, stratified by class, that the rows are split into. A "
        "member is trained on all parts but one, which validates it, and so gives "
        "``oof_prediction_``. A `validation_split` says instead what each member is "
        "trained on, and must have as many splits.",
    )

    _doc_sections = {"attributes": ATTRIBUTES.rstrip() + MEMBER_ATTRIBUTES}

    # What a kind of learner defines.

    def _mean_of(self, members: list[Any], X: Any) -> np.ndarray:
        """Return the members' mean, in the form that `_out_of_fold` is given."""
        raise NotImplementedError

    def _out_of_fold(self, predicted: np.ndarray, folds: Folds) -> dict[str, Any]:
        """Return the attributes that predictions out of fold become."""
        raise NotImplementedError

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
        """Fit one network or all members, or leave the learner exactly as it was."""
        self._check_members(validation, continuing, one_epoch, resume)
        how = {"continuing": continuing, "classes": classes, "one_epoch": one_epoch}
        if not self._is_ensemble():
            return super()._fit(
                X, y, sample_weight, validation, groups=groups, resume=resume, **how
            )
        before = dict(self.__dict__)
        try:
            with torch_defaults(), callback_teardown(self):
                self._fit_members(X, y, sample_weight, validation, groups, how)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _fit_members(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
        groups: Any,
        how: dict[str, Any],
    ) -> None:
        seed = self._seed(how["continuing"], None)
        generator = torch.Generator().manual_seed(seed)
        folds, splits = None, iter([(X, y, sample_weight, validation)])
        if self.n_folds is not None:
            folds = Folds(self, X, y, sample_weight, groups, generator)
            splits = folds.splits()
            # A part may lack a class.
            how = {**how, "classes": getattr(folds.target, "classes", None)}
            groups = None
        members = self._unfitted_members(seed, generator, how["continuing"])
        task = None
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        # Functions, since data that are callable would be called.
        given = {"X": lambda: X, "y": lambda: y, "metadata": metadata}
        if getattr(self, "_skl_callbacks", None):
            task = open_callback_context(self, len(members))
            task.call_on_fit_task_begin(estimator=self, **given)
        waiting = StackedNets(len(members)) if self._may_wait(how) else None
        for i, split in enumerate(splits):
            start = i * self.n_ensemble
            for member in members[start : start + self.n_ensemble]:
                member._waiting = waiting
                with member_callbacks(task, member):
                    member._fit(*split, groups=groups, **how)
        self._train_waiting(waiting, members)
        fitted = {**self._learned_by(members[0]), "members_": members}
        if folds is not None:
            predicted = folds.predicted(members, self._mean_of)
            fitted.update(self._out_of_fold(predicted, folds))
        self.__dict__.update(fitted)
        if task is not None:
            task.call_on_fit_task_end(
                estimator=self, **given, reconstruction_attributes=fitted
            )

    def _may_wait(self, how: dict[str, Any]) -> bool:
        """Tell whether members can be trained together, as far as parameters tell."""
        alone = how["continuing"] or how["one_epoch"] or self.verbose
        watched = self.callbacks or getattr(self, "_skl_callbacks", None)
        own = self.freeze is not None or self.max_time is not None
        # What else a learner does in its fit needs a trained network.
        plain = type(self)._fit_steps is TorchLearner._fit_steps
        return plain and not (alone or watched or own)

    def _train(self, net: Any, train: Any, valid: Any, resume_from: Any) -> None:
        """Train a net, or let it wait for those of the other members."""
        waiting = self.__dict__.pop("_waiting", None)
        if waiting is None or not waiting.takes(net, train, valid):
            super()._train(net, train, valid, resume_from)

    def _train_waiting(self, waiting: StackedNets | None, members: list[Any]) -> None:
        """Train the nets that wait, and tell their learners what came of it."""
        if waiting is None or not waiting.groups:
            return
        net = members[0].net_
        n_threads = self._threads(net, net.batch_size)
        with (
            torch.inference_mode(mode=False),
            torch.enable_grad(),
            torch_threads(n_threads),
            no_autocast(net.device),
        ):
            waiting.train()
        for member in members:
            fitted_data = member._columns, member._schema, member._target
            member.__dict__.update(
                member._fitted_attributes(
                    member.net_, member._spec, fitted_data, member.seed_, net.device
                )
            )

    def _unfitted_members(
        self, seed: int, generator: torch.Generator, continuing: bool
    ) -> list[Any]:
        """Return the members before they are fitted, or as they were before."""
        n_members = self.n_ensemble * (self.n_folds or 1)
        # The first member is what the learner would be without members, to rounding.
        seeds = [seed]
        while len(seeds) < n_members:
            seeds.append(int(torch.randint(2**31, (), generator=generator)))
        members = []
        for i, own_seed in enumerate(seeds):
            member = clone(self).set_params(random_state=own_seed, **self._as_member())
            if continuing:
                # A copy, since a fit that fails must leave the members alone.
                member.__dict__.update(self._learned_by(self.__dict__["members_"][i]))
            members.append(member)
        # As net_ is that of the first member, so are the user's own callbacks.
        members[0].callbacks = self.callbacks
        return members

    def _as_member(self) -> dict[str, Any]:
        member: dict[str, Any] = {"n_ensemble": 1, "n_folds": None}
        # What it says, the folds know.
        return member if self.n_folds is None else {**member, "validation_split": None}

    def _learned_by(self, member: Any) -> dict[str, Any]:
        """Return the attributes that the fit of a member gave it."""
        given = {*self._get_param_names(), "_skl_callbacks", "_metadata_request"}
        return {k: v for k, v in vars(member).items() if k not in given}

    def _fitted_attributes(self, *args: Any) -> dict[str, Any]:
        # A fit of a single network has no members, whatever a fit before it had.
        alone = dict.fromkeys(_OF_MEMBERS)
        return {**super()._fitted_attributes(*args), **alone}

    def _is_ensemble(self) -> bool:
        return self.n_ensemble > 1 or self.n_folds is not None

    def _check_members(
        self,
        validation: tuple[Any, Any, Any],
        continuing: bool,
        one_epoch: bool,
        resume: Any,
    ) -> None:
        """Raise where parameters or arguments do not go with members."""
        if self.n_folds is not None and (one_epoch or self.warm_start):
            what = "partial_fit" if one_epoch else "warm_start=True"
            raise ValueError(
                f"{what} does not go with n_folds={self.n_folds}: a row that "
                "validates a member in one call may have trained it in another. Set "
                "n_folds=None; n_ensemble has no such limit."
            )
        if continuing and len(self._members() or [self]) != self.n_ensemble:
            raise ValueError(
                f"n_ensemble={self.n_ensemble}, but the fit that training is to go on "
                f"from had {len(self._members() or [self])}. Set n_ensemble back, or "
                "start anew: with warm_start=False, or from a clone."
            )
        if not self._is_ensemble():
            return
        if resume is not None or holds_checkpoint(self):
            raise ValueError(
                "A Checkpoint, and resume, are for one training; "
                f"n_ensemble={self.n_ensemble} and n_folds={self.n_folds} make several."
                " Leave them out, or set n_ensemble=1 and n_folds=None."
            )
        if self.n_folds is not None and any(v is not None for v in validation):
            raise ValueError(
                f"With n_folds={self.n_folds}, the part of the rows that a member is "
                "not trained on validates it, so X_val, y_val and sample_weight_val "
                "would have no use. Leave them out, or set n_folds=None."
            )

    # The walk through predict.

    def _members(self) -> list[Any]:
        """Return the members; none where the learner is a single network."""
        return getattr(self, "members_", None) or []

    # State as plain data: that of each member, once.

    def __getstate__(self) -> dict[str, Any]:
        members = self._members()
        if not members:
            return super().__getstate__()
        again = self._learned_by(members[0]).keys() - set(_OF_MEMBERS)
        state = {k: v for k, v in vars(self).items() if k not in again}
        state["callbacks"] = fresh_callbacks(state["callbacks"])
        state["members_"] = [member.__getstate__() for member in members]
        state["_stored_by"] = stored_by()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not state.get("members_"):
            super().__setstate__(state)
            return
        name = f"the {type(self).__name__}"
        members = []
        with restoring(name):
            check_format(name, state.get("_stored_by"))
            for saved in state["members_"]:
                member = type(self).__new__(type(self))
                member.__setstate__(saved)
                members.append(member)
        self.__dict__.update(self._learned_by(members[0]))
        self.__dict__.update({**state, "members_": members})
        self.__dict__.pop("_stored_by", None)
