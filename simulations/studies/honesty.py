"""What a study's reader must know of who played its users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runs import Manifest, Run, is_run
from ..outcome.facts import PLUMBING
from .workshop import Workshop

SCRIPTED = "scripted users: this shows the machinery, not people"


def who_played(workshop: Workshop) -> list[str]:
    """A note for each kind of player in the study's rehearsals that stands for nobody."""
    return who_played_in([folder for folder in sorted((workshop.run.path / "runs").glob("*")) if is_run(folder)])


def who_played_in(folders: Sequence[Path]) -> list[str]:
    """The same of any rehearsals' run folders."""
    manifests = [Manifest.read(folder) for folder in folders]
    played = [folder for folder, each in zip(folders, manifests, strict=True) if each.config.get("model") != "scripted"]
    notes = [SCRIPTED] if len(played) < len(folders) else []
    if without := sum(map(no_signal, played)):
        notes.append(
            f"in {without} of {len(played)} rehearsals with a model no signal was found in its margins: what is watched there"
            " follows each user's rate and chance, and is the same whatever the model says"
        )
    return [*notes, *sorted({note for each in manifests for note in each.notes if note.startswith(PLUMBING)})]


def no_signal(folder: Path) -> bool:
    """Whether score mode found nothing to believe in the model's margins of this rehearsal."""
    with Run.open(folder) as run:
        return any(not event.data["signal"] for event in run.events(kind="calibration"))
