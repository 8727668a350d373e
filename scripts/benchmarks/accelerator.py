"""funcnet on a GPU or TPU: an epoch of MNIST, a wide network's share of the matrix rate, and the tiny networks.

Every time is a steady one: the time of a longer call of ``fn.fit`` minus that of a call of one epoch, after a call that
compiles. On a CPU the wide network is a small one, and products of float32 are always float32. An NVIDIA GPU
that has TensorFloat32 uses it for them by default and for "tensorfloat32", and float32 for "highest"; a TPU
takes one, three and six passes of bfloat16 for the three (the documentation of ``jax.lax.Precision``).

The loops of small recipes are measured in processes of their own: with a wait for the host in every epoch and with few
waits (``funcnet.training.one_kernel.few_waits``), each with XLA's defaults and with its command buffers for loops.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from peers.funcnet_peer import LOSSES, network_of, optimizer_of
from peers.recipes import RECIPES, arrays_of

import funcnet as fn
from funcnet.cli.arguments import parse_seed, positive_integer

CALLS = 3  # whose median counts
DOUBLINGS = 20  # of the epochs in the longer of two calls
LAYERS = 5  # of the wide network
PRODUCTS = 10  # queued at once where the matrix rate is measured, so that their launch does not count
TOLERANCE = 2e-6  # of gradients by hand to automatic ones, in float32, over the largest of an array
MODES = {  # dtype, and what jax.default_matmul_precision is for products of float32
    "float32": (jnp.float32, "highest"),
    "tf32": (jnp.float32, "tensorfloat32"),
    "bfloat16": (jnp.bfloat16, "default"),
}
LOOPED = ("linear", "xor")  # the recipes of one small step per epoch
LOOP_EPOCHS = 4000  # of their longer call at least: enough that its time is not that of a call
FORMS = ("a wait per epoch", "few waits")
LOOP_FLAGS = ("", "--xla_gpu_enable_command_buffer=+WHILE")  # no names: XLA's defaults
MEASURED = ("mnist", "zero_one", "digits_one", "xor")


def median_seconds(action, *arguments):
    """Return the median time of a few calls of an action, and the result of the last one."""
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        result = jax.block_until_ready(action(*arguments))
        times.append(time.perf_counter() - started)
    return statistics.median(times), result


def steady(fit, epochs):
    """Return the steady seconds of an epoch of ``fit(epochs)``, and the loss of a run's first and last epoch.

    A call of fit has costs of its own, as the check of its data. They are the same for one epoch and for many, and
    the longer call has epochs enough to take twice as long as the short one. Raises ``RuntimeError`` where none has.
    """

    fit(1)
    short, _ = median_seconds(fit, 1)
    for _ in range(DOUBLINGS):
        long, result = median_seconds(fit, 1 + epochs)
        if long >= 2 * short:
            losses = result.history["loss"]
            return (long - short) / epochs, float(losses[0]), float(losses[-1])
        epochs *= 2
    raise RuntimeError(f"{epochs} epochs take hardly longer than one: no time of an epoch can be told")


def told(loss, last):
    """Return a run's first and last loss as text."""
    return f"loss {loss:.3e} to {last:.3e}"


def gradients_differ(network, loss, params, x, y):
    """Return the largest difference of hand-written and automatic gradients, over the largest gradient of its array."""
    with jax.default_matmul_precision("highest"):
        hand = jax.jit(fn.backprop(network, loss))(params, x, y)[1]
        automatic = jax.jit(fn.autodiff(network, loss))(params, x, y)[1]
    pairs = zip(*(map(np.asarray, jax.tree.leaves(gradients)) for gradients in (hand, automatic)), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def recipe_figures(recipe, options):
    """Return a recipe's steady times with default and highest precision, its losses, and how far gradients differ."""
    x, y = (jnp.asarray(array[: options.samples]) for array in arrays_of(recipe)[:2])
    network = network_of(recipe)
    loss, optimizer = LOSSES[recipe.loss], optimizer_of(recipe)
    key, batch_size = jax.random.key(options.seed), min(recipe.batch_size or len(x), len(x))

    def fit(epochs):
        settings = {"key": key, "batch_size": batch_size, "progress": False}
        return fn.fit(network, loss, optimizer, (x, y), epochs=epochs, **settings)

    params, _ = network.init(key, x.shape[1:])
    figures = {"gradients": gradients_differ(network, loss, params, x[:batch_size], y[:batch_size])}
    for precision in ("default", "highest"):
        with jax.default_matmul_precision(precision):
            seconds, first, last = steady(fit, options.epochs)
        steps = -(-len(x) // batch_size)
        figures[precision] = {"epoch": seconds, "step": seconds / steps, "first loss": first, "last loss": last}
    return figures


def loop_figures(form, samples, seed):
    """Return {recipe: steady seconds of a step} of the small recipes, their loop in one of the forms for a GPU.

    On a CPU, too, the program is the one for a GPU.
    """
    from funcnet.training import run

    jax.default_backend = lambda: "gpu"
    if form == FORMS[0]:
        run.few_waits = lambda function, *rest: function
    result = {}
    for name in LOOPED:
        recipe = RECIPES[name]
        x, y = (jnp.asarray(array[:samples]) for array in arrays_of(recipe)[:2])
        parts = network_of(recipe), LOSSES[recipe.loss], optimizer_of(recipe)
        settings = {"key": jax.random.key(seed), "batch_size": None, "progress": False}
        result[name] = steady(lambda epochs: fn.fit(*parts, (x, y), epochs=epochs, **settings), LOOP_EPOCHS)[0]  # noqa: B023
    return result


def loops(options):
    """Return [{"form", "flags", "seconds" or "error"}, ...] of the loops, each measured in a process of its own."""
    rows = []
    for form in FORMS:
        for flags in LOOP_FLAGS:
            command = [sys.executable, __file__, "--loop", form, "--seed", str(options.seed)]
            command += [] if options.samples is None else ["--samples", str(options.samples)]
            environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}
            environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # this process holds the device's memory
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            row = {"form": form, "flags": flags}
            if done.returncode:
                row["error"] = (done.stderr.strip().splitlines() or ["no message"])[-1]
            else:
                row["seconds"] = json.loads(done.stdout.splitlines()[-1])
            rows.append(row)
    return rows


def loops_table(rows):
    """Return the figures of the loops as text."""
    lines = ["Steps of the small recipes, in µs, by the form of the loop and XLA's flags"]
    for row in rows:
        shown = row.get("error") or "  ".join(f"{name} {s * 1e6:.2f}" for name, s in row["seconds"].items())
        lines.append(f"{row['form']:18}{row['flags'] or 'defaults':44}{shown}")
    return "\n".join(lines)


def matrix_rate(size, dtype):
    """Return the operations a second of the product of two square matrices, by the precision that is set."""
    a, b = (jax.random.normal(jax.random.key(k), (size, size), dtype) for k in (0, 1))
    product = jax.jit(jnp.matmul)

    def queued():
        for _ in range(PRODUCTS):
            result = product(a, b)
        return result

    jax.block_until_ready(queued())
    return 2 * size**3 * PRODUCTS / median_seconds(queued)[0]


def wide_figures(mode, width, batch_size, options):
    """Return the wide network's figures: it learns to return its input, in two batches per epoch."""
    dtype, precision = MODES[mode]
    sizes = (width,) * (LAYERS + 1)
    network, key = fn.mlp(sizes), jax.random.key(options.seed)
    x = jax.random.normal(key, (2 * batch_size, width), dtype)
    params, _ = network.init(key, (width,), dtype=dtype)

    def fit(epochs):
        settings = {"key": key, "params": params, "batch_size": batch_size, "progress": False}
        return fn.fit(network, fn.quadratic, fn.adam(1e-4), (x, x), epochs=epochs, **settings)

    with jax.default_matmul_precision(precision):
        rate = matrix_rate(max(width, batch_size), dtype)
        seconds, first, last = steady(fit, options.epochs)
    products = 3 * sum(inputs * outputs for inputs, outputs in pairwise(sizes)) - width**2  # no gradient of the data
    reached = 2 * batch_size * products / (seconds / 2)
    figures = {"step": seconds / 2, "rate": reached, "matrix rate": rate, "share": reached / rate}
    return {**figures, "first loss": first, "last loss": last}


def device_figures():
    """Return a description of the accelerator."""
    device = jax.devices()[0]
    return {
        "name": device.device_kind,
        "platform": device.platform,
        "count": jax.device_count(),
        "jax": jax.__version__,
    }


def parsed(argv):
    """Return the options."""
    options = argparse.ArgumentParser(prog="accelerator.py", description=__doc__)
    add = options.add_argument
    add("--seed", type=parse_seed, default=0, help="seed of all random numbers (default: 0)")
    add("--width", type=positive_integer, help="of the wide network (default: 4096; on a CPU 256)")
    add("--batch", type=positive_integer, help="samples in a batch of the wide network (default: 8192; on a CPU 256)")
    add("--epochs", type=positive_integer, default=4, help="of the longer call at least, after its first (default: 4)")
    add("--recipes", nargs="+", choices=MEASURED, default=MEASURED, help="which are measured (default: all)")
    add("--samples", type=positive_integer, help="how many of each recipe's samples (default: all)")
    add("--loop", choices=FORMS, help="measure the loops of the small recipes in this form alone, and print JSON")
    add("--json", type=Path, metavar="FILE", help="write every figure there too")
    return options.parse_args(argv)


def failures(figures):
    """Return what is wrong: losses that did not fall, and gradients that differ."""
    wrong = []
    for name, of in figures["recipes"].items():
        wrong += [f"{name}, {p}: the loss did not fall" for p in ("default", "highest") if not falls(of[p])]
        if not of["gradients"] <= TOLERANCE:
            wrong.append(f"{name}: the gradients by hand differ from the automatic ones by {of['gradients']:.1e}")
    return wrong + [f"wide, {mode}: the loss did not fall" for mode, of in figures["wide"].items() if not falls(of)]


def falls(of):
    """Return whether a run's last loss is below its first; a NaN is not."""
    return of["last loss"] < of["first loss"]


def main(argv=None):
    """Measure everything, print it, and return the figures; end with an error where a check failed."""
    options = parsed(argv)
    if options.loop:
        figures = loop_figures(options.loop, options.samples, options.seed)
        print(json.dumps(figures))
        return figures
    device = device_figures()
    on_cpu = device["platform"] == "cpu"
    width, batch_size = options.width or (256 if on_cpu else 4096), options.batch or (256 if on_cpu else 8192)
    print(f"{device['name']} ({device['platform']}, {device['count']} of them), JAX {device['jax']}")
    if on_cpu:
        print("this is a CPU: its figures say nothing of an accelerator, and tf32 is float32 here")
    figures = {"device": device, "width": width, "batch": batch_size, "recipes": {}, "wide": {}}
    for name in options.recipes:
        recipe = RECIPES[name]
        of = figures["recipes"][name] = recipe_figures(recipe, options)
        title = recipe.title.removesuffix(", early stopping")
        print(f"\n{title}: gradients by hand differ from the automatic ones by {of['gradients']:.1e}")
        for precision in ("default", "highest"):
            row = of[precision]
            shown = f"{row['epoch']:.4f} s an epoch, {row['step'] * 1e6:.2f} µs a step"
            print(f"{precision + ' precision':20}{shown:40}{told(row['first loss'], row['last loss'])}", flush=True)
    print(f"\n{LAYERS} layers {width} × {width}, Adam, batch {batch_size}")
    for mode in MODES:
        row = figures["wide"][mode] = wide_figures(mode, width, batch_size, options)
        rates = f"{row['rate'] / 1e12:.3g} of {row['matrix rate'] / 1e12:.3g} TFLOP/s, a share of {row['share']:.2f}"
        start = f"{mode:10}{row['step'] * 1e3:10.3f} ms a step  {rates:44}"
        print(f"{start}{told(row['first loss'], row['last loss'])}", flush=True)
    figures["loops"] = loops(options)
    print(f"\n{loops_table(figures['loops'])}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if wrong := failures(figures):
        raise SystemExit("\n".join(wrong))
    return figures


if __name__ == "__main__":
    main()
