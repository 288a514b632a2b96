"""The rules of the house, as CONTRIBUTING.md tells them.

They look at the files, not at the behaviour; each message names the missing step.
"""

import ast
import configparser
import importlib
import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import torchlearners
from torchlearners.base import TorchLearner
from torchlearners.discovery import all_learners

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "torchlearners"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if path.stem != "__init__"
    and (path.suffix == ".py" or (path / "__init__.py").exists())
)
PUBLIC_ROOMS = [room for room in ROOMS if not room.startswith("_")]
DOCUMENTED_ROOMS = [r for r in ROOMS if (ROOT / "docs" / "api" / f"{r}.rst").exists()]
LEARNERS = [name for name, _ in all_learners()]

MAX_LINES = 500
PEERS = {"sklearn", "skorch", "torch"}
EMPTY_ROOM_NAMES = {"utils", "util", "core", "helpers", "helper", "common"}
CEREMONY = {
    "Manager",
    "Handler",
    "Factory",
    "Wrapper",
    "Helper",
    "Trainer",
    "Config",
    "Util",
}
RUNS_CODE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
# The kit stores learners that it has just fitted, and reads them back at once.
MAY_RUN_CODE = PACKAGE / "testing"
RUNS_CODE_CALLS = {"eval", "exec", "torch.load", "joblib.load"}
HEAVY = ["pandas", "matplotlib", "torchvision", "timm", "tensorboard", "torch._dynamo"]
HEAVY += ["PIL"]
# What training starts from: a learner that was trained, or weights of a library.
MAY_DIFFER = {"pretrained"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def in_files(find):
    """Return what `find` reports, as file:line: what, over the whole package."""
    return [
        f"{name_of(path)}:{line}: {what}"
        for path in FILES
        for line, what in find(path, ast.parse(path.read_text(encoding="utf-8")))
    ]


def lines_of(broken):
    return "\n  ".join(["", *broken])


def dotted(node):
    """Return ``a.b.c`` for an attribute chain that starts at a name, else ''."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *parts[::-1]]) if isinstance(node, ast.Name) else ""


def is_private(dotted_name):
    parts = dotted_name.split(".")
    return any(p.startswith("_") and not p.endswith("__") for p in parts)


def imports(tree):
    """Yield (line, full dotted name) of everything a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def names_used(tree):
    """Yield (line, full dotted name) of imports and of attributes of modules."""
    origin = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known_as = alias.asname or alias.name.partition(".")[0]
                origin[known_as] = alias.name if alias.asname else known_as
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                origin[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    yield from imports(tree)
    for node in ast.walk(tree):
        head, dot, rest = dotted(node).partition(".")
        if dot and head in origin:
            yield node.lineno, f"{origin[head]}.{rest}"


# The map


def test_every_room_is_on_the_map():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = config["importlinter:contract:storeys"]["layers"]
    on_the_map = {room.strip(" ()") for room in re.split(r"[|\n]", layers)}
    missing = sorted(set(ROOMS) - on_the_map)
    assert not missing, f"add to the layers in setup.cfg: {missing}"


def test_no_module_has_a_name_that_says_nothing():
    broken = [name_of(p) for p in FILES if p.stem.strip("_") in EMPTY_ROOM_NAMES]
    broken += [r for r in ROOMS if r.strip("_") in EMPTY_ROOM_NAMES]
    assert not broken, f"name the file after what it does: {broken}"


def test_rooms_are_at_most_two_deep():
    broken = [name_of(p) for p in FILES if len(p.relative_to(PACKAGE).parts) > 2]
    assert not broken, f"move up, a room holds files only: {broken}"


def test_files_inside_a_room_are_private():
    broken = [
        name_of(path)
        for path in FILES
        if path.parent != PACKAGE and not path.name.startswith("_")
    ]
    assert not broken, f"rename to start with an underscore: {broken}"


def test_no_file_is_longer_than_500_lines():
    sizes = {name_of(p): len(p.read_text("utf-8").splitlines()) for p in FILES}
    broken = {name: size for name, size in sizes.items() if size > MAX_LINES}
    assert not broken, f"split by purpose: {broken}"


# Names that are given out


@pytest.mark.parametrize("room", PUBLIC_ROOMS)
def test_a_room_lists_its_public_names_sorted_and_documented(room):
    module = importlib.import_module(f"torchlearners.{room}")
    assert module.__doc__, f"torchlearners.{room} needs a docstring"
    assert hasattr(module, "__all__"), f"torchlearners.{room} needs an __all__"
    names = list(module.__all__)
    # The order that `ruff check --fix` (RUF022) makes.
    in_order = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert names == in_order, f"sort torchlearners.{room}.__all__: {in_order}"
    for name in names:
        assert hasattr(module, name), f"torchlearners.{room}.__all__ lists no {name}"
        value = getattr(module, name)
        # A type's alias has none; the page of the API says what it is.
        assert value.__doc__ or typing.get_origin(value), (
            f"torchlearners.{room}.{name} needs a docstring"
        )


def test_every_learner_is_given_out_by_its_family_and_by_the_top():
    broken = []
    for path in FILES:
        if path.parent == PACKAGE or path.parent.name == "base":
            continue
        family = f"torchlearners.{path.parent.name}"
        module = importlib.import_module(f"{family}.{path.stem}")
        for name, cls in vars(module).items():
            here = getattr(cls, "__module__", None) == module.__name__
            if not (here and isinstance(cls, type) and issubclass(cls, TorchLearner)):
                continue
            if name.startswith(("Base", "_")):
                continue
            if name not in importlib.import_module(family).__all__:
                broken.append(f"{name}: {name_of(path.parent)}/__init__.py")
            if name not in torchlearners.__all__:
                broken.append(f"{name}: torchlearners/__init__.py")
            elif getattr(torchlearners, name) is not cls:
                broken.append(f"{name}: another class in torchlearners/__init__.py")
            if name not in LEARNERS:
                broken.append(f"{name}: not found by all_learners()")
    assert not broken, f"export the learner here: {lines_of(broken)}"


# `training` also gives the rooms above it parts that are nobody else's business.
@pytest.mark.parametrize("room", [r for r in DOCUMENTED_ROOMS if r != "training"])
def test_every_public_name_has_its_line_in_the_api_page(room):
    page = (ROOT / "docs" / "api" / f"{room}.rst").read_text("utf-8")
    listed = set(re.findall(r"^(?:   (\w+)|``(\w+)``)$", page, re.MULTILINE))
    names = importlib.import_module(f"torchlearners.{room}").__all__
    missing = sorted(set(names) - {name for pair in listed for name in pair})
    assert not missing, f"add one line each to docs/api/{room}.rst: {missing}"


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_has_its_line_in_the_api_pages(name):
    family = dict(all_learners())[name].__module__.split(".")[1]
    pages = (ROOT / "docs" / "api").glob("*.rst")
    listed = any(re.search(rf"^   {name}$", p.read_text("utf-8"), re.M) for p in pages)
    assert listed, f"add the line '   {name}' to docs/api/{family}.rst"


def test_one_parameter_name_has_one_kind_of_value():
    def kind(part):
        return f"{type(part).__name__}({getattr(part, 'type', '')})"

    learners_by_kind = {}
    for learner, cls in all_learners():
        for name, check in cls._parameter_constraints.items():
            by_kind = learners_by_kind.setdefault(name, {})
            # Some learners can say what "auto" stands for, others need no such word.
            parts = [p for p in check if getattr(p, "options", None) != {"auto"}]
            by_kind.setdefault(frozenset(map(kind, parts)), []).append(learner)
    broken = [
        f"{name}: {' | '.join(map(', '.join, by_kind.values()))}"
        for name, by_kind in learners_by_kind.items()
        if len(by_kind) > 1 and name not in MAY_DIFFER
    ]
    assert not broken, f"use one check, or another name: {lines_of(broken)}"


# Words


def test_no_class_is_named_after_a_ceremony():
    def find(path, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for word in re.findall(r"[A-Z][a-z0-9]*", node.name):
                    if word.removesuffix("s") in CEREMONY:
                        yield node.lineno, node.name

    broken = in_files(find)
    assert not broken, f"name it after what it holds or does: {lines_of(broken)}"


def test_pictures_are_plotted():
    word = re.compile(r"visuali[sz]", re.IGNORECASE)
    files = [*FILES, *(ROOT / "tests").rglob("*.py"), *ROOT.glob("*.md")]
    files += [p for p in (ROOT / "docs").rglob("*.rst") if "generated" not in p.parts]
    broken = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in files
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert not broken, f"say plot: {lines_of(broken)}"


# What the code must not do


def test_the_package_never_prints():
    def find(path, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func) == "print":
                yield node.lineno, "print"

    broken = in_files(find)
    assert not broken, f"log under 'torchlearners' instead: {lines_of(broken)}"


def test_only_compat_uses_private_names_of_other_packages():
    def find(path, tree):
        if path != PACKAGE / "_compat.py":
            for line, name in names_used(tree):
                if name.partition(".")[0] in PEERS and is_private(name):
                    yield line, name

    broken = sorted(set(in_files(find)))
    assert not broken, f"import it in torchlearners/_compat.py: {lines_of(broken)}"


def loads_tensors_only(call):
    """Tell whether a call is ``torch.load(..., weights_only=True)``, written so."""
    return dotted(call.func) == "torch.load" and any(
        k.arg == "weights_only" and getattr(k.value, "value", None) is True
        for k in call.keywords
    )


def test_the_package_never_runs_code_from_a_file():
    def find(path, tree):
        if path.parent == MAY_RUN_CODE:
            return
        for line, name in imports(tree):
            if name.partition(".")[0] in RUNS_CODE_MODULES or name in RUNS_CODE_CALLS:
                yield line, f"import of {name}"
        for node in ast.walk(tree):
            called = dotted(node.func) if isinstance(node, ast.Call) else ""
            if called in RUNS_CODE_CALLS and not loads_tensors_only(node):
                yield node.lineno, f"{called}()"

    broken = in_files(find)
    assert not broken, f"keep state as plain data: {lines_of(broken)}"


def test_importing_the_package_loads_nothing_heavy():
    # scikit-learn itself loads pandas where there is one, so count from there.
    code = (
        "import json, sys\n"
        "import sklearn.utils.validation, torch\n"
        "before = set(sys.modules)\n"
        "import torchlearners\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    broken = sorted(set(json.loads(result.stdout)) & set(HEAVY))
    assert not broken, f"import where it is used, not at the top: {broken}"


# The tests


def test_the_tests_mirror_the_package():
    not_mirrors = {
        "test_bad_inputs.py",
        "test_common.py",
        "test_conftest.py",
        "test_defects.py",
        "test_determinism.py",
        "test_guide.py",
        "test_house.py",
        "test_mutants.py",
        "test_parameter_map.py",
        "test_typing.py",
    }
    modules = {p.relative_to(PACKAGE).as_posix() for p in FILES}
    modules |= {name_of(path) for path in (ROOT / "benchmarks").rglob("*.py")}
    broken = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests")
        name = path.name.removeprefix("test_")
        wanted = {(folder / f).as_posix() for f in (name, f"_{name}")}
        # tests/test_tabular.py may test a whole room.
        wanted.add((folder / Path(name).stem / "__init__.py").as_posix())
        if path.name not in not_mirrors and not wanted & modules:
            broken.append(f"{name_of(path)} (no torchlearners/{folder / name})")
    assert not broken, f"rename the test after the file it tests: {lines_of(broken)}"
