"""funcnet against its peers: the same recipes in PyTorch, Keras, Flax, Equinox and NumPy, times, memory and losses."""

import json
import os
import platform
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from peers import PEERS, floor, process, report, serve
from peers.recipes import RECIPES

FLOORS = {"mnist": 60_000, "zero_one": 12_665}  # the recipes whose products have a floor, and their samples
LIBRARIES = ("funcnet", "jax", "jaxlib", "numpy", "torch", "keras", "flax", "optax", "equinox")


def versions():
    """Return {library: its version} of those that are installed."""
    result = {}
    for library in LIBRARIES:
        try:
            result[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return result


def main(argv=None):
    """Measure every recipe, print the tables, draw the chart, and return all figures."""
    from options import parser  # imports funcnet, which the other contenders' processes should not

    from funcnet.cli.arguments import positive_integer

    parser = parser(__file__, __doc__)
    add = parser.add_argument
    add("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="what is measured (default: all)")
    add("--contenders", nargs="+", choices=PEERS, default=list(PEERS), help="who is measured (default: all)")
    add("--rounds", type=positive_integer, default=3, help="measured rounds of each contender (default: 3)")
    add("--json", type=Path, metavar="FILE", help="write every figure there too")
    options = parser.parse_args(argv)
    machine = {"processors": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    machine["busy before"] = os.getloadavg()[0]  # processes that ran in the last minute: should be near 0
    print(
        f"{machine['processors']} processors, {machine['busy before']:.1f} of them busy before, "
        + ", ".join(f"{name} {v}" for name, v in versions().items())
    )
    recipes = {name: replace(RECIPES[name], seed=options.seed) for name in options.recipes}
    figures = {"machine": machine, "versions": versions(), "rounds": options.rounds, "recipes": {}, "floors": {}}
    for name, recipe in recipes.items():
        figures["recipes"][name] = process.measure(recipe, options.contenders, options.rounds)
        print(f"\n{report.table(recipe, figures['recipes'][name])}", flush=True)
    for name in filter(FLOORS.get, recipes):
        figures["floors"][name] = floor.measure(__file__, recipes[name], FLOORS[name], options.rounds)
        print(f"\n{report.floor_table(name, figures['floors'][name])}")
    print(f"\n{report.best_table(recipes, figures['recipes'])}")
    figures["summary"] = report.summary(recipes, figures["recipes"], figures["floors"].get("mnist"))
    if figures["summary"]:
        print(f"\n{report.summary_table(figures['summary'])}")
    if report.draw(recipes, figures["recipes"], options.picture):
        print(f"\n{options.picture}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return figures


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve.serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["--floor"]:
        floor.serve(sys.argv[2], tuple(map(int, sys.argv[4:])), int(sys.argv[3]))
    else:
        main()
