"""The scripts are imported as they are, from the folder they are in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
