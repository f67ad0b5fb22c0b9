"""From a Pydantic model to the closed JSON schema that strict endpoints and grammars take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from pydantic import BaseModel


class ClosedSchema(dict[str, Any]):
    """A JSON schema made here; it knows whether all its objects are closed."""

    strict: bool = True


class UnfitAnswer(ValueError):
    """An answer that does not fit its form; the text says what is wrong, in words that help a model to mend it."""


class Form(Protocol):
    """What a structured answer must look like, where a Pydantic class of its own for every question would cost more than
    the rest of the call (ids as keys: every page asks for other ones). Give it as `schema=`, as you would a class."""

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema: no references, objects closed, every field required (`closed_schema` of the fixed parts)."""
        ...

    def read(self, text: str) -> Any:
        """The value of a JSON text. Raises Pydantic's `ValidationError`, or `UnfitAnswer` with what is wrong."""
        ...


Schema = type[BaseModel] | Form
"""What `Model.complete` takes as `schema=`."""

_known: WeakKeyDictionary[type[BaseModel], ClosedSchema] = WeakKeyDictionary()
_SUBSCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")


def closed_schema(model: Schema) -> dict[str, Any]:
    """The JSON schema of `model`: definitions inlined (recursive ones kept), objects closed, every field required.

    A field with a default is required too, as strict endpoints want it; validation still knows the default.
    """
    if not isinstance(model, type):
        return ClosedSchema(model.json_schema())
    schema = _known.get(model)
    if schema is None:
        raw = model.model_json_schema()
        definitions = raw.pop("$defs", {})
        schema = ClosedSchema(_close(raw, definitions, ()))
        recursive = _references(schema)
        if recursive:
            schema["$defs"] = {}
            while names := recursive - schema["$defs"].keys():
                for name in names:
                    schema["$defs"][name] = _close(definitions[name], definitions, (name,))
                    recursive |= _references(schema["$defs"][name])
        schema.strict = is_strict(dict(schema))
        _known[model] = schema
    return schema


def is_strict(schema: Any) -> bool:
    """Whether every object in the schema is closed; a free mapping (`dict[str, int]`) is not."""
    if isinstance(schema, ClosedSchema):
        return schema.strict
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return False
    return all(map(is_strict, schema.values()))


def _close(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        if name in inside:
            return {"$ref": f"#/$defs/{name}"}
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _close({**definitions[name], **rest}, definitions, (*inside, name))
    closed: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("title", "default", "examples"):
            continue
        if key == "properties":
            closed[key] = {name: _close(part, definitions, inside) for name, part in value.items()}
        elif key in _SUBSCHEMAS:
            closed[key] = [_close(part, definitions, inside) for part in value]
        elif key in ("items", "additionalProperties"):
            closed[key] = _close(value, definitions, inside)
        else:
            closed[key] = value
    if closed.get("type") == "object" and not closed.get("additionalProperties"):
        closed.setdefault("properties", {})
        closed["additionalProperties"] = False
        closed["required"] = list(closed["properties"])
    return closed


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].rsplit("/", 1)[-1]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(_references, node.values()))
