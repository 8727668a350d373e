"""What the options' texts may be: each function returns a value, or raises what argparse shows as an error."""

import argparse
import math

import numpy as np


def sizes(text: str) -> list[int]:
    """Return comma-separated sizes; 0 stands for none."""
    if text == "0":
        return []
    return [count(size) for size in text.split(",")]


def count(text: str) -> int:
    """Return a whole number from 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Return a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    with np.errstate(over="ignore"):
        usable = 0 < np.float32(number) < math.inf  # in the dtype that it is used in
    if not usable:
        raise argparse.ArgumentTypeError(f"expected a number above 0, such as 0.001, got {text!r}")
    return number


def seed(text: str) -> int:
    """Return a whole number that no other seed's key equals."""
    if not text.strip().isdecimal() or int(text) >= 2**32:  # a larger one would be the same key as a smaller one
        raise argparse.ArgumentTypeError(f"expected a whole number in [0, 2**32), got {text!r}")
    return int(text)
