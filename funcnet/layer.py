"""``Layer``: the contract of a layer, and of every network, since a network is a layer."""

import inspect
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .checks import array_of_numbers, check_key, real_array
from .configuration import Configuration
from .errors import ShapeError, message

Params = Any  # a pytree of arrays: a NamedTuple, () where a layer has none, or a tuple of these
Cache = Any  # the values that a layer's backward and learn need from its forward
Shape = tuple[int, ...]

# The keyword arguments that forward may declare besides params and x, each None by default.
KEYWORDS = frozenset({"key", "weights"})

MAX_DEPTH = 100  # layers one inside the other: Python's limit on recursion allows about 200
MAX_LAYERS = 1000


class Layer(Configuration):
    """The contract of a layer: pure functions, of which ``backward`` is the hand-written gradient.

    To define a layer, subclass this and write ``init``, ``forward`` and ``backward``, which JAX traces. Its settings
    are annotated, hashable fields, as in a dataclass; an ``__init__`` of its own is refused. A complete layer, which
    multiplies by a learned number:

    >>> import funcnet as fn
    >>> class Gain(fn.Layer):
    ...     start: float = 1.0
    ...
    ...     def init(self, key, input_shape, *, dtype=jnp.float32):
    ...         return jnp.asarray(self.start, dtype), input_shape
    ...
    ...     def forward(self, params, x):
    ...         return params * x, x
    ...
    ...     def backward(self, params, cache, dy):
    ...         x = cache
    ...         return jnp.sum(dy * x), params * dy
    >>> network = fn.Sequential(fn.Dense(3), Gain(2.0))
    >>> params, output_shape = network.init(jax.random.key(0), (4,))
    >>> network.apply(params, jnp.ones((5, 4))).shape
    (5, 3)

    ``forward`` declares the keywords that it needs, and receives only these:

    - ``key=None``: a JAX random key in training, None in evaluation; ``Dropout`` draws its mask from it;
    - ``weights=None``: the samples' weights (batch,), or None if all are equal. A statistic over the batch must
      leave out samples of weight 0: a partial last batch is filled with samples that were used before.

    A layer that contains other layers declares what they need and calls them by ``call``, as ``Sequential`` does.

    A layer may keep running statistics among its parameters. ``forward`` computes updated statistics and puts them
    into the cache, and ``learn(params, cache)`` returns the parameters with them. Every other parameter that it returns
    must be the same object as before, because any other object counts as a statistic. Training calls ``learn`` after
    every update. Running statistics have a zero gradient, and no optimizer or penalty changes them.

    Raises ``TypeError`` at the definition of a class whose ``forward`` has an unknown keyword, which has an
    ``__init__`` of its own, or an attribute that is neither annotated nor a method.
    """

    described_as: ClassVar[str] = "a layer, such as fn.mlp([784, 10])"
    declared_keywords: ClassVar[frozenset[str]] = frozenset()  # those of forward, besides params and x

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.declared_keywords = _declared_keywords(cls)

    @property
    def needed_keywords(self) -> frozenset[str]:
        """The keywords on which the output depends."""
        return self.declared_keywords

    @property
    def keeps_statistics(self) -> bool:
        """Whether the layer, or one that it contains, keeps running statistics."""
        return type(self).learn is not Layer.learn

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return the initial parameters with dtype ``dtype``, and the output's shape. Shapes exclude the batch axis."""
        raise NotImplementedError(f"{type(self).__name__} has no init")

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return the output for ``x`` (batch, ...), and the cache: what ``backward`` and ``learn`` need."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂params, like ``params``, and ∂C/∂x, like ``x``, given ``dy`` = ∂C/∂y. Written by hand."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def learn(self, params: Params, cache: Cache) -> Params:
        """Return the parameters with the running statistics that the forward pass computed."""
        return params

    def call(
        self, params: Params, x: jax.Array, *, key: jax.Array | None = None, weights: jax.Array | None = None
    ) -> tuple[jax.Array, Cache]:
        """Return ``forward`` called with those of the keywords that it declares."""
        given = {"key": key, "weights": weights}
        return self.forward(params, x, **{name: given[name] for name in self.declared_keywords})

    def apply(
        self, params: Params, x: jax.Array, *, key: jax.Array | None = None, weights: jax.Array | None = None
    ) -> jax.Array:
        """Return the output for ``x`` (batch, ...): ``call`` without the cache."""
        if key is not None:
            check_key(self, key)
        if weights is not None:
            weights, rows = jnp.asarray(real_array(self, "weights", weights)), array_of_numbers(self, "x", x).shape[:1]
            if weights.shape != rows:
                raise ShapeError(self, f"weights of shape {rows}, one per sample", weights.shape)
        return self.call(params, x, key=key, weights=weights)[0]


def _declared_keywords(cls: type[Layer]) -> frozenset[str]:
    """Return the keywords of a layer's forward; ``TypeError`` for a signature that funcnet cannot call."""
    signature = inspect.signature(cls.forward)
    _, *given = signature.parameters.values()  # without self
    named = [each for each in given if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    names = frozenset(each.name for each in given[2:])
    if len(given) < 2 or len(named) < len(given) or names - KEYWORDS:
        expected = f"forward(self, params, x) with keywords among {', '.join(sorted(KEYWORDS))}"
        raise TypeError(message(cls.__name__, expected, f"forward{signature}"))
    for base in cls.__bases__:
        if hidden := sorted(getattr(base, "declared_keywords", names) - names):
            expected = f"forward to declare {_declared(hidden)}, as the forward of {base.__name__} does"
            raise TypeError(message(cls.__name__, expected, f"forward{signature}"))
    return names


def _declared(names: list[str]) -> str:
    return ", ".join(f"{name}=None" for name in names)


def contained_layers(layer: Layer) -> list[Layer]:
    """Return the layers among a layer's attributes, which may be tuples of layers.

    >>> import funcnet as fn
    >>> contained_layers(fn.Sequential(fn.Dense(2), fn.relu))
    [Dense(2), relu]
    """
    leaves = jax.tree.leaves(list(layer.__getstate__().values()))
    return [leaf for leaf in leaves if isinstance(leaf, Layer)]


def check_layer_count(where: str, network: Layer) -> None:
    """Raise ``ValueError`` for a network of more than 1,000 layers: each is compiled, which takes minutes.

    On two processors a run of 200 dense layers of four units with their activations compiled in 10 s, of 500 in 40 s
    and of 1,000 in 170 s (JAX 0.10.1).

    >>> import funcnet as fn
    >>> check_layer_count("fit", fn.mlp([4] * 1001))
    Traceback (most recent call last):
    ValueError: fit: expected a network of at most 1000 layers, each of which is compiled, got 1999: repeat one by
        jax.lax.scan in a layer of your own
    """
    if (count := _layer_count(network)) > MAX_LAYERS:
        expected = f"a network of at most {MAX_LAYERS} layers, each of which is compiled"
        raise ValueError(message(where, expected, f"{count}: repeat one by jax.lax.scan in a layer of your own"))


def _layer_count(layer: Layer) -> int:
    return sum(map(_layer_count, contained_layers(layer))) or 1


def check_contained_layers(layer: Layer, depth: int = 1) -> None:
    """Raise ``TypeError`` where a layer does not pass on what a layer that it contains needs.

    Its ``forward`` must declare the keywords of the layers that it contains, and it must have a ``learn`` where one of
    them keeps running statistics. Raises ``ValueError`` for more than 100 layers one inside the other.

    >>> import funcnet as fn
    >>> class Twice(fn.Layer):
    ...     layer: fn.Layer
    ...
    ...     def forward(self, params, x):
    ...         return self.layer.forward(params, 2 * x)
    >>> check_contained_layers(Twice(fn.Dropout(0.5)))
    Traceback (most recent call last):
    TypeError: Twice(Dropout(0.5)): expected forward to declare key=None, which Dropout(0.5) needs, got none
    """
    if depth > MAX_DEPTH:
        expected = f"at most {MAX_DEPTH} layers one inside the other"
        raise ValueError(message("a network", expected, "more: one fn.Sequential can hold them one after the other"))
    for contained in contained_layers(layer):
        check_contained_layers(contained, depth + 1)
        if hidden := sorted(contained.needed_keywords - layer.declared_keywords):
            expected = f"forward to declare {_declared(hidden)}, which {contained} needs"
            raise TypeError(message(layer, expected, _declared(sorted(layer.declared_keywords)) or "none"))
        if contained.keeps_statistics and not layer.keeps_statistics:
            expected = f"learn(params, cache) to return the running statistics, or frozen parameters, of {contained}"
            raise TypeError(message(layer, expected, "no learn"))
