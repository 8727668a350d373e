"""``python -m tests.mutation``: put every bug of the list into a copy of funcnet, and see the checks catch it."""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutants import MUTANTS, NOTHING, apply

ROOT = Path(__file__).parent.parent.parent


def verdict(mutant, cache):
    """Return what the checks say of the mutant, and whether they caught it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "funcnet", Path(folder) / "funcnet", ignore=shutil.ignore_patterns("__pycache__"))
        apply(mutant, Path(folder) / "funcnet")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "JAX_COMPILATION_CACHE_DIR": cache,  # most programs are those of the other mutants
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        }
        command = [sys.executable, "-W", "ignore", "-m", "tests.mutation.checks"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    words = (done.stderr.strip() or "all checks pass").splitlines()[-1]
    return done.returncode != 0, words


def main():
    """Print a line a mutant, and exit 1 if one was missed."""
    with tempfile.TemporaryDirectory() as cache:
        caught, words = verdict(NOTHING, cache)
        if caught:
            sys.exit(f"the checks do not pass on the code as it is: {words}")
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 2))) as pool:
            verdicts = list(pool.map(lambda mutant: verdict(mutant, cache), MUTANTS))
    missed = 0
    for mutant, (caught, words) in zip(MUTANTS, verdicts, strict=True):
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'}  {mutant.file:28} {mutant.bug:52} {words[:90] if caught else ''}")
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
