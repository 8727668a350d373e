"""Files of trees: what is read is what was written, or a typed error; never something else."""

import json
import os
import resource
import stat
import subprocess
import sys
import threading

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy

import funcnet as fn
from funcnet.storage import safetensors_file
from tests.campaigns import files
from tests.training.small_run import NETWORK, fit

PARAMS, _ = NETWORK.init(jax.random.key(0), (3,))
TREES = {
    "parameters": PARAMS,
    "nothing": (),
    "one array": np.arange(3.0),
    "a scalar": np.float32(2.5),
    "containers": {"b": [np.zeros(2, np.int8), (None, {})], "a": (np.ones((2, 0), bool),)},
    "numbers": {"i": -(2**70), "f": 0.1, "nan": float("inf"), "b": True},
    "keys": [jax.random.key(3), jax.random.split(jax.random.key(4), 5), jax.random.key(1, impl="rbg")],
    "dtypes": [np.array([0, 1.5, 3]).astype(dtype) for dtype in sorted(safetensors_file.KNOWN_DTYPES, key=str)],
    "odd names": {'"sha256":"' + "0" * 64 + '"': np.ones(1), "ü/../x": np.zeros(1), "": np.ones(2)},
}


def assert_same(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert type(ours) is type(theirs) or isinstance(ours, jax.Array)
        if isinstance(ours, jax.Array) and jnp.issubdtype(ours.dtype, jax.dtypes.prng_key):
            assert ours.dtype == theirs.dtype
            ours, theirs = jax.random.key_data(ours), jax.random.key_data(theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("name", TREES)
def test_what_is_read_is_what_was_written(name, tmp_path):
    fn.save(tmp_path / "file", TREES[name])
    assert_same(fn.load(tmp_path / "file", like=TREES[name]), TREES[name])


def test_a_run_goes_on_from_a_file_as_if_it_had_never_stopped(tmp_path):
    """With every optimizer in ``tests/training/test_checkpoints.py``."""
    settings = {"early_stopping": fn.EarlyStopping("val_loss", patience=50)}
    whole = fit(epochs=6, **settings)
    first = fit(epochs=3, **settings)
    fn.save(tmp_path / "state", first.state)
    state = fn.load(tmp_path / "state", like=first.state)
    second = fit(epochs=3, key=None, state=state, **settings)
    chex.assert_trees_all_equal(second.params, whole.params)
    np.testing.assert_array_equal(
        np.concatenate([first.history["loss"], second.history["loss"]]), whole.history["loss"]
    )


def test_states_of_optax_are_read_too(tmp_path):
    state = optax.chain(optax.clip(1.0), optax.adamw(0.1)).init(PARAMS)
    fn.save(tmp_path / "state", state)
    assert_same(fn.load(tmp_path / "state", like=state), state)


def test_shapes_and_dtypes_are_enough_to_read(tmp_path):
    fn.save(tmp_path / "file", PARAMS)
    like = jax.eval_shape(lambda key: NETWORK.init(key, (3,))[0], jax.random.key(0))
    assert_same(fn.load(tmp_path / "file", like=like), PARAMS)


def test_other_tools_read_the_file(tmp_path):
    fn.save(tmp_path / "file", PARAMS)
    theirs = safetensors.numpy.load_file(tmp_path / "file")
    np.testing.assert_array_equal(theirs["[0].weight"], PARAMS[0].weight)
    assert len(theirs) == len(jax.tree.leaves(PARAMS))


@pytest.mark.parametrize(
    ("like", "words"),
    [
        (
            (PARAMS[0]._replace(weight=np.ones((5, 4), np.float32)), *PARAMS[1:]),
            r"\[0\]\.weight of shape \(5, 4\), got",
        ),
        ((PARAMS[0]._replace(bias=np.ones(5)), *PARAMS[1:]), r"\[0\]\.bias of dtype float64, got float32"),
        ((tuple(PARAMS[0]), *PARAMS[1:]), r"\[0\] to be a tuple, as in like, got a DenseParams"),
        (list(PARAMS), "the tree to be a list, as in like, got"),
        (PARAMS[:2], "a tree of 3 nodes, as like, got 4"),
        ({"a": np.ones(1)}, "the tree to be a dict, as in like"),
        ((1.0, *PARAMS[1:]), r"\[1\] to be a tuple, as in like"),
    ],
)
def test_another_tree_is_named(like, words, tmp_path):
    fn.save(tmp_path / "file", PARAMS)
    with pytest.raises(fn.StorageError, match=f"^load: expected {words}"):
        fn.load(tmp_path / "file", like=like)


@pytest.mark.parametrize(
    ("tree", "like", "words"),
    [
        ({"a": 1}, {"a": 1.0}, r"\['a'\] like float, got the number 1"),
        ({"a": True}, {"a": 1}, r"\['a'\] like int, got the number True"),
        ({"a": np.ones(2)}, {"a": 1.0}, r"\['a'\] like float, got an array \(2,\)"),
        ({"a": jax.random.key(0)}, {"a": np.ones(2, np.uint32)}, r"\['a'\] like ndarray, got random keys"),
        ({"a": np.ones(2, np.uint32)}, {"a": jax.random.key(0)}, r"\['a'\] like \w+, got an array \(2,\)"),
        ({"a": jax.random.key(0)}, {"a": jax.random.key(0, impl="rbg")}, r"\['a'\] key<rbg>\[\], got key<fry>\[\]"),
        ({"a": jax.random.key(0)}, {"a": jax.random.split(jax.random.key(0))}, r"\['a'\] key<fry>\[2\], got"),
    ],
)
def test_a_leaf_of_another_kind_is_named(tree, like, words, tmp_path):
    fn.save(tmp_path / "file", tree)
    with pytest.raises(fn.StorageError, match=f"^load: expected {words}"):
        fn.load(tmp_path / "file", like=like)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": "text"}, r"\['a'\] to be an array, a random key or a number, got a str"),
        ([object()], r"\[0\] to be an array, a random key or a number, got a object"),
        ({"a": np.ones(1, np.complex64)}, r"\['a'\] of a dtype among .*, got complex64"),
        ({"a": np.array(["x"])}, r"\['a'\] of a dtype among .*, got <U1"),
        ({1: np.ones(1)}, "the tree to be a dict with text keys, got"),
    ],
)
def test_what_the_format_lacks_is_refused_and_the_file_before_stays(tree, words, tmp_path):
    fn.save(tmp_path / "file", PARAMS)
    with pytest.raises(TypeError, match=f"^save: expected {words}"):
        fn.save(tmp_path / "file", tree)
    assert_same(fn.load(tmp_path / "file", like=PARAMS), PARAMS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_bit_that_flips_and_every_length_is_told(tmp_path):
    """A sample of the bits: every one of a small file, the tree is the same or there is a typed error."""
    tree = {"w": np.arange(4, dtype=np.float32), "n": 3}
    path = tmp_path / "file"
    fn.save(path, tree)
    whole = path.read_bytes()
    bits = range(0, 8 * len(whole), 3)
    for bit in bits:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(fn.StorageError):
            fn.load(path, like=tree)
    for length in range(0, len(whole), 2):
        path.write_bytes(whole[:length])
        with pytest.raises(fn.StorageError):
            fn.load(path, like=tree)
    path.write_bytes(whole + b"\0")
    with pytest.raises(fn.StorageError):
        fn.load(path, like=tree)


def forged(path, header, data=b""):
    """Write a file with any header, under the right digest."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    raw = bytearray(len(text).to_bytes(8, "little") + text + data)
    places = [8 + match.start(1) for match in safetensors_file._DIGEST.finditer(text)]
    for place in places:
        raw[place : place + 64] = safetensors_file._digest(bytes(raw), place).encode()
    path.write_bytes(raw)


BLANK = "0" * 64
GOOD = {"version": 1, "tree": {"nodes": [["", "dict"]], "leaves": [{"path": "['w']", "kind": "array"}]}}


def header(description=GOOD, tensor=None, **more):
    text = description if isinstance(description, str) else json.dumps(description)
    tensors = {"['w']": tensor or {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    return {"__metadata__": {"funcnet": text, "sha256": BLANK}, **tensors, **more}


def changed(**entries):
    return {**GOOD, "tree": {**GOOD["tree"], **entries}}


HOSTILE = {
    "huge dimension": header(tensor={"dtype": "F32", "shape": [2**63], "data_offsets": [0, 8]}),
    "negative dimension": header(tensor={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}),
    "dimensions whose product wraps": header(tensor={"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 8]}),
    "offsets outside": header(tensor={"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}),
    "offsets backwards": header(tensor={"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}),
    "overlapping": header(x={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}),
    "no offsets": header(tensor={"dtype": "F32", "shape": [2]}),
    "unknown dtype": header(tensor={"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}),
    "made-up dtype": header(tensor={"dtype": "Q7", "shape": [2], "data_offsets": [0, 8]}),
    "another shape": header(tensor={"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}),
    "no metadata": {"['w']": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
    "metadata that is a list": {"__metadata__": ["sha256", BLANK]},
    "more metadata": {**header(), "__metadata__": {**header()["__metadata__"], "hue": "1"}},
    "two digests": header(y={"sha256": BLANK}),
    "not JSON inside": header("{"),
    "a list inside": header([1]),
    "a number inside": header("3"),
    "NaN inside": header('{"version": NaN}'),
    "a future version": header({**GOOD, "version": 2}),
    "a version that is a text": header({**GOOD, "version": "1"}),
    "no version": header({"tree": GOOD["tree"]}),
    "an unknown field": header({**GOOD, "more": 1}),
    "no tree": header({"version": 1}),
    "a tree that is a text": header({"version": 1, "tree": "x"}),
    "no nodes": header({"version": 1, "tree": {"leaves": []}}),
    "nodes that are a number": header(changed(nodes=3)),
    "another node": header(changed(nodes=[["", "list"]])),
    "a node too many": header(changed(nodes=[["", "dict"], ["['w']", "tuple"]])),
    "leaves that are texts": header(changed(leaves=["x"])),
    "no leaves": header(changed(leaves=[])),
    "two leaves": header(changed(leaves=GOOD["tree"]["leaves"] * 2)),
    "another path": header(changed(leaves=[{"path": "../w", "kind": "array"}])),
    "an unknown kind": header(changed(leaves=[{"path": "['w']", "kind": "pickle"}])),
    "no kind": header(changed(leaves=[{"path": "['w']"}])),
    "a number in place of the array": header(changed(leaves=[{"path": "['w']", "kind": "float", "value": "0x1p0"}])),
    "a key of an unknown kind": header(changed(leaves=[{"path": "['w']", "kind": "key", "implementation": "x"}])),
    "an array that nothing names": header(z={"dtype": "U8", "shape": [0], "data_offsets": [8, 8]}),
    "deep nesting": header("[" * 100_000),
    "deep nesting outside": b'{"__metadata__":{"funcnet":"{}","sha256":"'
    + BLANK.encode()
    + b'"},"a":'
    + b"[" * 100_000,
    "duplicate names": json.dumps(header(), separators=(",", ":")).encode()[:-1]
    + b',"[\'w\']":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "not UTF-8": b'{"__metadata__":{"funcnet":"\xff","sha256":"' + BLANK.encode() + b'"}}',
    "a pickle": b'\x80\x04\x95"sha256":"' + BLANK.encode() + b'"',
    "100,000 tensors": {
        "__metadata__": {"funcnet": json.dumps(GOOD), "sha256": BLANK},
        **{f"t{index}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for index in range(100_000)},
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_typed_error(name, tmp_path):
    forged(tmp_path / "file", HOSTILE[name], np.ones(2, np.float32).tobytes())
    with pytest.raises(fn.StorageError):
        fn.load(tmp_path / "file", like={"w": np.zeros(2, np.float32)})


def test_the_forger_makes_files_that_are_read(tmp_path):
    forged(tmp_path / "file", header(), np.ones(2, np.float32).tobytes())
    assert_same(fn.load(tmp_path / "file", like={"w": np.zeros(2, np.float32)}), {"w": np.ones(2, np.float32)})


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        fn.load(tmp_path / "none", like=PARAMS)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(fn.StorageError, match="expected a regular file, got another kind of file"):
            fn.load(path, like=PARAMS)


def test_a_full_disk_leaves_the_file_before(tmp_path):
    fn.save(tmp_path / "file", PARAMS)
    program = f"""
import resource, signal, numpy as np, funcnet as fn
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    fn.save({str(tmp_path / "file")!r}, np.zeros(100_000))
except OSError as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "OSError"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert_same(fn.load(tmp_path / "file", like=PARAMS), PARAMS)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != 10_000


def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path):
    """A sample of the campaign."""
    assert files.killed(tmp_path / "file", kills=1) == (0, 0)


def test_temporary_files_of_processes_that_ended_are_removed(tmp_path):
    left, running = tmp_path / ".file.999999999.abc.tmp", tmp_path / f".file.{os.getpid()}.abc.tmp"
    other = tmp_path / ".other.999999999.abc.tmp"
    for path in (left, running, other):
        path.write_bytes(b"")
    fn.save(tmp_path / "file", PARAMS)
    assert not left.exists()
    assert running.exists()
    assert other.exists()


def test_two_writers_leave_one_whole_file(tmp_path):
    trees = [{"w": np.full(10_000, value)} for value in (1.0, 2.0)]
    threads = [threading.Thread(target=lambda tree=tree: [fn.save(tmp_path / "file", tree) for _ in range(10)])
               for tree in trees]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = fn.load(tmp_path / "file", like=trees[0])
    assert found["w"].min() == found["w"].max()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_are_made_and_permissions_are_the_usual_ones(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    fn.save(path, PARAMS)
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
