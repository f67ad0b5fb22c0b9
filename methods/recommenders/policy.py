"""The id under which a recommender's exposures are logged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def policy_id(name: str, config: BaseModel | Mapping[str, Any] | None = None, seed: int | None = None) -> str:
    """Name and eight hex digits of its configuration (and seed, where one matters). Secrets do not enter the hash."""
    plain = config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config or {})
    text = json.dumps([name, plain, seed], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
