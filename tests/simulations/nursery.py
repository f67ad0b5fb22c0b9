"""Forks children that carry on with a rehearsal and may be killed: RecLoop is imported once, not once per kill.

Reads one JSON line per child on stdin: {"run": FOLDER, "config": SETTINGS or null (resume), "after": SECONDS, "statement": N};
kills it that long after it began, or before the N-th statement of its first commit from page 2 on (0: lets it end).
Writes one line back: {"killed": true} or {"killed": false, "error": TEXT}.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import recloop.agents.user_graph
import recloop.llm.providers.openai_http  # noqa: F401
from recloop.runs import Run
from recloop.simulations import SimulateConfig
from recloop.simulations.rehearsal import resume, simulate


def die_inside_a_commit(statement: int) -> None:
    """kill -9 before the n-th SQL statement of a page's commit."""
    commit = Run.commit

    def traced(self: Run, barrier: int, *args: Any, **options: Any) -> None:
        seen = 0

        def count(sql: str) -> None:
            nonlocal seen
            seen += 1
            if seen > statement:
                os.kill(os.getpid(), signal.SIGKILL)

        if barrier > 2:
            self.log.db.set_trace_callback(count)
        commit(self, barrier, *args, **options)

    Run.commit = traced  # type: ignore[method-assign]


def carry_on(order: dict[str, Any]) -> None:
    path = Path(order["run"])
    if order.get("statement"):
        die_inside_a_commit(order["statement"])
    if order["config"] is None:
        asyncio.run(resume(path, api_key="x"))
    else:
        asyncio.run(simulate(SimulateConfig(**order["config"]), out=path, api_key="x"))


def child(order: dict[str, Any], error: int) -> None:
    try:
        carry_on(order)
    except BaseException as problem:
        os.write(error, f"{type(problem).__name__}: {problem}"[:4000].encode())
        os._exit(1)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            child(order, write)
        os.close(write)
        if order.get("after"):
            time.sleep(order["after"])
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        with os.fdopen(read) as said:
            error = said.read()
        print(json.dumps({"killed": os.WIFSIGNALED(status), "error": error}), flush=True)


if __name__ == "__main__":
    main()
