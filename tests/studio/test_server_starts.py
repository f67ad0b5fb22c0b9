"""`serve`: how it starts and ends, as a person meets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recloop.studio.serve import StudioError, bound

CODE = """
import sys
from recloop.studio.serve import serve
serve(sys.argv[1], port=int(sys.argv[2]), open_browser=False, say=lambda text: print(text, flush=True))
print("ended", flush=True)
"""


@contextmanager
def started(run: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server in a process of its own, what it has said, and its address."""
    command = [sys.executable, "-c", CODE, str(run), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        assert process.stdout is not None
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            said += line
        address = re.search(r"http://\S+", said)
        assert address
        yield process, said, address[0]
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_soon_with_a_page_open(recorded: Path, number: signal.Signals) -> None:
    with started(recorded) as (process, _, address):
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert browser.open(address, timeout=10).status == 200
        base = address.partition("?")[0]
        stream = browser.open(f"{base}api/live", timeout=10)
        assert stream.readline().startswith(b"event: state")
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "ended" in out
        assert err == "", "no traceback, no log"
        assert time.monotonic() - began < 6


def test_the_token_is_told_once_and_never_logged(recorded: Path) -> None:
    with started(recorded) as (process, said, address):
        token = address.partition("token=")[2]
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}x", timeout=10)
        urllib.request.urlopen(address, timeout=10).read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert said.count(token) == 1
        assert token not in out + err


def test_a_port_that_is_taken_gives_way_to_the_next_free_one_and_says_so(recorded: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(recorded, port) as (_, said, address):
            found = int(address.rpartition(":")[2].partition("/")[0])
            assert port < found <= port + 20
            assert f"port {port} is taken; this is {found}" in said


def test_no_free_port_and_no_such_address_are_told() -> None:
    with pytest.raises(StudioError, match="no address of this machine"):
        bound("no-such-host.invalid", 8642)
    with pytest.raises(StudioError, match="cannot listen"):
        bound("203.0.113.7", 0)
    with pytest.raises(StudioError, match="no port from 70000"):
        bound("127.0.0.1", 70_000)
