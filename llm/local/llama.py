"""The provider behind `local/smollm2` and `local:/path/to.gguf`: llama.cpp in this process, no server, no network."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from ..errors import ModelConfigError
from ..providers.base import ChatRequest, ConfigProblem, RawAnswer, RawScores, ScoreRequest
from ..types import Abilities, Question
from .crew import Crew
from .cyllama_compat import Weights
from .extra import RUNTIMES, runtime
from .faster import faster_form
from .generation import Generator
from .scoring import Scorer
from .store import MODELS, get

MOST_WORKERS = 4
SMALL = frozenset({"smollm2"})
"""Models whose results show the machinery, not people."""


class LlamaProvider:
    """One GGUF model: log-likelihoods through cyllama, text through xllamacpp, each on its own worker threads.

    `spec` is `smollm2` or the path of a GGUF file, with or without `local/` or `local:`. Nothing is imported, fetched or
    loaded before the first call or `check`.

    Scoring reads raw text: no chat template, no special tokens, whatever prompt and item texts contain. Its numbers
    depend on (prompt, questions) only, bit for bit, at any number of callers and workers (on one machine and one version
    of the runtime). Chat applies the model's own template; control tokens spelt in messages are broken up, so a text
    cannot open a turn. Greedy or seeded chat answers are repeatable too; sampling without a seed is not.
    """

    remote = False
    splits_score = False

    def __init__(self, spec: str, *, workers: int | None = None) -> None:
        which = spec.removeprefix("local/").removeprefix("local:") if not Path(spec).is_absolute() else spec
        self.known = which if which in MODELS and MODELS[which].members[0].path.endswith(".gguf") else None
        if self.known is None and not which.endswith(".gguf"):
            raise ModelConfigError(
                f"no local model called {which!r}\n  use local/smollm2, or local:/path/to/model.gguf for a file of yours"
            )
        self.name = f"local/{which}" if self.known else f"local:{which}"
        self.workers = workers or min(_cores(), MOST_WORKERS)
        self.concurrency: int | None = 2 * self.workers
        self._which = which
        self._weights: Weights | None = None
        self._lock = threading.Lock()
        self._scorers = Crew(lambda: Scorer(self._load()), self.workers, "recloop-score")
        self._generators = Crew(self._generator, self.workers, "recloop-chat")

    @property
    def abilities(self) -> Abilities:
        return Abilities(score=True, deterministic=True, plumbing_grade=self.known in SMALL)

    async def chat(self, request: ChatRequest) -> RawAnswer:
        return await self._generators.run(lambda generator, cancelled: generator.chat(request, self.name, cancelled))

    async def score(self, request: ScoreRequest) -> RawScores:
        values, usage = await self._scorers.run(
            lambda scorer, cancelled: scorer.score(request.prompt, request.questions, cancelled)
        )
        return RawScores(values, usage, 0.0, self.name)

    async def check(self) -> None:
        """Imports the runtimes, fetches the model if it is not here, loads it and scores one label."""
        for module in RUNTIMES:
            await asyncio.to_thread(runtime, module)
        await self.score(ScoreRequest("One", (Question("", (" two",)),)))

    async def close(self) -> None:
        """Wait for running calls and free the memory; a later call loads the model again."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._scorers.close()
        self._generators.close()
        with self._lock:
            if self._weights is not None:
                self._weights.close()
                self._weights = None

    def _path(self) -> Path:
        if self.known:
            runtime("cyllama")  # say what is missing before anything is fetched
            return faster_form(get(self.known))
        path = Path(self._which).expanduser()
        if not path.is_file():
            raise ConfigProblem(f"there is no model file {path}\n  give the path of a GGUF file, or use local/smollm2")
        return path

    def _load(self) -> Weights:
        """The weights, loaded by the first worker and shared by all."""
        with self._lock:
            if self._weights is None:
                self._weights = Weights(self._path())
            return self._weights

    def _generator(self) -> Generator:
        return Generator(self._path(), self._load().control_texts())


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
