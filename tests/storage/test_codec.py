import json
import re
import struct
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from torchlearners.storage._codec import SAFETENSORS_DTYPES, decode, encode


def assert_same(a, b):
    """Compare types, key order, memory order and bits, at any depth."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert [(type(k), k) for k in a] == [(type(k), k) for k in b]
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, np.ndarray):
        assert a.dtype.str == b.dtype.str
        assert a.shape == b.shape
        if a.dtype == object:
            assert a.tolist() == b.tolist()
            return
        assert a.tobytes() == b.tobytes()
        assert b.flags.c_contiguous or b.flags.f_contiguous
        if a.flags.c_contiguous or a.flags.f_contiguous:
            assert a.flags.c_contiguous == b.flags.c_contiguous
    elif isinstance(a, float):
        assert struct.pack("d", a) == struct.pack("d", b)
    else:
        assert a == b


def assert_round_trip(state):
    arrays, skeleton = encode(state)
    for array in arrays.values():
        assert array.dtype.str in SAFETENSORS_DTYPES
        assert array.flags.c_contiguous
    text = json.dumps(skeleton, allow_nan=False)
    assert_same(state, decode(arrays, json.loads(text)))


ORDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda array: array[::-1] if array.ndim else array,
}


@st.composite
def arrays(draw):
    dtypes = st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?"),
        hnp.complex_number_dtypes(endianness="?"),
        hnp.unicode_string_dtypes(endianness="?", max_len=3),
    )
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    if draw(st.integers(0, 7)) == 0:
        return draw(hnp.arrays(object, shape, elements=st.none() | st.text(max_size=3)))
    array = draw(hnp.arrays(draw(dtypes), shape))
    order = ORDERS[draw(st.sampled_from(list(ORDERS)))]
    return order(array) if array.ndim else array


def states():
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**130), 2**130),
        st.floats(),
        st.text(st.characters(), max_size=5),  # lone surrogates too
        arrays(),
    )
    keys = st.text(st.characters(), max_size=3) | st.integers()
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(keys, inner, max_size=4),
        ),
        max_leaves=12,
    )


@settings(deadline=None, max_examples=200)
@given(states())
def test_plain_data_comes_back_with_the_same_types_and_bits(state):
    assert_round_trip(state)


@pytest.mark.parametrize("dtype", [*SAFETENSORS_DTYPES, "g", "G", "F", "D", ">f4", "U"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (4,), (2, 3)])
def test_every_dtype_and_shape_comes_back(dtype, shape):
    assert_round_trip(np.ones(shape).astype(dtype))


def test_special_numbers_come_back_bit_by_bit():
    nans = [struct.unpack(">d", bits)[0] for bits in (b"\x7f\xf8" + b"\1" * 6,)]
    nans += [-nans[0]]
    inf = float("inf")
    assert_round_trip([*nans, inf, -inf, 0.0, -0.0, 5e-324, 0.1, 1.0, 2**63, -(2**70)])
    assert_round_trip(np.array([*nans, inf, -0.0]))
    assert_round_trip(10**5000)


def test_keys_that_look_alike_stay_apart():
    one = np.ones(1)
    state = {1: one, "1": 2 * one, "a.b": 3 * one, "a": {"b": 4 * one}}
    assert_round_trip(state)
    assert_round_trip({"__metadata__": one, "\ud800": one, "?": 2 * one, "": one})
    assert_round_trip([{"array": "x"}, {"tuple": [1]}, {"dict": {}}, {}])


def test_names_of_arrays_tell_their_place():
    state = {"module": {"0.weight": np.ones(2)}, "callbacks": [np.ones(1)]}
    assert list(encode(state)[0]) == ["module.0.weight", "callbacks.0"]


def test_a_memory_map_comes_back_as_an_array(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert_same(np.arange(3), decode(*encode(mapped)))


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (lambda: None, "a function"),
        ({1, 2}, "a set"),
        (b"bytes", "a bytes"),
        (1j, "a complex"),
        (object(), "an object"),
        (OrderedDict(a=1), "an OrderedDict"),
        (Pair(1, 2), "a Pair"),
        (np.float64(1.0), r"a float64. Convert it with \.item\(\)"),
        (np.str_("a"), r"a str_. Convert it with \.item\(\)"),
        (np.ma.array([1]), "a MaskedArray"),
        (np.array(["2020-01-01"], "M8[D]"), r"an array of datetime64\[D\]"),
        (np.zeros(1, [("a", int)]), "an array of "),
    ],
)
def test_anything_else_is_refused_with_its_place(value, what):
    state = {"callbacks": {"x": (1, 2, value)}}
    place = re.escape("state['callbacks']['x'][2]")
    with pytest.raises(TypeError, match=f"^{place} is {what}"):
        encode(state)


def test_the_error_says_what_to_do():
    with pytest.raises(TypeError, match=r"plain data only: dicts .* leave it out"):
        encode({"loss": print})


@pytest.mark.parametrize("key", [None, 1.0, True, (1, 2), np.int64(3)])
def test_other_keys_are_refused(key):
    with pytest.raises(TypeError, match=r"^state\['a'\] has the key .* of type "):
        encode({"a": {key: 1}})


def test_object_arrays_hold_strings_and_none_only():
    array = np.array([["a", None], [1.5, "b"]], dtype=object)
    with pytest.raises(TypeError, match=r"^state\['x'\]\[1\]\[0\] is a float; "):
        encode({"x": array})


def test_a_state_that_contains_itself_is_refused():
    state = {"a": []}
    state["a"] += [state, state]
    with pytest.raises(TypeError, match=r"^state\['a'\]\[0\]\['a'\]\.\.\. is nested"):
        encode(state)


@pytest.mark.parametrize(
    "skeleton",
    [
        {"call": "os.system"},
        {},
        {"array": "missing"},
        {"array": "a", "dtype": "|O", "shape": [1]},
        {"array": "a", "dtype": "|V8", "shape": [1]},
        {"array": "a", "dtype": "<f8", "shape": [2**40]},
        {"array": "a", "dtype": "f8,O", "shape": [1]},
        {"float": "00"},
        {"objects": ["a"], "shape": [2**40]},
        {"dict": [1]},
        {"items": [[[], 1]]},
    ],
)
def test_a_forged_skeleton_is_refused(skeleton):
    errors = (AttributeError, KeyError, TypeError, ValueError, struct.error)
    with pytest.raises(errors):
        decode({"a": np.zeros(8, np.uint8)}, skeleton)
