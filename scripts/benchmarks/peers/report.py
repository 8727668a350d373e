"""The report: a table for each recipe, the floor, the goals beside the measurements, and the chart."""

import math

from . import PEERS

REFERENCE = "funcnet autodiff"
GREY = "#999999"
BACKPROP, FLOATS = "funcnet backprop", "funcnet float32"
TITLES = {"torch": "PyTorch", "keras": "Keras", "flax": "Flax", "equinox": "Equinox", "numpy": "NumPy", "C": "C loop"}
DISAGREE = "losses disagree"

# Recipe, against whom (a contender in that setting), and at least how many times faster funcnet should be.
ASKED = (
    ("mnist", "torch eager", 3.0), ("mnist", "keras", 1.6), ("mnist", "flax", 1.4), ("mnist", "equinox", 1.4),
    ("zero_one", "torch eager", 10.0), ("zero_one", "keras", 5.0), ("zero_one", "flax", 1.8),
    ("linear", "torch eager", 150.0), ("xor", "torch eager", 100.0), ("digits_one", "torch eager", 20.0),
    ("predict", "torch eager", 1.0), ("cold", "torch eager", 2.0), ("cold", "keras", 1.5),
)  # fmt: skip
# What the chart calls each recipe.
CHARTED = {
    "mnist": "MNIST 784-512-10,\nRMSProp, batch 128", "zero_one": "0 and 1, 784-25-15-1,\nAdam, batch 32",
    "linear": "linear regression,\nfull batch", "xor": "XOR 2-2-1, full batch,\nearly stopping",
    "digits_one": "digits 64-30-10,\nbatch 1", "predict": "prediction 784-512-10,\nbatch 1000",
    "cold": "a whole process,\n5 MNIST epochs",
}  # fmt: skip
BACKPROP_ASKED, FLOOR_ASKED, MEMORY_ASKED = 0.95, 0.85, 0.9
FLOATS_ASKED = 1.25  # of the time with bytes, of zero_one


def duration(seconds):
    """Return a time in the unit that suits it.

    >>> duration(0.000057), duration(0.0123), duration(2.5)
    ('57.00 µs', '12.30 ms', '2.50 s')
    """
    if seconds < 1e-3:
        return f"{seconds * 1e6:.2f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def ratio(recipe, figures, reference):
    """Return how many times longer a contender takes than the reference; None where either failed or losses disagree.

    >>> from peers.recipes import RECIPES
    >>> ours, theirs = {"loss": 0.02, "median": 1.0}, {"loss": 0.021, "median": 3.0}
    >>> ratio(RECIPES["mnist"], theirs, ours), ratio(RECIPES["mnist"], {**theirs, "loss": 2.3}, ours)
    (3.0, None)
    """
    if not reference or "error" in reference or "error" in figures:
        return None
    agree = math.isclose(figures["loss"], reference["loss"], rel_tol=recipe.tolerance)
    return figures["median"] / reference["median"] if agree else None


def best(recipe, results, reference):
    """Return {library: (its fastest contender, how many times longer that takes)} of those whose losses agree.

    >>> from peers.recipes import RECIPES
    >>> eager, compiled = {"loss": 0.02, "median": 4.0}, {"loss": 0.02, "median": 3.0}
    >>> results = {"torch eager": eager, "torch compile": compiled}
    >>> best(RECIPES["mnist"], results, {"loss": 0.02, "median": 1.5})
    {'torch': ('torch compile', 2.0)}
    """
    found = {}
    for contender, figures in results.items():
        library, value = PEERS[contender].library, ratio(recipe, figures, reference)
        if value is not None and library != "funcnet" and value < found.get(library, ("", math.inf))[1]:
            found[library] = contender, value
    return found


def best_table(recipes, results):
    """Return the ratio to the best setting of each library in every recipe as text."""
    lines = ["How many times longer the best setting of each library takes than funcnet with autodiff"]
    for name, of in results.items():
        found = best(recipes[name], of, of.get(REFERENCE))
        ours = [f"{c.removeprefix('funcnet ')} {shown(recipes[name], of[c], of.get(REFERENCE))}"
                for c in (BACKPROP, FLOATS) if c in of and "error" not in of[c]]  # fmt: skip
        theirs = [f"{contender} {value:.2f} ×" for contender, value in found.values()]
        lines.append(f"{name:12}" + "; ".join([*ours, *theirs]))
    return "\n".join(lines)


def shown(recipe, figures, reference):
    """Return the ratio as the tables show it."""
    if not reference or "error" in reference:
        return "—"
    value = ratio(recipe, figures, reference)
    return DISAGREE if value is None else f"{value:.2f} ×"


def table(recipe, results):
    """Return a recipe's table, a line for each contender, as text."""
    unit = f"a {recipe.unit}" if recipe.unit != "epoch" else "an epoch"
    heads = ("median " + unit, "min", "max", "start-up", "memory", "loss", "accuracy", "to funcnet")
    widths = (18, 11, 11, 10, 9, 11, 10, 17)

    def line(first, cells):
        return f"{first:24}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))

    lines = [recipe.title, line("", heads)]
    reference = results.get(REFERENCE)
    for contender, figures in results.items():
        if "error" in figures:
            lines.append(f"{contender:24}  {figures['error']}")
            continue
        row = (
            *(duration(figures[name]) for name in ("median", "min", "max")),
            duration(figures["start_up"]) if "start_up" in figures else "—",
            f"{figures['memory'] / 1e6:.0f} MB",
            f"{figures['loss']:.3e}",
            "—" if figures["accuracy"] is None else f"{figures['accuracy']:.4f}",
            shown(recipe, figures, reference),
        )
        lines.append(line(contender, row))
    return "\n".join(lines)


def floor_table(name, floor):
    """Return the parts of a recipe's floor as text."""
    lines = [f"The floor of a step of {name}"]
    for name, product in floor["products"].items():
        rate = f"{product['gflops']:.1f} GFLOP/s"
        lines.append(f"{name:28}{duration(product['seconds']):>10}{rate:>18}  {product['library']}")
    bandwidth = floor["bandwidth"]
    rate = f"{bandwidth['bytes_per_second'] / 1e9:.1f} GB/s"
    lines.append(f"{'optimizer':28}{duration(floor['optimizer_seconds']):>10}{rate:>18}  {bandwidth['library']}")
    lines.append(f"{'a step':28}{duration(floor['step_seconds']):>10}")
    lines.append(f"{'an epoch':28}{duration(floor['epoch_seconds']):>10}")
    return "\n".join(lines)


def summary(recipes, results, floor=None):
    """Return the rows of the goals: dictionaries of workload, against, asked, measured and met.

    ``measured`` is None where there is no ratio to tell, and a row is left out where its recipe or its contender was
    not measured.
    """
    rows = []

    def row(name, against, asked, measured, *, at_most=False, why=DISAGREE):
        met = measured is not None and (measured <= asked if at_most else measured >= asked)
        sign = "≤" if at_most else "≥"
        told = {"workload": name, "against": against, "asked": f"{sign} {asked:g}", "measured": measured, "met": met}
        rows.append({**told, "why": "" if measured is not None else why})

    def why(*both):
        return next((figures["error"] for figures in both if "error" in figures), DISAGREE)

    for name, against, asked in ASKED:
        ours, theirs = (results.get(name, {}).get(contender) for contender in (REFERENCE, against))
        if ours and theirs:
            row(name, against, asked, ratio(recipes[name], theirs, ours), why=why(ours, theirs))
    for name in ("mnist", "zero_one"):
        ours, theirs = (results.get(name, {}).get(contender) for contender in (REFERENCE, "funcnet backprop"))
        if ours and theirs:
            slower = ratio(recipes[name], theirs, ours)
            row(name, "backprop to autodiff", BACKPROP_ASKED, slower and 1 / slower, why=why(ours, theirs))
    ours, floats = (results.get("zero_one", {}).get(contender) for contender in (REFERENCE, FLOATS))
    if ours and floats:
        slower = ratio(recipes["zero_one"], floats, ours)
        row("zero_one", "float32 to bytes", FLOATS_ASKED, slower, at_most=True, why=why(ours, floats))
    mnist = results.get("mnist", {})
    ours, keras = mnist.get(REFERENCE), mnist.get("keras")
    if floor and ours:
        share = None if "error" in ours else floor["epoch_seconds"] / ours["median"]
        row("mnist", "the floor", FLOOR_ASKED, share, why=why(ours))
    if ours and keras:
        agree = ratio(recipes["mnist"], keras, ours) is not None
        share = ours["memory"] / keras["memory"] if agree else None
        row("mnist", "keras, peak memory", MEMORY_ASKED, share, at_most=True, why=why(ours, keras))
    return rows


def summary_table(rows):
    """Return those rows as text."""
    lines = [f"{'':12}{'against':24}{'asked':>8}{'measured':>12}"]
    for row in rows:
        measured = row["why"] if row["measured"] is None else f"{row['measured']:.2f}"
        line = f"{row['workload']:12}{row['against']:24}{row['asked']:>8}{measured:>12}"
        lines.append(line if row["met"] else f"{line}  missed")
    return "\n".join(lines)


def draw(recipes, results, path):
    """Draw how many times longer each library takes, in its best setting, than funcnet: bars by recipe, in two rows.

    What disagrees or was not measured has no bar. Nothing is drawn, and False returned, where there is no ratio at all.
    """
    from funcnet.plots import COLOURS, bars, figure, save

    names = [name for name, of in results.items() if "median" in of.get(REFERENCE, {})]
    found = {n: best(recipes[n], results[n], results[n][REFERENCE]) for n in names}
    ratios = {
        c: [ratio(recipes[n], results[n].get(c, {"error": ""}), results[n][REFERENCE]) or math.nan for n in names]
        for c in (BACKPROP, FLOATS)
    }
    ratios |= {title: [found[n].get(of, ("", math.nan))[1] for n in names] for of, title in TITLES.items()}
    ratios = {c: values for c, values in ratios.items() if not all(map(math.isnan, values))}
    if not ratios:
        return False
    rows = -(-len(names) // 4)
    picture, axes = figure(rows, 1, size=(12, 4.2 * rows))
    for row in range(rows):
        part = slice(row * 4, row * 4 + 4)
        place = axes[row, 0]
        series = {c: values[part] for c, values in ratios.items()}
        bars(
            place,
            [CHARTED[n] for n in names[part]],
            series,
            ylabel="time / funcnet's time (shorter is faster)",
            log=True,
            colours=(*COLOURS, GREY),
        )
        place.axhline(1, color=GREY, linewidth=0.8, zorder=0)
        place.legend(fontsize="small", ncols=len(ratios), loc="upper center")
    save(picture, path)
    return True
