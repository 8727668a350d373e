"""The command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import jax

import funcnet

from . import evaluate, predict, summary, train, verify
from .arguments import UsageError
from .programs import keep_programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: success; 1: an error or a failed check; 2: wrong usage, by ``SystemExit``; 3: a gradient is not
    proved; 4: nothing could be checked; 130: interrupted by Ctrl-C; 143: ended
    by SIGTERM in a training; 141: the output was closed, as ``| head`` does.

    >>> main(["train", "--epochs", "none"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.cache:
            keep_programs()
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        with open(os.devnull, "w") as nowhere:  # otherwise Python fails once more to write what is left, at its exit
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 141
    except (OSError, ValueError, FloatingPointError, MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"funcnet: {error}", file=sys.stderr)
        return 1
    except UsageError as error:
        parser.error(str(error))
    except KeyboardInterrupt as error:
        print("funcnet: interrupted", file=sys.stderr)
        return int(getattr(error, "code", 130))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="funcnet", description=str(funcnet.__doc__).partition("\n- ")[0])
    versions = f"funcnet {version('funcnet')}, jax {jax.__version__}"
    parser.add_argument("--version", action="version", version=versions)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, meaning in (
        ("train", train, "train a network to classify images"),
        ("predict", predict, "apply a saved model to the inputs in a file"),
        ("evaluate", evaluate, "measure a saved model on the inputs and the targets in files"),
        ("verify", verify, "check the gradients of a network"),
        ("summary", summary, "list the layers of a network with their parameters, multiply-adds and memory"),
    ):
        added = commands.add_parser(name, help=meaning, description=command.DESCRIPTION, epilog=command.EXAMPLE)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
