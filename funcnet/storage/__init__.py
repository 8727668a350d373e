"""Files of trees: safetensors, which other tools read, with a digest over the whole file.

- ``save(path, tree)`` and ``load(path, like)``: any pytree of arrays, random keys and numbers, such as parameters or a
  ``TrainState``. ``load`` compares structure, shapes and dtypes with those of ``like``.
- ``Checkpoint(directory)``: the files from which a run of ``fit`` goes on after whatever ended it.
- ``save_model(path, network, params)`` and ``load_model(path)``: a network as text beside its parameters.

A file is written beside its place and then moved there, so that a process that is ended leaves the file before. A
damaged file is refused with ``StorageError``. Nothing in a file is executed: there is no pickle.
"""

from .checkpoints import Checkpoint, opened
from .models import Model, load_model, save_model
from .safetensors_file import StorageError
from .trees import load, save

__all__ = ["Checkpoint", "Model", "StorageError", "load", "load_model", "opened", "save", "save_model"]
