"""Every parameter of mlr3torch has its place here, or a reason why it has none.

The table is read from docs/guide/parameters.rst, so what it says is what is tested.
"""

import inspect
import re
from pathlib import Path

import pytest

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.callbacks import TimeLimit

PAGE = Path(__file__).resolve().parents[1] / "docs" / "guide" / "parameters.rst"
LEARNERS = [MLPClassifier, MLPRegressor]

MLR3TORCH = [
    "batch_sampler",
    "batch_size",
    "batch_size_predict",
    "collate_fn",
    "device",
    "drop_last",
    "epochs",
    "eval_freq",
    "jit_trace",
    "measures_train",
    "measures_valid",
    "min_delta",
    "num_interop_threads",
    "num_threads",
    "num_workers",
    "patience",
    "pin_memory",
    "restore_best_weights",
    "resume",
    "sampler",
    "seed",
    "shuffle",
    "tensor_dataset",
    "timeout",
    "worker_globals",
    "worker_init_fn",
    "worker_packages",
]
PREFIXES = {
    "opt.*": "optimizer__*",
    "loss.*": "loss__*",
    "cb.<id>.*": "callbacks__<name>__*",
}


def read_table(text):
    """Return the rows of the first list-table, each a list of three texts."""
    body = text.split(".. list-table::", 1)[1]
    rows = []
    for line in body.splitlines():
        if line and not line.startswith(" "):
            break  # the text after the table
        if line.startswith("   * - "):
            rows.append([line.removeprefix("   * - ")])
        elif line.startswith("     - "):
            rows[-1].append(line.removeprefix("     - "))
        elif line.startswith("       "):
            rows[-1][-1] += " " + line.strip()
    return rows[1:]


TEXT = PAGE.read_text("utf-8")
ROWS = read_table(TEXT)
HERE = {theirs.strip("`"): (ours, note) for theirs, ours, note in ROWS}


def test_every_parameter_of_mlr3torch_has_exactly_one_row():
    assert sorted(row[0].strip("`") for row in ROWS) == sorted([*MLR3TORCH, *PREFIXES])


def test_every_row_has_a_note():
    assert all(note.endswith(".") for _, note in HERE.values())


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("name", MLR3TORCH)
def test_a_row_names_a_parameter_or_says_why_there_is_none(name, learner):
    ours, note = HERE[name]
    argument = re.fullmatch(r"``(\w+)\((\w+)=\.\.\.\)``", ours)
    if ours == "not there":
        assert len(note.split()) >= 3
        assert name not in learner().get_params()
    elif argument:
        method = getattr(learner, argument[1])
        assert argument[2] in inspect.signature(method).parameters
    else:
        assert ours.strip("`") in learner().get_params(deep=False)


@pytest.mark.parametrize("theirs", PREFIXES)
def test_a_prefix_maps_onto_nested_parameters(theirs):
    assert HERE[theirs][0] == f"``{PREFIXES[theirs]}``"


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [  # one of each prefix at least
        ({"optimizer": "adamw"}, "optimizer__betas", (0.9, 0.95)),
        ({"optimizer": "sgd"}, "optimizer__momentum", 0.5),
        ({"loss": "cross_entropy"}, "loss__label_smoothing", 0.1),
        ({"callbacks": [TimeLimit()]}, "callbacks__TimeLimit__seconds", 60),
        ({"callbacks": [("limit", TimeLimit())]}, "callbacks__limit__seconds", 60),
    ],
)
def test_a_nested_parameter_can_be_set(given, key, value):
    learner = MLPClassifier(**given).set_params(**{key: value})
    assert learner.get_params()[key] == value


def test_a_nested_parameter_takes_effect():
    learner = MLPClassifier(
        preset="simple",
        max_epochs=1,
        optimizer="adamw",
        callbacks=[("limit", TimeLimit())],
    ).set_params(optimizer__betas=(0.8, 0.9), callbacks__limit__seconds=60)
    learner.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    assert learner.net_.optimizer_.param_groups[0]["betas"] == (0.8, 0.9)
    assert dict(learner.net_.callbacks_)["limit"].seconds == 60


def test_a_field_of_mlr3torch_that_is_no_parameter_is_explained():
    prose = TEXT.partition("field ``validate``")[2].partition("\n\n")[0]
    assert "``early_stopping``" in prose
    assert "``validation_fraction``" in prose
    params = MLPClassifier(preset="simple").get_params()
    assert {"early_stopping", "validation_fraction"} <= params.keys()
