"""Makes `oracles` importable: other ways to compute the same."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
