"""What the page may not ask for, though the command may: files of this machine, code, addresses that a key would be sent to.

The page is let in by a token, and still: whoever gets hold of it shall look at runs and spend a budget, not read files,
import modules or collect keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..prompt_opt.debugging.edits import CandidateEdit
from ..prompt_opt.debugging.edits import Edit as SearchEdit
from ..simulations.debugging.edits import ConfigEdit, Edit, ModelEdit, parse
from .errors import Refused

_READ_OR_CALLED = ("base_url", "data", "prompts")
"""Settings that name files or addresses."""
_IMPORTED = ("actions", "recommender", "recommender_config")
"""Settings that name something of ours by a plain word, or somebody's code or file by anything else."""
_SENT = frozenset({"auth_env", "headers"})
"""Settings of a recommender at an address that say which secret it is sent."""
_BY_COMMAND = "the command may: recloop debug RUN fork"


def edits_of(texts: Sequence[str], own_model: str) -> list[Edit]:
    """Edits that the page may make, of what it wrote. Raises `DebugError` for what is no edit, and `Refused` (422)."""
    edits = [parse(text, files=False) for text in texts]
    for edit in edits:
        if isinstance(edit, ModelEdit):
            check_model(edit.model, own_model)
        elif isinstance(edit, ConfigEdit):
            _check_setting(edit, own_model)
    return edits


def check_model(name: str, own_model: str) -> None:
    """Raises `Refused` (422) for a model at an address, or in a file, that the run does not name itself."""
    address = own_model.partition("#")[0]
    same_place = name == own_model or ("://" in address and name.partition("#")[0] == address)
    if not same_place and (":" in name or "#" in name):
        raise Refused(
            422,
            f"the page asks no model at another address or in another file than the run's own: {_short(name)}",
            f"name a provider's model (openai/NAME); {_BY_COMMAND}",
        )


def check_search_edit(edit: SearchEdit, own_model: str) -> None:
    """An edit of a prompt search, likewise. Raises `Refused` (422)."""
    if isinstance(edit, CandidateEdit):
        return
    if edit.name in ("model", "proposer_model"):
        check_model(str(edit.value), own_model)
    elif edit.name.endswith("base_url") or not _plain(edit.value):
        raise Refused(422, f"the page names no file, address, code or credential: {_short(str(edit))}", _BY_COMMAND)


def _check_setting(edit: ConfigEdit, own_model: str) -> None:
    setting, value = edit.key.partition(".")[0].strip(), edit.value
    if setting == "model":
        check_model(str(value), own_model)
        return
    sent = isinstance(value, dict) and value.keys() & _SENT
    if setting in _READ_OR_CALLED or (setting in _IMPORTED and (sent or not _plain(value))):
        raise Refused(422, f"the page names no file, address, code or credential: {_short(str(edit))}", _BY_COMMAND)


def _plain(value: Any) -> bool:
    """Whether it holds numbers and plain words alone."""
    if isinstance(value, str):
        return re.fullmatch(r"[\w-]*", value) is not None
    if isinstance(value, dict):
        return all(_plain(each) for each in value.values())
    return all(_plain(each) for each in value) if isinstance(value, list) else True


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
