"""Makes `asking` importable: a study from plain code."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
