"""The options that the benchmarks share."""

import argparse
from pathlib import Path

from funcnet.cli.arguments import parse_seed


def parser(script, description):
    """Return the parser of a script (its ``__file__``), with --seed and --picture; more options can be added to it."""
    name = Path(script).stem
    picture = Path(script).parent / "pictures" / f"{name}.png"
    result = argparse.ArgumentParser(prog=f"{name}.py", description=description)
    result.add_argument("--seed", type=parse_seed, default=0, help="seed of all random numbers (default: 0)")
    shown = f"scripts/benchmarks/pictures/{name}.png"
    result.add_argument("--picture", type=Path, default=picture, help=f"where to write the picture (default: {shown})")
    return result
