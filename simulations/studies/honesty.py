"""What a study's reader must know of who played its users."""

from __future__ import annotations

from ...runs import Manifest, is_run
from ..outcome.facts import PLUMBING
from .workshop import Workshop

SCRIPTED = "scripted users: this shows the machinery, not people"


def who_played(workshop: Workshop) -> list[str]:
    """A note for each kind of player in the study's rehearsals that stands for nobody."""
    folders = [folder for folder in sorted((workshop.run.path / "runs").glob("*")) if is_run(folder)]
    manifests = [Manifest.read(folder) for folder in folders]
    notes = [SCRIPTED] if any(each.config.get("model") == "scripted" for each in manifests) else []
    return [*notes, *sorted({note for each in manifests for note in each.notes if note.startswith(PLUMBING)})]
