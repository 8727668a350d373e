"""What the examples share: the options of every one, and where their pictures go."""

import argparse
from pathlib import Path

from funcnet.cli.arguments import seed


def parser(script, description):
    """Return the parser of a script (its ``__file__``), with --seed and --picture; more options may be added to it."""
    name = Path(script).stem
    picture = Path(script).parent / "pictures" / f"{name}.png"
    result = argparse.ArgumentParser(prog=f"{name}.py", description=description)
    result.add_argument("--seed", type=seed, default=0, help="explains the whole run (default: 0)")
    shown = f"scripts/pictures/{name}.png"
    result.add_argument("--picture", type=Path, default=picture, help=f"where the picture goes (default: {shown})")
    return result
