"""Makes `planted_views` importable: worlds whose truth is known."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
