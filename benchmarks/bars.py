"""Print figures of the package's structure beside their bars: ``make bars``.

What a bar counts is told by its docstring. Most read the source, without that
of the test kit; two fit a learner. A bar that is missed does not fail the command.
"""

import ast
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.training import Net

PACKAGE = Path(__file__).parents[1] / "torchlearners"
FAMILIES = ("tabular", "image", "custom")
Tree = dict[Path, ast.Module]


def _trees(*rooms: str) -> Tree:
    folders = [PACKAGE / room for room in rooms] or [PACKAGE]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    files = [file for file in files if "testing" not in file.parts]
    return {file: ast.parse(file.read_text()) for file in files}


def _nodes(kind: Any, *rooms: str) -> Iterator[Any]:
    for tree in _trees(*rooms).values():
        yield from (node for node in ast.walk(tree) if isinstance(node, kind))


def _methods(*rooms: str) -> set[str]:
    return {
        part.name
        for owner in _nodes(ast.ClassDef, *rooms)
        for part in owner.body
        if isinstance(part, ast.FunctionDef)
    }


def overridden_private_methods() -> int:
    """Private methods of base that a family's class defines again."""
    private = {
        name
        for name in _methods("base") & _methods(*FAMILIES)
        if name.startswith("_") and not name.startswith("__")
    }
    return len(private)


def ignored_overrides() -> int:
    """Lines that silence mypy about an override."""
    return sum(file.read_text().count("type: ignore[override]") for file in _trees())


def callbacks_by_string() -> int:
    """Look-ups of a net's callback by its name."""
    return sum(file.read_text().count("dict(net.callbacks_)") for file in _trees())


def reflections() -> int:
    """Calls of getattr and hasattr."""
    calls = (node.func for node in _nodes(ast.Call))
    return sum(getattr(call, "id", "") in ("getattr", "hasattr") for call in calls)


def instance_dicts() -> int:
    """Uses of ``__dict__`` and of ``vars(self)``."""
    attributes = sum(node.attr == "__dict__" for node in _nodes(ast.Attribute))
    calls = sum(
        getattr(node.func, "id", "") == "vars"
        and [getattr(argument, "id", "") for argument in node.args] == ["self"]
        for node in _nodes(ast.Call)
    )
    return attributes + calls


def circles() -> int:
    """Groups of files within a subpackage that import each other in a circle."""
    return sum(_circles_of(room) for room in sorted(PACKAGE.iterdir()) if room.is_dir())


def _circles_of(room: Path) -> int:
    files = {file.stem for file in room.glob("_*.py")} - {"__init__"}
    prefix = f"torchlearners.{room.name}."
    reached = {
        file: {
            node.module.removeprefix(prefix)
            for node in ast.walk(ast.parse((room / f"{file}.py").read_text()))
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith(prefix)
        }
        & files
        for file in files
    }
    for _ in files:
        for file, others in reached.items():
            reached[file] = others.union(*(reached[other] for other in others))
    in_circles = {file for file, others in reached.items() if file in others}
    return len({frozenset(reached[file] & in_circles) for file in in_circles})


def learner_lines() -> int:
    """Lines of base/_learner.py."""
    return len((PACKAGE / "base" / "_learner.py").read_text().splitlines())


def longest_function_of_base() -> int:
    """Lines of the longest function of base, without its docstring."""
    return max(
        (node.end_lineno or 0)
        - (node.body[0].end_lineno if ast.get_docstring(node) else node.lineno)
        for node in _nodes(ast.FunctionDef, "base")
    )


def frames_to_the_first_step() -> int:
    """Frames from `fit` to `train_step`, both included, of the simple MLP."""
    depth = 0

    class FoundError(Exception):
        """The first step."""

    def watched(self: Net, *args: Any) -> Any:
        nonlocal depth
        frame = sys._getframe(1)
        depth = 1
        while frame is not None:
            # What only hands on (context managers of the standard library) is not ours.
            ours = "torchlearners" in frame.f_code.co_filename
            depth += ours
            if ours and frame.f_code.co_name == "fit":
                break
            frame = frame.f_back
        raise FoundError

    step, Net.train_step = Net.train_step, watched
    try:
        MLPClassifier(preset="simple", max_epochs=1).fit([[0.0], [1.0]] * 9, [0, 1] * 9)
    except FoundError:
        return depth
    finally:
        Net.train_step = step
    raise RuntimeError("fit did not step")


def hook_calls_of_three_members() -> str:
    """Calls of a forward hook on three members, of those that were due."""
    from skorch.callbacks import Callback

    X = torch.randn(96, 3, generator=torch.Generator().manual_seed(0)).numpy()
    counts = []
    for n_members in (1, 3):
        seen: list[int] = []

        class Hooked(Callback):
            def on_train_begin(
                self, net: Any, seen: list[int] = seen, **_: Any
            ) -> None:
                first = next(m for m in net.module_.modules() if type(m) is nn.Linear)
                first.register_forward_hook(lambda *_: seen.append(1))

        learner = MLPRegressor(
            preset="simple",
            max_epochs=10,
            early_stopping=False,
            n_ensemble=n_members,
            callbacks=[("hooked", Hooked())],
            random_state=0,
        )
        with warnings.catch_warnings(action="ignore"):
            learner.fit(X, X[:, 0])
        counts.append(len(seen))
    return f"{counts[1]} of {3 * counts[0]}"


def names_of_the_kit() -> int:
    """Names that `torchlearners.testing` exports."""
    from torchlearners import testing

    return len(testing.__all__)


BARS: list[tuple[str, Callable[[], Any], Any]] = [
    ("private methods of base overridden by families", overridden_private_methods, 3),
    ("type: ignore[override]", ignored_overrides, 0),
    ("look-ups of a callback by string", callbacks_by_string, 0),
    ("getattr and hasattr", reflections, 60),
    ("__dict__ and vars(self)", instance_dicts, 12),
    ("circles of imports inside a subpackage", circles, 0),
    ("lines of base/_learner.py", learner_lines, 300),
    ("longest function of base, lines", longest_function_of_base, 50),
    ("frames from fit to train_step", frames_to_the_first_step, 6),
    ("forward hook of three members", hook_calls_of_three_members, "all"),
    ("names exported by testing", names_of_the_kit, 20),
]


def main() -> None:
    print(f"{'bar':50s}{'now':>14s}{'at most':>10s}")
    for what, count, bar in BARS:
        print(f"{what:50s}{count()!s:>14s}{bar!s:>10s}")


if __name__ == "__main__":
    main()
