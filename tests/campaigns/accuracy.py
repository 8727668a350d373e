"""Every activation and elementwise loss against many digits: all 16-bit numbers, and a dense sample of longer ones."""

import sys

import jax

from tests.numerics.functions import CLAIMS, EXCEPTIONS, FLOOR

SAMPLES = {"float16": 1, "bfloat16": 1, "float32": 24, "float64": 2}  # of each binade; of 16 bits it is all numbers


def main() -> None:
    """Run it, print the largest error of each function and dtype, and exit 1 if one is above its limit."""
    jax.config.update("jax_enable_x64", True)
    print(f"JAX {jax.__version__}, units in the last place{'':18}", *(f"{dtype:>9}" for dtype in SAMPLES))
    broken = 0
    for claim in CLAIMS:
        reports = [claim.check(dtype, samples) for dtype, samples in SAMPLES.items()]
        broken += sum(not report.ok for report in reports)
        cells = (f"{report.worst:8.2f}{' ' if report.ok else '!'}" for report in reports)
        print(f"{claim.name + ' ' + claim.route:50}", *cells, flush=True)
        for report in reports:
            if not report.ok:
                print(report)
    print(f"exception: losses of probabilities in float16 below {FLOOR:.4g}: 1/a is no number there; they count as it")
    for (name, route), (limit, reason) in EXCEPTIONS.items():
        print(f"exception: {name} {route}: {limit:g} units in float32 and float64: {reason}")
    sys.exit(1 if broken else 0)
