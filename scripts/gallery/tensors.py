"""Tensors for newcomers: rank, shape and dtype; arrays created, sliced, joined and multiplied; terms of JAX.

The terms of JAX stand beside those of older frameworks with graphs and sessions.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots

EPSILON = 0.001


def ranks():
    """Return arrays of rank 0 to 5, by their meaning."""
    return {
        "scalar: a temperature": np.float32(21.5),
        "vector: a sample of 4 features": np.zeros(4, np.float32),
        "matrix: 128 samples": np.zeros((128, 4), np.float32),
        "rank 3: a time series a sample (samples, steps, features)": np.zeros((128, 50, 4), np.float32),
        "rank 4: images (samples, height, width, channels)": np.zeros((128, 32, 32, 3), np.uint8),
        "rank 5: videos (samples, frames, height, width, channels)": np.zeros((4, 24, 32, 32, 3), np.uint8),
    }


def casts():
    """Return results that do not fit their dtype, and the same results in a dtype that they fit."""
    bytes_ = jnp.array([200], jnp.uint8), jnp.array([100], jnp.uint8)
    ones = jnp.ones(1000, jnp.bfloat16) * jnp.bfloat16(0.001)
    bfloat16_sum, _ = jax.lax.scan(lambda total, one: (total + one, None), jnp.bfloat16(1), ones)
    return {
        "uint8 200 + 100": int((bytes_[0] + bytes_[1])[0]),
        "float32 200 + 100": float((bytes_[0].astype(jnp.float32) + bytes_[1].astype(jnp.float32))[0]),
        "float16 of 70000": float(jnp.float32(70000).astype(jnp.float16)),
        "int16 of 123456789, which is 1884 · 2¹⁶ − 13035": int(jnp.int32(123456789).astype(jnp.int16)),
        "int32 of -2.7": int(jnp.float32(-2.7).astype(jnp.int32)),
        "float32 2**24 + 1": float(jnp.float32(2**24) + jnp.float32(1)),
        "bfloat16 1 + 1000 × 0.001": float(bfloat16_sum),
    }


def makings(seed):
    """Return arrays made from a shape, and random ones made from a shape and a key."""
    keys, a = jax.random.split(jax.random.key(seed), 3), jnp.array([[1, 2], [3, 4]], jnp.int16)
    return {
        "zeros": jnp.zeros((2, 3)),
        "ones": jnp.ones((2, 3)),
        "full of 7": jnp.full((2, 3), 7.0),
        "zeros like a": jnp.zeros_like(a),
        "ones like a": jnp.ones_like(a),
        "full of 7 like a": jnp.full_like(a, 7),
        "normal": jax.random.normal(keys[0], (2, 3)),
        "uniform in [-1, 1)": jax.random.uniform(keys[1], (2, 3), minval=-1.0, maxval=1.0),
        "truncated normal in [-2, 2]": jax.random.truncated_normal(keys[2], -2.0, 2.0, (2, 3)),
        "arange from 0 below 10 by 2": jnp.arange(0, 10, 2),
        "linspace from 0 to 1 in 5": jnp.linspace(0, 1, 5),
    }


def cuts():
    """Return parts of one array, and two arrays joined on each axis, also in three dimensions."""
    a = jnp.arange(12).reshape(3, 4)
    parts = {"a": a, "a[1]": a[1], "a[1, 2]": a[1, 2], "a[:, 1:3]": a[:, 1:3], "a[::-1, -1]": a[::-1, -1]}
    joined = {f"joined on axis {axis}": jnp.concatenate([a, a + 100], axis=axis) for axis in (0, 1)}
    cube = jnp.arange(8).reshape(2, 2, 2)
    joined |= {
        f"rank 3 joined on axis {axis}": jnp.concatenate([cube, cube + 10], axis=axis) for axis in range(cube.ndim)
    }
    return {**parts, **joined, "a[a > 8] as NumPy has it": np.asarray(a)[np.asarray(a) > 8]}


def products():
    """Return broadcasting and the matrix product, and the largest difference from plain loops."""
    x, b, w = np.arange(6.0).reshape(2, 3), np.array([10.0, 20.0, 30.0]), np.arange(12.0).reshape(4, 3)
    summed, multiplied = np.zeros((2, 3)), np.zeros((2, 4))
    for i in range(2):
        for j in range(3):
            summed[i, j] = x[i, j] + b[j]
            for k in range(4):
                multiplied[i, k] += x[i, j] * w[k, j]
    by_jax = jnp.asarray(x) + jnp.asarray(b)[None, :], jnp.asarray(x) @ jnp.asarray(w).T
    dot = float(jnp.dot(jnp.asarray(x[0]), jnp.asarray(b)))
    looped = sum(float(x[0, j] * b[j]) for j in range(3))
    errors = [float(np.abs(np.asarray(a) - e).max()) for a, e in zip(by_jax, (summed, multiplied), strict=True)]
    errors.append(abs(dot - looped))
    return {"x + b": by_jax[0], "x wᵀ": by_jax[1], "dot product of x[0] and b": dot, "differences from loops": errors}


def loops():
    """Return elementwise functions, matrix times vector and a product of rank 4, and their differences from loops."""
    x, w, v = np.array([[-1.0, -0.5, 0.0], [0.25, 0.5, 1.0]]), np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 3.0])
    four, other = np.arange(24.0).reshape(2, 2, 2, 3), np.arange(36.0).reshape(2, 2, 3, 3)
    by_jax = {
        "x + w": jnp.asarray(x) + jnp.asarray(w),
        "relu(x)": fn.relu(jnp.asarray(x)),
        "w v, matrix times vector": jnp.asarray(w) @ jnp.asarray(v),
        "rank 4 times rank 4, the last two axes": jnp.asarray(four) @ jnp.asarray(other),
    }
    looped = {name: np.zeros(value.shape) for name, value in by_jax.items()}
    for i, j in np.ndindex(2, 3):
        looped["x + w"][i, j] = x[i, j] + w[i, j]
        looped["relu(x)"][i, j] = x[i, j] if x[i, j] >= 0 else 0.0
        looped["w v, matrix times vector"][i] += w[i, j] * v[j]
    for a, b, i, j, k in np.ndindex(2, 2, 2, 3, 3):
        looped["rank 4 times rank 4, the last two axes"][a, b, i, k] += four[a, b, i, j] * other[a, b, j, k]
    errors = {name: float(np.abs(np.asarray(value) - looped[name]).max()) for name, value in by_jax.items()}
    shown = {name: value if value.ndim < 3 else f"shape {value.shape}" for name, value in by_jax.items()}
    return {**shown, "differences from loops": errors}


def strings():
    """Return what JAX says of texts, which it has no dtype for, and what stands in their place: labels."""
    names = np.array(["cat", "dog", "cat"])
    try:
        jnp.asarray(names)
        said = "accepted"
    except (TypeError, ValueError) as error:
        said = type(error).__name__
    known, labels = np.unique(names, return_inverse=True)
    return {
        "jnp.asarray of texts": said,
        "np.unique(texts, return_inverse=True)": f"{known.tolist()} and the labels {labels.tolist()}",
        "one-hot rows of the labels": fn.data.one_hot(labels, len(known)),
    }


def reshapes():
    """Return shapes before and after: reshape, transpose, and images as rows for a network and back."""
    (images, _), _ = fn.data.load_digits()
    rows = images.reshape(len(images), -1)
    a = jnp.arange(6).reshape(2, 3)
    return {
        "a (2, 3) reshaped to (3, 2)": a.reshape(3, 2),
        "a transposed": a.T,
        "images": images.shape,
        "flattened": rows.shape,
        "and back": bool((rows.reshape(images.shape) == images).all()),
    }


def derivative():
    """Return J(3 + ε) − J(3) for J(w) = w², in multiples of ε, and J′(3)."""

    def cost(w):
        return w**2

    with jax.enable_x64(True):
        change = (cost(jnp.float64(3 + EPSILON)) - cost(jnp.float64(3))) / EPSILON
        return {"ΔJ in ε": float(change), "J′(3)": float(jax.grad(cost)(3.0))}


def words():
    """Return the term of frameworks with graphs and sessions, the term of JAX, and an example of each."""
    constant = 2.0  # closed over: it becomes part of the program
    program = jax.make_jaxpr(lambda w, x: w * x + constant)(3.0, 4.0)
    compiled = jax.jit(lambda w, x: w * x + constant)
    return [
        ("graph", "jaxpr", str(program)),
        ("session.run", "a compiled call", f"jax.jit(f)(3., 4.) = {compiled(3.0, 4.0)}"),
        ("variable", "a parameter: an argument, returned anew", "params = apply_updates(params, updates)"),
        ("constant", "a closed-over value", f"{constant} in the jaxpr"),
        ("placeholder", "an argument", "x in f(w, x)"),
    ]


def draw(path):
    """Draw a digit with its numbers, and the same digit as the row that a network takes."""
    (images, labels), _ = fn.data.load_digits()
    digit, row = images[0], images[0].reshape(1, -1)
    picture, axes = plots.figure(2, 1, size=(9, 5.6))
    axes[0, 0].get_gridspec().set_height_ratios([5, 1])
    top, bottom = axes[:, 0]
    for place, array in ((top, digit), (bottom, row)):
        place.imshow(array, cmap="gray_r", vmin=0, vmax=28, aspect="equal" if array is digit else 4)
        for (i, j), number in np.ndenumerate(array):
            size = "medium" if array is digit else 5.5
            place.text(j, i, str(number), ha="center", va="center", fontsize=size, color="black")
    top.set(
        xlabel="column", ylabel="row", title=f"A {labels[0]} as a matrix: shape (8, 8), dtype uint8, values 0 to 16"
    )
    bottom.set(xlabel="8 · row + column", yticks=[], title="The same flattened to a row of 64")
    bottom.set_xticks(range(0, 64, 8))
    plots.save(picture, path)


def main(argv=None):
    """Print every part, draw the picture, and return the parts."""
    chosen = parser(__file__, __doc__).parse_args(argv)
    parts = {
        "ranks": {name: f"rank {a.ndim}, shape {a.shape}, {a.dtype}" for name, a in ranks().items()},
        "casts": casts(),
        "makings": makings(chosen.seed),
        "cuts": cuts(),
        "products": products(),
        "loops": loops(),
        "strings": strings(),
        "reshapes": reshapes(),
        "derivative": derivative(),
    }
    titles = ("Rank, shape, dtype", "Casts, and what does not fit", "Made from a shape", "Cut and joined")
    titles += (
        "Broadcast and multiplied",
        "Against plain loops",
        "Texts",
        "Reshaped",
        f"J(w) = w² near w = 3, with ε = {EPSILON}",
    )
    for title, part in zip(titles, parts.values(), strict=True):
        print(f"\n{title}")
        for name, value in part.items():
            text = np.array2string(np.asarray(value), precision=3) if hasattr(value, "shape") else str(value)
            print("\n".join(f"  {start:58}{line}" for start, line in _beside(name, text)))
    parts["words"] = words()
    print("\nGraph and session, and what JAX calls them")
    for theirs, ours, example in parts["words"]:
        print("\n".join(f"  {start:58}{line}" for start, line in _beside(f"{theirs}: {ours}", example)))
    draw(chosen.picture)
    print(f"\npicture: {chosen.picture}")
    return parts


def _beside(name, text):
    """Return the lines of a text, the first with its name."""
    return [(name if index == 0 else "", line) for index, line in enumerate(text.splitlines())]


if __name__ == "__main__":
    main()
