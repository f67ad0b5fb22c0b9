"""What the page may not ask for, though the command may: files of this machine, code, addresses that a key would be sent to.

The page is let in by a token, and still: whoever gets hold of it shall look at runs and spend a budget, not read files,
import modules or collect keys.
"""

from __future__ import annotations

import re

from .errors import Refused

_EDIT = re.compile(r"\s*(?:.*?:\s*)?(?P<verb>prompt|model|config|answer)\b(?P<rest>.*)", re.DOTALL)
"""An edit that may name more than a value, with or without the agent before it."""
_READ_OR_CALLED = ("base_url", "data", "items", "prompts")
"""Settings that name files or addresses."""
_IMPORTED = ("actions", "recommender")
"""Settings that name something of ours by a plain word, or somebody's code or file by anything else."""
_BY_COMMAND = "do this with the command: recloop debug RUN fork"


def check_edit(text: str, own_model: str) -> None:
    """Raises `Refused` (422) for an edit that the page may not make."""
    found = _EDIT.match(text)
    if found is None:
        return
    name, equals, value = (part.strip() for part in found["rest"].partition("="))
    if value.lstrip("\"' ").startswith("@"):
        raise Refused(422, f"the page reads no files: {_short(text)}", f"paste the text itself, or {_BY_COMMAND}")
    if found["verb"] == "model" and equals:
        check_model(value, own_model)
    if found["verb"] == "config":
        setting, plain = name.partition(".")[0].strip("\"' "), value.strip("\"' ")
        code = setting in _IMPORTED and re.fullmatch(r"[\w-]*", plain) is None
        if setting == "model":
            check_model(plain, own_model)
        elif code or setting in _READ_OR_CALLED or "://" in value:
            raise Refused(422, f"the page names no files, addresses or code: {_short(text)}", _BY_COMMAND)


def check_model(name: str, own_model: str) -> None:
    """Raises `Refused` (422) for a model at an address, or in a file, that the run does not name itself."""
    plain = name.strip().strip("\"'")
    address = own_model.partition("#")[0]
    same_place = plain == own_model or ("://" in address and plain.partition("#")[0] == address)
    if not same_place and ("://" in plain or plain.startswith("local:") or "#" in plain):
        raise Refused(
            422,
            f"the page asks models at no other address and in no other file than the run's own: {_short(plain)}",
            f"name a provider's model (openai/NAME), or {_BY_COMMAND}",
        )


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
