"""``funcnet verify``: check the gradients of a network that the options describe, or the derivatives of a function."""

import argparse
import inspect
import json
import re
import sys
from contextlib import redirect_stdout
from importlib import import_module
from os import getcwd
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn

from ..activations import ACTIVATIONS
from ..gradcheck.check import check_element_count
from ..rulecheck.report import Finding, Verdict
from .arguments import UsageError, add_choice, add_run_options, parse_layers, positive_integer
from .losses import LOSSES

DESCRIPTION = (
    "Check the gradients of a multilayer perceptron. The derivative of the cost with respect to every weight, bias "
    "and input is computed in float64 by the hand-written equations, by automatic differentiation and by complex "
    "steps. The table gives for each array the largest difference between two of them, divided by the largest "
    "derivative. Where gradients differ, the likely mistake is named. Parameters and data are random. With the name of "
    "a function, its derivatives are checked instead, or with --rules those of every custom derivative that it calls. "
    "The exit code is 0 if all are proved, 1 if one is wrong, 2 for wrong usage, 3 if one is not proved, and 4 if "
    "nothing can be checked."
)
EXAMPLE = (
    "example: funcnet verify --layers 64,30,10 --activation tanh --loss quadratic --batch-size 16 --seed 3; "
    'funcnet verify jax.nn:gelu --args "float32[5,3]"'
)
SIZES_HELP = (
    "sizes of the input, the hidden layers and the output (default: 8,6,4); the network is run once for each "
    "derivative, so 784,30,10 takes seconds"
)

EXIT_CODES = {"OK": 0, "MISMATCH": 1, "NOT_PROVED": 3, "NOT_CHECKED": 4}  # by the verdict's name
DTYPES = (jnp.floating, jnp.integer, jnp.bool_)
NETWORK = {"layers": [8, 6, 4], "activation": "tanh", "output": None, "loss": "softmax_cross_entropy", "batch_size": 8}
MANY = 20_000  # derivatives, from which on the check takes more than a few seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument("function", nargs="?", metavar="MODULE:FUNCTION", help="a function to check, not a network")
    group = parser.add_argument_group("of a function")
    group.add_argument(
        "--args", nargs="+", default=[], metavar="ARRAY", help='its arguments, such as "float32[5,3]" (default: none)'
    )
    group.add_argument("--rules", action="store_true", help="check its custom derivatives alone (default: its own)")
    text = "training dtype (default: the lowest of the arguments; float32 for a network)"
    parser.add_argument("--dtype", metavar="NAME", help=text)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON (default: as text)")
    group = parser.add_argument_group("of a network")
    group.add_argument("--layers", type=parse_layers, metavar="SIZES", help=SIZES_HELP)
    add_choice(group, "--activation", ACTIVATIONS, "activation of the hidden layers", None, "tanh")
    add_choice(group, "--output", ACTIVATIONS, "activation of the output", None, "the one that suits the loss")
    add_choice(group, "--loss", LOSSES, "loss", None, "softmax_cross_entropy")
    text = "number of samples (default: 8)"
    group.add_argument("--batch-size", type=positive_integer, metavar="N", help=text)
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    """Check the network or the function that the options describe, print the report, and return the exit code."""
    _check_usage(options)
    if options.function is None:
        report = _check_network(options)
    else:
        with redirect_stdout(sys.stderr):  # what the user's code prints is not part of the report
            report = _check_function(options)
    print(json.dumps(_as_json(report), indent=2) if options.json else report)
    return EXIT_CODES[report.verdict.name]


def _check_usage(options: argparse.Namespace) -> None:
    """Raise ``UsageError`` for options of a function without one, of a network beside one, and for a wrong dtype."""
    if options.function is None and (options.args or options.rules):
        raise UsageError("--args and --rules: expected the name of a function, MODULE:FUNCTION, too")
    given = [f"--{name.replace('_', '-')}" for name in NETWORK if getattr(options, name) is not None]
    if options.function is not None and given:
        raise UsageError(f"{given[0]}: expected no function beside it, got {options.function!r}")
    try:
        is_floating = jnp.issubdtype(jnp.dtype(options.dtype or "float32"), jnp.floating)
    except TypeError:
        is_floating = False
    if not is_floating:
        raise UsageError(f"--dtype: expected the name of a floating dtype, got {options.dtype!r}")


def _check_network(options: argparse.Namespace) -> fn.DerivativeReport:
    """Check the gradients of the network that the options describe."""
    given = {name: getattr(options, name) for name in NETWORK if getattr(options, name) is not None}
    layers, activation, output_name, loss_name, batch_size = (NETWORK | given).values()
    loss, output, targets = LOSSES[loss_name]
    output = fn.activation(output_name) if output_name else output
    network = fn.mlp(layers, hidden=fn.activation(activation), output=output)
    key = jax.random.key(options.seed)
    shapes = jax.eval_shape(lambda: network.init(key, (layers[0],))[0])
    derivatives = sum(leaf.size for leaf in jax.tree.leaves(shapes)) + batch_size * layers[0]
    check_element_count("verify", derivatives)
    random = np.random.default_rng(options.seed)
    params, _ = network.init(key, (layers[0],))
    # Biases are moved away from zero, where a mistake in their layer may not show.
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + random.normal(scale=0.1, size=leaf.shape), params)
    x = random.normal(size=(batch_size, layers[0]))
    y = targets(random, (batch_size, layers[-1]))
    if not options.json:
        print(f"network    {network}")
        print(f"loss       {loss}, on {batch_size} samples, seed {options.seed}", flush=True)
        if derivatives > MANY:
            words = "for each of which the network is run: please wait"
            print(f"checking   {derivatives:,} derivatives, {words}", flush=True)
    try:
        return fn.check_gradients(network, loss, params, x, y, dtype=options.dtype)
    except ValueError as error:  # as for a loss that the output does not suit
        return _not_checked(str(network), error)


def _check_function(options: argparse.Namespace) -> fn.DerivativeReport:
    """Check the derivatives of a function, or of the rules in it, at random arguments."""
    function = _named(options.function)
    random = np.random.default_rng(options.seed)
    args = [_random_array(text, random) for text in options.args]
    try:
        inspect.signature(function).bind(*args)
    except TypeError as error:
        raise UsageError(f"--args: expected the arguments of {options.function}, got {len(args)}: {error}") from error
    except ValueError:  # the function does not tell its arguments
        pass
    try:
        report = (fn.check_rules if options.rules else fn.check_function)(function, *args, dtype=options.dtype)
        jax.effects_barrier()  # what ``jax.debug.print`` has yet to print
        return report
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the function raises, as SystemExit, which is no success
        return _not_checked(options.function, error)


def _not_checked(name: str, error: BaseException) -> fn.DerivativeReport:
    """Return the report on what raises an error when it is checked."""
    reason = f"{type(error).__name__}: {error}"
    return fn.DerivativeReport(name, (Finding(Verdict.NOT_CHECKED, name, "the derivative", "", reason=reason),))


def _named(text: str) -> Any:
    """Return the function of a text such as ``"package.module:function"``; modules of this folder are found."""
    module, _, path = text.partition(":")
    if not module or not path:
        raise UsageError(f"expected MODULE:FUNCTION, such as jax.nn:gelu, got {text!r}")
    if getcwd() not in sys.path:
        sys.path.insert(0, getcwd())
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # of any kind: the module is the user's code
        raise UsageError(f"expected the name of a function, got {text!r}: {error}") from error
    if not callable(found):
        raise UsageError(f"expected the name of a function, got {text!r}, of type {type(found).__name__}")
    return found


def _random_array(text: str, random: np.random.Generator) -> Any:
    """Return a random array of a text such as ``"float32[5,3]"``: normal, or integers 0 and 1."""
    match = re.fullmatch(r"(\w+)\[([\d, ]*)\]", text)
    try:
        dtype = jnp.dtype(match[1]) if match else None
    except TypeError:
        dtype = None
    if match is None or dtype is None or not any(jnp.issubdtype(dtype, each) for each in DTYPES):
        raise UsageError(f"--args: expected a dtype and a shape, such as float32[5,3], got {text!r}")
    shape = tuple(int(size) for size in match[2].replace(" ", "").split(",") if size)
    try:
        if jnp.issubdtype(dtype, jnp.floating):
            return random.normal(size=shape).astype(dtype)
        return random.integers(0, 2, shape).astype(dtype)  # also of booleans
    except (MemoryError, ValueError) as error:  # NumPy's words for arrays beyond the memory, and beyond all memories
        raise UsageError(f"--args: expected an array that fits into memory, got {text!r}") from error


def _as_json(report: Any) -> dict[str, Any]:
    """Return a report as JSON holds it; numbers that are not finite are null."""
    findings = []
    for finding in report.findings:
        facts = {**vars(finding), "verdict": finding.verdict.name}
        findings.append({k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in facts.items()})
    return {
        "function": report.function,
        "verdict": report.verdict.name,
        "findings": findings,
        "checked": report.checked,
        "not_exercised": report.not_exercised,
        "notes": report.notes,
    }
