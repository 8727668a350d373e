"""Put each bug of a list into a copy of funcnet, and see that the checks catch it."""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.campaigns.mutation.mutants import MUTANTS
from tests.campaigns.mutation.syntax import apply, not_found

ROOT = Path(__file__).parents[3]


def verdict(mutant, cache):
    """Return (caught, the checks' last line) for funcnet with that bug, or as it is if ``mutant`` is None.

    ``cache`` is the folder of compiled programs, most of which the mutants share.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "funcnet", Path(folder) / "funcnet", ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            apply(mutant, Path(folder) / "funcnet")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        }
        command = [sys.executable, "-W", "ignore", "-m", "tests.campaigns.mutation.checks"]
        if mutant is not None and mutant.tests:
            command = tests_of(mutant, folder)
            environment["PYTHONPATH"] = folder
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    words = done.stderr.strip() or next((line for line in done.stdout.splitlines() if line.startswith("FAILED")), "")
    return done.returncode != 0, (words or "all checks pass").splitlines()[-1]


def tests_of(mutant, folder):
    """Copy the tests beside the package in a folder, and return the command that runs those of the mutant."""
    shutil.copytree(ROOT / "tests", Path(folder) / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    patterns = [name if "/" in name else f"tests/*/test_{name}.py" for name in mutant.tests.split()]
    names = [str(file.relative_to(ROOT)) for pattern in patterns for file in ROOT.glob(pattern)]
    return [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *names]


def main():
    """Print one line per mutant, and exit 1 if one was missed or does not fit the code."""
    if missing := not_found(MUTANTS, ROOT / "funcnet"):
        sys.exit("\n".join(["mutants that do not fit the code:", *missing]))
    with tempfile.TemporaryDirectory() as cache:
        caught, words = verdict(None, cache)
        if caught:
            sys.exit(f"the checks do not pass on the code as it is: {words}")
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            verdicts = list(pool.map(lambda mutant: verdict(mutant, cache), MUTANTS))
    for mutant, (caught, words) in zip(MUTANTS, verdicts, strict=True):
        print(f"{'caught' if caught else 'MISSED'}  {mutant.where:30} {mutant.bug:52} {words[:90] if caught else ''}")
    missed = sum(not caught for caught, _ in verdicts)
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants caught")
    sys.exit(1 if missed else 0)
