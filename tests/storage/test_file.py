import hashlib
import io
import json
import pickle
import re

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from torchlearners.exceptions import StorageError
from torchlearners.storage import read_info, read_state, write_state
from torchlearners.storage._layout import lay_out

STATE = {
    "module": {
        "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "0.bias": np.array([np.nan, -0.0, np.inf]),
    },
    "optimizer": {0: {"step": np.array(3.0), "amsgrad": False}, 1: {}},
    "history": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan")}],
    "classes": np.array(["a", None], dtype=object),
    "text": 'sha256":"' + "0" * 64,
    "mask": np.array([True, False, True]),
}


def forge(path, header, data=b""):
    """Write a file whose digest is right, whatever its header says."""
    text = json.dumps(header, separators=(",", ":")).encode()
    blank = len(text).to_bytes(8, "little") + text + data
    digest = hashlib.sha256(blank).hexdigest().encode()
    path.write_bytes(blank.replace(b"0" * 64, digest, 1))


def forged(state=None, entries=None, **changes):
    metadata = {
        "sha256": "0" * 64,
        "format": 1,
        "min_reader": 1,
        "kind": "test",
        "versions": {"torchlearners": "1.4"},
        "info": {},
        "state": state,
    } | changes
    text = json.dumps(metadata, separators=(",", ":"))
    return {"__metadata__": {"torchlearners": text}, **(entries or {})}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "state.safetensors"
    write_state(path, STATE, kind="test", info={"epoch": 2})
    return path


def assert_refused(path, match=""):
    for read in (lambda: read_state(path, kind="test"), lambda: read_info(path)):
        with pytest.raises(StorageError, match=match) as caught:
            read()
        assert str(path) in str(caught.value)


# What is written can be read


def test_a_state_comes_back(path):
    np.testing.assert_equal(read_state(path, kind="test"), STATE)
    np.testing.assert_equal(read_state(str(path), kind="test"), STATE)


@pytest.mark.parametrize("state", [None, [], {}, np.empty((0, 3)), "text", 1.5])
def test_small_states_come_back(tmp_path, state):
    write_state(tmp_path / "a", state, kind="test")
    found = read_state(tmp_path / "a", kind="test")
    assert type(found) is type(state)
    np.testing.assert_equal(found, state)


def test_arrays_that_come_back_own_their_memory(path):
    weight = read_state(path, kind="test")["module"]["0.weight"]
    assert weight.flags.writeable
    assert weight.flags.owndata
    assert weight.flags.aligned


def test_info_is_read_without_the_state(path):
    header = read_info(path)
    assert header["kind"] == "test"
    assert header["info"] == {"epoch": 2}
    assert header["format"] == header["min_reader"] == 1
    assert set(header["versions"]) == {"torchlearners", "torch", "numpy"}


def test_the_same_state_gives_the_same_bytes(path, tmp_path):
    write_state(tmp_path / "again", STATE, kind="test", info={"epoch": 2})
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_any_safetensors_reader_opens_the_file(path):
    arrays = safetensors.numpy.load_file(path)
    weights = STATE["module"]
    np.testing.assert_equal(arrays["module.0.weight"], weights["0.weight"])
    np.testing.assert_equal(arrays["module.0.bias"], weights["0.bias"])
    with safetensors.safe_open(path, "pt") as file:
        assert file.get_tensor("optimizer.0.step").item() == 3
        metadata = json.loads(file.metadata()["torchlearners"])
    assert next(iter(metadata)) == "sha256"
    assert metadata["kind"] == "test"


def test_any_name_suits_a_safetensors_reader(tmp_path):
    names = ["\ud800", "?", 'a"\\\n\0', "", "__metadata__"]
    state = {name: np.full(3, i) for i, name in enumerate(names)}
    write_state(tmp_path / "a", state, kind="test")
    assert len(safetensors.numpy.load_file(tmp_path / "a")) == len(names)
    np.testing.assert_equal(read_state(tmp_path / "a", kind="test"), state)


def test_arrays_are_aligned_in_the_file(tmp_path):
    state = [np.ones(3, dtype) for dtype in ("u1", "f4", "f2", "f8")]
    write_state(tmp_path / "a", state, kind="test")
    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    for i, array in enumerate(state):
        assert header[str(i)]["data_offsets"][0] % array.itemsize == 0


def test_another_kind_is_refused(path):
    message = f"{re.escape(str(path))} holds 'test', not 'learner'. Give the path"
    with pytest.raises(StorageError, match=message):
        read_state(path, kind="learner")


@pytest.mark.parametrize("info", [[1], {1: 2}, {"a": (1,)}, {"a": np.nan}, {"a": {1}}])
def test_info_is_json(tmp_path, info):
    with pytest.raises(TypeError, match="info must be a dict of JSON values"):
        write_state(tmp_path / "a", 1, kind="test", info=info)
    assert not list(tmp_path.iterdir())


def test_a_state_that_cannot_be_stored_leaves_the_old_file(path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match=r"^state\['a'\] is a"):
        write_state(path, {"a": print}, kind="test")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_header_beyond_the_limit_of_readers_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("torchlearners.storage._layout._MAX_HEADER", 10_000)
    write_state(tmp_path / "a", [1] * 1_000, kind="test")
    with pytest.raises(ValueError, match=r"more than the 10,000 .* numpy arrays"):
        write_state(tmp_path / "a", [1] * 10_000, kind="test")
    assert len(read_state(tmp_path / "a", kind="test")) == 1_000


# Damage


def damaged(data, n, seed):
    """Yield damaged copies: one bit flipped, cut off, zeroed, or grown."""
    rng = np.random.default_rng(seed)
    for bit in rng.integers(8 * len(data), size=n):
        copy = bytearray(data)
        copy[bit // 8] ^= 1 << (bit % 8)
        yield f"bit {bit} flipped", copy
    for length in [*rng.integers(len(data), size=n // 4), 0, 1, 7, 8, len(data) - 1]:
        yield f"cut to {length} bytes", data[:length]
    for start, stop in np.sort(rng.integers(len(data) + 1, size=(n // 4, 2))):
        zeroed = data[:start] + bytes(stop - start) + data[stop:]
        if zeroed != data:
            yield f"bytes {start} to {stop} zeroed", zeroed
    for length in [1, 8, 1000]:
        yield f"{length} bytes appended", data + rng.bytes(length)
        yield f"{length} zeros appended", data + bytes(length)
    yield "written twice", data + data


def check_every_damage_is_found(path, n, seed):
    data = path.read_bytes()
    for what, copy in damaged(data, n, seed):
        path.unlink()  # some file systems are slow to overwrite
        path.write_bytes(copy)
        for read in (lambda: read_state(path, kind="test"), lambda: read_info(path)):
            try:
                read()
            except StorageError:
                continue
            pytest.fail(f"read in spite of {what}")


def test_every_damage_is_found(path):
    check_every_damage_is_found(path, 400, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_every_damage_is_found_in_larger_files(tmp_path, seed):
    path = tmp_path / "large"
    rng = np.random.default_rng(seed)
    state = {"weights": [rng.normal(size=(40, 40)), np.zeros(500)], **STATE}
    write_state(path, state, kind="test")
    check_every_damage_is_found(path, 3000, seed)


def test_damage_in_the_data_is_called_so(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert_refused(path, "is damaged: its bytes do not match .* Use an older copy")
    path.write_bytes(data[:200])
    assert_refused(path, "is damaged: its header is cut off")


# Files of others


def torch_file():
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(3)}, buffer)
    return buffer.getvalue()


FOREIGN = {
    "empty": lambda: b"",
    "text": lambda: b"epoch,loss\n1,0.5\n" * 100,
    "JSON": lambda: b'{"__metadata__": {}}',
    "pickle": lambda: pickle.dumps(STATE),
    "safetensors": lambda: safetensors.numpy.save({"weight": np.ones(3)}),
    "safetensors with metadata": lambda: safetensors.numpy.save(
        {"weight": np.ones(3)}, {"torchlearners": '{"format":1}'}
    ),
    "torch": torch_file,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused(tmp_path, name):
    path = tmp_path / "foreign"
    path.write_bytes(FOREIGN[name]())
    assert_refused(path, "is empty" if name == "empty" else "not written by torchlearn")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert_refused(tmp_path / "missing", "Could not read .*: No such file .* Check")
    assert_refused(tmp_path, "Could not read .* Check the path")


def test_a_file_of_a_future_format_is_refused(tmp_path):
    path = tmp_path / "future"
    forge(path, forged(format=3, min_reader=2))
    assert_refused(
        path,
        r"written by torchlearners 1\.4 \(format 3\); this version reads formats up to "
        r"1\. Update torchlearners",
    )


def test_a_newer_format_that_this_version_can_read_is_read(tmp_path):
    path = tmp_path / "newer"
    metadata = {"format": 3, "kind": "test", "versions": {}, "info": {}, "state": [1]}
    pieces = lay_out(metadata | {"unknown": "ignored"}, {})
    path.write_bytes(b"".join(pieces))
    assert read_state(path, kind="test") == [1]


def entry(shape=(2,), offsets=(0, 16), dtype="F64"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


DATA = np.array([1.0, 2.0])
A = {"array": "a"}
HOSTILE = {
    "overlapping arrays": forged([A, A], {"a": entry(), "b": entry()}),
    "an array beyond the end": forged(A, {"a": entry((2**40,), (0, 2**43))}),
    "swapped arrays": forged(A, {"a": entry((1,), (8, 16)), "b": entry((1,), (0, 8))}),
    "a gap": forged(A, {"a": entry((1,), (8, 16))}),
    "bytes left over": forged(A, {"a": entry((1,), (0, 8))}),
    "negative sizes": forged(A, {"a": entry((-1, -2))}),
    "an endless empty array": forged(A, {"a": entry((0, 2**63), (0, 0))}),
    "an unknown dtype": forged(A, {"a": entry(dtype="F8_E4M3")}),
    "objects": forged(A | {"dtype": "|O", "shape": [2]}, {"a": entry()}),
    "half a number": forged({"float": "00"}, {"a": entry()}),
    "an unknown entry": forged({"import": "os"}, {"a": entry()}),
    "no arrays": forged(A, {}),
    "half an entry": forged(A, {"a": {"dtype": "F64"}}),
    "a list": forged(A, {"a": []}),
}


def test_an_honest_forgery_is_read(tmp_path):
    forge(tmp_path / "a", forged(A, {"a": entry()}), DATA.tobytes())
    np.testing.assert_array_equal(read_state(tmp_path / "a", kind="test"), DATA)


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_with_a_right_digest_are_refused(tmp_path, what):
    path = tmp_path / "hostile"
    forge(path, HOSTILE[what], DATA.tobytes())
    with pytest.raises(StorageError, match="is not put together like a file of"):
        read_state(path, kind="test")


@pytest.mark.parametrize("inner", ["[" * 100_000, '{"a":' * 100_000, "1", "nonsense"])
def test_a_hostile_header_is_refused(tmp_path, inner):
    start = '{"sha256":"' + "0" * 64 + '","state":'
    header = {"__metadata__": {"torchlearners": start + inner}}
    forge(tmp_path / "hostile", header)
    assert_refused(tmp_path / "hostile", "is not put together like a file of")


def test_a_file_of_more_values_than_memory_should_hold_is_refused(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("torchlearners.storage._layout._MAX_ITEMS", 1000)
    path = tmp_path / "many"
    with pytest.raises(ValueError, match="more than 1,000 values outside of arrays"):
        write_state(path, [[]] * 1000, kind="test")
    assert not path.exists()
    forge(path, forged([[]] * 1000))
    assert_refused(path, "holds more than 1,000 values outside of arrays")
