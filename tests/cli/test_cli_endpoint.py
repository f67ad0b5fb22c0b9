"""`recloop simulate` over an endpoint: modes, plans, prompts, budgets, and what is said when it cannot be used."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_world import Result, contents
from recloop.runs import Run

KEY = "sk-proj-AbCdEf0123456789-never-seen"
PROMPTS = Path(__file__).parents[2] / "agents" / "prompts"

Endpoint = Callable[..., list[str]]


@pytest.fixture
def endpoint(fake_llm: Any, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """`endpoint(**options)` starts a fake server that wants our key; gives the flags that name it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def start(**options: Any) -> list[str]:
        server = fake_llm(**{"api_key": KEY} | options)
        start.server = server  # type: ignore[attr-defined]
        return ["--model", "openai/fake", "--base-url", server.base_url, "--users", "4", "--pages", "2"]

    return start


def requests(endpoint: Any) -> int:
    """How many requests the server has answered."""
    return endpoint.server.stats()["requests"]


def assert_nowhere(secret: str, folder: Path, *results: Result) -> None:
    """The secret is in no byte of a folder's files, and in nothing that was printed."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    for result in results:
        assert secret not in result.out + result.err


@pytest.mark.parametrize("plan", ["fused", "faithful"])
def test_a_generated_rehearsal_goes_from_end_to_end(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, plan: str
) -> None:
    result = cli("simulate", *small, *endpoint(), "--plan", plan, "--out", "run", "--json")
    assert result.code == 0, result.err
    rows = result.json["summary"]["rows"]
    assert rows["invalid"]["value"] == 0
    assert rows["calls"]["value"] == requests(endpoint)
    with Run.open(tmp_path / "run") as run:
        nodes = {call.node for call in run.calls.all()}
        assert len(run.calls) == requests(endpoint)
    assert nodes >= ({"page", "interview"} if plan == "fused" else {"react", "decide", "interview"})
    assert_nowhere(KEY, tmp_path, result, cli("runs", "show", "run"), cli("runs", "list", "."))


def test_an_endpoint_can_be_named_in_one_word(cli: Any, small: list[str], fake_llm: Any) -> None:
    url = fake_llm().base_url
    result = cli("simulate", *small, "--model", f"{url}#fake", "--users", 3, "--pages", 1, "--out", "run")
    assert result.code == 0, result.err
    assert f"{url}#fake (generate)" in result.out


def test_a_prompt_of_ones_own_is_what_the_model_reads(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path
) -> None:
    mine = (PROMPTS / "page.md").read_text(encoding="utf-8").replace("You ", "You, dear visitor, ", 1)
    (tmp_path / "mine.md").write_text(mine, encoding="utf-8")
    flags = endpoint(keep=50)
    assert cli("simulate", *small, *flags, "--prompt", "page=mine.md", "--out", "run").code == 0
    asked = json.dumps([body["messages"] for body in endpoint.server.requests()])  # type: ignore[attr-defined]
    assert "dear visitor" in asked
    (tmp_path / "mine.md").write_text(mine + "\nMore.\n", encoding="utf-8")
    with Run.open(tmp_path / "run", write=True) as run:
        run.set_status("paused", "")
    assert re.search(r"prompt:page \(.*\) is not what this run began with", cli("resume", "run").err)
    (tmp_path / "mine.md").unlink()
    for verb in ("resume", "replay"):
        said = cli(verb, "run").refused()
        assert "mine.md: cannot be read: no such file" in said
        assert re.search(r"this run began with prompt:page \(mine.md\), hash \w{12}", said)


def printed_command(err: str) -> list[str]:
    """The command after "go on with:", as a shell would take it apart."""
    (line,) = [line for line in err.splitlines() if line.startswith("go on with:")]
    words = shlex.split(line.removeprefix("go on with:"))
    assert words[0] == "recloop"
    return words[1:]


@pytest.mark.parametrize("budget", ["calls=6", "tokens=4000", "calls=7,tokens=1e6"])
def test_a_spent_budget_pauses_and_the_printed_command_goes_on(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, budget: str
) -> None:
    flags = endpoint()
    whole = cli("simulate", *small, *flags, "--out", "whole", "--json")
    asked = requests(endpoint)
    result = cli("simulate", *small, *flags, "--budget", budget, "--out", "a run")
    assert result.code == 3
    assert f"paused: budget of {budget[:5]}" in result.err
    assert (tmp_path / "a run" / "report.html").is_file(), "a paused run can be looked at"
    for _ in range(6):
        command = printed_command(result.err)
        assert command[:2] == ["resume", "a run"]
        result = cli(*command, "--json")
        if result.code != 3:
            break
        assert (result.json["status"], result.json["reason"].split()[0]) == ("paused", "budget")
    assert result.code == 0, result.err
    assert result.json["digest"] == whole.json["digest"]
    extra = requests(endpoint) - 2 * asked
    assert 0 <= extra <= 8, "nothing was asked twice but the check at a start and what a pause cut off"


def test_a_budget_of_calls_is_kept_to_the_call_over_all_commands(
    cli: Any, small: list[str], endpoint: Endpoint
) -> None:
    cli("simulate", *small, *endpoint(), "--budget", "calls=5", "--out", "run")
    for _ in range(3):
        assert cli("resume", "run").code == 3
    assert requests(endpoint) == 5


def test_a_plain_resume_is_enough_where_the_endpoint_was_lost(
    cli: Any, small: list[str], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*endpoint(), "--users", "12"]
    whole = cli("simulate", *small, *flags, "--out", "whole", "--json").json["digest"]
    down = [{"match": "You are on page 2", "status": 400}]
    endpoint.server.configure(script=down)  # type: ignore[attr-defined]
    result = cli("simulate", *small, *flags, "--out", "run")
    assert result.code == 3, result.err
    assert "got no answer from the model" in result.err
    endpoint.server.configure(script="")  # type: ignore[attr-defined]
    again = cli(*printed_command(result.err), "--json")
    assert again.code == 0, again.err
    assert again.json["digest"] == whole


def test_a_moved_endpoint_is_named_at_resume(cli: Any, small: list[str], endpoint: Endpoint, fake_llm: Any) -> None:
    cli("simulate", *small, *endpoint(), "--budget", "calls=5", "--out", "run")
    elsewhere = fake_llm(api_key=KEY)
    result = cli("resume", "run", "--budget", "calls=50", "--base-url", elsewhere.base_url)
    assert result.code == 0, result.err
    assert elsewhere.stats()["requests"] > 0


# -- what cannot work: one clear line, exit code 2, nothing written


def cannot(cli: Any, folder: Path, *arguments: object) -> str:
    """The message of a rehearsal that cannot start; no folder may be left behind."""
    before = contents(folder)
    result = cli("simulate", *arguments)
    message = result.refused()
    assert contents(folder) == before
    assert not (folder / "recloop-runs").exists()
    assert_nowhere(KEY, folder, result)
    return message


def test_a_wrong_key_is_told_without_the_key(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = endpoint(api_key="sk-another-one")
    message = cannot(cli, tmp_path, *small, *flags)
    assert "answered 401" in message
    assert "check the key: OPENAI_API_KEY" in message
    assert "answered 401" in cannot(cli, tmp_path, *small, *flags, "--out", "named")


class Gossip(BaseHTTPRequestHandler):
    """An endpoint that answers 401 and repeats the key it was given."""

    def do_POST(self) -> None:
        key = self.headers["authorization"]
        body = json.dumps({"error": {"message": f"no such key: {key}, {key.split()[-1]}", "code": key}}).encode()
        self.send_response(401)
        self.send_header("x-key", key)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


def test_an_endpoint_that_repeats_the_key_does_not_betray_it(
    cli: Any, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with HTTPServer(("127.0.0.1", 0), Gossip) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1"
        message = cannot(cli, tmp_path, *small, "--model", "openai/fake", "--base-url", address)
        server.shutdown()
    assert "answered 401" in message


def test_no_key_at_all(cli: Any, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "set OPENAI_API_KEY" in cannot(cli, tmp_path, *small, "--model", "openai/gpt-4o-mini")
    assert "set ANTHROPIC_API_KEY" in cannot(cli, tmp_path, *small, "--model", "anthropic/claude-sonnet-4-5")


def test_an_unknown_model_and_a_wrong_address(cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path) -> None:
    flags = endpoint(script=[{"match": ".", "status": 404}])
    message = cannot(cli, tmp_path, *small, *flags)
    assert "answered 404" in message
    assert "check the model's name and the address" in message
    assert "no connection to http://127.0.0.1:9/v1: connection refused" in cannot(
        cli, tmp_path, *small, "--model", "http://127.0.0.1:9/v1#fake"
    )
    assert "is no address of an endpoint" in cannot(cli, tmp_path, *small, *flags[:2], "--base-url", "nonsense")


NAMES = ["nonsense", "", "openai/", "foo/bar", "local/nonsense", "local:missing.gguf", "local:", "http://host/v1"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_model_is_answered_with_those_there_are(
    cli: Any, small: list[str], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    message = cannot(cli, tmp_path, *small, "--model", name)
    assert "local/smollm2" in message or "#NAME" in message


def test_a_model_that_cannot_score_is_told_before_a_run_is_made(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path
) -> None:
    assert "--mode generate" in cannot(cli, tmp_path, *small, *endpoint(), "--mode", "score")


def test_an_occupied_folder_is_told_before_anything_is_paid(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, no_runs: dict[str, Path]
) -> None:
    flags = endpoint()
    for place in ("foreign", "file", "file/inside"):
        assert "give another folder" in cannot(cli, tmp_path, *small, *flags, "--out", place)
    assert requests(endpoint) == 0


@pytest.mark.parametrize("budget", ["usd=1", "calls=0", "calls=many", "calls=1.5", "calls", "euros=1", "calls=-1"])
def test_a_budget_that_cannot_be_kept_is_told_before_anything_is_paid(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, budget: str
) -> None:
    assert "budget" in cannot(cli, tmp_path, *small, *endpoint(), "--budget", budget)
    assert requests(endpoint) == 0


PROMPT_FILES = {
    "missing.md": (None, "no such file or directory"),
    "field.md": ("## user\n{{nonsense}}\n", "unknown field {{nonsense}}"),
    "lacking.md": ("## user\nHello\n", "needs {{"),
    "binary.md": (bytes(range(256)), "UTF-8"),
    "folder.md": ("folder", "is a directory"),
    "empty.md": ("", "a section is empty"),
}


@pytest.mark.parametrize("name", PROMPT_FILES)
def test_a_prompt_that_cannot_be_used_is_told_before_anything_is_paid(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path, name: str
) -> None:
    body, wanted = PROMPT_FILES[name]
    if body == "folder":
        (tmp_path / name).mkdir()
    elif body is not None:
        (tmp_path / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    message = cannot(cli, tmp_path, *small, *endpoint(), "--prompt", f"page={name}")
    assert name in message
    assert wanted in message
    assert requests(endpoint) == 0


def test_a_prompt_for_nothing_names_the_prompts_there_are(
    cli: Any, small: list[str], endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "mine.md").write_text("## user\nHello\n")
    assert "there are: " in cannot(cli, tmp_path, *small, *endpoint(), "--prompt", "nonsense=mine.md")
    assert "NODE=FILE" in cannot(cli, tmp_path, *small, *endpoint(), "--prompt", "mine.md")
    assert "scripted users read no prompts" in cannot(cli, tmp_path, *small, "--prompt", "page=mine.md")


def test_a_key_that_is_taken_back_leaves_a_paused_run_paused(
    cli: Any, small: list[str], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("simulate", *small, *endpoint(), "--budget", "calls=6", "--out", "run")
    before = cli("runs", "digest", "run").out
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-wrong-wrong")
    assert "answered 401" in cli("resume", "run", "--budget", "calls=60").refused()
    (row,) = cli("runs", "list", ".", "--json").json
    assert row["status"] == "paused"
    assert cli("runs", "digest", "run").out == before
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert cli("resume", "run", "--budget", "calls=60").code == 0
