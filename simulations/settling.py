"""Many calls at once, none of them lost: all settle before the first failure is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from ..agents.ask import BudgetReached

T = TypeVar("T")


async def all_settled(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. Nothing is cancelled because something else failed: a call on its way is paid for, so it
    must settle and be recorded. Then the first failure is raised, `BudgetReached` only where there is no other."""
    done = await asyncio.gather(*work, return_exceptions=True)
    problems = [d for d in done if isinstance(d, BaseException)]
    if problems:
        raise next((p for p in problems if not isinstance(p, BudgetReached)), problems[0])
    return [d for d in done if not isinstance(d, BaseException)]
