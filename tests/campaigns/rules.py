"""Wrong derivative rules planted in programs, and right functions: which are called wrong, which are not proved."""

import collections
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import funcnet as fn
from tests.rulecheck import planted
from tests.rulecheck.right_functions import functions, with_rules

FOUND_SHARE = 0.95  # of the wrong rules
PROVED_SHARE = 0.95  # of the right functions


def check(job):
    """Return (job's name, verdict, whether it is as it should be, the report's first lines)."""
    kind, context, place = job
    try:
        if kind == "right":
            name, function, args = list(functions())[place]
            report = fn.check_function(function, *args)
            good = report.ok
        elif kind == "right rules":
            name, function, args = list(with_rules())[place]
            report = fn.check_rules(function, *args)
            good = report.ok or [each.reason for each in report.findings] == ["the program meets no custom derivative"]
        else:
            name, function = list(planted.rules())[place]
            report = fn.check_rules(planted.CONTEXTS[context](function), planted.X, planted.W)
            wrong = [finding.function for finding in report.findings if finding.verdict.name == "MISMATCH"]
            good = bool(wrong) and all(each.startswith("planted_") for each in wrong)
    except Exception as error:
        return kind, context, name, "RAISED", False, f"{type(error).__name__}: {error}"
    return kind, context, name, report.verdict.name, good, "\n    ".join(str(report).splitlines()[:3])


def main(part=slice(None), workers=None):
    """Check them all, or a part of them, print those that are not as they should be, and exit 1 if too many are not."""
    started = time.perf_counter()
    jobs = [("right", "", place) for place in range(len(list(functions())))]
    jobs += [("right rules", "", place) for place in range(len(list(with_rules())))]
    jobs += [("planted", context, place) for context in planted.CONTEXTS for place in range(len(list(planted.rules())))]
    counts, jobs = collections.Counter(), jobs[part]
    with ProcessPoolExecutor(
        workers or os.cpu_count(), multiprocessing.get_context("spawn"), max_tasks_per_child=40
    ) as pool:
        for kind, context, name, verdict, good, text in pool.map(check, jobs):
            counts[kind, verdict] += 1
            counts[kind, good] += 1
            if not good:
                print(f"{kind} {context} {name}: {verdict}\n    {text}", flush=True)
    kinds = "right", "right rules", "planted"
    for kind in kinds:
        total = counts[kind, True] + counts[kind, False]
        verdicts = {
            verdict: count for (of, verdict), count in counts.items() if of == kind and isinstance(verdict, str)
        }
        print(f"{kind}: {counts[kind, True]} of {total} as they should be, {verdicts}")
    print(f"{len({name for name, _ in planted.rules()})} kinds, {time.perf_counter() - started:.0f} s")
    shares = [
        counts[kind, True] / max(1, counts[kind, True] + counts[kind, False]) if counts[kind, False] else 1.0
        for kind in kinds
    ]
    alarms = sum(counts[kind, verdict] for kind in kinds[:2] for verdict in ("MISMATCH", "RAISED"))
    sys.exit(1 if min(shares[:2]) < PROVED_SHARE or shares[2] < FOUND_SHARE or alarms else 0)
