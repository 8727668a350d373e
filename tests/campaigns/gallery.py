"""Every example of the gallery with its default settings: within its time, with its picture and its figures.

Each runs in a process of its own and draws into a temporary folder. Those with MNIST need FUNCNET_DATA, and are left
out without it. The figures are those that the gallery's README states, with margins for other processors and versions.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts" / "gallery"
SECONDS, SECONDS_OF_MNIST = 60, 180
OF_MNIST = {"mnist_two_layers", "mnist_three_layers", "digits_zero_one", "mnist_by_depth"}
LARGEST_PICTURE = 150_000  # bytes

# Of each example: a pattern of its output with one number, the number of the README, and how far it may be away.
FIGURES: dict[str, list[tuple[str, float, float]]] = {}


def main() -> None:
    """Run all examples, print a table, and exit 1 if one of them does not keep what the gallery says."""
    examples = sorted(path.stem for path in SCRIPTS.glob("*.py") if "parser(__file__, " in path.read_text())
    has_mnist = "FUNCNET_DATA" in os.environ
    failed = False
    print(f"{'example':24}{'seconds':>8}{'picture':>10}  figures")
    for name in examples:
        if name in OF_MNIST and not has_mnist:
            print(f"{name:24}  left out: FUNCNET_DATA is not set")
            continue
        seconds, size, problems = run(name)
        failed |= bool(problems)
        print(f"{name:24}{seconds:8.1f}{size:9} B  {'; '.join(problems) or len(FIGURES.get(name, []))}", flush=True)
    raise SystemExit(int(failed))


def run(name: str) -> tuple[float, int, list[str]]:
    """Return the seconds of an example, the bytes of its picture, and what is not as the gallery says."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        more = [f"--{kind}={folder}/graph.{kind}" for kind in ("svg", "dot")] if name == "computation_graph" else []
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / f"{name}.py"), "--picture", str(picture), *more],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        size = picture.stat().st_size if picture.exists() else 0
    if done.returncode:
        return seconds, size, [f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}"]
    problems = differences(name, done.stdout)
    limit = SECONDS_OF_MNIST if name in OF_MNIST else SECONDS
    if seconds > limit:
        problems.append(f"{seconds:.0f} s, over {limit} s")
    if not 0 < size < LARGEST_PICTURE:
        problems.append(f"a picture of {size} bytes")
    return seconds, size, problems


def differences(name: str, output: str) -> list[str]:
    """Return the figures in an example's output that are not those of the gallery.

    >>> FIGURES["made_up"] = [(r"accuracy (\\S+)", 0.98, 0.01)]
    >>> differences("made_up", "accuracy 0.985"), differences("made_up", "accuracy 0.96"), differences("made_up", "")
    ([], ['accuracy (\\\\S+): 0.96, not 0.98 ± 0.01'], ['accuracy (\\\\S+): not printed'])
    """
    problems = []
    for pattern, expected, margin in FIGURES.get(name, []):
        found = re.search(pattern, output)
        if found is None:
            problems.append(f"{pattern}: not printed")
        elif not abs(float(found[1]) - expected) <= margin:
            problems.append(f"{pattern}: {found[1]}, not {expected:g} ± {margin:g}")
    return problems
