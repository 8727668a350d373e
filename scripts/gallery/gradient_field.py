"""The gradient field of a surface, paths of descent and ascent along it, and descent with three learning rates.

f(x, y) = −(cos²x + cos²y)² has the gradient 2(cos²x + cos²y)(sin 2x, sin 2y). Descent is θ ← θ − η∇f(θ), ascent
θ ← θ + η∇f(θ), which is descent on −f. On f(x) = x² a step is x ← (1 − 2η)x, so that descent converges for 0 < η < 1.
Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées" (1847).
The picture shows that descent runs against the arrows of the gradient and ascent runs along them, and that a learning
rate above 1 moves away from the minimum of x².
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

STARTS = np.array([[-1.3, 0.5], [0.4, 1.25], [1.35, -0.9], [-0.7, -1.4]], np.float32)
LEARNING_RATE, EDGE = 0.05, 2.0
RATES = {"too small": 0.02, "right": 0.3, "too large": 1.02}
FIRST, FEW_STEPS = -2.0, 10
DESCENT, ASCENT = plots.COLOURS[1], plots.COLOURS[2]


def f(point):
    """Return −(cos²x + cos²y)²: −4 at (0, 0), the lowest value, and 0 at (±π/2, ±π/2), the highest."""
    return -(jnp.sum(jnp.cos(point) ** 2) ** 2)


def negated(point):
    """Return −f(x, y), whose descent is the ascent of f."""
    return -f(point)


def gradient(point):
    """Return ∇f by hand: 2(cos²x + cos²y)(sin 2x, sin 2y)."""
    return 2 * jnp.sum(jnp.cos(point) ** 2) * jnp.sin(2 * point)


def descend(cost, starts, learning_rate, steps):
    """Return the paths of gradient descent on a cost, one for each start: (starts, steps + 1, ...)."""
    optimizer = fn.sgd(learning_rate)

    def path(start):
        def step(carry, _):
            point, state = carry
            updates, state = optimizer.update(jax.grad(cost)(point), state, point)
            point = fn.apply_updates(point, updates)
            return (point, state), point

        return jnp.concatenate([start[None], jax.lax.scan(step, (start, optimizer.init(start)), length=steps)[1]])

    return np.asarray(jax.jit(jax.vmap(path))(jnp.asarray(starts)))


def refusal():
    """Return the text of the error that a negative learning rate raises."""
    try:
        fn.sgd(-LEARNING_RATE)
    except ValueError as error:
        return str(error)


def differences(points):
    """Return the largest difference on a grid between ∇f by hand, by ``jax.grad`` and by SymPy, in float64.

    Also return SymPy's ∂f/∂x as text, or None where SymPy is not installed.
    """
    line = np.linspace(-EDGE, EDGE, points)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    with jax.enable_x64(True):
        by_hand = np.asarray(jax.vmap(gradient)(jnp.asarray(grid)))
        found = {"jax.grad": float(np.abs(jax.vmap(jax.grad(f))(jnp.asarray(grid)) - by_hand).max())}
    try:
        import sympy
    except ImportError:
        return found, None
    x, y = sympy.symbols("x y")
    formula = -((sympy.cos(x) ** 2 + sympy.cos(y) ** 2) ** 2)
    partial = [sympy.diff(formula, variable) for variable in (x, y)]
    by_symbols = np.stack(sympy.lambdify((x, y), partial)(*grid.T), axis=1)
    return found | {"SymPy": float(np.abs(by_symbols - by_hand).max())}, str(partial[0])


def heights(points):
    """Return f at points (n, 2), as NumPy's array (n,)."""
    return np.asarray(jax.vmap(f)(jnp.asarray(points, jnp.float32)))


def field(points):
    """Return a grid (points², 2) and ∇f there."""
    line = np.linspace(-EDGE, EDGE, points + 2)[1:-1]
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return grid, np.asarray(jax.vmap(gradient)(jnp.asarray(grid, jnp.float32)))


def draw_surface(axes, descents, ascents):
    """Draw f as a surface in space with the paths on it, and its gradient field on the plane below."""
    part, place = axes.get_figure(root=False), axes.get_subplotspec()
    axes.remove()
    space = part.add_subplot(place, projection="3d", computed_zorder=False)
    line = np.linspace(-EDGE, EDGE, 50)
    x, y = np.meshgrid(line, line)
    z = heights(np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(x.shape)
    floor = -7.0
    grid, arrows = field(11)
    space.quiver(*grid.T, floor, *(0.09 * arrows.T), 0, color="#555555", linewidth=0.7, arrow_length_ratio=0.4)
    space.plot_surface(x, y, z, cmap="Blues_r", rcount=40, ccount=40, alpha=0.75, linewidth=0)
    for paths, colour, dash in ((descents, DESCENT, "-"), (ascents, ASCENT, "--")):
        for path in paths:
            space.plot(*path.T, heights(path), dash, color=colour, linewidth=2)
            space.plot(*path[:1].T, heights(path[:1]), "o", color="black", markersize=4)
    space.set(xlabel="x", ylabel="y", zlabel="f(x, y)", zlim=(floor, 0), xticks=(-2, -1, 0, 1, 2))
    space.set(yticks=(-2, -1, 0, 1, 2), zticks=(-4, -2, 0))
    space.set_title("f(x, y) = −(cos²x + cos²y)², above its gradient field", fontsize="medium")
    space.view_init(elev=33, azim=-62)


def draw_paths(axes, descents, ascents):
    """Draw the level lines of f, its gradient field as arrows, and the paths."""
    plots.surface(axes, heights, (-EDGE, EDGE), (-EDGE, EDGE), xlabel="x", ylabel="y", levels=12, resolution=100,
                  title="From above: arrows ∇f point uphill; darker is lower")  # fmt: skip
    grid, arrows = field(15)
    axes.quiver(*grid.T, *arrows.T, color="#333333", angles="xy", scale=45, width=0.004)
    for name, paths, colour, dash in (("descent", descents, DESCENT, "-"), ("ascent", ascents, ASCENT, "--")):
        axes.plot(paths[:, :, 0].T, paths[:, :, 1].T, dash, color=colour, linewidth=2.2, label=[name, *["_"] * 3])
    axes.plot(*STARTS.T, "o", color="black", markersize=6, label="starts")
    axes.set_aspect("equal")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small", frameon=False)


def draw(descents, ascents, lines, path):
    """Draw the surface, the field from above, and descent on x² with each learning rate."""
    picture, ((above,), (below,)) = plots.figure(2, 1, size=(10.5, 8.6))
    ((surface, levels),) = plots.divided(above, 1, 2)
    draw_surface(surface, descents, ascents)
    draw_paths(levels, descents, ascents)
    title = f"Descent on x² from x = {FIRST:g}: {FEW_STEPS} steps x ← (1 − 2η)x, each a point".replace("-", "−")
    (row,) = plots.divided(below, 1, len(lines), title=title)
    x = np.linspace(-3.3, 3.3, 121)
    for axes, (name, points) in zip(row, lines.items(), strict=True):
        text = f"η = {RATES[name]:g}, {name}: x ← {1 - 2 * RATES[name]:.2f} x\nlast point: x = {points[-1]:.3g}"
        plots.curves(axes, {"x²": x**2}, x=x, xlabel="x", ylabel="x² (lower is better)",
                     title=text.replace("-", "−"))  # fmt: skip
        axes.plot(points, points**2, "-", color=DESCENT, linewidth=1)
        axes.plot(points, points**2, "o", color=DESCENT, markersize=5, markeredgecolor="white")
        axes.plot(points[0], points[0] ** 2, "o", color="black", markersize=6)
        axes.set(xlim=(-3.3, 3.3), ylim=(-0.5, 10))
    plots.save(picture, path, dpi=90)


def main(argv=None):
    """Run the descents, compare the gradients, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--steps", type=positive_integer, default=200, help="of each path on f(x, y) (default: 200)")
    options.add_argument("--grid", type=positive_integer, default=101, help="points a side (default: 101)")
    chosen = options.parse_args(argv)
    descents = descend(f, STARTS, LEARNING_RATE, chosen.steps)
    ascents = descend(negated, STARTS, LEARNING_RATE, chosen.steps)
    print(f"f(x, y) = −(cos²x + cos²y)², {chosen.steps} steps of η = {LEARNING_RATE} from each start")
    print(f"{'start':>16}{'f':>8}{'descent ends at':>20}{'f':>8}{'ascent ends at':>20}{'f':>8}")
    for down, up in zip(descents, ascents, strict=True):
        ends = [f"({x:6.3f}, {y:6.3f})" for x, y in (down[0], down[-1], up[-1])]
        first, low, high = (heights(point[None])[0] for point in (down[0], down[-1], up[-1]))
        print(f"{ends[0]:>16}{first:8.4f}{ends[1]:>20}{low:8.4f}{ends[2]:>20}{high:8.4f}")
    error = refusal()
    print(f"ascent is descent on −f, since a negative learning rate is refused:\n  {error}")
    found, formula = differences(chosen.grid)
    print("∂f/∂x by SymPy: " + (formula or "SymPy is not installed"))
    for name, difference in found.items():
        print(f"largest difference of ∇f by {name} from ∇f by hand, {chosen.grid}² points: {difference:.1e}")
    first = np.array([FIRST], np.float32)
    lines = {name: descend(jnp.square, first, rate, FEW_STEPS)[0] for name, rate in RATES.items()}
    for name, points in lines.items():
        print(f"x², η = {RATES[name]:4.2f}, {name:10} x after {FEW_STEPS} steps: {points[-1]:9.6f}")
    draw(descents, ascents, lines, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"descents": descents, "ascents": ascents, "differences": found, "formula": formula, "error": error} | {
        "lines": lines
    }


if __name__ == "__main__":
    main()
