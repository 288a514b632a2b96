import errno
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from torch import nn

from torchlearners import ImageClassifier, MLPClassifier, MLPRegressor
from torchlearners.callbacks import (
    Checkpoint,
    EarlyStopping,
    WeightAveraging,
    callback,
    checkpoints,
    read_checkpoint,
)
from torchlearners.exceptions import CheckpointWarning, StorageError
from torchlearners.storage import write_state
from torchlearners.training import SGD, AdamW, CrossEntropy

X, Y = make_classification(90, 5, weights=[0.7], flip_y=0.2, random_state=0)
N_EPOCHS = 8


def learner(folder=None, *callbacks, checkpoint=None, **settings):
    settings = {
        "hidden_layer_sizes": (4,),
        "lr": 0.02,
        "max_epochs": N_EPOCHS,
        "batch_size": 16,
        "random_state": 0,
        "early_stopping": False,
        **settings,
    }
    callbacks = list(callbacks)
    if folder is not None:
        callbacks.append(Checkpoint(folder=folder, **(checkpoint or {})))
    return MLPClassifier(preset="simple", callbacks=callbacks, **settings)


def path_of(folder, epoch):
    return folder / f"checkpoint-{epoch:06d}.safetensors"


def rows_of(fitted):
    return [
        {key: value for key, value in row.items() if key != "dur"}
        for row in fitted.history_
    ]


def assert_same_run(a, b):
    ours, theirs = (m.net_.module_.state_dict() for m in (a, b))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert rows_of(a) == rows_of(b)
    for name in ("n_iter_", "best_epoch_", "best_score_", "stopped_epoch_", "seed_"):
        assert getattr(a, name) == getattr(b, name), name


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with every checkpoint of a run, not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    learner(folder, checkpoint={"keep": 99}).fit(X, Y)
    return folder


@pytest.fixture
def run_folder(finished, tmp_path):
    """Return a copy of such a folder."""
    return shutil.copytree(finished, tmp_path / "run")


# Bit for bit

EVERYTHING = {
    "dropout": 0.3,
    "normalization": "batch",
    "accumulate_grad": 2,
    "lr_schedule": "cosine",
    "early_stopping": True,
    "patience": 4,
    "validation_fraction": 0.2,
    "measures_valid": "accuracy",
    "max_epochs": 12,
}
STOPS = 5  # earliest possible epoch at which patience has run out
OPTIMIZERS = {
    "adamw": {"optimizer": "adamw"},
    "sgd": {"optimizer": SGD(momentum=0.9)},
    "lbfgs": {"optimizer": "lbfgs", "lr": 0.1},
}


@pytest.mark.parametrize("sampler", [None, "balanced"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_is_the_straight_run_bit_for_bit(tmp_path, name, sampler):
    settings = {**EVERYTHING, **OPTIMIZERS[name], "sampler": sampler}
    straight = learner(**settings).fit(X, Y)
    assert straight.n_iter_ >= STOPS
    written = learner(tmp_path / "run", checkpoint={"keep": 99}, **settings).fit(X, Y)
    assert_same_run(written, straight)
    for epoch in (1, 3, straight.best_epoch_ + 1, straight.n_iter_ - 1):
        resumed = learner(tmp_path / f"from {epoch}", **settings)
        resumed.fit(X, Y, resume=path_of(tmp_path / "run", epoch))
        assert_same_run(resumed, straight)


def test_weights_of_the_rows_do_not_hinder_resuming(tmp_path):
    weight = np.linspace(0.5, 2, len(X))
    straight = learner(tmp_path, checkpoint={"keep": 99}, dropout=0.2)
    straight.fit(X, Y, sample_weight=weight)
    resumed = learner(tmp_path, dropout=0.2)
    resumed.fit(X, Y, sample_weight=weight, resume=path_of(tmp_path, 3))
    assert_same_run(resumed, straight)


def test_averaged_weights_are_resumed(tmp_path):
    straight = learner(tmp_path, WeightAveraging(), checkpoint={"keep": 99}).fit(X, Y)
    resumed = learner(tmp_path, WeightAveraging())
    resumed.fit(X, Y, resume=path_of(tmp_path, 3))
    assert_same_run(resumed, straight)


def test_settings_of_the_optimizer_that_were_changed_on_the_way_are_resumed(tmp_path):
    def change(net, **kwargs):
        if len(net.history) == 2:
            for group in net.optimizer_.param_groups:
                group["weight_decay"], group["betas"] = 0.7, (0.5, 0.9)

    def made():
        return learner(tmp_path, callback(on_epoch_end=change), optimizer="adamw")

    straight = made().set_params(callbacks__Checkpoint__keep=99).fit(X, Y)
    resumed = made().fit(X, Y, resume=path_of(tmp_path, 3))
    assert_same_run(resumed, straight)
    (group,) = resumed.net_.optimizer_.param_groups
    assert (group["weight_decay"], group["betas"]) == (0.7, (0.5, 0.9))


def test_a_regressor_resumes(tmp_path):
    def regressor():
        return MLPRegressor(
            preset="simple",
            hidden_layer_sizes=(4,),
            dropout=0.2,
            batch_size=16,
            max_epochs=5,
            random_state=0,
            callbacks=[Checkpoint(folder=tmp_path, keep=99)],
        )

    straight = regressor().fit(X, X[:, 0])
    resumed = regressor().fit(X, X[:, 0], resume=path_of(tmp_path, 2))
    np.testing.assert_array_equal(resumed.predict(X), straight.predict(X))


def test_a_run_that_was_interrupted_goes_on_in_its_folder(tmp_path):
    straight = learner().fit(X, Y)
    stops = [4]

    def stop(net, **kwargs):
        """Break off training like a Ctrl-C at the beginning of an epoch."""
        if len(net.history) in stops:
            raise KeyboardInterrupt

    made = learner(tmp_path, callback(on_epoch_begin=stop))
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, Y)
    assert max(checkpoints(tmp_path)) == 3
    stops.clear()
    assert_same_run(made.fit(X, Y, resume=tmp_path), straight)


def test_resuming_touches_no_global_random_numbers(run_folder):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    learner(run_folder).fit(X, Y, resume=path_of(run_folder, 3))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# How many epochs


@pytest.mark.parametrize("early_stopping", [False, True])
def test_resuming_a_finished_run_trains_nothing(tmp_path, early_stopping):
    steps = []

    def count(net, **kwargs):
        steps.append(len(net.history))

    settings = {"early_stopping": early_stopping, "patience": 1, "lr": 0.5}
    made = learner(tmp_path, callback(on_grad_computed=count), **settings)
    straight = clone(made).fit(X, Y)
    assert straight.n_iter_ == max(steps)
    assert (straight.stopped_epoch_ is not None) == early_stopping
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    steps.clear()
    assert_same_run(made.fit(X, Y, resume=tmp_path), straight)
    assert steps == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_max_epochs_is_the_total(run_folder):
    longer = learner(run_folder, max_epochs=N_EPOCHS + 3)
    longer.fit(X, Y, resume=run_folder)
    assert longer.n_iter_ == N_EPOCHS + 3
    assert_same_run(longer, learner(max_epochs=N_EPOCHS + 3).fit(X, Y))


def test_a_run_longer_than_max_epochs_already_is_left_as_it_is(run_folder):
    shorter = learner(run_folder, max_epochs=3).fit(X, Y, resume=run_folder)
    assert shorter.n_iter_ == N_EPOCHS
    assert_same_run(shorter, learner().fit(X, Y))


def test_without_a_seed_a_run_goes_on_with_that_of_the_checkpoint(tmp_path):
    settings = {"random_state": None, "dropout": 0.3, "early_stopping": True}
    straight = learner(tmp_path, checkpoint={"keep": 99}, **settings).fit(X, Y)
    resumed = learner(tmp_path, **settings)
    resumed.fit(X, Y, resume=path_of(tmp_path, 2))
    assert_same_run(resumed, straight)


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_or_missing_folder_starts_from_the_beginning(tmp_path, made):
    folder = tmp_path / "run"
    if made:
        folder.mkdir()
    fitted = learner(folder).fit(X, Y, resume=folder)
    assert_same_run(fitted, learner().fit(X, Y))
    assert sorted(checkpoints(folder)) == [N_EPOCHS - 1, N_EPOCHS]


def test_resume_may_be_a_string(run_folder):
    fitted = learner(str(run_folder)).fit(X, Y, resume=str(run_folder))
    assert fitted.n_iter_ == N_EPOCHS


# Refusals

Y3 = np.where(np.arange(len(Y)) % 7 == 0, 2, Y)
X_VAL = {"X_val": X[:20], "y_val": Y[:20]}
REFUSALS = {
    "width": (
        {"hidden_layer_sizes": (5,)},
        {},
        r"another network \('linear_1\.w.* \(4, 5",
    ),
    "depth": ({"hidden_layer_sizes": (4, 4)}, {}, r"another network \("),
    "activation": ({"activation": "tanh"}, {}, "another .*ReLU.*Tanh"),
    "features": (
        {},
        {"X": X[:, :4]},
        r"another number of features \(5\) than this run \(4\)",
    ),
    "rows": (
        {},
        {"X": X[:-3], "y": Y[:-3]},
        r"another number of training rows \(90\) than this run \(87\)",
    ),
    "validation rows": ({}, X_VAL, r"another number of validation rows \(0\) .*\(20\)"),
    "values": ({}, {"X": 2 * X}, "another scaling of the features"),
    "number of classes": ({}, {"y": Y3}, r"another target \(.*\[0, 1\].*\[0, 1, 2\]"),
    "names of classes": ({}, {"y": Y + 1}, r"another target \(.*\[0, 1\].*\[1, 2\]"),
    "optimizer": (
        {"optimizer": "sgd"},
        {},
        r"another optimizer \(.*AdamW'\) than this run \(.*SGD'\)",
    ),
    "seed": ({"random_state": 1}, {}, r"another seed \(0\) than this run \(1\)"),
    "batch size": ({"batch_size": 8}, {}, r"another batch size \(16\) .*\(8\)"),
    "loss": (
        {"loss": CrossEntropy(label_smoothing=0.2)},
        {},
        r"another loss \('CrossEntropy\(\)'\) .*label_smoothing=0.2",
    ),
    "foreign loss": (
        {"loss": nn.CrossEntropyLoss(weight=torch.ones(2))},
        {},
        "another loss .*CrossEntropyLoss",
    ),
    "betas": (
        {"optimizer": AdamW(betas=(0.5, 0.9))},
        {},
        r"another optimizer's betas \(0.9\) than this run \(0.5\)",
    ),
    "precision": ({"precision": "bf16"}, {}, "another precision .*float32.*bf16"),
    "eval_every": ({"eval_every": 2}, {}, "another eval_every"),
    "schedule": (
        {"lr_schedule": "cosine"},
        {},
        "another list of callbacks .*lr_schedule",
    ),
}


def test_weights_in_a_loss_are_part_of_the_run(tmp_path):
    def made(share):
        loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, share]))
        return learner(tmp_path, loss=loss)

    made(2.0).fit(X, Y)
    made(2.0).fit(X, Y, resume=tmp_path)
    with pytest.raises(ValueError, match="another weights in the loss"):
        made(3.0).fit(X, Y, resume=tmp_path)


@pytest.mark.parametrize("change", [{"augment": "light"}, {"mixup": 0.2}])
def test_augmentation_is_part_of_the_run(tmp_path, change):
    images = np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32)
    settings = {"max_epochs": 1, "callbacks": [Checkpoint(folder=tmp_path)]}
    ImageClassifier(random_state=0, **settings).fit(images, Y[:20])
    other = ImageClassifier(random_state=0, **settings, **change)
    with pytest.raises(ValueError, match=f"another {next(iter(change))} "):
        other.fit(images, Y[:20], resume=tmp_path)


def test_names_and_the_objects_they_stand_for_are_the_same_run(run_folder):
    resumed = learner(run_folder, optimizer=AdamW(), loss="cross_entropy")
    assert resumed.fit(X, Y, resume=run_folder).n_iter_ == N_EPOCHS


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("fitted", [False, True])
def test_the_checkpoint_of_another_run_is_refused(run_folder, case, fitted):
    settings, data, message = REFUSALS[case]
    data = {"X": X, "y": Y, **data}
    other = learner(**settings)
    if fitted:
        other.fit(X, Y)
        other.set_params(max_epochs=3)
    other.set_params(callbacks=[Checkpoint(folder=run_folder)])
    attributes = dict(vars(other))
    files = sorted(run_folder.iterdir())
    pattern = rf"Cannot resume from .*run: it has (?s:{message})"
    with pytest.raises(ValueError, match=pattern):
        other.fit(**data, resume=run_folder)
    assert vars(other) == attributes
    assert sorted(run_folder.iterdir()) == files
    if fitted:
        assert other.predict(X).shape == (len(X),)
    else:
        with pytest.raises(NotFittedError):
            other.predict(X)


def test_repeated_rows_do_not_hide_what_differs(tmp_path):
    twice, labels = np.r_[X, X], np.r_[Y, Y]
    learner(tmp_path, batch_size="auto").fit(twice, labels)
    with pytest.raises(ValueError, match=r"another batch size \(180\) .*\(16\)"):
        learner(tmp_path).fit(twice, labels, resume=tmp_path)


def test_another_list_of_callbacks_is_refused(run_folder):
    with pytest.raises(
        ValueError,
        match=r"another list of callbacks \('Checkpoint: Checkpoint'\) than this run "
        r"\('WeightAveraging: WeightAveraging'\)",
    ):
        learner(run_folder, WeightAveraging()).fit(X, Y, resume=run_folder)


def test_the_checkpoint_of_another_learner_is_refused(run_folder):
    regressor = MLPRegressor(preset="simple", callbacks=[Checkpoint(folder=run_folder)])
    with pytest.raises(ValueError, match="another learner"):
        regressor.fit(X, Y, resume=run_folder)


def test_a_new_run_does_not_write_over_an_old_one(run_folder):
    files = {path: path.read_bytes() for path in run_folder.iterdir()}
    with pytest.raises(
        ValueError, match=r"holds checkpoints of an earlier run.*resume"
    ):
        learner(run_folder).fit(X, Y)
    assert {path: path.read_bytes() for path in run_folder.iterdir()} == files


# Files that cannot be used


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def garble(path):
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def foreign(path):
    path.write_bytes(b"PK\x03\x04" + bytes(1000))


def of_another_kind(path):
    write_state(path, {"a": 1}, kind="model")


@pytest.mark.parametrize("damage", [truncate, garble, empty, foreign, of_another_kind])
def test_a_damaged_newest_checkpoint_is_an_error_that_names_an_older_one(
    run_folder, damage
):
    newest, older = (path_of(run_folder, N_EPOCHS - i) for i in (0, 1))
    damage(newest)
    unfitted = learner(run_folder)
    with pytest.raises(StorageError) as caught:
        unfitted.fit(X, Y, resume=run_folder)
    assert str(newest) in str(caught.value)
    assert str(older) in str(caught.value)
    assert not hasattr(unfitted, "net_")
    resumed = unfitted.fit(X, Y, resume=older)
    assert_same_run(resumed, learner().fit(X, Y))
    assert read_checkpoint(run_folder) is not None


def test_a_damaged_only_checkpoint_names_no_other(tmp_path):
    learner(tmp_path, max_epochs=1).fit(X, Y)
    truncate(path_of(tmp_path, 1))
    with pytest.raises(StorageError, match="damaged") as caught:
        learner(tmp_path, max_epochs=1).fit(X, Y, resume=tmp_path)
    assert "The one before it" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="checkpoint-000001"):
        learner(tmp_path).fit(X, Y, resume=path_of(tmp_path, 1))


def test_a_folder_with_other_files_only_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="holds files, but no checkpoint"):
        learner(tmp_path).fit(X, Y, resume=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_going_on_from_an_older_checkpoint_keeps_whole_ones(run_folder):
    for epoch in range(5, N_EPOCHS + 1):
        truncate(path_of(run_folder, epoch))
    resumed = learner(run_folder, max_epochs=4, checkpoint={"keep": 2})
    resumed.fit(X, Y, resume=path_of(run_folder, 3))
    assert read_checkpoint(path_of(run_folder, 4)) is not None


# Which ones stay


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, [7, 8]),
        ({"keep": 1}, [8]),
        ({"keep": 3}, [6, 7, 8]),
        ({"keep": 99}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"keep": 99, "every": 3}, [3, 6, 8]),
        ({"keep": 2, "every": 3}, [6, 8]),
        ({"every": 4}, [4, 8]),
        ({"every": 100}, [8]),
    ],
)
def test_the_newest_checkpoints_stay_and_the_last_epoch_is_written(
    tmp_path, settings, epochs
):
    learner(tmp_path, checkpoint=settings).fit(X, Y)
    assert list(checkpoints(tmp_path)) == epochs
    assert len(list(tmp_path.iterdir())) == len(epochs)


def scores(values):
    """Return a callback that records the values, one an epoch."""

    def record(net, **kwargs):
        net.history.record("own", values[len(net.history) - 1])

    return callback(on_epoch_end=record)


@pytest.mark.parametrize(("keep_best", "epochs"), [(True, [3, 7, 8]), (False, [7, 8])])
def test_the_checkpoint_of_the_best_epoch_stays(tmp_path, keep_best, epochs):
    stopper = EarlyStopping(monitor="own", patience=None)
    values = [5.0, 4.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    checkpoint = {"keep_best": keep_best}
    learner(tmp_path, scores(values), stopper, checkpoint=checkpoint).fit(X, Y)
    assert list(checkpoints(tmp_path)) == epochs


def test_a_former_best_checkpoint_goes(tmp_path):
    stopper = EarlyStopping(monitor="own", patience=None)
    values = [5.0, 1.0, 4.0, 4.0, 0.5, 4.0, 4.0, 4.0]
    learner(tmp_path, scores(values), stopper, checkpoint={"keep": 1}).fit(X, Y)
    assert list(checkpoints(tmp_path)) == [5, 8]


def test_the_epoch_in_which_training_stops_is_written(tmp_path):
    stopper = EarlyStopping(monitor="own", patience=3)
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    fitted = learner(tmp_path, scores(values), stopper, checkpoint={"every": 100})
    assert fitted.fit(X, Y).n_iter_ == 4
    assert list(checkpoints(tmp_path)) == [4]


def test_the_epoch_in_which_a_callback_of_scikit_learn_stops_is_written(tmp_path):
    pytest.importorskip("sklearn.callback")

    class StopAfterTwo:
        max_estimator_depth = 1

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch" and context.task_id == 1

        def teardown(self, estimator, context):
            pass

    fitted = learner(tmp_path, checkpoint={"every": 100})
    fitted.set_callbacks(StopAfterTwo()).fit(X, Y)
    assert fitted.n_iter_ == 2
    assert list(checkpoints(tmp_path)) == [2]


# Disks and crashes


def fail_from(epoch, monkeypatch):
    def write(path, state, *, kind, info):
        if info["epoch"] >= epoch:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_state(path, state, kind=kind, info=info)

    monkeypatch.setattr("torchlearners.callbacks._checkpoint.write_state", write)


def test_a_full_disk_warns_and_training_goes_on(tmp_path, monkeypatch):
    fail_from(4, monkeypatch)
    with pytest.warns(CheckpointWarning, match=r"Epoch \d: .*No space left") as caught:
        fitted = learner(tmp_path).fit(X, Y)
    assert len(caught) == N_EPOCHS - 3
    assert_same_run(fitted, learner().fit(X, Y))
    monkeypatch.undo()
    assert list(checkpoints(tmp_path)) == [2, 3]
    assert_same_run(learner(tmp_path).fit(X, Y, resume=tmp_path), fitted)


def test_a_full_disk_is_an_error_where_it_should_be(tmp_path, monkeypatch):
    fail_from(4, monkeypatch)
    unfitted = learner(tmp_path, checkpoint={"on_error": "raise"})
    with pytest.raises(OSError, match="No space left"):
        unfitted.fit(X, Y)
    assert not hasattr(unfitted, "net_")
    assert list(checkpoints(tmp_path)) == [2, 3]


def stray(folder):
    """Return a temporary file as a killed process leaves it behind."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    path = folder / f".torchlearners-{process.pid}-{'0' * 8}-0.tmp"
    path.write_bytes(b"half")
    return path


def test_stray_temporary_files_are_swept(run_folder):
    path = stray(run_folder)
    learner(run_folder).fit(X, Y, resume=run_folder)
    assert not path.exists()


def test_a_run_killed_in_its_first_checkpoint_starts_again(tmp_path):
    path = stray(tmp_path)
    fitted = learner(tmp_path).fit(X, Y, resume=tmp_path)
    assert fitted.n_iter_ == N_EPOCHS
    assert not path.exists()


_KILLS = textwrap.dedent(
    """
    import hashlib, os, random, signal, sys, time
    from pathlib import Path

    import torch

    torch.set_num_threads(1)
    from sklearn.datasets import make_classification
    from torchlearners import MLPClassifier
    from torchlearners.callbacks import Checkpoint, callback, checkpoints
    from torchlearners.callbacks import read_checkpoint

    X, Y = make_classification(60, 5, random_state=0)
    folders, n_runs = Path(sys.argv[1]), int(sys.argv[2])
    fsync = os.fsync

    def slow_fsync(file):  # so that many kills hit a half-written checkpoint
        time.sleep(0.01)
        fsync(file)

    delay = 0.0

    def sleep(net, **kwargs):
        time.sleep(delay)

    def fit(folder, answer, pause):
        global delay
        delay = 0.02 if pause else 0.0
        os.fsync = slow_fsync
        learner = MLPClassifier(
            preset="simple",
            hidden_layer_sizes=(8,), dropout=0.3, batch_size=16, max_epochs=8,
            early_stopping=True, patience=8, lr_schedule="one_cycle", random_state=0,
            callbacks=[
                callback(on_epoch_begin=sleep),
                Checkpoint(folder=folder, keep=2),
            ],
        )
        learner.fit(X, Y, resume=folder)
        digest = hashlib.sha256(learner.predict_proba(X).tobytes()).hexdigest()
        answer.write_text(digest)

    def start(folder, answer, pause=True):
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            fit(folder, answer, pause)
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def finish(pid):
        status = os.waitpid(pid, 0)[1]
        assert status == 0, status

    def newest(folder):
        return max(checkpoints(folder), default=0)

    straight = folders / "straight.txt"
    finish(start(folders / "straight", straight, pause=False))
    random.seed(0)
    kills = strays = 0
    for run in range(n_runs):
        folder, answer = folders / f"run{run}", folders / f"answer{run}.txt"
        for _ in range(random.randint(1, 3)):
            before = newest(folder)
            pid = start(folder, answer)
            until = time.monotonic() + 30
            while newest(folder) == before and not answer.exists():
                assert time.monotonic() < until, "no checkpoint was written"
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.08))
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so still there
            kills += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
            assert read_checkpoint(folder) is not None
            strays += len(list(folder.glob(".torchlearners-*")))
            if answer.exists():
                break
        if not answer.exists():
            finish(start(folder, answer, pause=False))
            assert newest(folder) == newest(folders / "straight")
            assert not list(folder.glob(".torchlearners-*"))
        assert answer.read_text() == straight.read_text(), folder
    print(kills, strays)
    """
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    "n_runs", [5, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_a_run_killed_at_any_moment_ends_with_the_straight_runs_weights(
    run_script, tmp_path, n_runs
):
    code = f"import sys; sys.argv[1:] = [{str(tmp_path)!r}, '{n_runs}']\n{_KILLS}"
    kills, strays = map(int, run_script(code, timeout=800).split())
    assert kills >= n_runs
    # Of kills in the middle of writing; in a few runs there may be none.
    assert strays > 0 or n_runs < 100


# Folders by template, and one run at a time in each


def test_each_fit_of_a_search_has_a_folder_and_finds_it_again(tmp_path):
    template = str(tmp_path / "{identity}")
    grid = {"lr": [0.1, 0.01]}

    def search(max_epochs):
        made = learner(template, max_epochs=max_epochs)
        search = GridSearchCV(made, grid, cv=2, error_score="raise")
        return search.fit(X, Y, resume=template)

    search(1)
    folders = sorted(tmp_path.iterdir())
    assert len(folders) == 2 * 2 + 1
    assert all(list(checkpoints(folder)) == [1] for folder in folders)
    search(2)
    assert sorted(tmp_path.iterdir()) == folders
    assert all(max(checkpoints(folder)) == 2 for folder in folders)


def test_a_folder_may_be_a_function_of_the_net(tmp_path):
    learner(lambda net: tmp_path / f"lr{net.lr}").fit(X, Y)
    assert [path.name for path in tmp_path.iterdir()] == ["lr0.02"]


def test_a_search_with_one_folder_is_told_what_to_do(tmp_path):
    search = GridSearchCV(learner(tmp_path), {"lr": [0.1]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match=r"runs/\{identity\}.* each fit of a search"):
        search.fit(X, Y)


def test_a_second_run_in_a_folder_is_refused_while_the_first_lasts(tmp_path):
    refused = []

    def begin_another(net, **kwargs):
        with pytest.raises(ValueError, match=r"Another run writes .* right now"):
            learner(tmp_path).fit(X, Y, resume=tmp_path)
        refused.append(len(net.history))
        raise ArithmeticError("stop")

    with pytest.raises(ArithmeticError):
        learner(tmp_path, callback(on_epoch_begin=begin_another)).fit(X, Y)
    assert refused == [1]
    assert learner(tmp_path).fit(X, Y, resume=tmp_path).n_iter_ == N_EPOCHS
