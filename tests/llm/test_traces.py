"""A run told as spans: whole, timed as its calls were, the same again, in OpenInference's words, and without what was said if wanted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the extra otel is not installed")

from openinference.semconv import resource, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from recloop.llm.traces import convention, otlp
from recloop.llm.traces.otlp import ExportError, batches, send, write_file
from recloop.llm.traces.span import Span
from recloop.llm.traces.spans import RunSpans
from recloop.runs import CallRecord, Event, Run

KEY = "sk-abcdef0123456789abcdef0123456789"
SAID, ANSWER = "What would you watch, <b>Zif</b>?", '{"watch": ["m1"]}'


class Collector:
    """A receiver of OTLP over HTTP: decodes what is posted. `answers`: status codes it gives first, before it takes anything."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        self.rejects = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                status = collector.answers.pop(0) if collector.answers else 200
                if status == 200:
                    collector.take(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse()
                if collector.rejects:
                    answer.partial_success.rejected_spans = collector.rejects
                    answer.partial_success.error_message = "too many"
                raw = answer.SerializeToString()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for whole in request.resource_spans:
            self.resources.append({a.key: a.value.string_value for a in whole.resource.attributes})
            for scope in whole.scope_spans:
                self.spans += scope.spans

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(otlp, "WAIT", 0.01)
    receiver = Collector()
    yield receiver
    receiver.close()


def attributes(span: Any) -> dict[str, Any]:
    """A decoded span's attributes as plain values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


TOOL = {"id": "t1", "type": "function", "function": {"name": "top_n", "arguments": '{"k": 3}'}}
SCHEMA = {"type": "object", "title": "Secret plan"}


def record(key: str, agent: str, page: int, at: float, **more: Any) -> CallRecord:
    request = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAID}]}
    request |= {"schema": SCHEMA, "temperature": 0.5, "max_tokens": 99, "stop": []}
    given: dict[str, Any] = {"node": "react", "model": "openai/m", "kind": "chat", "request": request}
    given |= {"response": {"text": ANSWER, "finish_reason": "stop"}, "prompt_tokens": 11, "completion_tokens": 7}
    return CallRecord(key, agent, page, latency=0.25, at=at, cost=0.003, **(given | more))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Two agents: one over two pages with a tool and a failure, one whose page took no call; a scoring call; a check."""
    with Run.create(tmp_path / "run", kind="simulate", name="evening", seed=3) as made:
        made.calls.put(record("check", "", -1, 90.0, node="check", kind="check", request={}, response={"score": True}))
        asked = {"prompt": "Zif?", "questions": [["", [" Yes", " No"]]], "whole": False}
        scored = {"values": [[-0.1, -2.3]], "floored": 0, "model": "m"}
        made.calls.put(record("s", "u1", -1, 95.0, node="calibrate", kind="score", request=asked, response=scored))
        made.commit(0)
        made.calls.put(record("a", "u1", 0, 100.0))
        made.calls.put(record("b", "u1", 0, 101.0, node="decide", response={"text": "", "tool_calls": [TOOL]}))
        pages = [Event("page", agent, 0, data={"feeling": f"tired of {agent}"}) for agent in ("u1", "u2")]
        made.commit(1, pages)
        lost = {"status": "timeout", "response": None, "error": f"no answer to {SAID[:5]}"}
        made.calls.put(record("c", "u1", 1, 110.0, **lost))
        made.commit(2, [Event("page", "u1", 1, data={"feeling": "gone"})])
        yield made


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {f"{span.attributes.get('user.id', '')}/{span.name}": span for span in spans}


def test_names_are_those_of_the_published_convention() -> None:
    spans, messages = trace.SpanAttributes, trace.MessageAttributes
    calls, tools = trace.ToolCallAttributes, trace.ToolAttributes
    published = {
        "PROJECT": resource.ResourceAttributes.PROJECT_NAME,
        "KIND": spans.OPENINFERENCE_SPAN_KIND,
        **{name: trace.OpenInferenceSpanKindValues[name].value for name in ("AGENT", "CHAIN", "LLM", "TOOL")},
        "SESSION": spans.SESSION_ID, "USER": spans.USER_ID, "AGENT_NAME": spans.AGENT_NAME,
        "NODE": spans.GRAPH_NODE_ID, "METADATA": spans.METADATA,
        "INPUT": spans.INPUT_VALUE, "INPUT_TYPE": spans.INPUT_MIME_TYPE,
        "OUTPUT": spans.OUTPUT_VALUE, "OUTPUT_TYPE": spans.OUTPUT_MIME_TYPE,
        "TEXT": trace.OpenInferenceMimeTypeValues.TEXT.value, "JSON": trace.OpenInferenceMimeTypeValues.JSON.value,
        "MODEL": spans.LLM_MODEL_NAME, "PARAMETERS": spans.LLM_INVOCATION_PARAMETERS, "TOOLS": spans.LLM_TOOLS,
        "ASKED": spans.LLM_INPUT_MESSAGES, "ANSWERED": spans.LLM_OUTPUT_MESSAGES,
        "ROLE": messages.MESSAGE_ROLE, "CONTENT": messages.MESSAGE_CONTENT, "CALLS": messages.MESSAGE_TOOL_CALLS,
        "CALL_ID": messages.MESSAGE_TOOL_CALL_ID, "FUNCTION": calls.TOOL_CALL_FUNCTION_NAME,
        "ARGUMENTS": calls.TOOL_CALL_FUNCTION_ARGUMENTS_JSON, "FUNCTION_ID": calls.TOOL_CALL_ID,
        "SCHEMA": tools.TOOL_JSON_SCHEMA, "TOOL_NAME": spans.TOOL_NAME, "TOOL_ARGUMENTS": spans.TOOL_PARAMETERS,
        "TOKENS_IN": spans.LLM_TOKEN_COUNT_PROMPT, "TOKENS_OUT": spans.LLM_TOKEN_COUNT_COMPLETION,
        "TOKENS": spans.LLM_TOKEN_COUNT_TOTAL, "COST": spans.LLM_COST_TOTAL,
    }  # fmt: skip
    ours = {name: value for name, value in vars(convention).items() if name.isupper() and isinstance(value, str)}
    assert ours == published


def test_every_agent_page_node_call_and_tool_is_a_span_below_its_whole(run: Run) -> None:
    spans = list(RunSpans(run).all())
    known = {span.id: span for span in spans}
    assert len(known) == len(spans)

    def path(span: Span) -> str:
        above = f"{path(known[span.parent])} > " if span.parent else ""
        return f"{above}{span.attributes[convention.KIND]} {span.name}"

    assert sorted(map(path, spans)) == sorted(
        [
            "CHAIN evening",
            "CHAIN evening > CHAIN before the first page",
            "CHAIN evening > CHAIN before the first page > CHAIN check",
            "CHAIN evening > CHAIN before the first page > CHAIN check > LLM check openai/m",
            "AGENT agent u1",
            "AGENT agent u1 > CHAIN before the first page",
            "AGENT agent u1 > CHAIN before the first page > CHAIN calibrate",
            "AGENT agent u1 > CHAIN before the first page > CHAIN calibrate > LLM score openai/m",
            "AGENT agent u1 > CHAIN page 0",
            "AGENT agent u1 > CHAIN page 0 > CHAIN react",
            "AGENT agent u1 > CHAIN page 0 > CHAIN react > LLM chat openai/m",
            "AGENT agent u1 > CHAIN page 0 > CHAIN decide",
            "AGENT agent u1 > CHAIN page 0 > CHAIN decide > LLM chat openai/m",
            "AGENT agent u1 > CHAIN page 0 > CHAIN decide > LLM chat openai/m > TOOL top_n",
            "AGENT agent u1 > CHAIN page 1",
            "AGENT agent u1 > CHAIN page 1 > CHAIN react",
            "AGENT agent u1 > CHAIN page 1 > CHAIN react > LLM chat openai/m",
            "AGENT agent u2",
            "AGENT agent u2 > CHAIN page 0",
        ]
    )
    assert len({span.trace for span in spans}) == 3, "a trace for each agent, one for the rest"
    assert all(known[span.parent].trace == span.trace for span in spans if span.parent)
    assert len({span.attributes[convention.SESSION] for span in spans}) == 1


def test_times_are_those_of_the_calls_and_wholes_span_their_parts(run: Run) -> None:
    spans = by_name(list(RunSpans(run).all()))
    assert (spans["u1/react"].start, spans["u1/react"].end) in {(99.75, 100.0), (109.75, 110.0)}
    assert (spans["u1/page 0"].start, spans["u1/page 0"].end) == (99.75, 101.0)
    assert (spans["u1/agent u1"].start, spans["u1/agent u1"].end) == (94.75, 110.0)
    committed = dict(run.log.rows("SELECT barrier, at FROM barriers"))
    assert (spans["u2/page 0"].start, spans["u2/page 0"].end) == (committed[0], committed[1])


def test_a_second_export_has_the_same_ids_and_another_run_has_others(run: Run, tmp_path: Path) -> None:
    first = list(RunSpans(run).all())
    with Run.open(run.path) as again:
        assert list(RunSpans(again).all()) == first
    time.sleep(0.002)
    with Run.create(tmp_path / "other", kind="simulate", name="evening", seed=3) as other:
        other.calls.put(record("a", "u1", 0, 100.0))
        other.commit(0)
        assert not {span.trace for span in RunSpans(other).all()} & {span.trace for span in first}


def test_a_call_says_what_was_asked_answered_and_spent(run: Run, collector: Collector) -> None:
    count = send(RunSpans(run).all(), collector.url, "evening")
    assert count == len(collector.spans) == 19
    calls = {}
    for span in collector.spans:
        said = attributes(span)
        if said[convention.KIND] == "LLM":
            calls[json.loads(said["metadata"])["key"]] = (span, said)
    span, said = calls["a"]
    assert said["llm.input_messages.0.message.role"] == "system"
    assert said["llm.input_messages.1.message.content"] == said["input.value"] == SAID
    assert said["llm.output_messages.0.message.content"] == said["output.value"] == ANSWER
    assert said["output.mime_type"] == "application/json"
    assert (said["llm.token_count.prompt"], said["llm.token_count.completion"]) == (11, 7)
    assert (said["llm.token_count.total"], said["llm.cost.total"], said["llm.model_name"]) == (18, 0.003, "openai/m")
    assert json.loads(said["llm.invocation_parameters"]) == {
        "schema": SCHEMA,
        "temperature": 0.5,
        "max_tokens": 99,
    }
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (99_750_000_000, 100_000_000_000)
    assert span.status.code == span.status.STATUS_CODE_OK
    answered = calls["b"][1]
    assert answered["llm.output_messages.0.message.tool_calls.0.tool_call.function.name"] == "top_n"
    assert answered["llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments"] == '{"k": 3}'
    assert json.loads(calls["s"][1]["output.value"]) == [
        {"after": "", "labels": [" Yes", " No"], "logprobs": [-0.1, -2.3]}
    ]
    assert calls["s"][1]["input.value"] == "Zif?"
    lost = calls["c"][0]
    assert lost.status.code == lost.status.STATUS_CODE_ERROR
    assert lost.status.message.startswith("timeout: no answer")
    assert {r["openinference.project.name"] for r in collector.resources} == {"evening"}
    (page,) = (
        s for s in map(attributes, collector.spans) if s.get("user.id") == "u2" and s[convention.KIND] == "CHAIN"
    )
    assert json.loads(page["output.value"]) == {"feeling": "tired of u2"}


def test_without_content_nothing_that_was_said_leaves(run: Run, collector: Collector) -> None:
    send(RunSpans(run, content=False).all(), collector.url, "evening")
    everything = "".join(map(str, collector.spans))
    for said in ("Zif", "Be brief", "watch", "tired of", "Secret plan", "no answer to", '"k"', "Yes"):
        assert said not in everything, said
    tokens = [attributes(span).get("llm.token_count.prompt") for span in collector.spans]
    assert sum(count or 0 for count in tokens) == 55
    assert any("0.5" in str(attributes(span).get("llm.invocation_parameters")) for span in collector.spans)


def test_keys_are_taken_out(tmp_path: Path, collector: Collector) -> None:
    with Run.create(tmp_path / "run", kind="simulate") as run:
        asked = {"messages": [{"role": "user", "content": f"use {KEY} at http://me:pass@host/"}]}
        run.calls.put(record("a", "u1", 0, 5.0, request=asked, response={"text": f"Bearer {KEY}"}))
        run.commit(0, [Event("page", "u1", 0, data={"feeling": KEY})])
        send(RunSpans(run).all(), collector.url, "x")
    everything = "".join(map(str, collector.spans))
    assert KEY not in everything
    assert "me:pass" not in everything
    assert everything.count("[redacted]") >= 4


def test_a_file_holds_the_same_spans_as_a_collector_gets(run: Run, tmp_path: Path, collector: Collector) -> None:
    assert write_file(RunSpans(run).all(), tmp_path / "spans.jsonl", "evening") == 19
    send(RunSpans(run).all(), collector.url, "evening")
    lines = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    written = {s["spanId"]: s for line in lines for s in line["resourceSpans"][0]["scopeSpans"][0]["spans"]}
    assert set(written) == {span.span_id.hex() for span in collector.spans}
    for span in collector.spans:
        row = written[span.span_id.hex()]
        assert row["traceId"] == span.trace_id.hex()
        assert row.get("parentSpanId", "") == span.parent_span_id.hex()
        assert (row["name"], int(row["startTimeUnixNano"])) == (span.name, span.start_time_unix_nano)
        values = {a["key"]: next(iter(a["value"].values())) for a in row["attributes"]}
        assert {key: str(value) for key, value in values.items()} == {k: str(v) for k, v in attributes(span).items()}
    assert not (tmp_path / "spans.jsonl.part").exists()


def test_a_busy_collector_is_asked_again_and_one_that_refuses_is_not(run: Run, collector: Collector) -> None:
    collector.answers = [503, 429]
    assert send(RunSpans(run).all(), collector.url + "/v1/traces/", "x") == 19
    assert collector.paths == ["/v1/traces/"] * 3
    collector.answers = [401]
    with pytest.raises(ExportError, match="answered 401"):
        send(RunSpans(run).all(), collector.url, "x")
    assert len(collector.paths) == 4
    collector.answers = [503] * 9
    with pytest.raises(ExportError, match="answered 503"):
        send(RunSpans(run).all(), collector.url, "x")
    assert len(collector.paths) == 8


def test_spans_that_a_collector_drops_are_told(run: Run, collector: Collector) -> None:
    collector.rejects = 2
    with pytest.raises(ExportError, match="refused 2 spans: too many"):
        send(RunSpans(run).all(), collector.url, "x")


def test_a_collector_that_is_not_there_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "WAIT", 0.001)
    with pytest.raises(ExportError, match=r"http://127\.0\.0\.1:9/v1/traces.*\n  is a collector listening"):
        send(RunSpans(run).all(), "http://127.0.0.1:9", "x")
    for wrong in ("localhost:4318", "ftp://x", "http://", "http://x:nine"):
        with pytest.raises(ExportError, match="is no address of a collector"):
            send(iter(()), wrong, "x")


def test_headers_come_from_the_environment(run: Run, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc%3D, x-project = films")
    send(RunSpans(run).all(), collector.url, "x")
    assert collector.headers[0]["authorization"] == "Bearer abc="
    assert collector.headers[0]["x-project"] == "films"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"


def test_batches_are_bounded_in_number_and_size() -> None:
    def span(size: int) -> Span:
        return Span(b"", b"", b"", "x", 0, 0, {"a": "x" * size})

    assert [len(batch) for batch in batches(span(1) for _ in range(1100))] == [512, 512, 76]
    assert [len(batch) for batch in batches(span(1_000_000) for _ in range(7))] == [3, 3, 1]
    assert [len(batch) for batch in batches(map(span, (9_000_000, 1, 9_000_000)))] == [1, 1, 1]


def test_ten_thousand_calls_take_seconds(tmp_path: Path, collector: Collector) -> None:
    text = "a prompt as long as they are: " + "word " * 300
    with Run.create(tmp_path / "run", kind="simulate") as run:
        for i in range(10_000):
            asked = {"messages": [{"role": "user", "content": f"{i} {text}"}]}
            run.calls.put(record(f"k{i}", f"u{i // 10}", i % 10, 10.0 + i, request=asked))
        run.commit(0)
        began = time.perf_counter()
        assert send(RunSpans(run).all(), collector.url, "x") == 10_000 * 3 + 1_000
        assert time.perf_counter() - began < 30
