"""The kit for ops: what a node must do to be a step of a network."""

from __future__ import annotations

import ast
import copy
import io
import itertools
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Op, TensorSpec
from torchlearners.nn import random_numbers_from
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._op_instances import example_specs
from torchlearners.testing._runner import Check, CheckReport, run_checks

Specs = list[TensorSpec]


def check_graph_op(
    op: Op,
    *,
    specs: Specs | None = None,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
    callback: Callable[..., None] | None = None,
    expected_failed_checks: dict[str, str] | None = None,
) -> CheckReport:
    """Check that an op can be a step of any network.

    Above all that the shapes it predicts are those that come out, whatever sizes of
    the input are unknown. It takes about a second at most.

    Parameters
    ----------
    op : Op
        An instance.
    specs : list of TensorSpec, default=None
        Inputs that it takes: one for each, with all sizes known but the batch. None
        takes the attribute ``example_specs`` of the op; the ops of this package are
        known.
    on_fail, on_skip, callback, expected_failed_checks
        See `check_torch_learner`.

    Returns
    -------
    CheckReport
        A list with one dict for each check; ``print`` shows it as a table.

    Raises
    ------
    Exception
        What the first failing check raised, with ``on_fail="raise"``; most often an
        AssertionError that says what is wrong and where to look.

    Examples
    --------
    >>> from torchlearners.graph import Conv2d, TensorSpec
    >>> from torchlearners.testing._graph_ops import check_graph_op
    >>> image = TensorSpec((None, 3, 8, 8))
    >>> check_graph_op(Conv2d(4, 3), specs=[image]).names("failed")
    []
    """
    if specs is not None:
        op = copy.copy(op)
        op.__dict__["example_specs"] = list(specs)
    if not isinstance(op, type):
        example_specs(op)  # raises where there are none
    return run_checks(
        op,
        _KIT,
        on_fail=on_fail,
        on_skip=on_skip,
        callback=callback,
        expected_failed_checks=expected_failed_checks,
    )


@torch_check(subject="op")
def check_op_predicts_shapes(name: str, op: Any) -> None:
    """Check that predicted shapes and dtypes are those of a real run.

    For every choice of unknown sizes the prediction must agree wherever it says
    something, or be an ArchitectureError that says that a size must be known. With all
    sizes known it must say all, but for the batch.
    """
    specs = example_specs(op)
    for outputs in _used_outputs(op):
        found = _run(op, specs, outputs, n_rows=3)
        for hidden in _unknown_patterns(specs):
            described = " and ".join(str(spec.shape) for spec in hidden)
            complete = all(None not in spec.shape[1:] for spec in hidden)
            refusal = ""
            try:
                predicted = op.infer(hidden, outputs)
            except ArchitectureError as error:
                refusal = str(error)
            if refusal:
                assert not complete, f"{name} refuses inputs {described}: {refusal}"
                assert "known" in refusal, (
                    f"{name} refuses inputs {described}, but the message does not say "
                    f"which size must be known: {refusal}"
                )
                continue
            assert len(predicted) >= len(outputs), (
                f"{name} predicts {len(predicted)} outputs, but {list(outputs)} are "
                "used. infer() returns one TensorSpec for each output."
            )
            for spec, value in zip(predicted, found, strict=False):
                _compare(f"{name} with inputs {described}", spec, value, complete)


def _compare(where: str, predicted: TensorSpec, found: Tensor, complete: bool) -> None:
    shape = tuple(found.shape)
    agrees = len(predicted.shape) == len(shape) and all(
        n is None or n == m for n, m in zip(predicted.shape, shape, strict=True)
    )
    assert agrees, (
        f"{where} predicts the shape {predicted.shape}, but a real run gives {shape}. "
        "Correct infer(), or leave it to Op, which traces the module."
    )
    assert not complete or None not in predicted.shape[1:], (
        f"{where} predicts {predicted.shape}, though all sizes but the batch are known."
    )
    assert predicted.dtype == found.dtype, (
        f"{where} predicts {predicted.dtype}, but a real run gives {found.dtype}."
    )


@torch_check(subject="op")
def check_op_takes_any_batch_size(name: str, op: Any) -> None:
    """Check that batches of 1, 2 and 5 rows give outputs of that many rows."""
    specs, outputs = example_specs(op), op.outputs[:1]
    shapes = {n: tuple(_run(op, specs, outputs, n)[0].shape) for n in (1, 2, 5)}
    for n, shape in shapes.items():
        assert shape[:1] == (n,), f"{name} returns {shape} for a batch of {n} rows."
        assert shape[1:] == shapes[2][1:], (
            f"{name} returns {shape} for {n} rows and {shapes[2]} for 2. Only the "
            "first size may depend on the batch; look for a squeeze() of all sizes."
        )


@torch_check(subject="op")
def check_op_names_dimensions(name: str, op: Any) -> None:
    """Check that each dimension of an output has a name or None, the first "batch"."""
    for spec in op.infer(example_specs(op), op.outputs):
        named = len(spec.names) == len(spec.shape) and spec.names[0] == "batch"
        assert named, (
            f"{name} names the dimensions of {spec.shape} {spec.names}. "
            'dimension_names() returns one name or None for each, the first is "batch".'
        )


@torch_check(subject="op")
def check_op_trains_all_weights(name: str, op: Any) -> None:
    """Check that the module's weights are float32 and all take part in the output."""
    specs, outputs = example_specs(op), op.outputs[:1]
    module = op.make_module(specs, outputs)
    assert isinstance(module, nn.Module), (
        f"make_module of {name} returns a {type(module).__name__}, not a torch module."
    )
    weights = {k: p for k, p in module.named_parameters() if p.requires_grad}
    wrong = {k: p.dtype for k, p in weights.items() if p.dtype != torch.float32}
    assert not wrong, f"Weights of {name} are not float32: {wrong}."
    if not weights:
        return
    _first(module(*_inputs(specs, 3))).sum().backward()
    unused = [k for k, p in weights.items() if p.grad is None]
    assert not unused, (
        f"No gradient reaches the weights {unused} of {name}: forward() does not use "
        "them, or detaches what it makes of them."
    )


@torch_check(subject="op")
def check_op_repr_says_what_it_is(name: str, op: Any) -> None:
    """Check that the repr, read as Python, makes an equal op.

    Not looked at where an argument is no literal, such as a function.
    """
    given = {k: v for k, v in op.get_params().items() if v != _defaults(op).get(k)}
    if not all(map(_is_literal, given.values())):
        return
    shown = repr(op)
    try:
        call: Any = ast.parse(shown, mode="eval").body
        written = call.func.id
        args = [ast.literal_eval(arg) for arg in call.args]
        kwargs = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
        same = written == name and _equal(type(op)(*args, **kwargs), op)
    except (AttributeError, SyntaxError, TypeError, ValueError) as error:
        raise AssertionError(
            f"The repr of {name}, {shown}, is no expression that makes it: {error}"
        ) from error
    assert same, f"The repr of {name}, {shown}, makes another op than it shows."


@torch_check(subject="op")
def check_op_can_be_copied(name: str, op: Any) -> None:
    """Check that clone, deepcopy and pickle give equal ops that are others."""
    copies = {
        "clone": clone(op),
        "deepcopy": copy.deepcopy(op),
        "pickle": pickle.loads(pickle.dumps(op)),
    }
    for how, other in copies.items():
        assert other is not op, f"{how} of {name} returns the op itself."
        assert _equal(op, other), (
            f"{how} of {name} gives other parameters: {_shown(other)}, not "
            f"{_shown(op)}."
        )


@torch_check(subject="op")
def check_op_has_parameters(name: str, op: Any) -> None:
    """Check that get_params and set_params are each other's inverse."""
    params = op.get_params(deep=False)
    assert _equal(type(op)(**params), op), (
        f"{name}(**get_params()) is another op. The constructor must keep each "
        "argument as it is, under its own name."
    )
    other = copy.deepcopy(op)
    assert other.set_params(**params) is other, f"set_params of {name} returns no self."
    assert _equal(other, op), f"set_params(**get_params()) changes {name}."
    try:
        other.set_params(no_such_parameter=1)
    except ValueError:
        return
    raise AssertionError(f"set_params of {name} takes a name that it does not know.")


@torch_check(subject="op")
def check_op_predicts_without_side_effects(name: str, op: Any) -> None:
    """Check that a prediction moves no generator and changes nothing in the op."""
    before, torch_state = _shown(op), torch.get_rng_state()
    numpy_state = str(np.random.get_state())  # noqa: NPY002 - that it stays
    op.infer(example_specs(op), op.outputs)
    assert _shown(op) == before, (
        f"infer() changes {name} from {before} to {_shown(op)}."
    )
    moved = not torch.equal(torch_state, torch.get_rng_state())
    moved = moved or str(np.random.get_state()) != numpy_state  # noqa: NPY002 - same
    assert not moved, (
        f"infer() of {name} draws from the global random state. Leave it to Op, or run "
        "the module under torchlearners.nn.random_numbers_from."
    )


@torch_check(subject="op")
def check_op_draws_weights_from_the_generator(name: str, op: Any) -> None:
    """Check that one seed gives one set of weights, and global state stays as it is."""
    state = torch.get_rng_state()
    builds = []
    for _ in range(2):
        with random_numbers_from(torch.Generator().manual_seed(0)):
            module = op.make_module(example_specs(op), op.outputs[:1])
        builds.append({k: v.clone() for k, v in module.state_dict().items()})
    moved = not torch.equal(state, torch.get_rng_state())
    torch.set_rng_state(state)
    different = [k for k, v in builds[0].items() if not _same(v, builds[1].get(k))]
    elsewhere = bool(different) or moved
    assert not elsewhere, (
        f"Weights {different or ''} of {name} are drawn from the global random state. "
        "Draw them by torch.nn.init or torch functions, without naming a generator."
    )


@torch_check(subject="op")
def check_op_makes_new_weights(name: str, op: Any) -> None:
    """Check that two networks share no weights."""
    one, two = (op.make_module(example_specs(op), op.outputs[:1]) for _ in range(2))
    kept = {t.data_ptr() for t in _tensors(one)} & {t.data_ptr() for t in _tensors(two)}
    shared = one is two or bool(kept)
    assert not shared, (
        f"Two modules of {name} share weights, so that training one changes the other. "
        "make_module() must make a new module, or a deep copy, in each call."
    )


@torch_check(subject="op")
def check_op_module_can_be_saved(name: str, op: Any) -> None:
    """Check that the state of one module can be loaded into another."""
    specs, outputs = example_specs(op), op.outputs[:1]
    file = io.BytesIO()
    one, two = (op.make_module(specs, outputs).eval() for _ in range(2))
    torch.save(one.state_dict(), file)
    file.seek(0)
    two.load_state_dict(torch.load(file, weights_only=True))
    inputs = _inputs(specs, 3)
    with random_numbers_from(torch.Generator().manual_seed(0)):
        before = _first(one(*inputs))
    with random_numbers_from(torch.Generator().manual_seed(0)):
        after = _first(two(*inputs))
    assert _same(before, after), (
        f"A module of {name} computes something else with the state of another. What "
        "forward() needs must be a parameter or buffer, or follow from the arguments."
    )


_KIT: tuple[Check, ...] = (
    check_op_predicts_shapes,
    check_op_takes_any_batch_size,
    check_op_names_dimensions,
    check_op_trains_all_weights,
    check_op_repr_says_what_it_is,
    check_op_can_be_copied,
    check_op_has_parameters,
    check_op_predicts_without_side_effects,
    check_op_draws_weights_from_the_generator,
    check_op_makes_new_weights,
    check_op_module_can_be_saved,
)

# Parts of checks


def _used_outputs(op: Op) -> list[tuple[str, ...]]:
    """Return the first output alone, and all of them."""
    return list(dict.fromkeys([op.outputs[:1], op.outputs]))


def _unknown_patterns(specs: Specs) -> list[Specs]:
    """Return the inputs with every subset of sizes unknown, the batch known or not."""
    sizes = [n for spec in specs for n in spec.shape[1:]]
    patterns = []
    for batch, *mask in itertools.product([None, 3], *([[False, True]] * len(sizes))):
        hide = iter(mask)
        patterns.append(
            [
                replace(
                    spec,
                    shape=(batch, *[None if next(hide) else n for n in spec.shape[1:]]),
                )
                for spec in specs
            ]
        )
    return patterns


def _inputs(specs: Specs, n_rows: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors = []
    for spec in specs:
        shape = [n_rows, *(n or 1 for n in spec.shape[1:])]
        if spec.dtype.is_floating_point:
            value = torch.rand(shape, generator=generator, dtype=spec.dtype)
        else:
            most = min(spec.cardinalities, default=2)
            value = torch.randint(most, shape, generator=generator).to(spec.dtype)
        tensors.append(value)
    return tensors


def _run(
    op: Op, specs: Specs, outputs: tuple[str, ...], n_rows: int
) -> tuple[Tensor, ...]:
    with random_numbers_from(torch.Generator().manual_seed(0)), torch.no_grad():
        result = op.make_module(specs, outputs).eval()(*_inputs(specs, n_rows))
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _first(result: Any) -> Tensor:
    return result[0] if isinstance(result, tuple | list) else result


def _tensors(module: nn.Module) -> list[Tensor]:
    return [t for t in [*module.parameters(), *module.buffers()] if t.numel()]


def _same(one: Tensor, two: Tensor | None) -> bool:
    return two is not None and torch.equal(one, two)


def _defaults(op: Any) -> dict[str, Any]:
    return {name: field.default for name, field in op._fields.items()}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (SyntaxError, ValueError):
        return False


def _equal(one: Any, two: Any) -> bool:
    return type(one) is type(two) and _shown(one) == _shown(two)


def _shown(op: Any) -> dict[str, str]:
    """Return the parameters in words, as modules among them are never equal."""
    return {k: repr(v) for k, v in op.get_params(deep=False).items()}
