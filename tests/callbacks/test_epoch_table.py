import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import EpochTable

X, Y = load_iris(return_X_y=True)


def table(capfd, **params):
    """Return the fitted learner, and the lines that its table had."""
    settings = {"preset": "simple", "max_epochs": 5, "random_state": 0, **params}
    learner = MLPClassifier(**settings, callbacks=[EpochTable()]).fit(X, Y)
    out, err = capfd.readouterr()
    assert out == ""
    assert not {"\r", "\x1b", "\t"} & set(err)
    return learner, err.splitlines()


def test_each_epoch_has_a_row_of_time_left_losses_and_measures(capfd):
    learner, lines = table(capfd, early_stopping=True, measures_valid="accuracy")
    names = lines[0].split()
    assert names[:2] == ["left", "epoch"]
    assert set(names[2:]) == {"train_loss", "valid_loss", "valid_accuracy"}
    assert len(lines) == 1 + 5
    for i, line in enumerate(lines[1:]):
        row = learner.history_[i]
        cells = dict(zip(names, line.split(), strict=True))
        assert cells["epoch"] == f"{i + 1}/5"
        assert all(cells[name] == f"{row[name]:.4g}" for name in names[2:])
    assert lines[-1].split()[0] == "00:00"


def test_columns_stand_below_each_other_and_fit_a_terminal(capfd):
    _, lines = table(
        capfd, early_stopping=True, measures_valid=["accuracy", "f1_macro"]
    )
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80


def test_names_come_again_where_a_column_is_new_and_gaps_are_left_open(capfd):
    _, lines = table(capfd, early_stopping=True, eval_every=3)
    assert [i for i, line in enumerate(lines) if "left" in line] == [0, 3]
    assert "valid_loss" not in lines[0]
    assert "valid_loss" in lines[3]
    # Epochs 1, 2, 4 have no validation loss.
    n_cells = [len(line.split()) for line in lines if "left" not in line]
    assert n_cells == [3, 3, 4, 3, 4]


def test_a_second_fit_writes_its_own_table(capfd):
    learner, _ = table(capfd, warm_start=True)
    learner.fit(X, Y)
    lines = capfd.readouterr().err.splitlines()
    assert "left" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == [f"{i}/5" for i in range(1, 6)]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "00:00"), (59.6, "01:00"), (3599, "59:59"), (36000, "10:00:00")],
)
def test_time_left_is_the_mean_of_an_epoch_times_the_epochs_to_come(
    capfd, seconds, shown
):
    class Row(dict):
        max_epochs = 3
        history = ({"dur": seconds / 2, "train_loss": 1.0},)

    EpochTable().initialize().on_epoch_end(Row)
    assert capfd.readouterr().err.splitlines()[1].split() == [shown, "1/3", "1"]


def test_verbose_two_adds_it(capfd):
    MLPClassifier(preset="simple", max_epochs=2, verbose=2).fit(X, Y)
    assert capfd.readouterr().err.splitlines()[-1].split()[1] == "2/2"
