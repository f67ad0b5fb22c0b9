"""Fixtures for the whole suite: a fake OpenAI-compatible server on this machine, the file of the embedded model."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from fake_llm import FakeLLM

# Set before numpy loads, here and in what tests start: on a busy machine BLAS threads mostly wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# How long an example takes says how busy the machine is, not whether the promise is kept.
hypothesis.settings.register_profile("recloop", deadline=None)
hypothesis.settings.load_profile("recloop")


@pytest.fixture
def fake_llm() -> Iterator[Callable[..., FakeLLM]]:
    """A factory of running fake servers: `fake_llm(errors="429=0.1", latency="fixed:20")`; they stop with the test."""
    from fake_llm import FakeLLM

    with ExitStack() as stack:

        def start(**options: Any) -> FakeLLM:
            return stack.enter_context(FakeLLM(**options))

        yield start


@pytest.fixture(scope="session")
def model_file() -> str:
    """The embedded model, fetched once into the usual cache folder; skips with the reason where it cannot be had."""
    from recloop.llm.errors import ModelConfigError
    from recloop.llm.local.store import get

    for module in ("cyllama", "xllamacpp"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the local extra is not installed ({module} is missing)")
    try:
        return str(get("smollm2", quiet=True))
    except ModelConfigError as error:
        pytest.skip(str(error))
