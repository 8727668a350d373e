"""What can be wrong with an argument: kinds of arguments, bad values of each kind, and the verdict on a use of one."""

import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax.experimental.sparse import BCOO

import funcnet as fn

LIBRARY = str(Path(fn.__file__).parent)
KEY = jax.random.key(0)


class Argument(NamedTuple):
    """A good value of an argument, its kind, by which words an error may name it, and the bad values that are right."""

    value: Any
    kind: str
    names: tuple[str, ...] = ()
    valid: frozenset[str] = frozenset()  # labels of values that are bad for other arguments and right for this one


class Use(NamedTuple):
    """A public function with one good call."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Argument]


class Frame:
    """A stand-in for a table of pandas: an array by the array protocol, with labels of columns."""

    def __init__(self, array):
        self.array, self.columns, self.shape = array, ["a", "b"], array.shape

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class TorchDtype:
    def __repr__(self):
        return "torch.float32"


class Tensor(Frame):
    """A stand-in for a tensor of PyTorch, whose dtype is none of NumPy's."""

    dtype = TorchDtype()

    def size(self):
        return self.shape


class AttachedTensor(Tensor):
    """One that has a gradient, which refuses to become an array."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


def deleted(array):
    """Return a JAX array whose buffer was given to another program."""
    gone = jnp.array(np.asarray(array), copy=True)
    gone.delete()
    return gone


def masked(array):
    array = np.asarray(array)
    return np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) % 2 == 0)


def two_axes(array):
    """Return an array with two axes, as a sparse matrix has them."""
    return np.atleast_2d(np.asarray(array))


def put(number):
    """Return the function that puts a number at the end of an array."""

    def changed(array):
        array = np.array(array)
        if array.dtype.kind in "iu" and not np.isfinite(number):
            raise ValueError("integers are finite")
        array.flat[-1:] = number
        return array

    return changed


def python_list(array):
    return np.asarray(array).tolist()


# What no array of numbers is: refused wherever one is expected.
NO_ARRAY = {
    "None": lambda a: None,
    "str": lambda a: "0.5",
    "function": lambda a: python_list,
    "class": lambda a: Frame,
    "dict": lambda a: {"x": a},
    "set": lambda a: {1.0, 2.0},
    "generator": lambda a: (row for row in [1.0, 2.0]),
    "ragged list": lambda a: [[1.0], [1.0, 2.0]],
    "objects": lambda a: np.asarray(a).astype(object),
    "list of None": lambda a: [None],
    "strings": lambda a: np.full(np.shape(a), "a"),
    "complex": lambda a: np.asarray(a) + np.complex64(1j),
    "masked": masked,
    "list of masked": lambda a: [masked(row) for row in np.atleast_1d(np.asarray(a))],
    "deleted": deleted,
    "scipy.sparse": lambda a: scipy.sparse.csr_matrix(two_axes(a)),
    "BCOO": lambda a: BCOO((np.ones(1, np.float32), np.zeros((1, np.ndim(a)), np.int32)), shape=np.shape(a)),
    "frame of objects": lambda a: Frame(np.asarray(a).astype(object)),
    "frame with a mask": lambda a: Frame(masked(a)),
    "attached tensor": lambda a: AttachedTensor(np.asarray(a)),
    "durations": lambda a: np.zeros(np.shape(a), "m8[s]"),
    "dates": lambda a: np.zeros(np.shape(a), "M8[s]"),
    "records": lambda a: np.zeros(np.shape(a), [("a", "f4")]),
    "keys": lambda a: jax.random.wrap_key_data(np.zeros((*np.shape(a), 2), np.uint32)),
}
# Other forms of the same numbers: the same answer, or an error that says what is expected.
SAME_ARRAY = {
    "list": python_list,
    "tuple": lambda a: tuple(python_list(a)) if np.ndim(a) else python_list(a),
    "numpy": np.asarray,
    "frame": lambda a: Frame(np.asarray(a)),
    "tensor": lambda a: Tensor(np.asarray(a)),
    "fortran order": lambda a: np.asarray(a, order="F"),
    "read-only": lambda a: np.broadcast_to(np.asarray(a), np.shape(a)),
    "memoryview": lambda a: memoryview(np.array(a)),
}
OTHER_SHAPES = {
    "rank + 1": lambda a: np.asarray(a)[None],
    "rank - 1": lambda a: np.asarray(a)[0],
    "longer": lambda a: np.concatenate([np.asarray(a), np.asarray(a)]),
    "wider": lambda a: np.concatenate([np.asarray(a)] * 2, axis=-1),
    "scalar": lambda a: np.asarray(a).flat[0],
    "empty": lambda a: np.asarray(a)[:0],
    "empty list": lambda a: [],
}
NOT_FINITE = {"nan": put(np.nan), "inf": put(np.inf)}
INTEGERS = {"integers": lambda a: np.asarray(a).astype(np.int32), "bytes": lambda a: np.asarray(a).astype(np.uint8)}
BOOLS = {"bools": lambda a: np.asarray(a) != 0}
FLOAT64 = {"float64": lambda a: np.asarray(a, np.float64)}
HALF = {"float16": lambda a: np.asarray(a, np.float16)}

NO_NUMBER = {
    "None": lambda v: None,
    "str": lambda v: "0.5",
    "list": lambda v: [v],
    "dict": lambda v: {},
    "array": lambda v: np.array([v, v], np.float32),
    "complex": lambda v: 0.5 + 1j,
    "class": lambda v: float,
    "function": lambda v: python_list,
    "bool": lambda v: True,
    "nan": lambda v: float("nan"),
    "deleted": lambda v: deleted(np.float32(v)),
    "masked": lambda v: np.ma.masked,
    "masked array": lambda v: np.ma.array(v, mask=True),
    "object": lambda v: np.array(v, object),
    "duration": lambda v: np.timedelta64(1, "s"),
    "too large": lambda v: 10**400,
    "ragged": lambda v: [[1.0], [1.0, 2.0]],
    "attached tensor": lambda v: AttachedTensor(np.float32(v)),
}
SAME_NUMBER = {
    "numpy": np.float32,
    "jax": lambda v: jnp.float32(v),
    "0-d array": lambda v: np.array(v),
    "tensor": lambda v: Tensor(np.array(v)),
}
NO_COUNT = {
    "None": lambda v: None,
    "str": lambda v: "3",
    "list": lambda v: [v],
    "float": float,
    "half": lambda v: v + 0.5,
    "bool": lambda v: True,
    "nan": lambda v: float("nan"),
    "array": lambda v: np.array([v, v]),
    "function": lambda v: python_list,
    "zero": lambda v: 0,
    "negative": lambda v: -1,
    "2**31": lambda v: 2**31,
    "10**30": lambda v: 10**30,
}
NO_KEY = {
    "None": lambda v: None,
    "int": lambda v: 0,
    "str": lambda v: "key",
    "floats": lambda v: np.zeros(2, np.float32),
    "two keys": lambda v: jax.random.split(v),
    "list": lambda v: [0, 0],
    "numpy generator": lambda v: np.random.default_rng(0),
    "module": lambda v: np.random,
    "deleted": lambda v: gone(jax.random.clone(v)),
}
NO_PART = {
    "None": lambda v: None,
    "str": lambda v: "relu",
    "int": lambda v: 3,
    "list": lambda v: [v],
    "dict": lambda v: {},
    "class": type,
    "function": lambda v: python_list,
    "array": lambda v: np.ones(2),
    "a layer": lambda v: fn.Dense(2),
    "a loss": lambda v: fn.hinge,
    "an optimizer": lambda v: fn.sgd(0.1),
    "a maker": lambda v: fn.adam,
    "a penalty": lambda v: fn.l2(0.1),
    "a metric": lambda v: fn.metrics.f1,
    "a search": lambda v: fn.genetic(4),
}


def gone(key):
    key.delete()
    return key


def deleted_leaf(value):
    return gone(jax.random.clone(value)) if jnp.issubdtype(value.dtype, jax.dtypes.prng_key) else deleted(value)


def leaf(change):
    """Return the function that changes the first array of a tree."""

    def changed(tree):
        leaves, structure = jax.tree.flatten(tree)
        return jax.tree.unflatten(structure, [change(leaves[0]), *leaves[1:]])

    return changed


class Result(NamedTuple):
    params: Any


NO_TREE = {
    "None": lambda v: None,
    "str": lambda v: "params",
    "int": lambda v: 3,
    "list": lambda v: list(v) if isinstance(v, tuple) else [v],
    "dict": lambda v: dict(enumerate(v)) if isinstance(v, tuple) else {"params": v},
    "empty": lambda v: (),
    "one more": lambda v: (*v, jnp.ones(2)) if isinstance(v, tuple) else (v, v),
    "function": lambda v: python_list,
    "array": lambda v: np.ones(2, np.float32),
    "result": Result,
    "leaf wider": leaf(lambda a: np.concatenate([np.asarray(a)] * 2, axis=-1)),
    "leaf None": leaf(lambda a: None),
    "leaf str": leaf(lambda a: "a"),
    "leaf integers": leaf(lambda a: np.asarray(a).astype(np.int32)),
    "leaf complex": leaf(lambda a: np.asarray(a) + np.complex64(1j)),
    "leaf objects": leaf(lambda a: np.asarray(a).astype(object)),
    "leaf masked": leaf(masked),
    "leaf deleted": leaf(deleted),
    "leaf ragged": leaf(lambda a: [[1.0], [1.0, 2.0]]),
    "leaf sparse": leaf(lambda a: scipy.sparse.csr_matrix(two_axes(a))),
}
SAME_TREE = {"numpy": lambda v: jax.tree.map(np.asarray, v)}
NO_SHAPE = {
    "None": lambda v: None,
    "int": lambda v: 3,
    "str": lambda v: "3",
    "float": lambda v: 3.0,
    "zero": lambda v: (0, *v[1:]),
    "negative": lambda v: (-1, *v[1:]),
    "floats": lambda v: tuple(map(float, v)),
    "strings": lambda v: ("a", *v[1:]),
    "bools": lambda v: (True, *v[1:]),
    "None inside": lambda v: (None, *v[1:]),
    "nested": lambda v: (v,),
    "dict": lambda v: {"n": 3},
    "2**70": lambda v: (2**70, *v[1:]),
    "function": lambda v: python_list,
}
SAME_SHAPE = {"list": list, "numpy integers": lambda v: tuple(map(np.int64, v))}
NO_DTYPE = {
    "None": lambda v: None,
    "int32": lambda v: "int32",
    "float64": lambda v: "float64",
    "np.float64": lambda v: np.float64,
    "float": lambda v: float,
    "complex64": lambda v: np.complex64,
    "bool": lambda v: bool,
    "object": lambda v: object,
    "str": lambda v: str,
    "nonsense": lambda v: "float33",
    "int": lambda v: 3,
    "list": lambda v: [v],
    "function": lambda v: python_list,
    "array": lambda v: np.ones(2, np.float32),
    "torch": lambda v: TorchDtype(),
}
NO_NAME = {
    "None": lambda v: None,
    "int": lambda v: 3,
    "nonsense": lambda v: "nonsense",
    "empty": lambda v: "",
    "list": lambda v: [v],
    "bytes": lambda v: v.encode(),
    "function": lambda v: python_list,
}
NO_FUNCTION = {
    "None": lambda v: None,
    "int": lambda v: 3,
    "str": lambda v: "cost",
    "list": lambda v: [v],
    "array": lambda v: np.ones(2),
}
NO_PATH = {
    "None": lambda v: None,
    "int": lambda v: 3,
    "float": lambda v: 0.5,
    "list": lambda v: [v],
    "dict": lambda v: {},
    "bytes": lambda v: str(v).encode(),
    "empty": lambda v: "",
    "nul": lambda v: "a\0b",
    "function": lambda v: python_list,
}
NO_FLAG = {
    "None": lambda v: None,
    "str": lambda v: "no",
    "array": lambda v: np.ones(2, bool),
    "int": lambda v: 2,
    "list": lambda v: [v],
}
NO_DATA = {
    "None": lambda v: None,
    "str": lambda v: "data",
    "one array": lambda v: v[0],
    "one of them": lambda v: v[:1],
    "four": lambda v: v + v,
    "dict": lambda v: dict(zip("xy", v, strict=True)),
    "generator": lambda v: (each for each in v),
    "other rows": lambda v: (v[0], v[1][:-1]),
    "empty": lambda v: (v[0][:0], v[1][:0]),
    "function": lambda v: python_list,
}
NO_SEQUENCE = {
    "None": lambda v: None,
    "int": lambda v: 3,
    "str": lambda v: "ab",
    "dict": lambda v: {},
    "generator": lambda v: (each for each in v),
    "list of None": lambda v: [None],
    "function": lambda v: python_list,
}


def labels(change):
    return lambda a: change(np.array(a))


NO_LABELS = {
    "floats": lambda a: np.asarray(a, np.float32),
    "bools": lambda a: np.asarray(a) != 0,
    "negative": put(-1),
    "too large": put(1000),
    "2**32": lambda a: put(2**32)(np.asarray(a, np.int64)),
    "2**63": lambda a: put(2**63)(np.asarray(a, np.uint64)),
    "2**70": lambda a: [2**70] * len(a),
    "nan": lambda a: put(np.nan)(np.asarray(a, np.float32)),
}
NO_STATE = {
    **{k: NO_PART[k] for k in ("None", "str", "int", "list", "dict", "class", "function", "array", "an optimizer")},
    "empty": lambda v: (),
    "result": Result,
    "another": lambda v: fn.adam(0.1).init(jnp.ones(2)),
    "leaf None": leaf(lambda a: None),
    "leaf str": leaf(lambda a: "a"),
    "leaf deleted": lambda v: jax.tree.map(deleted_leaf, v),
}
NO_MAPPING = {
    **{k: NO_PART[k] for k in ("None", "str", "int", "list", "class", "function", "array")},
    "empty": lambda v: {},
    "dict of None": lambda v: dict.fromkeys(v),
    "dict of str": lambda v: dict.fromkeys(v, "a"),
    "dict of complex": lambda v: dict.fromkeys(v, 1j),
    "dict of objects": lambda v: dict.fromkeys(v, np.array([None, None])),
    "dict of ragged": lambda v: {name: [[1.0], [1.0, 2.0]] for name in v},
    "dict of masked": lambda v: dict.fromkeys(v, np.ma.array([1.0, 2.0, 3.0, 4.0], mask=[True, False, True, True])),
}
NO_TREE_TO_SAVE = {
    **{k: NO_PART[k] for k in ("None", "str", "int", "function", "class", "list", "an optimizer")},
    "empty": lambda v: (),
    "array": lambda v: np.ones(3, np.float32),
    "set": lambda v: {1, 2},
    "int keys": lambda v: {1: np.ones(2, np.float32)},
    "objects": lambda v: {"w": np.array([None])},
    "strings": lambda v: {"w": np.array(["a"])},
    "complex": lambda v: {"w": 1j},
    "masked": lambda v: {"w": masked(v["w"])},
    "deleted": lambda v: {"w": deleted(v["w"])},
    "generator": lambda v: (each for each in [1, 2]),
}

# Every kind: values that must be refused, and values that must give the same, or be refused.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "array": (NO_ARRAY | OTHER_SHAPES | NOT_FINITE | INTEGERS | BOOLS | HALF, SAME_ARRAY | FLOAT64),
    "real": (NO_ARRAY | OTHER_SHAPES | NOT_FINITE, SAME_ARRAY | FLOAT64),
    "labels": (NO_ARRAY | OTHER_SHAPES | NO_LABELS, SAME_ARRAY),
    "number": (
        NO_NUMBER
        | {
            "zero": lambda v: 0.0,
            "negative": lambda v: -1.0,
            "large": lambda v: 1e6,
            "inf": lambda v: float("inf"),
            "1e-50": lambda v: 1e-50,
            "1e50": lambda v: 1e50,
        },
        SAME_NUMBER,
    ),
    "count": (NO_COUNT, {"numpy": np.int32}),
    "key": (NO_KEY, {"raw": jax.random.key_data}),
    "network": (NO_PART, {}),
    "part": (NO_PART, {}),
    "params": (NO_TREE, SAME_TREE),
    "shape": (NO_SHAPE, SAME_SHAPE),
    "dtype": (NO_DTYPE, {"str": lambda v: np.dtype(v).name, "np.dtype": np.dtype}),
    "name": (NO_NAME, {}),
    "function": (NO_FUNCTION, {}),
    "path": (NO_PATH, {}),
    "directory": ({label: make for label, make in NO_PATH.items() if label != "None"}, {}),  # which downloads
    "flag": (NO_FLAG, {}),
    "data": (NO_DATA, {}),
    "no params": ({k: NO_TREE[k] for k in ("None", "str", "int", "dict", "function", "array")}, {}),
    "state": (NO_STATE, {}),
    "sizes": (
        NO_SEQUENCE
        | {
            "zero": lambda v: [3, 0],
            "one": lambda v: v[:1],
            "floats": lambda v: [3.0, 2.0],
            "2**70": lambda v: [3, 2**70],
            "nested": lambda v: [v],
        },
        {"tuple": tuple},
    ),
    "counts": (
        NO_SEQUENCE
        | {
            "unordered": lambda v: v[::-1],
            "floats": lambda v: [3.5, 5.5],
            "nan": lambda v: [3, float("nan")],
            "2**31": lambda v: [3, 2**31],
            "one less": lambda v: v[:-1],
        },
        {"tuple": tuple},
    ),
    "rates": (
        NO_SEQUENCE
        | {"negative": lambda v: [-1.0] * 3, "nan": lambda v: [float("nan")] * 3, "one less": lambda v: v[:-1]},
        {"tuple": tuple, "numpy": np.array},
    ),
    "step": (
        {k: NO_COUNT[k] for k in ("None", "str", "half", "nan", "function", "2**31", "10**30", "negative")}
        | {k: NO_ARRAY[k] for k in ("dict", "complex", "masked", "deleted", "objects", "ragged list")},
        {"numpy": np.int32, "jax": jnp.int32},
    ),
    "mapping": (NO_MAPPING, {}),
    "symbols": (NO_SEQUENCE | {"unknown": lambda v: "abc"}, {"list": list, "tuple": tuple}),
    "digits": (
        {
            "None": lambda v: None,
            "int": lambda v: 1,
            "unknown": lambda v: "012",
            "bytes": lambda v: b"01",
            "list of int": lambda v: [0, 1],
            "function": lambda v: python_list,
        },
        {"list": list},
    ),
    "bits": (
        NO_ARRAY
        | OTHER_SHAPES
        | {
            "negative": put(-1),
            "two": put(2),
            "half": lambda a: put(0.5)(np.asarray(a, np.float32)),
            "nan": lambda a: put(np.nan)(np.asarray(a, np.float32)),
        },
        SAME_ARRAY,
    ),
    "bit": (
        {k: v for k, v in NO_ARRAY.items() if k not in ("generator",)} | {"two": lambda v: 2, "half": lambda v: 0.5},
        {"numpy": np.int32},
    ),
    "tree": (NO_TREE_TO_SAVE, {}),
    "values": (
        {k: NO_PART[k] for k in ("None", "str", "int", "list", "array", "function")}
        | {
            "empty": lambda v: {},
            "dict of None": lambda v: dict.fromkeys(v),
            "dict of str": lambda v: dict.fromkeys(v, "a"),
            "unknown": lambda v: {**v, "nonsense": 1.0},
            "wider": lambda v: {k: np.ones(7, np.float32) for k in v},
        },
        {},
    ),
    "names": (
        {
            "None": lambda v: None,
            "int": lambda v: 3,
            "unknown": lambda v: ["nonsense"] * 5,
            "empty": lambda v: [],
            "ints": lambda v: [1] * len(v),
            "list of None": lambda v: [None] * len(v),
            "function": lambda v: python_list,
            "nested": lambda v: [v] * len(v),
        },
        {"tuple": tuple},
    ),
    "pair": (
        {
            "None": lambda v: None,
            "number": lambda v: 1.0,
            "str": lambda v: "ab",
            "one": lambda v: v[:1],
            "three": lambda v: (*v, 1.0),
            "nan": lambda v: (v[0], float("nan")),
            "inf": lambda v: (v[0], float("inf")),
            "equal negative": lambda v: (-1.0, -1.0),
            "strings": lambda v: ("a", "b"),
            "None inside": lambda v: (None, None),
        },
        {"list": list, "numpy": np.array},
    ),
    "sequence": (NO_SEQUENCE, {"tuple": tuple, "list": list}),
}
TRACED = {"bits", "array", "real", "labels", "number", "key", "count", "params"}


def uses_of(use: Use):
    """Yield (argument, label) for every use of a function with one bad argument."""
    for name, argument in use.arguments.items():
        refused, same = KINDS[argument.kind]
        for label in (*refused, *same):
            if label not in refused or label not in same:
                yield name, label
        if argument.kind in TRACED:
            yield name, "traced"


def must_be_refused(use: Use, name: str, label: str) -> bool:
    """Whether a value must be refused, so that no good answer is needed to judge what comes of it."""
    argument = use.arguments[name]
    refused, _ = KINDS[argument.kind]
    return label in refused and label not in argument.valid


class Verdict(NamedTuple):
    """What came of a use: whether that is right, and what it was."""

    right: bool
    kind: str  # "refused", "the same", "valid", "silent", "raw", "format", "unnamed", "other"
    text: str


def call(use: Use, **changed: Any) -> Any:
    given = {name: argument.value for name, argument in use.arguments.items()}
    return use.function(**(given | changed))


def tried(use: Use, name: str, label: str, good: Any) -> Verdict:
    """Return the verdict on one use of a function, given what the good call returned."""
    argument = use.arguments[name]
    refused, same = KINDS[argument.kind]
    if label == "traced":
        return _judged(argument, name, lambda: _traced(use, name), good, must="keep its form")
    try:
        bad = (refused | same)[label](argument.value)
    except (IndexError, AttributeError, ValueError):  # as an array without axes has none less
        return Verdict(True, "no such value", "")
    must = "be the same" if label in same else "be valid" if label in argument.valid else "be refused"
    return _judged(argument, name, lambda: call(use, **{name: bad}), good, must)


def _traced(use: Use, name: str) -> Any:
    found = []

    def probe(value):
        found.append(call(use, **{name: value}))
        return ()

    value = use.arguments[name].value
    jax.eval_shape(probe, jax.tree.map(jnp.asarray, value))
    return found[0]


def _judged(argument: Argument, name: str, attempt: Callable[[], Any], good: Any, must: str) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = attempt()
            if must == "be the same":
                _compare(got, good)
            elif must == "keep its form":
                _compare(got, good, values=False)
            elif must == "be valid":
                jax.block_until_ready(jax.tree.leaves(got))
    except _DifferenceError as difference:
        return Verdict(False, "silent", f"another result: {difference}")
    except Exception as error:
        return _of_error(error, (name, *argument.names))
    if must == "be refused":
        return Verdict(False, "silent", f"returned {type(got).__name__}")
    return Verdict(True, "the same" if must == "be the same" else "valid", "")


def _of_error(error: Exception, names: tuple[str, ...]) -> Verdict:
    text = str(error)
    described = f"{type(error).__name__}: {text.splitlines()[0][:200] if text else ''}"
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    if isinstance(error, UserWarning) and last.startswith(LIBRARY):
        return Verdict(True, "warned", described)
    if not isinstance(error, TypeError | ValueError | OSError):
        return Verdict(False, "raw", described)
    is_file = isinstance(error, OSError)
    if not is_file and not (last.startswith(LIBRARY) and re.fullmatch(r".+: expected .+, got .+", text)):
        return Verdict(False, "raw", described)
    if not is_file and not any(re.search(rf"(?<![\w]){re.escape(each)}(?![\w])", text) for each in names):
        return Verdict(False, "unnamed", described)
    if len(text) > 400:
        return Verdict(False, "long", described)
    return Verdict(True, "refused", described)


class _DifferenceError(Exception):
    """Two results differ."""


def _compare(got: Any, good: Any, *, values: bool = True) -> None:
    found, expected = jax.tree.leaves(got), jax.tree.leaves(good)
    if jax.tree.structure(got) != jax.tree.structure(good) and not _are_opaque(found + expected):
        raise _DifferenceError("another structure")
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, np.ndarray) and other.dtype == object:
            continue
        if not hasattr(other, "shape") and not isinstance(other, int | float):
            if type(one) is not type(other):
                raise _DifferenceError(f"{type(one).__name__}, not {type(other).__name__}")
            continue
        if jnp.issubdtype(jnp.result_type(other), jax.dtypes.prng_key):
            continue  # a raw key makes a state with a raw key
        if jnp.shape(one) != jnp.shape(other) or jnp.result_type(one) != jnp.result_type(other):
            kinds = [f"{jnp.result_type(each)} {jnp.shape(each)}" for each in (one, other)]
            raise _DifferenceError(" is not ".join(kinds))
        if values and not np.allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), 1e-5, equal_nan=True):
            raise _DifferenceError("other values")


def _are_opaque(leaves: list[Any]) -> bool:
    return not any(hasattr(each, "shape") for each in leaves)
