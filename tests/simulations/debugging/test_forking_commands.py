"""Every command that takes a run takes a fork."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_llm import FakeLLM
from recloop.runs import Run
from recloop.simulations.debugging import Debugger
from rehearsing import STAY, rehearse, settings

Command = Callable[..., str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("resume", path)` runs `recloop resume PATH` and gives what it prints; it must end well."""
    from recloop.cli import main

    def run(*words: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["recloop", *map(str, words)])
        capsys.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capsys.readouterr()
        assert ended == code, said.err
        return said.out + (said.err if code else "")

    return run


def test_a_fork_is_resumed_replayed_reported_compared_and_asked(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with FakeLLM(script=STAY, keep=1000) as server:
        config = settings(tmp_path, model="openai/fake", base_url=server.base_url, users=4, pages=3)
        parent = rehearse(config, tmp_path / "run")
        with Debugger(parent) as debugger:
            agent, other = debugger.agents()["agent"][:2]
            path = debugger.fork(1, [f"{agent}: trait activity=1", f'{agent}: memory add "Bees everywhere."'], name="f")
        before = server.stats()["requests"]
        command("resume", path)
        asked = server.stats()["requests"] - before
        with Run.open(path) as run:
            own = run.log.rows("SELECT agent FROM main.calls")
            assert {each for (each,) in own} == {agent}
            assert len(own) == asked > 0
            assert run.status == "finished"
            assert run.table("actions").num_rows == sum(len(e.data["actions"]) for e in run.events(kind="page"))
        assert json.loads(command("replay", path, "--json"))["same"]
        command("report", path)
        assert agent in (path / "report.html").read_text(encoding="utf-8")
        compared = command("runs", "compare", parent, path)
        assert f"user {agent}, page 1" in compared, "who is the first to do something else"
        assert "1 agent did otherwise, 3 did the same" in " ".join(compared.split())
        command("interview", path, "--agent", agent, "--page", "1", "How are you?", "--no-keep")
        prompt = json.dumps(server.requests()[-1])
        assert "Bees everywhere." in prompt
        assert "only now and then" in prompt, "the trait that was put in"
        command("interview", path, "--agent", other, "--page", "1", "How are you?", "--no-keep")
        assert "Bees everywhere." not in json.dumps(server.requests()[-1])
        told = command("resume", path, "--pages", "5", code=2)
        assert "fork of some agents" in told
        assert command("runs", "show", path)
