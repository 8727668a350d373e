"""Right networks of every layer, activation and loss, at points where ``check_gradients`` may be mistaken."""

import collections
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.gradcheck import right_networks


def main(part=slice(None), workers=None):
    """Check them all, or a part of them, print those that are not proved, and exit 1 for a false alarm."""
    started, counts = time.perf_counter(), collections.Counter()
    places = range(len(list(right_networks.networks())))[part]
    with ProcessPoolExecutor(
        workers or os.cpu_count(), multiprocessing.get_context("spawn"), max_tasks_per_child=60
    ) as pool:
        for name, verdict, text in pool.map(right_networks.check, places):
            counts[verdict] += 1
            if verdict != "OK":
                print(f"{name}: {verdict}\n    {text}", flush=True)
    print(f"{counts['OK']} of {len(places)} right networks are proved, {dict(counts)}")
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(1 if counts["MISMATCH"] or counts["OK"] < 0.9 * len(places) else 0)
