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
FIGURES: dict[str, list[tuple[str, float, float]]] = {
    "activations": [
        (r"0\.3: (\S+)%", 7.0, 2.0),
        (r" 1: (\S+)%", 29.7, 10.0),
        (r" 2: (\S+)%", 100.0, 0.0),
        (r"σ′\(10\) = (\S+)", 4.54e-5, 1e-7),
    ],
    "audit": [(r"everyday arguments.*: (\d+)", 68, 9), (r"wrong only beyond: (\d+)", 25, 3)],
    "batch_sizes": [
        (r"1 sample \(standard\) +1442 +\S+ +(\S+)", 0.00035, 0.0015),
        (r"32 samples \(mini-batches\) +46 +\S+ +(\S+)", 0.0146, 0.03),
        (r"all samples \(accumulated\) +1 +\S+ +(\S+)", 0.578, 0.1),
    ],
    "computation_graph": [(r"64 +192 +128 +(\d+)", 319, 0), (r"64 +192 +128 +\d+ +320 +(\d+)", 12416, 0)],
    "dead_units": [
        (r"ReLU, 4 × He  .*\n +after +(\S+)%", 37, 8),
        (r"ReLU, He  .*\n +after .* (\S+)\n", 0.966, 0.015),
        (r"ReLU, 4 × He, LayerNorm  .*\n +after .* (\S+)\n", 0.952, 0.02),
    ],
    "differential_entropy": [
        (r"uniform, width s = 0\.1 +\S+ +\S+ +(\S+)", -3.32, 0.03),
        (r"0\.9, 0\.1 +(\S+)", 0.469, 0.0001),
        (r"0\.9, 0\.1 +\S+ +(\S+)", 1.0, 0.0),
    ],
    "digits_zero_one": [(r"mean +\S+ +\S+ +(\S+)", 0.9995, 0.0008)],
    "embedded_digits": [(r"mean +\S+ +\S+ +(\S+)", 0.9784, 0.006)],
    "entropy": [(r"entropy H = (\S+),", 4.0752, 0.0001), (r"mean length (\S+),", 4.1237, 0.0001)],
    "gradient_field": [
        (r"right +x after 10 steps: (\S+)", -0.00021, 0.00001),
        (r"too large +x after 10 steps: (\S+)", -2.9605, 0.001),
        (r"jax.grad from .*: (\S+)", 0, 2e-15),
    ],
    "graph_and_session": [(r"J is computed from z = 5.* J = (\S+)", 4.5, 0.0)],
    "input_scale": [
        (r"raw\w* +(\S+)", 29.2, 0.1),
        (r"raw\w* +\S+ +(\d+)", 101, 3),
        (r"centred +\S+ +(\d+)", 14, 1),
        (r"\n3 +sigmoid +\S+ +(\d+)", 26, 8),
    ],
    "linear_regression": [(r"gradient descent +(\S+)", 1.476985, 2e-6), (r"least squares +\S+ +(\S+)", 0.086912, 2e-6)],
    "local_minima": [
        (r"one start +(\d+)%", 18, 8),
        (r"restarts +(\d+)%", 97, 3),
        (r"annealing +(\d+)%", 100, 3),
        (r"genetic +(\d+)%", 96, 5),
        (r"XOR(?:.*\n)+? +plain descent +(\d+)%", 65, 10),
    ],
    "logistic_regression": [(r"Newton's method +(\S+)", 1.8983, 0.001), (r"η = 1 +(\S+)", 1.8983, 0.001)],
    "mnist_by_depth": [
        (r"784-10 +\S+ +\S+ +(\S+)", 0.9218, 0.003),
        (r"784-256-10 +\S+ +\S+ +(\S+)", 0.978, 0.003),
        (r"784-256-128-64-10 +\S+ +\S+ +(\S+)", 0.9744, 0.005),
    ],
    "mnist_three_layers": [(r"mean +\S+ +\S+ +(\S+)", 0.9614, 0.004)],
    "mnist_two_layers": [(r"mean +\S+ +\S+ +(\S+)", 0.9801, 0.002)],
    "momentum_and_noise": [
        (r"plain descent .*x = (\S+)", 0.960, 0.001),
        (r"momentum, .*x = (\S+)", -1.036, 0.001),
        (r"batches of +2: +(\S+)%", 85, 6),
        (r"batches of 256: +(\S+)%", 0, 0),
        (r"α = 0\.99: speed (\S+)", 0.9934, 0.0001),
    ],
    "network_pictures": [(r"digits: (\S+) of", 0.983, 0.01)],
    "noisy_sine": [(r"in \[−π, π\] +(\S+)", 0.092, 0.02), (r"outside, to ±2π +(\S+)", 0.608, 0.15)],
    "numerical_derivatives": [
        (r"float64 forward difference +\S+ +\S+ +(\S+)", 2.7e-8, 2e-8),
        (r"float64 central difference +\S+ +\S+ +(\S+)", 5.1e-11, 4e-11),
        (r"float64 complex step .* (\S+) +ε", 2.2e-16, 1e-16),
    ],
    "optimizers": [
        (r"\nsgd +\S+ +(\S+)", 0.05, 0.02),
        (r"\nadam +\S+ +(\S+)", 0.0016, 0.003),
        (r"\nmomentum +\S+ +\S+ +\S+ +\S+ +(\d+)", 74, 5),
        (r"\nadam +\S+ +\S+ +\S+ +\S+ +(\d+)", 77, 5),
    ],
    "output_layers": [
        (r"positive numbers +unfit .* (\S+)%", 10.4, 4),
        (r"yes or no +unfit .* (\S+)%", 26.8, 6),
        (r"yes or no +fitting .* (\S+)%", 0, 0),
        (r"\nnumbers +unfit .* (\S+)\n", 1.06, 0.05),
    ],
    "overfitting": [
        (r"no cure +(\S+)", 0.798, 0.03),
        (r"early stopping .*\+(\S+)", 0.095, 0.03),
        (r"L2 penalty .*\+(\S+)", 0.096, 0.03),
        (r"L1 penalty .*\+(\S+)", 0.065, 0.03),
    ],
    "perceptron_and_logic": [(r"8-bit sums right: (\d+)", 65536, 0), (r"full adder (\d+), 8-bit", 9, 0)],
    "slow_learning": [(r"quadratic, bad .*after (\d+)", 232, 2), (r"cross-entropy, bad .*after (\d+)", 17, 1)],
    "tensors": [(r"ΔJ in ε +(\S+)", 6.001, 1e-6), (r"uint8 200 \+ 100 +(\d+)", 44, 0)],
    "transfer_learning": [
        (r"ten digits, frozen .* (\S+) +\S+\n", 0.954, 0.02),
        (r"\nrandom weights, all trained .* (\S+) +\S+\n", 0.816, 0.04),
        (r"random weights, frozen .* (\S+) +\S+\n", 0.585, 0.05),
    ],
    "vanishing_gradients": [
        (r"hidden layers, from the input on\nsigmoid, Glorot +(\S+)", 3e-8, 2e-8),
        (r"hidden layers, from the input on(?:\n.*)+\nReLU, Glorot +(\S+)", 0.019, 0.006),
        (r"hidden layers, from the input on(?:\n.*)+\nReLU, He +(\S+)", 0.98, 0.2),
    ],
    "xor": [(r"in (\d+) of 20 runs", 20, 0), (r"right in (\S+)% of 320", 60, 8)],
}


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
    """Return the figures in an example's output that are not those of the gallery."""
    problems = []
    for pattern, expected, margin in FIGURES.get(name, []):
        found = re.search(pattern, output)
        if found is None:
            problems.append(f"{pattern}: not printed")
        elif not abs(float(found[1]) - expected) <= margin:
            problems.append(f"{pattern}: {found[1]}, not {expected:g} ± {margin:g}")
    return problems
