"""kill -9 anywhere: a resumed rehearsal ends with the digest of an unbroken one, and asks nothing again that was recorded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.runs import Run
from rehearsing import STAY, STAY_FAITHFUL, digest, settings

NURSERY = Path(__file__).with_name("nursery.py")
CASES: dict[str, dict[str, Any]] = {
    "fused": {"users": 12, "pages": 6, "plan": "fused"},
    "faithful": {"users": 8, "pages": 5, "plan": "faithful"},
    "refitted": {"users": 10, "pages": 5, "refit_every": 2, "recommender": "pop"},
}


class Nursery:
    """Children that carry on with a run until they are killed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def child(self, run: Path, config: Any = None, **death: float) -> bool:
        """Whether the child was killed; an error of its own fails the test."""
        assert self.process.stdin
        assert self.process.stdout
        order = {"run": str(run), "config": config.model_dump(mode="json") if config else None, **death}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert not answer["error"], answer["error"]
        return answer["killed"]

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


def recorded(run: Path) -> set[str]:
    """The prompts of all calls that the run's cassette holds."""
    with Run.open(run) as opened:
        return {json.dumps(call.request["messages"]) for call in opened.calls.all() if call.kind == "chat"}


def broken_and_mended(case: str, kills: int, folder: Path, nursery: Nursery, seed: int) -> None:
    """Kill a rehearsal over and over while it runs, beginning a new one when it has got through; check after each death."""
    rng = random.Random(seed)
    script = STAY_FAITHFUL if case == "faithful" else STAY
    with FakeLLM(process=True, latency="uniform:5:25", script=script, keep=100_000) as server:
        config = settings(folder, model="openai/fake", base_url=server.base_url, concurrency=4, **CASES[case])
        unbroken = folder / "unbroken"
        assert not nursery.child(unbroken, config)
        wanted, asked = digest(unbroken), len(server.requests())
        done = run = 0
        while done < kills:
            path = folder / f"run{run}"
            run += 1
            killed = nursery.child(path, config, after=0.6 + rng.uniform(0, 0.5))
            if killed and not (path / "manifest.json").exists():
                continue  # it was no run yet
            while killed:
                done += 1
                known = recorded(path)
                asked = len(server.requests())
                if done >= kills:
                    death = {}
                elif rng.random() < 0.4:
                    death = {"statement": rng.randint(1, 80)}
                else:
                    death = {"after": rng.uniform(0.02, 0.7)}
                killed = nursery.child(path, **death)
                again = known & {json.dumps(body["messages"]) for body in server.requests()[asked:]}
                assert not again, "a recorded call was made again"
            assert digest(path) == wanted
            with Run.open(path) as whole:
                assert whole.status == "finished"


def test_12_kills_leave_the_digest_and_repeat_no_recorded_call(tmp_path: Path, nursery: Nursery) -> None:
    broken_and_mended("fused", 12, tmp_path, nursery, seed=1)


@pytest.mark.parametrize("case", ["faithful", "refitted"])
def test_a_few_kills_do_so_under_other_settings_too(case: str, tmp_path: Path, nursery: Nursery) -> None:
    broken_and_mended(case, 4, tmp_path, nursery, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES)
def test_200_kills_leave_the_digest_and_repeat_no_recorded_call(case: str, tmp_path: Path, nursery: Nursery) -> None:
    broken_and_mended(case, 200, tmp_path, nursery, seed=2)
