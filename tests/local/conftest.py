"""The embedded model in this process, shared by the local tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from recloop.llm.local.llama import LlamaProvider


@pytest_asyncio.fixture(scope="session")
async def smollm2(model_file: str) -> AsyncIterator[LlamaProvider]:
    provider = LlamaProvider("local/smollm2", workers=2)
    yield provider
    await provider.close()
