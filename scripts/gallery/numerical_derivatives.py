"""The error of numerical derivatives by the step h: forward and central differences, and the complex step.

Forward: (f(x + h) − f(x))/h, truncation error ½h f″; central: (f(x + h) − f(x − h))/2h, truncation error h²f‴/6. Both
also have a rounding error of about ε f/h, so that the best h is about √ε and ∛ε. The complex step Im f(x + ih)/h takes
no difference: it has a truncation error of −h²f‴/6 and no rounding error that grows. f(x) = eˣ/(sin³x + cos³x) is the
example of Squire, Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (1998).
The picture shows that the error of each difference has a lowest point, and that the error of the complex step stays at
the rounding error of one number for every small h.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

SMALLEST_STEP = 1e-20
ORDERS = {"forward difference": 2, "central difference": 3}  # the best step is about ε to the power 1/order


class Quotient(fn.Activation):
    """f(x) = eˣ/d with d = sin³x + cos³x, as an activation, whose derivative ``fn.check_gradients`` checks."""

    def value(self, z):
        """Return eˣ/d, for complex numbers too."""
        return jnp.exp(z) / (jnp.sin(z) ** 3 + jnp.cos(z) ** 3)

    def derivative(self, z):
        """Return eˣ(d − d′)/d²."""
        return derivative(z, jnp)


F = Quotient()


def derivative(x, module):
    """Return f′(x) = eˣ(d − d′)/d² with d′ = 3 sin x cos x (sin x − cos x), by the functions of a module."""
    sine, cosine = module.sin(x), module.cos(x)
    d, slope = sine**3 + cosine**3, 3 * sine * cosine * (sine - cosine)
    return module.exp(x) * (d - slope) / d**2


def numerical(x, h):
    """Return f′ at points x (n,) with steps h (m,) by each method: (n, m) each.

    It is not compiled as a whole: a compiler may round f(x + h) and f(x) differently, which changes their difference.
    """
    x, h = jnp.broadcast_arrays(x[:, None], h[None, :])
    return {
        "forward difference": (F.value(x + h) - F.value(x)) / h,
        "central difference": (F.value(x + h) - F.value(x - h)) / (2 * h),
        "complex step": F.value(jax.lax.complex(x, h)).imag / h,
    }


def relative_errors(dtype, points, steps):
    """Return the root mean square over points x (n,) of each method's relative error, by step: (m,) each."""
    exact = derivative(points.astype(np.longdouble), np)[:, None]
    with jax.enable_x64(True):
        found = numerical(jnp.asarray(points, dtype), jnp.asarray(steps, dtype))
    return {name: np.sqrt(np.mean((np.asarray(values, np.longdouble) / exact - 1) ** 2, axis=0)).astype(float)
            for name, values in found.items()}  # fmt: skip


def best(errors, steps):
    """Return each method's step of the lowest error, and that error."""
    return {name: (float(steps[np.argmin(each)]), float(np.min(each))) for name, each in errors.items()}


def theory(name, epsilon):
    """Return the order of magnitude of a difference's best step and of its error there."""
    return epsilon ** (1 / ORDERS[name]), epsilon ** (1 - 1 / ORDERS[name])


def draw(errors, steps, path):
    """Draw the errors by step, one panel for each dtype, with the best step of each difference."""
    picture, (row,) = plots.figure(1, 2, size=(12, 5))
    for axes, (dtype, by_method) in zip(row, errors.items(), strict=True):
        epsilon = float(np.finfo(dtype).eps)
        plots.curves(axes, by_method, x=steps, xlabel="step h", ylabel="relative error of f′ (lower is better)",
                     title=f"{dtype}: ε = {epsilon:.1e}, √ε = {epsilon**0.5:.1e}, ∛ε = {np.cbrt(epsilon):.1e}",
                     log=True)  # fmt: skip
        axes.get_legend().remove()
        axes.set(xscale="log", xlim=(SMALLEST_STEP, 1), ylim=(1e-17, 300))
        axes.axhline(epsilon, color="#777777", linewidth=0.9, linestyle=":")
        axes.text(3e-20, epsilon * 1.8, "ε", color="#555555")
        axes.text(3e-20, 5, "x + h is rounded to x", color="#555555", fontsize="small")
        lowest = best(by_method, steps)
        for name, colour, marker, side in zip(ORDERS, plots.COLOURS, plots.MARKERS, ("right", "left"), strict=False):
            h, error = lowest[name]
            axes.plot(h, error, marker, color=colour, markersize=8, markeredgecolor="black")
            axes.annotate(f"best h:\n{h:.0e}", (h, error), xytext=(-10 if side == "right" else 10, -8), ha=side,
                          va="center", textcoords="offset points", color=colour, fontsize="small")  # fmt: skip
    picture.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
    plots.save(picture, path)


def main(argv=None):
    """Compute the errors, print the best steps, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--points", type=positive_integer, default=50, help="points x in [1.3, 1.7] (default: 50)")
    options.add_argument("--steps", type=positive_integer, default=161, help="steps h (default: 161)")
    chosen = options.parse_args(argv)
    points = np.asarray(jax.random.uniform(jax.random.key(chosen.seed), (chosen.points,), minval=1.3, maxval=1.7))
    steps = np.logspace(np.log10(SMALLEST_STEP), 0, chosen.steps)
    errors = {dtype: relative_errors(dtype, points, steps) for dtype in ("float64", "float32")}
    print(f"f(x) = eˣ/(sin³x + cos³x) at {chosen.points} points in [1.3, 1.7]: root mean square of f′'s relative error")
    print(f"{'':28}{'best h':>10}{'theory':>10}{'error':>10}{'theory':>10}")
    lowest = {}
    for dtype, by_method in errors.items():
        lowest[dtype] = best(by_method, steps)
        for name in ORDERS:
            (h, error), (h_theory, error_theory) = lowest[dtype][name], theory(name, float(np.finfo(dtype).eps))
            print(f"{dtype:8}{name:20}{h:10.1e}{h_theory:10.1e}{error:10.1e}{error_theory:10.1e}")
        flat = by_method["complex step"][steps < 1e-10]
        print(f"{dtype:8}{'complex step':20}{'any < 1e-10':>20}{flat.max():10.1e}   ε is {np.finfo(dtype).eps:.1e}")
    report = fn.check_gradients(F, fn.quadratic, (), jnp.asarray(points)[:, None], jnp.zeros((chosen.points, 1)))
    difference = report.rows[0].hand_numerical
    print(f"fn.check_gradients compares f′ by hand with the {report.method}: they differ by {difference:.1e}")
    draw(errors, steps, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"errors": errors, "steps": steps, "best": lowest, "method": report.method, "difference": difference}


if __name__ == "__main__":
    main()
