"""`recloop runs export`: a run as OpenTelemetry spans, into a file or to a collector."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest


def test_a_run_is_written_as_spans(cli: Any, runs: Path) -> None:
    result = cli("runs", "export", "finished", "--file", "spans.jsonl", "--json")
    assert result.code == 0, result.err
    (line,) = (runs / "spans.jsonl").read_text().splitlines()
    spans = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len(spans) == result.json["spans"]
    assert sum(span["name"].startswith("agent ") for span in spans) == 6
    again = cli("runs", "export", "finished", "--file", "again.jsonl")
    assert "again.jsonl" in again.out
    assert result.json["session"] in again.out
    assert (runs / "again.jsonl").read_bytes() == (runs / "spans.jsonl").read_bytes()


def test_without_content_the_file_tells_nothing_of_what_was_done(cli: Any, runs: Path) -> None:
    assert "shown_at" in _exported(cli, runs)
    assert "shown_at" not in _exported(cli, runs, "--no-content")


def _exported(cli: Any, runs: Path, *flags: str) -> str:
    assert cli("runs", "export", "finished", "--file", "spans.jsonl", *flags).code == 0
    return (runs / "spans.jsonl").read_text()


def test_one_place_is_named(cli: Any, runs: Path) -> None:
    assert "in one way" in cli("runs", "export", "finished").refused()
    both = ("--file", "x.jsonl", "--otlp", "http://localhost:4318")
    assert "in one way" in cli("runs", "export", "finished", *both).refused()


def test_what_cannot_be_exported_is_told(cli: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recloop.llm.traces import otlp

    monkeypatch.setattr(otlp, "WAIT", 0.001)
    assert "is no address of a collector" in cli("runs", "export", "finished", "--otlp", "localhost").refused()
    assert "is a collector listening" in cli("runs", "export", "finished", "--otlp", "http://127.0.0.1:9").refused()
    assert "no-such/spans.jsonl" in cli("runs", "export", "finished", "--file", "no-such/spans.jsonl").refused()
    assert "is no run" in cli("runs", "export", ".", "--file", "spans.jsonl").refused()
    assert not list(runs.glob("spans.jsonl*"))


def test_a_missing_package_is_named_with_the_extra(cli: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    refused = cli("runs", "export", "finished", "--otlp", "http://127.0.0.1:9").refused()
    assert "pip install 'recloop[otel]'" in refused
    assert cli("runs", "export", "finished", "--file", "spans.jsonl").code == 0, "a file needs no package"
