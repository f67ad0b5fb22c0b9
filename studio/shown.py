"""Values of the debugger in the page's words: a run is named by its address, never by a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..simulations.debugging.views import Breakpoint, Difference, Fork, Hit, Overview, Reasked, Stop
from .shelf import Shelf


def overview(shelf: Shelf, found: Overview) -> dict[str, Any]:
    """A run at a glance, named as its folder is: several open at once are told apart by it."""
    said = {**fields_of(found, "path", "parent"), "name": _folder(found.path)}
    return {"run": shelf.address(found.path), **said, "parent": found.parent and found.parent.name}


def breakpoint_(shelf: Shelf, found: Breakpoint) -> dict[str, Any]:
    """A breakpoint; a run that it is held against and that is not among these is named by its path."""
    against = _address(shelf, Path(found.against)) if found.against else None
    return {**fields_of(found), "against": against}


def hit(shelf: Shelf, found: Hit | None) -> dict[str, Any] | None:
    """A moment at which a breakpoint holds."""
    if found is None:
        return None
    return {"breakpoint": breakpoint_(shelf, found.breakpoint), "place": found.place, "values": dict(found.values)}


def stop(shelf: Shelf, found: Stop) -> dict[str, Any]:
    """Why a run stands again."""
    return {"run": shelf.address(found.path), **fields_of(found, "path"), "hit": hit(shelf, found.hit)}


def fork(shelf: Shelf, found: Fork) -> dict[str, Any]:
    """A run with the forks below it."""
    said = {**fields_of(found, "path"), "name": _folder(found.path)}
    return {"run": shelf.address(found.path), **said, "forks": [fork(shelf, each) for each in found.forks]}


def difference(shelf: Shelf, found: Difference) -> dict[str, Any]:
    """What one run did otherwise than another."""
    ends = {end: {"run": shelf.address(path), "name": path.name} for end, path in (("a", found.a), ("b", found.b))}
    return {**fields_of(found), **ends}


def reasked(found: Reasked) -> Mapping[str, Any]:
    """A call put again."""
    return fields_of(found)


def _folder(path: Path) -> str:
    return path.resolve().name


def _address(shelf: Shelf, path: Path) -> str:
    address = shelf.address(path)
    return str(path) if address is None else address


def fields_of(value: Any, *without: str) -> dict[str, Any]:
    """A view's values by name."""
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name not in without}
