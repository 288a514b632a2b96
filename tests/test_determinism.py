"""Same seed, same bits: in any process, thread and order, with nothing global used."""

import copy
import os
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback
from torch import nn

from torchlearners import (
    DummyTorchClassifier,
    DummyTorchRegressor,
    MLPClassifier,
    MLPRegressor,
)
from torchlearners.base import ClassifierLearner
from torchlearners.params import param, positive_int

rng = np.random.RandomState(0)
X = rng.normal(size=(200, 5))
y = np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])
VALUES = 100 + 10 * X[:, 0] - X[:, 1]

# Everything that draws: initial weights, split, order of the rows, dropout.
NOISY = {
    "max_epochs": 4,
    "batch_size": 32,
    "lr": 0.01,
    "early_stopping": True,
    "random_state": 0,
}


class Foreign(ClassifierLearner):
    """A user's learner; its module asks torch's global random state."""

    width: int = param(default=16, check=positive_int, doc="Units.")

    def network(self, spec):
        layers = [nn.Linear(spec.n_numeric, self.width), nn.Dropout(0.3), nn.ReLU()]
        layers += [nn.Linear(self.width, self.width), nn.AlphaDropout(0.1)]
        return nn.Sequential(*layers, nn.Linear(self.width, spec.n_outputs))


class Own(nn.Module):
    """A user's module that draws from torch in its forward."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) / 10)

    def forward(self, x):
        if self.training:
            x = x + torch.randn_like(x) * torch.rand(1) + torch.normal(0.0, x.abs())
        return x @ self.weight


class Noise(ClassifierLearner):
    """A learner around a module that adds noise of its own."""

    def network(self, spec):
        return Own(spec.n_numeric, spec.n_outputs)


LEARNERS = {
    "own dropout": MLPClassifier(
        preset="simple", hidden_layer_sizes=(16, 16), dropout=0.3, **NOISY
    ),
    "regressor": MLPRegressor(
        preset="simple", hidden_layer_sizes=(16, 16), dropout=0.3, **NOISY
    ),
    "foreign dropout": Foreign(**NOISY),
    "foreign noise": Noise(**NOISY),
}
PARALLEL = [name for name in LEARNERS if name != "regressor"]


@pytest.fixture(params=LEARNERS)
def learner(request):
    return clone(LEARNERS[request.param])


def target_of(learner):
    return VALUES if isinstance(learner, MLPRegressor) else y


def outputs(learner, rows=X):
    return getattr(learner, "decision_function", learner.predict)(rows)


def fitted(learner, **params):
    return clone(learner).set_params(**params).fit(X, target_of(learner))


def same(one, other):
    return np.array_equal(outputs(one), outputs(other))


# Seeds


def test_the_same_seed_gives_the_same_bits(learner):
    one, other = fitted(learner), fitted(learner)
    assert same(one, other)
    assert one.history_[:, "train_loss"] == other.history_[:, "train_loss"]
    assert one.history_[:, "valid_loss"] == other.history_[:, "valid_loss"]
    for ours, theirs in zip(
        one.net_.module_.parameters(), other.net_.module_.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_different_seeds_give_different_bits(learner):
    assert not same(fitted(learner), fitted(learner, random_state=1))


def test_no_seed_gives_new_bits_each_time_and_keeps_what_it_drew(learner):
    one = fitted(learner, random_state=None)
    assert not same(one, fitted(learner, random_state=None))
    # What was drawn is told, and repeats the fit.
    assert same(one, fitted(learner, random_state=one.seed_))


def test_no_seed_gives_new_bits_even_where_the_global_states_are_the_same(learner):
    def draw():
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        random.seed(0)
        return fitted(learner, random_state=None)

    before = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    try:
        assert not same(draw(), draw())
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        torch.set_rng_state(before[1])
        random.setstate(before[2])


def test_the_global_states_do_not_change_the_bits(learner):
    expected = fitted(learner)
    before = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    try:
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            random.seed(seed)
            assert same(fitted(learner), expected)
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        torch.set_rng_state(before[1])
        random.setstate(before[2])


def test_a_random_state_instance_is_drawn_from(learner):
    state = np.random.RandomState(5)
    learner.set_params(random_state=state)
    target = target_of(learner)
    first = copy.deepcopy(learner.fit(X, target))
    second = copy.deepcopy(learner.fit(X, target))
    assert not same(first, second)
    learner.set_params(random_state=np.random.RandomState(5))
    assert same(learner.fit(X, target), first)
    assert same(learner.fit(X, target), second)


@pytest.mark.parametrize("seed", [0, np.int64(0), np.uint32(0)])
def test_a_seed_of_any_integer_type_is_the_same_seed(seed):
    learner = LEARNERS["own dropout"]
    assert same(fitted(learner, random_state=seed), fitted(learner))


def test_the_largest_seed_works(learner):
    assert fitted(learner, random_state=2**32 - 1).seed_ == 2**32 - 1


# Each draw is a draw of its own


def test_dropout_of_our_own_draws_new_masks_in_each_batch():
    masks = []

    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            net.module_[2].register_forward_hook(self.look)

        @staticmethod
        def look(module, inputs, output):
            if module.training:
                masks.append((output == 0) & (inputs[0] != 0))

    learner = clone(LEARNERS["own dropout"]).set_params(activation="tanh")
    fitted(learner, callbacks=[Look()], early_stopping=False)
    assert len(masks) == 4 * 7
    full = [mask for mask in masks if mask.shape == masks[0].shape]
    assert not any(torch.equal(full[0], mask) for mask in full[1:])
    assert 0.27 < torch.cat(masks).float().mean() < 0.33


def test_rows_are_shuffled_anew_in_each_epoch():
    orders = []

    class Look(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            if training:
                orders.append(batch[0][:, 0].tolist())

    learner = LEARNERS["own dropout"]
    fitted(learner, callbacks=[Look()], early_stopping=False)
    epochs = [sum(orders[i : i + 7], []) for i in range(0, 28, 7)]  # noqa: RUF017
    assert len(epochs) == 4
    for epoch in epochs:
        assert sorted(epoch) == sorted(epochs[0])
    assert len({tuple(epoch) for epoch in epochs}) == 4


# Processes and threads


@pytest.mark.parametrize("name", PARALLEL)
def test_folds_are_the_same_alone_in_processes_and_in_threads(name):
    # Defined here, as in a notebook, so that it travels to the processes by value.
    learner = LEARNERS[name]
    if name != "own dropout":
        learner = local_copy_of(type(learner))(**NOISY)

    def proba(**settings):
        return cross_val_predict(
            learner, X, y, cv=4, method="predict_proba", **settings
        )

    expected = proba(n_jobs=1)
    with joblib.parallel_backend("loky"):
        assert_array_equal(proba(n_jobs=2), expected)
    with joblib.parallel_backend("threading"):
        assert_array_equal(proba(n_jobs=4), expected)


def local_copy_of(learner):
    """Return a class like `learner` that no process can import."""

    class Layers(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(n_in, 16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, n_out)
            )
            self.noise = learner is Noise

        def forward(self, x):
            if self.noise and self.training:
                x = x + torch.randn_like(x)
            return self.layers(x)

    class Local(ClassifierLearner):
        width: int = param(default=16, check=positive_int, doc="Units.")

        def network(self, spec):
            return Layers(spec.n_numeric, spec.n_outputs)

    return Local


def test_a_search_finds_the_same_in_processes():
    learner = LEARNERS["own dropout"]

    def search(n_jobs):
        return GridSearchCV(
            learner,
            {"lr": [0.001, 0.01], "optimizer__betas": [(0.9, 0.99), (0.5, 0.9)]},
            cv=2,
            scoring="neg_log_loss",
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(X, y)

    one, two = search(1), search(2)
    scores = "mean_test_score"
    assert_array_equal(one.cv_results_[scores], two.cv_results_[scores])
    assert len(set(one.cv_results_[scores])) == 4
    assert same(one.best_estimator_, two.best_estimator_)


@pytest.mark.parametrize("name", PARALLEL)
def test_eight_concurrent_fits_equal_the_serial_ones(name):
    learner = LEARNERS[name]
    expected = [outputs(fitted(learner, random_state=seed)) for seed in range(8)]
    barrier = threading.Barrier(8)

    def fit(seed):
        barrier.wait()  # so that they do run at once
        return outputs(fitted(learner, random_state=seed, max_epochs=4))

    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(fit, range(8)))
        for ours, theirs in zip(found, expected, strict=True):
            assert_array_equal(ours, theirs)


def test_eight_fits_in_joblibs_threads_equal_the_serial_ones(learner):
    expected = [outputs(fitted(learner, random_state=seed)) for seed in range(8)]
    found = joblib.Parallel(n_jobs=8, backend="threading")(
        joblib.delayed(fitted)(learner, random_state=seed) for seed in range(8)
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert_array_equal(outputs(ours), theirs)


def test_concurrent_predictions_equal_the_serial_ones(learner):
    fit = fitted(learner)
    expected = outputs(fit)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: outputs(fit), range(40)):
            assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["own dropout", "regressor"])
def test_another_thread_may_use_the_global_state_during_a_fit(name):
    before = torch.get_rng_state()
    try:
        torch.manual_seed(3)
        expected = [torch.rand(3) for _ in range(200)]
        torch.manual_seed(3)
        with ThreadPoolExecutor(1) as pool:
            fit = pool.submit(fitted, LEARNERS[name], max_epochs=8)
            found = [torch.rand(3) for _ in range(100)]
            assert fit.result().n_iter_ == 8
        found += [torch.rand(3) for _ in range(100)]
        assert all(map(torch.equal, found, expected))
    finally:
        torch.set_rng_state(before)


# Nothing global is read or written


def global_states():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        np.random.get_state()[2],  # noqa: NPY002
        random.getstate(),
    )


def test_the_global_random_states_are_not_touched(learner):
    before = global_states()
    target = target_of(learner)
    for seed in (0, None):
        made = type(learner)(**{**learner.get_params(deep=False), "random_state": seed})
        assert global_states() == before, "constructor"
        made = clone(made)
        assert global_states() == before, "clone"
        made.fit(X, target)
        assert global_states() == before, "fit"
        outputs(made)
        assert global_states() == before, "predict"
        made.partial_fit(X, target)
        assert global_states() == before, "partial_fit"
        copy.deepcopy(made)
        assert global_states() == before, "deepcopy"
        pickle.loads(pickle.dumps(made))
        assert global_states() == before, "pickle"


def test_the_global_random_states_are_not_touched_by_a_fit_that_fails(learner):
    class Break(Callback):
        def on_batch_end(self, net, **kwargs):
            raise LookupError

    before = global_states()
    with pytest.raises(LookupError):
        fitted(learner, callbacks=[Break()])
    assert global_states() == before


def test_settings_of_torch_are_as_before(learner):
    before = (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_inference_mode_enabled(),
    )
    outputs(fitted(learner))
    assert before == (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_inference_mode_enabled(),
    )


def test_the_caller_may_have_switched_gradients_off(learner):
    expected = fitted(learner)
    with torch.no_grad():
        assert same(fitted(learner), expected)


# Threads of torch


@pytest.fixture
def three_threads():
    """Let torch use a number of threads that nothing here would choose by itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Threads(Callback):
    """Look at the number of threads in each batch."""

    seen = []

    def on_batch_begin(self, net, **kwargs):
        self.seen.append(torch.get_num_threads())


def threads_seen(learner, *data):
    Threads.seen.clear()
    learner.set_params(callbacks=[Threads()]).fit(*data)
    return set(Threads.seen)


@pytest.mark.usefixtures("three_threads")
def test_small_work_uses_one_thread():
    learner = MLPClassifier(preset="simple", max_epochs=1, random_state=0)
    assert threads_seen(learner, X, y) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_large_work_uses_the_threads_that_torch_has():
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(700, 700),
        max_epochs=1,
        batch_size=400,
        early_stopping=False,
        random_state=0,
    )
    rows = np.tile(X, (2, 1))
    assert threads_seen(learner, rows, np.tile(y, 2)) == {3}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_the_number_of_threads_asked_for_is_used():
    learner = MLPClassifier(preset="simple", max_epochs=1, n_threads=2, random_state=0)
    assert threads_seen(learner, X, y) == {2}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_the_number_of_threads_is_restored(learner, n_threads):
    fit = fitted(learner, n_threads=n_threads)
    assert torch.get_num_threads() == 3
    outputs(fit)
    assert torch.get_num_threads() == 3
    with pytest.raises(ValueError, match="infinity"):
        fit.predict(np.full((1, 5), np.inf))
    assert torch.get_num_threads() == 3
    fit.partial_fit(X, target_of(fit))
    assert torch.get_num_threads() == 3
    copy.deepcopy(fit)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
@pytest.mark.parametrize("n_threads", [None, 2])
def test_the_number_of_threads_is_restored_after_an_error(learner, error, n_threads):
    class Break(Callback):
        def on_batch_end(self, net, **kwargs):
            raise error

    with pytest.raises(error):
        fitted(learner, callbacks=[Break()], n_threads=n_threads)
    assert torch.get_num_threads() == 3


def test_the_threads_that_torch_has_do_not_change_the_bits_of_small_work(learner):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = outputs(fitted(learner))
        torch.set_num_threads(4)
        assert_array_equal(outputs(fitted(learner)), expected)
    finally:
        torch.set_num_threads(before)


# Forks


FORK = """
import os, sys, time
import numpy as np
import torch
from torchlearners import MLPClassifier

torch.set_num_threads(2)
rng = np.random.RandomState(0)
X, y = rng.normal(size=(3000, 20)), rng.randint(3, size=3000)
params = dict(max_epochs=2, dropout=0.2, random_state=0)
small = MLPClassifier(preset="simple", batch_size=64, **params)
expected = small.fit(X, y).predict_proba(X)
if "large" in sys.argv:
    large = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(256, 256), batch_size=3000, n_threads=2, **params
    )
    large.fit(X, y).predict_proba(X)

def child():
    again = MLPClassifier(preset="simple", batch_size=64, **params).fit(X, y)
    assert np.array_equal(again.predict_proba(X), expected)
    assert np.array_equal(small.predict_proba(X), expected)
    if "large" in sys.argv:
        # Work for which the parent would take several threads.
        work = {"hidden_layer_sizes": (256, 256), "batch_size": 3000}
        wide = MLPClassifier(preset="simple", **work, **params)
        wide.fit(X, y).predict_proba(X)
"""
BY_HAND = """
pid = os.fork()
if pid == 0:
    try:
        child()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(pid, 0)
assert status == 0, status
"""
BY_MULTIPROCESSING = """
import multiprocessing
processes = [multiprocessing.get_context("fork").Process(target=child) for _ in "ab"]
for process in processes:
    process.start()
for process in processes:
    process.join()
    assert process.exitcode == 0, process.exitcode
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("work", ["small", "large"])
@pytest.mark.parametrize(
    "how", [BY_HAND, BY_MULTIPROCESSING], ids=["fork", "multiprocessing"]
)
def test_a_forked_child_fits_and_predicts_after_its_parent_did(run_script, how, work):
    code = f"import sys\nsys.argv.append({work!r})\n{FORK}{how}print('done')"
    assert run_script(code, timeout=60).strip() == "done"


# Silence


@pytest.mark.parametrize(
    "quiet",
    [
        *LEARNERS.values(),
        DummyTorchClassifier(max_epochs=2),
        DummyTorchRegressor(max_epochs=2),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_nothing_is_written_to_the_terminal(quiet, capfd):
    fit = clone(quiet).fit(X, y)
    outputs(fit)
    fit.partial_fit(X, y)
    copy.deepcopy(fit)
    repr(fit)
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err == ""
