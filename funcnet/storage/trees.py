"""Trees in files: ``save`` and ``load``."""

import os
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_alive, check_path, check_unmasked
from ..errors import message
from .safetensors_file import FORMAT_VERSION, KNOWN_DTYPES, StorageError, read, write

_NUMBERS = {"bool": bool, "int": int, "float": float}


def save(path: str | os.PathLike[str], tree: Any) -> None:
    """Write a tree of arrays, random keys and numbers to one file, which replaces an existing one.

    The file is in the safetensors format, one tensor for each array, under its path in the tree, such as
    "[0].weight". Its header holds the tree's structure as plain data and the SHA-256 of the whole file. It is written
    beside its place and moved there when it is on the disk, so that there is a whole file at any time.

    Args:
        path: the file; missing folders are made.
        tree: dicts with text keys, lists, tuples, NamedTuples and None, of arrays, keys made by ``jax.random.key``, and
            Python numbers, such as parameters, an optimizer's state or ``result.state``.

    Raises:
        TypeError: a leaf is something else, or has a dtype that the format lacks.
        OSError: the file cannot be written; the one before is left as it was.

    >>> import funcnet as fn, tempfile
    >>> params, _ = fn.mlp([2, 1]).init(jax.random.key(0), (2,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fn.save(f"{folder}/params.safetensors", params)
    ...     again = fn.load(f"{folder}/params.safetensors", like=params)
    >>> bool((again[0].weight == params[0].weight).all())
    True
    """
    check_path("save", "path", path)
    arrays, description = described(tree, "save")
    write(path, arrays, {"version": FORMAT_VERSION, "tree": description})


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """Return the tree in a file, which must have the structure, shapes and dtypes of ``like``.

    Args:
        path: a file that ``save`` wrote.
        like: a tree of arrays, or of ``jax.ShapeDtypeStruct``, as ``jax.eval_shape`` makes it. Where it has NumPy
            arrays and numbers, so has the result; its other leaves are JAX arrays.

    Raises:
        StorageError: the file is damaged, of another format or version, or holds another tree; the error names the
            first place that differs.
        OSError: the file cannot be read.

    >>> import funcnet as fn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fn.save(f"{folder}/a.safetensors", {"w": np.ones(3)})
    ...     fn.load(f"{folder}/a.safetensors", like={"w": np.ones(4)})
    Traceback (most recent call last):
    funcnet.storage.safetensors_file.StorageError: load: expected ['w'] of shape (4,), got (3,)
    """
    check_path("load", "path", path)
    arrays, description = read(path)
    if set(description) != {"version", "tree"}:
        hint = ": fn.load_model reads it" if "network" in description else ""
        raise StorageError(message(path, "a file of a tree", f"one with {', '.join(sorted(description))}{hint}"))
    return rebuilt(arrays, description["tree"], like, "load")


def described(tree: Any, where: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a tree's arrays by their paths, and a description of its nodes and leaves as plain data."""
    check_alive(where, "tree", tree)
    arrays: dict[str, np.ndarray] = {}
    leaves: list[dict[str, Any]] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path)
        check_unmasked(where, name or "the tree", leaf)
        entry: dict[str, Any] = {"path": name}
        if isinstance(leaf, bool | int | float) and not isinstance(leaf, np.generic):
            kind = "bool" if isinstance(leaf, bool) else "int" if isinstance(leaf, int) else "float"
            entry |= {"kind": kind, "value": leaf.hex() if isinstance(leaf, float) else leaf}
        elif isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            entry |= {"kind": "key", "implementation": str(jax.random.key_impl(leaf))}
            arrays[name] = np.asarray(jax.random.key_data(leaf))
        elif isinstance(leaf, jax.Array | np.ndarray | np.generic):
            entry["kind"] = "array"
            arrays[name] = np.ascontiguousarray(leaf).reshape(np.shape(leaf))
            if arrays[name].dtype not in KNOWN_DTYPES:
                expected = f"{name} of a dtype among {', '.join(sorted(map(str, KNOWN_DTYPES)))}"
                raise TypeError(message(where, expected, arrays[name].dtype))
        else:
            expected = f"{name or 'the tree'} to be an array, a random key or a number"
            raise TypeError(message(where, expected, f"a {type(leaf).__name__}"))
        leaves.append(entry)
    return arrays, {"nodes": nodes_of(tree, where), "leaves": leaves}


def nodes_of(tree: Any, where: str, path: str = "") -> list[list[str]]:
    """Return the path and the kind of each node of a tree that is no leaf: "tuple", "dict", a NamedTuple's name.

    >>> nodes_of({"a": (1, [2.0])}, "save")
    [['', 'dict'], ["['a']", 'tuple'], ["['a'][1]", 'list']]
    """
    children, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda part: part is not tree)
    if len(children) == 1 and children[0][1] is tree:
        return []  # a leaf
    if isinstance(tree, dict) and not all(isinstance(key, str) for key in tree):
        raise TypeError(message(where, f"{path or 'the tree'} to be a dict with text keys", sorted(map(repr, tree))))
    found = [[path, type(tree).__name__]]
    for place, child in children:
        found += nodes_of(child, where, path + jax.tree_util.keystr(place))
    return found


def rebuilt(arrays: dict[str, np.ndarray], description: Any, like: Any, where: str) -> Any:
    """Return the tree that a description and its arrays stand for, in the structure of ``like``."""
    _check_nodes(description, like, where)
    wanted, structure = jax.tree_util.tree_flatten_with_path(like)
    entries = description["leaves"]
    paths = [jax.tree_util.keystr(path) for path, _ in wanted]
    found = [entry.get("path") if isinstance(entry, dict) else None for entry in entries]
    for ours, theirs in zip(paths, found, strict=False):
        if ours != theirs:
            raise StorageError(message(where, f"the leaf {ours}, as in like", theirs))
    if len(found) != len(paths):
        raise StorageError(message(where, f"{len(paths)} leaves, as in like", len(found)))
    leaves = [
        _leaf(arrays, entry, path, leaf, where) for entry, path, (_, leaf) in zip(entries, paths, wanted, strict=True)
    ]
    if left := set(arrays) - set(paths):
        raise StorageError(message(where, "the arrays of like alone", f"also {sorted(left)[0]}"))
    return jax.tree.unflatten(structure, leaves)


def _check_nodes(description: Any, like: Any, where: str) -> None:
    """Raise ``StorageError`` unless a description has the nodes of a tree."""
    if not isinstance(description, dict) or set(description) != {"nodes", "leaves"}:
        raise StorageError(message(where, "a description of nodes and leaves", type(description).__name__))
    nodes, leaves = description["nodes"], description["leaves"]
    if not isinstance(nodes, list) or not isinstance(leaves, list):
        raise StorageError(message(where, "lists of nodes and of leaves", "something else"))
    wanted = nodes_of(like, where)
    for ours, theirs in zip(wanted, nodes, strict=False):
        if ours != theirs:
            got = (
                f"a {theirs[1]}" if isinstance(theirs, list) and theirs[:1] == ours[:1] and len(theirs) == 2 else theirs
            )
            raise StorageError(message(where, f"{ours[0] or 'the tree'} to be a {ours[1]}, as in like", got))
    if len(nodes) != len(wanted):
        raise StorageError(message(where, f"a tree of {len(wanted)} nodes, as like", len(nodes)))


def _leaf(arrays: dict[str, np.ndarray], entry: dict[str, Any], path: str, like: Any, where: str) -> Any:
    """Return one leaf, like that of the tree; ``StorageError`` where it is another kind, shape or dtype."""
    kind, array = entry.get("kind"), arrays.get(path)
    name = path or "the tree"
    if kind in _NUMBERS:
        if not isinstance(like, _NUMBERS[kind]) or (kind == "int" and isinstance(like, bool)):
            raise StorageError(message(where, f"{name} like {type(like).__name__}", f"the number {entry.get('value')}"))
        return _number(entry, name, where)
    if array is None or kind not in ("array", "key"):
        raise StorageError(message(where, f"{name} in the file", f"none of kind {kind!r}"))
    if kind == "key":
        return _key(array, entry, like, name, where)
    shape, dtype = getattr(like, "shape", None), getattr(like, "dtype", None)
    if shape is None or dtype is None or jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise StorageError(message(where, f"{name} like {type(like).__name__}", f"an array {array.shape}"))
    if array.shape != shape:
        raise StorageError(message(where, f"{name} of shape {shape}", array.shape))
    if array.dtype != dtype:
        raise StorageError(message(where, f"{name} of dtype {dtype}", array.dtype))
    if isinstance(like, np.ndarray | np.generic):
        return array if isinstance(like, np.ndarray) else array[()]
    return jnp.asarray(array)


def _number(entry: dict[str, Any], name: str, where: str) -> bool | int | float:
    """Return a Python number from its description."""
    kind, value = entry["kind"], entry.get("value")
    if kind == "float" and isinstance(value, str):
        with suppress(ValueError, OverflowError):
            return float.fromhex(value)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise StorageError(message(where, f"{name} to be a number of kind {kind}", repr(value)))


def _key(array: np.ndarray, entry: dict[str, Any], like: Any, name: str, where: str) -> jax.Array:
    """Return random keys from their data."""
    if not jnp.issubdtype(getattr(like, "dtype", np.dtype(int)), jax.dtypes.prng_key):
        raise StorageError(message(where, f"{name} like {type(like).__name__}", "random keys"))
    try:
        keys = jax.random.wrap_key_data(jnp.asarray(array), impl=entry.get("implementation"))
    except (TypeError, ValueError) as error:
        raise StorageError(message(where, f"{name} of a known kind of random keys", str(error))) from error
    if keys.shape != like.shape or keys.dtype != like.dtype:
        raise StorageError(message(where, f"{name} {like.dtype}{list(like.shape)}", f"{keys.dtype}{list(keys.shape)}"))
    return keys
