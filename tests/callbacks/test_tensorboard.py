import gc
import sys
import threading

import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import TensorBoard, callback

X, Y = load_iris(return_X_y=True)


class Writer:
    """Takes what a SummaryWriter takes."""

    def __init__(self):
        self.scalars = {}
        self.closed = 0

    def add_scalar(self, tag, value, step):
        self.scalars.setdefault(tag, []).append((step, value))

    def close(self):
        self.closed += 1


def fit(writer, **params):
    learner = MLPClassifier(
        preset="simple",
        max_epochs=2,
        random_state=0,
        callbacks=[TensorBoard(writer=writer)],
        **params,
    )
    return learner.fit(X, Y)


def test_each_number_of_the_history_is_written_after_each_epoch():
    writer = Writer()
    history = fit(writer, early_stopping=True).history_
    assert writer.scalars["train/loss"] == list(enumerate(history[:, "train_loss"], 1))
    assert writer.scalars["valid/loss"] == list(enumerate(history[:, "valid_loss"], 1))
    assert "dur" in writer.scalars
    assert not {"epoch", "train/loss_best"} & set(writer.scalars)


def test_validation_may_be_missing():
    writer = Writer()
    fit(writer, early_stopping=False)
    assert not [tag for tag in writer.scalars if tag.startswith("valid")]


def test_a_given_writer_is_left_open():
    writer = Writer()
    fit(writer)
    assert writer.closed == 0


@pytest.mark.filterwarnings("ignore")
def test_a_folder_gets_an_event_file(tmp_path):
    pytest.importorskip("tensorboard")
    fit(tmp_path / "run")
    assert len(list((tmp_path / "run").glob("events*"))) == 1


def test_a_missing_tensorboard_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        fit("runs")


@pytest.mark.parametrize("again", [False, True], ids=["dropped", "used again"])
def test_a_folder_is_closed_after_an_error(tmp_path, again):
    pytest.importorskip("tensorboard")

    def fail(net, **kwargs):
        raise ArithmeticError("stop")

    board = TensorBoard(writer=tmp_path)
    learner = MLPClassifier(
        preset="simple", callbacks=[board, callback(on_epoch_end=fail)]
    )
    before = threading.active_count()
    with pytest.raises(ArithmeticError):
        learner.fit(X, Y)
    if again:
        learner.set_params(max_epochs=1, callbacks=[board]).fit(X, Y)
    else:
        del learner, board
        gc.collect()
    assert threading.active_count() == before
