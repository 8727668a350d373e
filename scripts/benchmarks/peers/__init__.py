"""The benchmark's parts: recipes, peers, their processes, the floor, and the report.

``PEERS`` names the contenders and where each is written; a contender's library is imported by its module alone, which
only the process that measures it imports.
"""

import importlib.util
import shutil
from typing import NamedTuple

ALL = ("mnist", "zero_one", "linear", "xor", "digits_one", "predict", "cold")
BATCHED = ("mnist", "zero_one", "digits_one")  # many steps in an epoch
IMAGES = ("mnist", "zero_one", "digits_one", "predict")  # bytes, which funcnet keeps as they are
PLAIN = ("linear", "xor", "digits_one")
C_COMPILERS = ("cc", "gcc")


class Entry(NamedTuple):
    """A contender: a library in one setting."""

    module: str  # where it is written
    name: str  # the class there
    library: str  # what it is a setting of: the best setting of each library counts
    recipes: tuple[str, ...] = ALL  # in which it takes part

    def missing(self):
        """Return why it cannot run here, or an empty text."""
        if self.library == "C":
            return "" if any(map(shutil.which, C_COMPILERS)) else f"no C compiler found: {' or '.join(C_COMPILERS)}"
        return "" if importlib.util.find_spec(self.library) else "not installed: pip install -e '.[bench]'"


PEERS = {
    "funcnet autodiff": Entry("peers.funcnet_peer", "Autodiff", "funcnet"),
    "funcnet backprop": Entry("peers.funcnet_peer", "Backprop", "funcnet"),
    "funcnet float32": Entry("peers.funcnet_peer", "Floats", "funcnet", IMAGES),
    "torch eager": Entry("peers.torch_peer", "Eager", "torch"),
    "torch eager, 1 thread": Entry("peers.torch_peer", "EagerOneThread", "torch", ALL[:-2]),
    "torch compile": Entry("peers.torch_peer", "Compiled", "torch"),
    "torch compile, 1 thread": Entry("peers.torch_peer", "CompiledOneThread", "torch", BATCHED),
    "keras": Entry("peers.keras_peer", "Keras", "keras"),
    "keras, 100 steps": Entry("peers.keras_peer", "HundredSteps", "keras", (*BATCHED, "predict", "cold")),
    "flax": Entry("peers.flax_peer", "Flax", "flax"),
    "flax scan": Entry("peers.flax_peer", "Scanned", "flax", BATCHED),
    "equinox": Entry("peers.equinox_peer", "Equinox", "equinox"),
    "equinox scan": Entry("peers.equinox_peer", "Scanned", "equinox", BATCHED),
    "numpy": Entry("peers.numpy_peer", "Numpy", "numpy"),
    "C loop": Entry("peers.c_peer", "PlainLoop", "C", PLAIN),
}
