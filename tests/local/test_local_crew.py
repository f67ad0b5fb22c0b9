"""Worker threads with an engine each."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from recloop.llm.errors import ModelConfigError
from recloop.llm.local import extra
from recloop.llm.local.crew import Crew
from recloop.llm.local.llama import LlamaProvider
from recloop.llm.providers.base import Provider, ScoreRequest
from recloop.llm.types import Question


class Engine:
    made = 0

    def __init__(self) -> None:
        Engine.made += 1
        self.thread = threading.get_ident()
        self.closed = False

    def close(self) -> None:
        self.closed = True


async def test_an_engine_is_used_by_its_own_thread_only_and_closed_at_the_end() -> None:
    Engine.made = 0
    crew = Crew(Engine, 3, "t")
    seen: list[Engine] = []

    def job(engine: Engine, cancelled: threading.Event) -> int:
        seen.append(engine)
        assert engine.thread == threading.get_ident()
        time.sleep(0.005)
        return 1

    assert sum(await asyncio.gather(*(crew.run(job) for _ in range(20)))) == 20
    crew.close()
    assert Engine.made <= 3
    assert all(engine.closed for engine in seen)
    assert await crew.run(job) == 1
    assert not seen[-1].closed
    crew.close()


async def test_a_caller_that_goes_away_stops_its_job_and_the_crew_goes_on() -> None:
    crew = Crew(Engine, 1, "t")
    stopped = threading.Event()

    def job(engine: Engine, cancelled: threading.Event) -> None:
        if cancelled.wait(5):
            stopped.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await crew.run(job)
    assert await crew.run(lambda engine, cancelled: 7) == 7
    assert stopped.is_set()
    crew.close()


async def test_an_engine_that_cannot_be_made_says_why_to_every_caller() -> None:
    def broken() -> Engine:
        raise ModelConfigError("no file")

    crew = Crew(broken, 2, "t")
    results = await asyncio.gather(*(crew.run(lambda e, c: 1) for _ in range(4)), return_exceptions=True)
    assert [str(result) for result in results] == ["no file"] * 4
    crew.close()


async def test_without_the_extra_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(module: str) -> None:
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(extra.importlib, "import_module", absent)
    provider = LlamaProvider("smollm2")
    assert isinstance(provider, Provider)
    for call in (provider.check(), provider.score(ScoreRequest("a", (Question("b", ("c",)),)))):
        with pytest.raises(ModelConfigError, match=r'pip install "recloop\[local\]"'):
            await call
    await provider.close()


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("smollm2", "local/smollm2"),
        ("local/smollm2", "local/smollm2"),
        ("local:/models/a.gguf", "local:/models/a.gguf"),
        ("/models/a.gguf", "local:/models/a.gguf"),
    ],
)
def test_a_model_is_named_as_it_is_asked_for(spec: str, name: str) -> None:
    assert LlamaProvider(spec).name == name


@pytest.mark.parametrize("spec", ["local/gpt5", "wordllama", "/models/a.bin", ""])
def test_an_unknown_local_model_is_refused_at_once(spec: str) -> None:
    with pytest.raises(ModelConfigError, match="local/smollm2"):
        LlamaProvider(spec)
