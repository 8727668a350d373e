"""What is wrong in JAX and optax: values and derivatives over the whole range of float32, against many digits.

``fn.check_accuracy`` sweeps every binade of float32: the value, the derivative by ``jax.grad`` and the second
derivative of each function in ``audited.py``. No argument is listed: where a function is wrong is found. A number is
called wrong if fewer than half of its digits are right (an error of more than 2¹² units in the last place), or if it is
NaN or infinite where the right one is a number, or the reverse. Infinite arguments are tried too, with a cotangent of
0: what a masked sample sends back. ``fn.check_rules`` checks the custom derivatives of optax, Flax and Equinox, where
installed.
"""

import contextlib
import functools
import json
import math
import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import audited
import jax
import jax.numpy as jnp
import jax.scipy.special as jss
import matplotlib.colors
import matplotlib.patches
import mpmath as mp
import numpy as np
import optax
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

NAMES = {"jax": jax, "jnp": jnp, "jss": jss, "optax": optax}
IMPORTS = "import jax, jax.numpy as jnp, jax.scipy.special as jss, optax"
WRONG = 2.0**12  # units in the last place
CHANGES = (-1.0, 1.0)  # where many functions change their form: more arguments around them
SMALL = 2.0**-100
EVERYDAY = 20  # arguments between 2^-20 and 2^20 in absolute value, and 0
ROUTES = ("value", "derivative", "second derivative")
CUSTOM_RULES = "custom derivatives of other libraries"
LARGEST = 1e300  # units, for NaN and infinity
CLASSES = (
    ("#e3efdd", "at most 4 units in the last place"),
    ("#ffe9a8", "at most 64"),
    ("#fdae61", "more"),
    ("#d7301f", "fewer than half of the digits are right"),
    ("black", "NaN or infinite"),
)
LEAST, CENTRE = -126, 254  # the binades of float32, and the place of 0 among them
SHOWN = ((-50, "1e−15"), (0, "1"), (50, "1e15"), (100, "1e30"))  # powers of two, about


class Error(NamedTuple):
    """What is wrong: the function, one of ``ROUTES`` or another check, where, and the right value."""

    group: str
    function: str
    what: str
    where: str
    got: str
    right: str
    reproduction: str
    is_everyday: bool


def function_of(each):
    """Return an audited function of one number x."""
    return eval(f"lambda x: {each.expression}", NAMES)


def routes(each):
    """Yield the name, the function, its definition for many digits and the domain: value, derivative, second one."""
    f = function_of(each)
    yield "value", f, each.value, each.domain
    yield "derivative", jax.grad(f), each.slope, each.domain
    if each.has_second:
        low, high = max(each.domain[0], -(2.0**12)), min(each.domain[1], 2.0**12)
        yield "second derivative", jax.grad(jax.grad(f)), second(each.slope), (0.999 * low, 0.999 * high)


def second(slope):
    """Return the derivative of a slope for many digits, as a central difference of a third of them."""

    def difference(x):
        h = mp.ldexp(abs(x) or 1, -mp.mp.prec // 3)
        return (slope(x + h) - slope(x - h)) / (2 * h)

    return difference


def mapped(each, f):
    """Return a function of a number as one of an array."""
    return (lambda x: jax.lax.map(f, x)) if each.loops else jax.vmap(f)


def text(number):
    """Return a float32 number in as few digits as tell it from others."""
    return number if isinstance(number, str) else str(np.float32(number))


def reproduction(each, what, at):
    """Return one line that shows what is wrong."""
    if what == "value":
        return re.sub(r"\bx\b", f"jnp.float32({text(at)})", each.expression)
    plain = re.fullmatch(r"([\w.]+)\(x\)", each.expression)
    inner = plain.group(1) if plain else f"lambda x: {each.expression}"
    if what == "cotangent of 0":
        return f"jax.vjp({inner}, jnp.float32({text(at)}))[1](jnp.float32(0.0))"
    return f"jax.grad({f'jax.grad({inner})' if what == 'second derivative' else inner})(jnp.float32({text(at)}))"


def ranges(binades):
    """Return in words the arguments of binades: their ranges, of which two are shown."""
    found = []
    for binade in binades:
        low, high = sorted((binade.sign * 2.0**binade.exponent, binade.sign * 2.0 ** (binade.exponent + 1)))
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    shown = [f"{low:.2g} to {high:.2g}" for low, high in found]
    return ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")


def exact(reference, at):
    """Return the right value at an argument."""
    with mp.workdps(120):
        return mp.mpf(reference(mp.mpf(at)))


def is_flushed(reference, binade):
    """Return whether a binade's error is that a very small number became 0, as XLA makes of some."""
    if not 2.0**22 < binade.worst <= 2.0**24:
        return False
    right = float(abs(exact(reference, binade.at)))
    return 0 < right < SMALL and abs(binade.worst - right / 2.0 ** (math.frexp(right)[1] - 24)) <= 1


def sweep(each, what, f, reference, domain, samples):
    """Return the report of one sweep and the errors it finds."""
    call = jax.jit(mapped(each, f))
    try:
        zeros = each.zeros(what)
        report = fn.check_accuracy(call, reference, domain=domain, zeros=zeros, near=CHANGES, samples=samples)
    except TypeError as error:  # what JAX raises where it cannot differentiate
        right = f"{float(exact(reference, 0.5)):.6g}"
        return None, [Error(each.group, each.expression, what, "everywhere", type(error).__name__, right,
                            reproduction(each, what, 0.5), True)]  # fmt: skip
    points = report.points + report.left_out
    found = []
    wrong = [binade for binade in report.binades if binade.worst > WRONG]
    wrong = [binade for binade in wrong if not is_flushed(reference, binade)]
    at_zero = report.at == 0 and report.worst > WRONG
    if wrong or at_zero:
        common = [binade for binade in wrong if -EVERYDAY <= binade.exponent < EVERYDAY]
        at = 0.0 if at_zero else max(common or wrong, key=lambda each: (each.worst, -abs(each.exponent))).at
        got = value_at(call, at, points)
        where = ", ".join(filter(None, ["0" if at_zero else "", ranges(wrong)]))
        found.append(Error(each.group, each.expression, what, where, text(got), f"{float(exact(reference, at)):.6g}",
                           reproduction(each, what, at), bool(common) or at_zero))  # fmt: skip
        if not np.isfinite(got):
            found += before(each, what, call, reference, at)
    if what == "derivative" and each.is_bounded:
        found += behind_a_mask(each, call, points)
    return report, found


def value_at(call, at, points):
    """Return the value of a compiled function at one number, as one of the shape that it is compiled for."""
    return np.asarray(call(np.full(points, at, np.float32)))[0]


def before(each, what, call, reference, at):
    """Return the error of a binade's numbers before the first NaN or infinity, which hides it."""
    start, report = 2.0 ** (math.frexp(at)[1] - 1), None
    if not 2.0**-EVERYDAY <= at < 2.0**EVERYDAY:
        return []
    while start < at and (report is None or math.isinf(report.worst)):
        last = float(np.nextafter(np.float32(at), np.float32(0)))
        report = fn.check_accuracy(call, reference, domain=(start, last), near=(start,), zeros=each.zeros(what))
        at = report.at
    if report is None or not WRONG < report.worst < math.inf:
        return []
    return [Error(each.group, each.expression, what, f"{at:.7g}", text(report.got), f"{report.right:.6g}",
                  reproduction(each, what, at), True)]  # fmt: skip


def behind_a_mask(each, slope, points):
    """Return the errors at infinite arguments, where a derivative of NaN makes a cotangent of 0 into NaN."""
    ends = [end for end in (-math.inf, math.inf) if each.domain[0] <= end <= each.domain[1]]
    wrong = [end for end in ends if not np.isfinite(value_at(slope, end, points))]
    if not wrong:
        return []
    what, at = "cotangent of 0", f"{'-' * (wrong[0] < 0)}jnp.inf"
    where = ", ".join(f"{end:g}" for end in wrong)
    return [Error(each.group, each.expression, what, where, "nan", "0", reproduction(each, what, at), True)]


def audit(name, samples):
    """Return the reports on a function, by what is tried, and its errors."""
    each = next(each for each in audited.TABLE if each.expression == name)
    reports, errors = {}, []
    for what, f, reference, domain in routes(each):
        reports[what], found = sweep(each, what, f, reference, domain, samples)
        errors += found
    return reports, errors


def job(name, samples):
    """Return what ``audit`` returns, or the verdicts on ``CUSTOM_RULES``: a job of one process."""
    return check_custom_rules() if name == CUSTOM_RULES else audit(name, samples)


@contextlib.contextmanager
def workers(count):
    """Yield a ``map`` that runs in that many processes, or in this one."""
    if count == 1:
        yield map
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def custom_rules():
    """Yield library, name, function, arguments and intended differences of custom derivatives, where installed."""
    numbers = np.random.default_rng(0)
    x, left, right = numbers.normal(size=5), numbers.normal(size=(3, 4)), numbers.normal(size=(4, 2))
    yield "optax", "projections.projection_simplex", optax.projections.projection_simplex, (x,), {}
    yield "optax", "safe_softmax_cross_entropy", optax.safe_softmax_cross_entropy, (left, np.eye(4)[:3]), {}
    intended = {"_scale_gradient": "a gradient is scaled on purpose"}
    yield "optax", "scale_gradient", lambda x: optax.scale_gradient(x, 0.5), (x,), intended
    with contextlib.suppress(ImportError):
        from flax.linen import fp8_ops

        contract = (((1,), (0,)), ((), ()))
        f32, state = jnp.float32, (jnp.ones(1, jnp.float32), jnp.zeros(16, jnp.float32))
        yield "flax", "fp8_ops.dot_general_with_precision", (
            lambda a, b: fp8_ops.dot_general_with_precision(a, b, contract)
        ), (left, right), {}  # fmt: skip
        for name in ("in_qdq", "out_qdq"):
            rule = getattr(fp8_ops, name)
            intended = {name: "straight through the quantization; the scale's gradient is its next value"}
            yield "flax", f"fp8_ops.{name}", lambda x, f=rule: f(f32, jnp.float8_e4m3fn, x.astype(f32), *state), (
                x,
            ), intended  # fmt: skip
    with contextlib.suppress(ImportError):
        import equinox
        import equinox.internal

        yield "equinox", "error_if", lambda x: equinox.error_if(jnp.sin(x), jnp.any(x > 9), "large"), (x,), {}
        yield "equinox", "internal.nextafter", equinox.internal.nextafter, (x,), {}
        yield "equinox", "internal.while_loop", lambda x: equinox.internal.while_loop(
            lambda carry: carry[0] < 3, lambda carry: (carry[0] + 1, jnp.sin(carry[1])), (0, x),
            max_steps=4, kind="checkpointed",
        )[1], (x,), {}  # fmt: skip


def check_custom_rules():
    """Return the verdict on each custom derivative of other libraries: by library and name."""
    found = {}
    for library, name, function, args, intended in custom_rules():
        report = fn.check_rules(function, *args, search_points=False, expected=intended)
        found[f"{library}.{name}"] = str(report.verdict) + (
            f", declared: {next(iter(intended.values()))}" if intended else ""
        )
    return found


def shade(report):
    """Return the error in units of each binade, as a row: those of negative arguments, of 0, of positive arguments."""
    row = np.full(2 * CENTRE + 1, np.nan if report else LARGEST)
    for binade in report.binades if report else ():
        row[CENTRE + binade.sign * (binade.exponent - LEAST + 1)] = min(binade.worst, LARGEST)
    return row


def draw(reports, path):
    """Draw the error maps: a line for each function that is wrong somewhere, a column for each binade of arguments."""
    shaded = {name: [shade(each[what]) for what in ROUTES[:2]] for name, each in reports.items()}
    names = [name for name, rows in shaded.items() if np.nanmax(rows) > WRONG] or list(shaded)
    picture, (places,) = plots.figure(1, 2, size=(13, 2 + 0.17 * len(names)))
    colours = matplotlib.colors.ListedColormap([colour for colour, _ in CLASSES])
    norm = matplotlib.colors.BoundaryNorm([0, 4, 64, WRONG, LARGEST / 2, 2 * LARGEST], len(CLASSES))
    for axes, what, rows in zip(places, ROUTES, zip(*(shaded[name] for name in names), strict=True), strict=False):
        axes.imshow(np.stack(rows), cmap=colours, norm=norm, aspect="auto", interpolation="nearest")
        ends = [
            (CENTRE + sign * (at - LEAST + 1), f"{'−' * (sign < 0)}{name}") for sign in (-1, 1) for at, name in SHOWN
        ]
        axes.set_xticks(*zip(*ends, (CENTRE, "0"), strict=True), fontsize="small")
        axes.set(xlabel="argument x, a column for each factor of 2", title=f"{what}")
        axes.set_yticks(np.arange(len(names)) + 0.5, [""] * len(names), minor=True)
        axes.grid(axis="y", which="minor", color="white", linewidth=1)
        axes.tick_params(which="minor", length=0)
    places[0].set_yticks(range(len(names)), map(short, names), fontsize="small")
    places[1].set_yticks([])
    legend = [matplotlib.patches.Patch(color=colour, label=label) for colour, label in CLASSES]
    picture.legend(handles=legend, loc="outside upper center", ncols=len(CLASSES), fontsize="small",
                   title=f"the {len(names)} of {len(reports)} functions that are wrong somewhere in float32; white: "
                         "not defined, or no normal number")  # fmt: skip
    plots.save(picture, path)


def short(expression):
    """Return an expression as mathematics writes it.

    >>> short("jnp.linalg.norm(jnp.stack([x, 1.0]))")
    'jnp.linalg.norm([x, 1])'
    """
    return re.sub(r"\.0\b", "", re.sub(r"jnp\.(?:stack|array)\((\[.*?\])\)", r"\1", expression))


def compare(paths):
    """Print what several recorded versions find wrong at everyday arguments, as a table of Markdown."""
    records = [json.loads(path.read_text()) for path in paths]
    versions = [record["jax"] for record in records]
    found, masked = {}, {}
    for record in records:
        for each in map(Error._make, record["errors"]):
            if each.what == "cotangent of 0":
                masked.setdefault(f"`{short(each.function)}` at {each.where}", []).append(record["jax"])
            elif each.is_everyday:
                key = (each.function, each.what, each.where if each.where.isdigit() else "")
                found.setdefault(key, {})[record["jax"]] = each
    print(f"| one line | wrong for x from | is | should be | {' | '.join(versions)} |\n|{'---|' * (4 + len(versions))}")
    for by in found.values():
        first = next(iter(by.values()))
        line = [f"`{first.reproduction}`", first.where, first.got, first.right]
        print(f"| {' | '.join([*line, *('wrong' if version in by else 'right' for version in versions)])} |")
    print("\nNaN for a cotangent of 0:", ", ".join(masked))
    for name, some in masked.items():
        if len(some) < len(versions):
            print(f"{name} only in {some}")


def print_errors(errors):
    """Print the table of what is wrong: everyday arguments first."""
    for everyday in (True, False):
        chosen = [each for each in errors if each.is_everyday == everyday]
        print(f"\n{'wrong at everyday arguments, 1e-6 to 1e6' if everyday else 'wrong only beyond'}: {len(chosen)}")
        for each in chosen:
            print(
                f"{each.function}: {each.what}, {each.where}\n    {each.reproduction}  is {each.got}, not {each.right}"
            )


def main(argv=None):
    """Sweep, print what is wrong, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--samples", type=positive_integer, default=1, help="numbers of each binade (default: 1)")
    options.add_argument("--workers", type=positive_integer, default=os.cpu_count(), help="processes (default: cores)")
    options.add_argument("--only", nargs="+", default=[""], help="functions whose expression contains one of these")
    options.add_argument("--record", type=Path, help="a JSON file to write what is wrong to")
    options.add_argument("--compare", type=Path, nargs="+", help="print a table of such files, and nothing else")
    chosen = options.parse_args(argv)
    if chosen.compare:
        return compare(chosen.compare)
    names = [each.expression for each in audited.TABLE if any(part in each.expression for part in chosen.only)]
    jobs = [CUSTOM_RULES] * (chosen.only == [""]) + names  # the longest one first
    with workers(chosen.workers) as run:
        found = dict(zip(jobs, run(functools.partial(job, samples=chosen.samples), jobs), strict=True))
    rules = found.pop(CUSTOM_RULES, {})
    reports = {name: each for name, (each, _) in found.items()}
    errors = [error for _, each in found.values() for error in each]
    versions = f"JAX {jax.__version__}, optax {optax.__version__}"
    print(f"{versions}, float32 on a CPU: {len(names)} functions; {IMPORTS}")
    print_errors(errors)
    print(f"\n{CUSTOM_RULES}, by fn.check_rules")
    for name, verdict in rules.items():
        print(f"{name:40} {verdict}")
    if chosen.record:
        chosen.record.write_text(json.dumps({"jax": jax.__version__, "errors": errors}))
    draw(reports, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"errors": errors, "reports": reports, "rules": rules}


if __name__ == "__main__":
    main()
