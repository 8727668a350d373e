"""Arguments: every public function with every bad value of every argument, one at a time."""

import collections
import sys
import time

import jax

from tests import bad_argument_table as table
from tests.bad_argument_remains import remaining
from tests.bad_arguments import call, tried, uses_of


def main() -> None:
    """Try all uses, print a table and each fault that is not listed, and exit 1 if the list is not exact."""
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    total, wrong = collections.Counter(), 0
    for room, make in table.ROOMS.items():
        started, counts, faults = time.process_time(), collections.Counter(), {}
        uses = list(make())
        for use in uses:
            try:
                good = call(use)
            except OSError as error:  # of a file that is not there
                good = error
            for name, label in uses_of(use):
                verdict = tried(use, name, label, good)
                counts[verdict.kind] += 1
                if not verdict.right:
                    faults[use.name, name, label] = f"{verdict.kind}: {verdict.text}"
        known = remaining(uses)
        for key in faults.keys() - known:
            print(" | ".join(key), "|", faults[key])
        for key in known - faults.keys():
            print(" | ".join(key), "| is listed, and works")
        wrong += len(faults.keys() ^ known)
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        seconds = time.process_time() - started
        print(f"{room:14} {len(uses):4} functions, {counts.total():5} uses: {found}; {seconds:.0f} s")
        total += counts
    print(f"{total.total()} uses: {dict(total)}; {wrong} differ from the list of what remains")
    sys.exit(1 if wrong else 0)
