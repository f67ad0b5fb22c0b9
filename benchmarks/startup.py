"""How long one waits before anything happens: CPU of starting RecLoop, and what a scripted rehearsal spends importing.

    python benchmarks/startup.py [--rounds 5]

CPU seconds (user and system) of a whole process, the least of the rounds, and as a ratio of an empty Python process.
`importing` is the sum of what `python -X importtime` says of each module (wall time), and `heavy` the packages loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMAND = "import sys; from recloop.cli import main; sys.argv = ['recloop', *sys.argv[1:]]; main()"
SCRIPTED = ("simulate", "--model", "scripted", "--users", "10")
HEAVY = (
    "dspy",
    "langchain_core",
    "langgraph",
    "litellm",
    "mesa",
    "numpy",
    "openai",
    "pandas",
    "pyarrow",
    "scipy",
    "torch",
)

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""BLAS threads spin while they wait for each other: on a busy machine that would be most of what is measured."""


def cpu(arguments: list[str], rounds: int) -> float:
    """CPU seconds of this Python with these arguments."""
    took = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, *arguments], cwd=folder, env=ONE_THREAD, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took)


def imports(arguments: list[str]) -> dict[str, Any]:
    """Seconds spent importing, how many modules, and which of the heavy packages."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "importtime", *arguments]
        text = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr
    rows = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", text, re.MULTILINE)
    tops = {name.partition(".")[0] for _, name in rows}
    seconds = sum(int(own) for own, _ in rows) / 1e6
    return {"importing": round(seconds, 2), "modules": len(rows), "heavy": sorted(tops.intersection(HEAVY))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    starts = {
        "python": ["-c", "pass"],
        "import recloop": ["-c", "import recloop"],
        "recloop --help": ["-c", COMMAND, "--help"],
        "recloop simulate --help": ["-c", COMMAND, "simulate", "--help"],
        "recloop runs list": ["-c", COMMAND, "runs", "list"],
        " ".join(("recloop", *SCRIPTED)): ["-c", COMMAND, *SCRIPTED],
    }
    empty = cpu(starts["python"], rounds)
    for name, arguments in starts.items():
        seconds = cpu(arguments, rounds)
        found = {"what": name, "cpu_s": round(seconds, 3), "over_python": round(seconds / empty, 1)}
        print(json.dumps(found | imports(arguments) | {"load": os.getloadavg()[0], "file": Path(__file__).name}))


if __name__ == "__main__":
    main()
