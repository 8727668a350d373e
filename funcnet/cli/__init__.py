"""The command line."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

import jax

import funcnet

from . import train, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed or disproved, 2 wrongly called.

    >>> main(["train", "--epochs", "none"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    options = _parser().parse_args(arguments)
    try:
        code: int | None = options.run(options)
        return code or 0
    except (OSError, ValueError, FloatingPointError, MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"funcnet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("funcnet: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="funcnet", description=funcnet.__doc__)
    versions = f"funcnet {version('funcnet')}, jax {jax.__version__}"
    parser.add_argument("--version", action="version", version=versions)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, summary in (
        ("train", train, "train a network on a set of images and show what it learned"),
        ("verify", verify, "prove the gradients of a network three ways"),
    ):
        added = commands.add_parser(name, help=summary, description=command.DESCRIPTION, epilog=command.EXAMPLE)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
