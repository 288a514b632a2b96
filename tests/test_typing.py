"""What editors and type checkers know of the public learners, before they run."""

import ast
import importlib
import inspect
import pkgutil
import typing
from pathlib import Path

import jedi
import pytest
from mypy import api

import torchlearners
from torchlearners._compat import StrOptions
from torchlearners.params import Parameters

FOLDER = str(Path(torchlearners.__file__).parents[1])
# Of other packages nothing is read: torch alone takes half a minute.
SETTINGS = """[mypy]
[mypy-torchlearners.*]
follow_imports = silent
ignore_errors = True
""" + "".join(
    f"[mypy-{name}.*]\nfollow_imports = skip\nignore_missing_imports = True\n"
    for name in (
        *("joblib", "matplotlib", "narwhals", "numpy", "pandas", "PIL", "polars"),
        *("safetensors", "scipy", "sklearn", "skorch", "timm", "torch", "torchvision"),
        *("tensorboard", "tqdm"),
    )
)
SOURCE = """from torchlearners import {names}
from torchlearners import NoSuchLearner
fitted: MLPClassifier = MLPClassifier(lr=0.1, preset="simple", activation="relu")
MLPClassifier(lr="x")
MLPRegressor(preset="simpel")
MLPClassifier(precision="float16", sampler="balance")
ResNetRegressor(preprocessing="stndrd", optimizer="adamm")
TabMClassifier(learning_rate=0.1)
FTTransformerClassifier(0.1)
ImageClassifier(data_format="channel_last")
fitted.fitt
"""
# By line: a word of each error that it must have.
ERRORS = {
    2: ['"NoSuchLearner"'],
    4: ['"lr"'],
    5: ['"preset"'],
    6: ['"precision"', '"sampler"'],
    7: ['"preprocessing"', '"optimizer"'],
    8: ['"learning_rate"'],
    9: ["positional", "Argument 1"],
    10: ['"data_format"'],
    11: ['"fitt"'],
}


@pytest.mark.takes_long("mypy reads the whole package")
def test_mypy_sees_the_parameters_of_learners(tmp_path, monkeypatch):
    source, settings = tmp_path / "user.py", tmp_path / "mypy.ini"
    source.write_text(SOURCE.format(names=", ".join(torchlearners.__all__)), "utf-8")
    settings.write_text(SETTINGS, "utf-8")
    monkeypatch.setenv("MYPYPATH", FOLDER)
    told, wrong, _ = api.run(
        ["--config-file", str(settings), "--cache-dir", str(tmp_path), str(source)]
    )
    assert not wrong
    found = [line.split(":", 2) for line in told.splitlines() if ": error:" in line]
    by_line = {n: [m for _, at, m in found if int(at) == n] for n in range(1, 12)}
    for line, words in {1: [], 3: [], **ERRORS}.items():
        assert len(by_line[line]) == len(words), told
        for word in words:
            assert any(word in message for message in by_line[line]), told


def completions(source):
    script = jedi.Script(source, project=jedi.Project(FOLDER))
    return {completion.name for completion in script.complete()}


def test_an_editor_completes_learners_their_parameters_and_methods():
    learners = "from torchlearners import "
    assert "MLPClassifier" in completions(f"{learners}MLPC")
    start = f"{learners}MLPClassifier\nMLPClassifier("
    assert {"preset=", "precision=", "preprocessing="} <= completions(f"{start}pre")
    assert "validation_split=" in completions(f"{start}validation")
    assert {"predict", "predict_proba"} <= completions(f"{start}).pred")


def test_what_is_imported_for_type_checkers_is_what_is_imported_at_run_time():
    tree = ast.parse(Path(torchlearners.__file__).read_text("utf-8"))
    known = {
        alias.name: node.module.removeprefix("torchlearners.")
        for block in tree.body
        if isinstance(block, ast.If)
        and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }
    assert known == torchlearners._LEARNERS
    assert sorted(torchlearners._LEARNERS) == torchlearners.__all__


def _declared():
    """Yield each class that declares parameters of the package, and one of them."""
    for module in pkgutil.walk_packages(torchlearners.__path__, "torchlearners."):
        importlib.import_module(module.name)
    waiting = [Parameters]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        # Ops of a graph around a module of torch have no annotations.
        for name in cls._own_fields.keys() & inspect.get_annotations(cls):
            if cls.__module__.startswith("torchlearners."):
                yield cls, name


def _literals(hint):
    if typing.get_origin(hint) is typing.Literal:
        return {value for value in typing.get_args(hint) if isinstance(value, str)}
    return set().union(*map(_literals, typing.get_args(hint)))


def test_the_types_of_parameters_name_the_choices_that_are_checked_at_run_time():
    n_choices = 0
    for cls, name in _declared():
        check = cls._own_fields[name].check
        choices = {o for c in check if isinstance(c, StrOptions) for o in c.options}
        n_choices += bool(choices)
        hint = typing.get_type_hints(cls)[name]
        assert _literals(hint) == choices, f"{cls.__name__}.{name}: {hint}"
    assert n_choices > 70
