"""The embedded model, fetched once into the usual cache folder; local tests skip with the reason where it cannot be had."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from recloop.llm.errors import ModelConfigError
from recloop.llm.local.llama import LlamaProvider
from recloop.llm.local.store import get


@pytest.fixture(scope="session")
def model_file() -> str:
    for module in ("cyllama", "xllamacpp"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the local extra is not installed ({module} is missing)")
    try:
        return str(get("smollm2", quiet=True))
    except ModelConfigError as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="session")
async def smollm2(model_file: str) -> AsyncIterator[LlamaProvider]:
    provider = LlamaProvider("local/smollm2", workers=2)
    yield provider
    await provider.close()
