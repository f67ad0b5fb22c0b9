"""Fixtures for the whole suite: a fake OpenAI-compatible server on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from fake_llm import FakeLLM


@pytest.fixture
def fake_llm() -> Iterator[Callable[..., FakeLLM]]:
    """A factory of running fake servers: `fake_llm(errors="429=0.1", latency="fixed:20")`; they stop with the test."""
    from fake_llm import FakeLLM

    with ExitStack() as stack:

        def start(**options: Any) -> FakeLLM:
            return stack.enter_context(FakeLLM(**options))

        yield start
