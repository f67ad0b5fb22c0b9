"""Spans as OTLP: lines of JSON for a file (no package needed), or protobuf posted to a collector (the extra `otel`).

A line holds one batch as OpenTelemetry's file format has it (a `TracesData` in JSON), which collectors read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ... import __version__
from ...runs.progress import Progress, Silent
from .convention import PROJECT
from .span import Span, Value

BATCH = 512
"""Spans sent at once (what OpenTelemetry's own exporters do)."""
LARGEST = 3_000_000
"""Characters of attributes in a batch, at most (more only where a single span has more): collectors take 4 MB or more."""
ATTEMPTS, WAIT = 4, 0.5
"""How often a batch is posted where the collector is busy, and how long is waited after the first try (then twice as long)."""
BUSY = frozenset({429, 502, 503, 504})
PATH = "/v1/traces"


class ExportError(Exception):
    """The spans did not arrive; the text says what to do next."""


def write_file(spans: Iterable[Span], path: Path, project: str, progress: Progress | None = None) -> int:
    """Write spans into a new file, batch by batch; returns how many. The file is there only when it is whole."""
    partial = path.with_name(path.name + ".part")
    count = 0
    try:
        with open(partial, "w", encoding="utf-8") as file:
            for batch in batches(spans):
                file.write(json.dumps(as_json(batch, project), ensure_ascii=True, separators=(",", ":")) + "\n")
                count += len(batch)
                (progress or Silent()).advance(len(batch))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def send(spans: Iterable[Span], endpoint: str, project: str, progress: Progress | None = None) -> int:
    """Post spans to a collector, batch by batch; returns how many it took.

    `endpoint` is its address, with or without the path `/v1/traces`; headers (a key, say) come from the environment variable
    OTEL_EXPORTER_OTLP_HEADERS. Raises `ExportError` where the collector is not there, refuses, or takes a part only.
    """
    import httpx

    url, encode = traces_url(endpoint), _encoder()
    headers = {"content-type": "application/x-protobuf", **_headers(os.environ)}
    loopback = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    sent = 0
    with httpx.Client(headers=headers, timeout=60, trust_env=not loopback) as client:
        for batch in batches(spans):
            _post(client, url, encode(batch, project), sent)
            sent += len(batch)
            (progress or Silent()).advance(len(batch))
    return sent


def traces_url(endpoint: str) -> str:
    """Where a collector takes traces. Raises `ExportError` for what is no address."""
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise ExportError(f"{endpoint!r} is no address of a collector\n  write it so: http://localhost:4318")
    return endpoint if endpoint.rstrip("/").endswith(PATH) else endpoint.rstrip("/") + PATH


def batches(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Spans in lists of at most `BATCH` and about `LARGEST` characters."""
    source, rest = iter(spans), []
    while batch := [*rest, *islice(source, BATCH - len(rest))]:
        size = kept = 0
        for span in batch:
            size += sum(len(value) for value in span.attributes.values() if isinstance(value, str))
            if kept and size > LARGEST:
                break
            kept += 1
        yield batch[:kept]
        rest = batch[kept:]


def _post(client: Any, url: str, body: bytes, before: int) -> None:
    import httpx

    wait, problem = WAIT, ""
    for attempt in range(ATTEMPTS):
        try:
            answer = client.post(url, content=body)
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        else:
            if answer.is_success:
                return _all_taken(answer.content, before)
            problem = f"answered {answer.status_code} {answer.reason_phrase}"
            if answer.status_code not in BUSY:
                break
            after = answer.headers.get("retry-after", "")
            wait = min(float(after), 30.0) if after.isdecimal() else wait
        if attempt < ATTEMPTS - 1:
            time.sleep(wait)
            wait *= 2
    raise ExportError(
        f"{url}: {problem} ({before} spans had arrived)\n"
        "  is a collector listening there for OTLP over HTTP? Export again: equal spans have equal ids"
    )


def _all_taken(answer: bytes, before: int) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except Exception:  # an answer that is not protobuf says nothing of what was refused
        return
    if partial.rejected_spans:
        raise ExportError(
            f"the collector refused {partial.rejected_spans} spans: {partial.error_message or 'it does not say why'} "
            f"({before} spans had arrived before)\n  look at the collector's log"
        )


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    """`name=value,...`, as OpenTelemetry has it: names and values are URL-encoded."""
    pairs = [
        part.partition("=") for part in environment.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",") if "=" in part
    ]
    return {unquote(name.strip()).lower(): unquote(value.strip()) for name, _, value in pairs}


# JSON


def as_json(spans: Iterable[Span], project: str) -> dict[str, Any]:
    """A batch as OTLP's JSON: ids in hex, times in nanoseconds as strings."""
    scope = {"scope": {"name": "recloop", "version": __version__}, "spans": [_span_json(span) for span in spans]}
    attributes = [{"key": key, "value": _value_json(value)} for key, value in _resource(project).items()]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [scope]}]}


def _span_json(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace.hex(),
        "spanId": span.id.hex(),
        **({"parentSpanId": span.parent.hex()} if span.parent else {}),
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": str(_nanoseconds(span.start)),
        "endTimeUnixNano": str(_nanoseconds(span.end)),
        "attributes": [{"key": key, "value": _value_json(value)} for key, value in span.attributes.items()],
        "status": {"code": 2, "message": span.error} if span.error else {"code": 1},
    }


def _value_json(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _resource(project: str) -> dict[str, Value]:
    return {"service.name": "recloop", "service.version": __version__, PROJECT: project}


def _nanoseconds(seconds: float) -> int:
    # Times are known to the millisecond; whole microseconds keep their digits through a float.
    return round(seconds * 1e6) * 1000


# Protobuf


def _encoder() -> Any:
    """A function from a batch to the bytes of a request. Raises `ExportError` where the extra is not installed."""
    try:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
        from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
        from opentelemetry.proto.trace.v1.trace_pb2 import Status
    except ImportError:
        raise ExportError(
            "sending spans needs a package that is not installed\n"
            "  pip install 'recloop[otel]', or write a file instead: --file spans.jsonl"
        ) from None

    def pair(key: str, value: Value) -> Any:
        if isinstance(value, bool):
            return KeyValue(key=key, value=AnyValue(bool_value=value))
        if isinstance(value, int):
            return KeyValue(key=key, value=AnyValue(int_value=value))
        if isinstance(value, float):
            return KeyValue(key=key, value=AnyValue(double_value=value))
        return KeyValue(key=key, value=AnyValue(string_value=value.encode("utf-8", "replace").decode()))

    def message(span: Span) -> Any:
        return Message(
            trace_id=span.trace,
            span_id=span.id,
            parent_span_id=span.parent,
            name=span.name.encode("utf-8", "replace").decode(),
            kind=Message.SPAN_KIND_INTERNAL,
            start_time_unix_nano=_nanoseconds(span.start),
            end_time_unix_nano=_nanoseconds(span.end),
            attributes=[pair(key, value) for key, value in span.attributes.items()],
            status=Status(code=Status.STATUS_CODE_ERROR, message=span.error)
            if span.error
            else Status(code=Status.STATUS_CODE_OK),
        )

    def encode(batch: Iterable[Span], project: str) -> bytes:
        request = ExportTraceServiceRequest()
        whole = request.resource_spans.add()
        whole.resource.attributes.extend(pair(key, value) for key, value in _resource(project).items())
        part = whole.scope_spans.add()
        part.scope.name, part.scope.version = "recloop", __version__
        part.spans.extend(message(span) for span in batch)
        return request.SerializeToString()

    return encode
