"""The benchmark's parts: recipes, peers, their processes, the floor, and the report.

``PEERS`` names the contenders and where each is written; a contender's library is imported by its module alone, which
only the process that measures it imports.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a contender is written, and the library it needs."""

    module: str
    name: str
    library: str


PEERS = {
    "funcnet autodiff": Entry("peers.funcnet_peer", "Autodiff", "funcnet"),
    "funcnet backprop": Entry("peers.funcnet_peer", "Backprop", "funcnet"),
    "torch eager": Entry("peers.torch_peer", "Eager", "torch"),
    "torch compile": Entry("peers.torch_peer", "Compiled", "torch"),
    "keras": Entry("peers.keras_peer", "Keras", "keras"),
    "flax": Entry("peers.flax_peer", "Flax", "flax"),
    "equinox": Entry("peers.equinox_peer", "Equinox", "equinox"),
    "numpy": Entry("peers.numpy_peer", "Numpy", "numpy"),
}
