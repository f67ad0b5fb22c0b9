"""A fork that is killed while it goes on comes out as an unbroken one, and asks nothing again that was recorded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fake_llm import FakeLLM
from recloop.agents.ask_generate import PROMPTS
from recloop.runs import Run
from recloop.simulations.debugging import Debugger
from rehearsing import STAY, digest, rehearse, settings

NURSERY = Path(__file__).parents[1] / "nursery.py"
WARM = (PROMPTS / "page.md").read_text(encoding="utf-8").replace("judge as this person would", "judge warmly")


def asked_in(path: Path) -> set[str]:
    with Run.open(path) as run:
        return {json.dumps(call.request["messages"]) for call in run.calls.all() if call.kind == "chat"}


@pytest.mark.parametrize("of", ["some", "everybody"])
def test_kills_leave_a_forks_digest_and_repeat_no_recorded_call(tmp_path: Path, of: str) -> None:
    rng = random.Random(5)
    with FakeLLM(process=True, latency="uniform:5:25", script=STAY, keep=100_000) as server:
        config = settings(tmp_path, model="openai/fake", base_url=server.base_url, concurrency=4, users=8, pages=5)
        parent = rehearse(config, tmp_path / "run")
        with Debugger(parent) as debugger:
            everybody = list(debugger.agents()["agent"])
            edits = [f"prompt page={WARM}", f'{everybody[0]}: memory add "A long day." importance=9']
            agents = everybody[:4] if of == "some" else everybody
            made = [debugger.fork(1, edits, agents=agents, name=name) for name in ("unbroken", "broken")]
        process = subprocess.Popen(
            [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin
        assert process.stdout

        def child(path: Path, **death: float) -> bool:
            print(json.dumps({"run": str(path), "config": None, **death}), file=process.stdin, flush=True)
            answer = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            assert not answer["error"], answer["error"]
            return answer["killed"]

        assert not child(made[0])
        kills, killed = 0, True
        while killed:
            known, before = asked_in(made[1]), len(server.requests())
            # By statements of its log first: where those fall does not hang on how quick the machine is.
            death = {"statement": rng.randint(1, 40)} if kills < 3 else {"after": 0.25 + rng.uniform(0, 0.25)}
            killed = child(made[1], **(death if kills < 6 else {}))
            kills += killed
            again = known & {json.dumps(body["messages"]) for body in server.requests()[before:]}
            assert not again, "a recorded call was made again"
        process.communicate(timeout=30)
    assert kills >= 3
    assert digest(made[1]) == digest(made[0])
