"""JSON as the log holds it: plain form (order kept), canonical form (order gone), packed form (small)."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from .errors import CorruptRun, NotJson

PACK_FROM = 160
"""Bytes from which packing pays: shorter bodies barely shrink and stay readable in any SQLite tool."""

Packed = str | bytes
"""A str is the JSON itself, bytes are zlib of its UTF-8."""


def _convert(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if callable(tolist := getattr(value, "tolist", None)):  # numpy numbers and arrays, without importing numpy
        return tolist()
    raise TypeError(type(value).__name__)


_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_convert, check_circular=True)
_sorted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_convert, sort_keys=True)

# orjson is ten times as fast as `json`, and spells most values in the same way. It is used where that is certain; else
# `json`, whose spelling is the format's, has its turn.
_LEAVES = frozenset({str, int, bool, type(None)})
"""Both spell these alike, or orjson refuses them (lone surrogates, integers beyond 64 bits)."""
_SMALLEST, _LARGEST = 1e-4, 1e16
"""Between these a float has no exponent."""
_SPELLED_ALIKE = all(
    orjson.dumps(each) == json.dumps(each).encode()
    for each in (1e-4, 0.1, 1 / 3, 1.0, 123456.789, 2.0**53, 9999999999999998.0, -0.0, 1e16, 1e22, 1e-10, 1e300)
)
"""Where orjson writes an exponent, it writes it as `json` does: what is looked for below."""
_DIGITS, _LONG = bytes(ord("0") if byte in b"0123456789" else 32 for byte in range(256)), b"0" * 19
"""Makes every digit a 0 and everything else a blank; so many digits may be an integer beyond 64 bits, which orjson would
read as a float."""
_FIGURES = bytes(_DIGITS[byte] if _DIGITS[byte] != 32 else ord("-") if byte in b"+-" else byte for byte in range(256))
"""Makes every digit a 0 and every sign a -, so that an exponent reads 0e-0."""


def quick(value: Any, sort: bool = False) -> bytes | None:
    """The JSON of a value by orjson, where `json` would write the very same; else None."""
    if _SPELLED_ALIKE and _alike((value,)):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else None)
        except TypeError:
            pass
    return None


def _alike(values: Iterable[Any], depth: int = 64) -> bool:
    """Whether these hold nothing that orjson would write, and write in another way than `json`."""
    last = None
    for each in values:
        kind = type(each)
        if kind in _LEAVES or each is last:  # a schema says the same of every item of a page, by one object
            continue
        if kind is float:
            if not (_SMALLEST <= each < _LARGEST or each == 0.0 or -_LARGEST < each <= -_SMALLEST):
                return False
            continue
        inner = each if kind is list or kind is tuple else each.values() if isinstance(each, dict) else None
        if inner is None or not depth or not _alike(inner, depth - 1):
            return False
        last = each
    return True


def _sure(raw: bytes) -> bool:
    """Whether orjson's spelling of what it had read holds nothing like a float below 0.0001 or with an exponent: `json` may
    spell it otherwise, and it may have been an integer beyond 64 bits."""
    return _SPELLED_ALIKE and b"0.0000" not in raw and b"0e-0" not in raw.translate(_FIGURES)


def dumps(value: Any, where: str = "value") -> str:
    """JSON text with keys in their order: what is read back behaves as what was written.

    Floats are written as `repr` gives them, so they come back bit for bit; NaN and infinities as `NaN`, `Infinity`.
    Raises `NotJson`, naming the place of the value that is no JSON.
    """
    if (raw := quick(value)) is not None:
        return raw.decode()
    try:
        text = _plain.encode(value)
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate in a model's answer: escaped, so that it comes back the same
        return json.dumps(value, separators=(",", ":"), default=_convert)
    except (TypeError, ValueError, RecursionError) as error:
        place, bad = _culprit(value, where)
        raise NotJson(
            f"{place} is {bad}, which is not JSON ({error})",
            "record plain numbers, strings, lists and dicts (for times: ISO text or seconds)",
        ) from None
    return text


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value that digests are taken over: keys sorted, no spaces, floats by `repr`, UTF-8."""
    raw = quick(value, sort=True)
    return _sorted.encode(value).encode("utf-8", "surrogatepass") if raw is None else raw


def canonical_of(text: bytes, file: Path) -> bytes:
    """`canonical` of the value of a JSON text (UTF-8) that was read from `file`. Raises `CorruptRun`."""
    try:
        raw = orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError):  # NaN, a lone surrogate, or damage
        raw = None
    return raw if raw is not None and _sure(raw) else canonical(parse(text, file))


def content_hash(data: bytes) -> bytes:
    """16 bytes that name a stored body (BLAKE2b)."""
    return hashlib.blake2b(data, digest_size=16).digest()


def deflate(data: bytes) -> bytes:
    """zlib of bytes, set for speed: a short body gets a small window (setting up the usual one costs four times the
    work itself), a long one the lowest level (a quarter quicker, 2% larger)."""
    level, wbits, memory = (6, 13, 6) if len(data) <= 1024 else (1, 15, 8)
    squeezer = zlib.compressobj(level, zlib.DEFLATED, wbits, memory)
    return squeezer.compress(data) + squeezer.flush()


def pack(text: str) -> Packed:
    """The stored form of a JSON text."""
    if len(text) < PACK_FROM:
        return text
    raw = text.encode()
    small = deflate(raw)
    return small if len(small) < len(raw) else text


def unpack(packed: Packed, file: Path) -> bytes:
    """The JSON text (UTF-8) of a stored form that was read from `file`. Raises `CorruptRun`."""
    try:
        text = packed.encode() if isinstance(packed, str) else zlib.decompress(packed)
        if not text.isascii():
            text.decode()
    except (zlib.error, UnicodeError, TypeError) as error:
        raise damaged(file, error) from None
    return text


def loads(packed: Packed, file: Path) -> Any:
    """The value of a stored form that was read from `file`. Raises `CorruptRun`."""
    return parse(unpack(packed, file), file)


def parse(text: bytes, file: Path) -> Any:
    """The value of a JSON text (UTF-8) that was read from `file`. Raises `CorruptRun`."""
    try:
        if _LONG not in text.translate(_DIGITS):
            return orjson.loads(text)
    except ValueError:  # NaN, a lone surrogate, or damage
        pass
    try:
        return json.loads(text.decode())  # given bytes, `json` would guess their encoding
    except (ValueError, RecursionError) as error:
        raise damaged(file, error) from None


def damaged(file: Path, why: object) -> CorruptRun:
    """What is raised for a stored value that is not what was written."""
    said = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
    return CorruptRun(f"{file} is damaged: a stored value cannot be read ({said})", "restore it from a copy")


def first_difference(a: Any, b: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Path and both values of the first difference in canonical order; None where the two are equal.

    A missing key or element counts as None on its side.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted({*a, *b}, key=str):
            at = f"{path}.{key}" if path else str(key)
            if (key in a) != (key in b):
                return at, a.get(key), b.get(key)
            if found := first_difference(a[key], b[key], at):
                return found
        return None
    if _is_list(a) and _is_list(b):
        for i in range(max(len(a), len(b))):
            at = f"{path}[{i}]"
            if i >= min(len(a), len(b)):
                return at, a[i] if i < len(a) else None, b[i] if i < len(b) else None
            if found := first_difference(a[i], b[i], at):
                return found
        return None
    same = a is b or (canonical(a) == canonical(b))  # by spelling: NaN equals NaN, 1 differs from 1.0 and True
    return None if same else (path, a, b)


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested dicts by dotted path; lists are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {path: value} if path else {}
    leaves: dict[str, Any] = {}
    for key, inner in value.items():
        leaves |= flatten(inner, f"{path}.{key}" if path else str(key))
    return leaves


def without(value: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """A copy of nested dicts without the keys at these dotted paths."""
    here = {path for path in paths if "." not in path}
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if key in here:
            continue
        below = [path.removeprefix(f"{key}.") for path in paths if path.startswith(f"{key}.")]
        kept[key] = without(inner, below) if below and isinstance(inner, Mapping) else inner
    return kept


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _culprit(value: Any, where: str, depth: int = 0) -> tuple[str, str]:
    """The first place in a value that JSON cannot take, and what stands there."""
    if depth > 60:
        return where, "nested too deeply or circular"
    inner: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        for key, each in value.items():
            if not isinstance(key, str | int | float | bool | None):
                return f"{where} key {key!r}", f"a {type(key).__name__}"
            inner.append((f"{where}.{key}", each))
    elif _is_list(value):
        inner = [(f"{where}[{i}]", each) for i, each in enumerate(value)]
    else:
        try:
            _plain.encode(value)
        except (TypeError, ValueError, RecursionError):
            return where, f"a {type(value).__name__}"
    for place, each in inner:
        try:
            _plain.encode(each)
        except (TypeError, ValueError, RecursionError):
            return _culprit(each, place, depth + 1)
    return where, f"a {type(value).__name__}"
