"""Makes `rehearsing` importable: the small world in which the tests of this folder rehearse."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
