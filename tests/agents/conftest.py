"""Makes `stage` importable: the small world that the tests of the user agent share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
