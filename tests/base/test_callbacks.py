"""The user's callbacks in fit, in clones, in searches and in members."""

import copy
import pickle
import threading

import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, LRScheduler
from skorch.callbacks import TensorBoard as SkorchTensorBoard

from torchlearners import MLPClassifier
from torchlearners.base._callbacks import fresh_callbacks
from torchlearners.callbacks import EarlyStopping, Schedule, TensorBoard, TimeLimit
from torchlearners.callbacks import callback as at_stage

X, y = load_iris(return_X_y=True)


class Open:
    """Something that cannot be copied, such as an open file or a database."""

    def __init__(self):
        self.lock = threading.Lock()
        self.told = []

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class Trial(Open):
    """A trial of a search, as Optuna's."""

    def report(self, value, step):
        self.told.append((step, value))

    def should_prune(self):
        return len(self.told) == 2


class Writer(Open):
    """Takes what a SummaryWriter takes."""

    def add_scalar(self, tag, scalar_value, global_step=None, **kwargs):
        self.told.append((tag, scalar_value))

    def close(self):
        pass


class PrunedError(Exception):
    pass


class Pruning(Callback):
    """Reports to a trial, of which the attribute has the name of the argument."""

    def __init__(self, trial):
        self.trial = trial

    def on_epoch_end(self, net, **kwargs):
        self.trial.report(net.history[-1, "train_loss"], len(net.history))
        net.stop_training = self.trial.should_prune()


class HiddenPruning(Callback):
    """The same under a hidden name, and by an exception, as skorch's own."""

    def __init__(self, trial, monitor="train_loss"):
        self._trial = trial
        self.monitor = monitor

    def on_epoch_end(self, net, **kwargs):
        self._trial.report(net.history[-1, self.monitor], len(net.history))
        if self._trial.should_prune():
            raise PrunedError


class Appends(Callback):
    """Writes into the user's list."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


class OwnList(Appends):
    """Makes its own list where scikit-learn would look for a parameter."""

    def __init__(self):
        self.losses = []


def learner(*callbacks, **params):
    return MLPClassifier(
        preset="simple",
        hidden_layer_sizes=4,
        max_epochs=3,
        random_state=0,
        callbacks=list(callbacks),
        **params,
    )


def search(*callbacks):
    grid = {"lr": [0.1, 0.01]}
    return GridSearchCV(learner(*callbacks), grid, cv=2, error_score="raise").fit(X, y)


def test_fit_uses_the_callbacks_that_it_is_given():
    given = OwnList()
    fitted = learner(given).fit(X, y)
    assert dict(fitted.net_.callbacks_)["OwnList"] is given
    assert given.losses == fitted.history_[:, "train_loss"]


def test_a_trial_is_told_of_each_epoch_and_may_end_the_training():
    trial = Trial()
    assert learner(Pruning(trial)).fit(X, y).n_iter_ == 2
    assert [step for step, _ in trial.told] == [1, 2]


def test_a_trial_may_end_the_training_by_an_exception():
    trial = Trial()
    with pytest.raises(PrunedError):
        learner(HiddenPruning(trial)).fit(X, y)
    assert [step for step, _ in trial.told] == [1, 2]


def test_a_list_of_the_user_is_filled():
    losses = []
    fitted = learner(Appends(losses)).fit(X, y)
    assert losses == fitted.history_[:, "train_loss"]


@pytest.mark.parametrize("made", [TensorBoard, SkorchTensorBoard])
def test_an_open_writer_is_written_to(made):
    writer = Writer()
    learner(made(writer)).fit(X, y)
    tags = [tag for tag, _ in writer.told]
    assert tags.count("train/loss") + tags.count("Loss/train_loss") == 3


WAYS = {
    "a pruning callback": (lambda told: Pruning(told), Trial),
    "a list of the user": (lambda told: Appends(told), list),
    "a writer": (lambda told: TensorBoard(writer=told), Writer),
    "a writer of skorch": (lambda told: SkorchTensorBoard(told), Writer),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_callback_was_given_is_shared_by_candidates(way):
    make, kind = WAYS[way]
    told = kind()
    search(make(told))
    n_fits = 2 * 2 + 1
    assert len(getattr(told, "told", told)) >= 2 * n_fits


@pytest.mark.parametrize("way", WAYS)
def test_what_a_callback_was_given_is_shared_by_members(way):
    make, kind = WAYS[way]
    told = kind()
    learner(make(told), n_ensemble=2).fit(X, y)
    assert len(getattr(told, "told", told)) >= 2 * 2


def test_a_pruning_callback_with_a_hidden_trial_goes_through_a_search():
    trial = Trial()
    with pytest.raises(PrunedError):
        search(HiddenPruning(trial))
    assert len(trial.told) == 2


def test_candidates_have_lists_of_their_own():
    given = OwnList()
    best = search(given).best_estimator_
    assert best.callbacks[0].losses == best.history_[:, "train_loss"]
    assert given.losses == []


def test_members_have_callbacks_of_their_own_and_the_first_those_of_the_user():
    given = OwnList()
    fitted = learner(given, n_ensemble=2).fit(X, y)
    assert fitted.members_[0].callbacks[0] is given
    for member in fitted.members_:
        assert member.callbacks[0].losses == member.history_[:, "train_loss"]


def test_one_thread_does_not_disturb_the_other():
    made = learner(EarlyStopping(patience=2), Schedule(policy="cosine"))
    made.set_params(early_stopping=True, max_epochs=5, lr=0.1)
    grid = {"lr": [0.1, 0.01, 0.001]}
    alone = GridSearchCV(made, grid, cv=2, error_score="raise").fit(X, y)
    with parallel_config("threading"):
        together = GridSearchCV(made, grid, cv=2, n_jobs=3, error_score="raise")
        together.fit(X, y)
    key = "mean_test_score"
    assert together.cv_results_[key].tolist() == alone.cv_results_[key].tolist()


def test_a_clone_has_new_callbacks_of_the_same_parameters():
    scheduler = LRScheduler("StepLR", step_size=2)
    used = learner(("own", TimeLimit(seconds=9)), scheduler).fit(X, y)
    copied = clone(used)
    (name, limit), made = copied.callbacks
    assert (name, limit.seconds, made.step_size) == ("own", 9, 2)
    assert limit is not used.callbacks[0][1]
    assert not hasattr(limit, "elapsed_")
    assert not hasattr(made, "lr_scheduler_")


def test_a_callback_that_is_the_argument_of_another_stays_so():
    class Follows(Callback):
        def __init__(self, other):
            self.other = other

    inner = OwnList()
    first, second = fresh_callbacks([inner, Follows(inner)])
    assert second.other is first is not inner


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))]
)
@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_a_stored_learner_has_callbacks_that_remember_nothing(copied, n_ensemble):
    made = learner(OwnList(), Schedule(policy="cosine"), n_ensemble=n_ensemble)
    again = copied(made.fit(X, y))
    assert again.callbacks[0].losses == []
    assert again.predict(X).tolist() == made.predict(X).tolist()
    assert again.fit(X, y).callbacks[0].losses == made.callbacks[0].losses


def test_what_is_no_list_is_left_to_fit():
    assert fresh_callbacks(None) is None
    given = at_stage(on_epoch_end=print)
    assert clone(MLPClassifier(callbacks=given)).callbacks is given
