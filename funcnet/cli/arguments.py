"""Parsers of options' values, which argparse calls, and options with a list of choices."""

import argparse
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import LARGEST_COUNT


class UsageError(Exception):
    """Options that do not go together."""


def parse_sizes(text: str) -> list[int]:
    """Return comma-separated sizes as a list; "0" gives an empty list."""
    return [] if text == "0" else [positive_integer(size) for size in text.split(",")]


def positive_integer(text: str) -> int:
    """Return an integer of at least 1 that an int32 can hold."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    if int(text) > LARGEST_COUNT:
        raise argparse.ArgumentTypeError(f"expected an integer of at most {LARGEST_COUNT}, got {text!r}")
    return int(text)


def positive_number(text: str) -> float:
    """Return a number above 0 that is neither 0 nor infinite in float32."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    with np.errstate(over="ignore"):
        usable = 0 < np.float32(number) < math.inf
    if not usable:
        raise argparse.ArgumentTypeError(f"expected a number above 0, such as 0.001, got {text!r}")
    return number


def parse_seed(text: str) -> int:
    """Return an integer in [0, 2**32); a larger seed would give the same JAX key as a smaller one."""
    if not text.strip().isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer in [0, 2**32), got {text!r}")
    return int(text)


def parse_layers(text: str) -> list[int]:
    """Return comma-separated sizes of layers as a list of at least two, the input's and the output's."""
    sizes = parse_sizes(text)
    if len(sizes) < 2:
        expected = "expected the sizes of the input and of the output, such as 8,6,4"
        raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
    return sizes


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that draws random numbers and compiles programs."""
    group = parser.add_argument_group("how it is repeated")
    text = "seed of all random numbers: the same seed gives the same result (default: 0)"
    group.add_argument("--seed", type=parse_seed, default=0, metavar="N", help=text)
    add_cache_option(group)


def add_cache_option(group: Any) -> None:
    """Add the option of a command that compiles programs."""
    text = "compile all programs anew (default: they are kept for the next run in the user's cache folder)"
    group.add_argument("--no-cache", dest="cache", action="store_false", help=text)


def add_choice(
    group: Any,
    option: str,
    choices: Iterable[str],
    meaning: str,
    default: str | None,
    shown: str = "",
) -> None:
    """Add an option whose value is one of several names; its help lists them.

    Args:
        group: the parser, or its group, that gets the option.
        option: the option, such as ``--loss``.
        choices: the names.
        meaning: what the option sets.
        default: the name used without the option; None where the command determines it.
        shown: what the help gives as the default, in place of ``default``.
    """
    names = list(choices)
    text = f"{meaning}: one of {', '.join(names)} (default: {shown or default})"
    group.add_argument(option, choices=names, default=default, metavar="NAME", help=text)
