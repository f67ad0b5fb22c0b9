"""`Candidate`: one prompt of a search, and where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .task import Texts


def candidate_id(texts: Texts) -> str:
    """Twelve hex digits of the SHA-256 of the texts: equal prompts are one candidate, whoever wrote them."""
    spelled = json.dumps(dict(texts), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(spelled.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt under search. Two candidates with equal texts are equal in everything that is measured.

    `parents`: ids of the candidates it was made from. `operator`: how ("seed", "refine", "paraphrase", "merge", …).
    `reason`: why, in words. `shown`: ids of the cases its maker saw. `maker`: a model's name, "bank" for our own edits,
    "person" for an edit at an approval. `calls`: keys of the calls that made it.
    """

    texts: Mapping[str, str]
    operator: str = "seed"
    parents: tuple[str, ...] = ()
    reason: str = ""
    shown: tuple[str, ...] = ()
    maker: str = ""
    calls: tuple[str, ...] = ()
    id: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", dict(self.texts))
        object.__setattr__(self, "id", candidate_id(self.texts))

    def json(self) -> dict[str, Any]:
        """As plain values, for the log."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Candidate:
        """A candidate from the log."""
        known = {**data}
        for name in ("parents", "shown", "calls"):
            known[name] = tuple(known[name])
        return cls(**known)
