"""Who gets in, and what every answer says to browsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recloop.studio.door import Door, is_loopback
from recloop.studio.serve import STATIC, StudioError
from recloop.studio.serve import serve as serve_forever
from serving import Serve  # pyright: ignore[reportMissingImports]

LOOK, CHANGE = "/api/tree", "/api/stop"


async def test_nothing_is_answered_without_the_token(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False)
    for path in ("/", "/static/index.html", LOOK, "/api/nothing", "/api/live"):
        answer = await served.get(path)
        assert answer.status == 401, path
        assert "recloop debug" in answer.said["hint"]
    assert (await served.post(CHANGE)).status == 401


async def test_a_wrong_token_lets_nobody_in(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False)
    for token in ("", "x", served.door.token[:-1], served.door.token + "x", "ü"):
        assert (await served.get("/", params={"token": token})).status == 401
    assert (await served.get(LOOK)).status == 401


async def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False)
    answer = await served.get(f"/?token={served.door.token}")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert served.door.token not in cookie, "the cookie is a secret of its own"
    assert served.door.token not in answer.body.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await served.get("/api/about")).status == 200


async def test_a_token_on_other_addresses_is_no_key(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False)
    assert (await served.get(f"{LOOK}?token={served.door.token}")).status == 401


async def test_the_address_handed_to_a_browser_opens_once(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False)
    token = served.door.once()
    assert (await served.get(f"/?token={token}")).status == 200
    assert (await served.get(f"/?token={token}")).status == 401


async def test_tokens_differ_from_start_to_start() -> None:
    assert len({Door("127.0.0.1", 1).token for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil", "[", "8.8.8.8"]
)
async def test_a_name_of_another_site_is_refused_though_it_points_here(recorded: Path, serve: Serve, host: str) -> None:
    served = await serve(recorded)
    answer = await served.get(LOOK, headers={"Host": host})
    assert answer.status == 403
    assert (await served.get(f"/?token={served.door.token}", headers={"Host": host})).status == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "LOCALHOST:1234", "[::1]:77"])
async def test_a_tunnel_to_this_machine_works(recorded: Path, serve: Serve, host: str) -> None:
    served = await serve(recorded)
    assert (await served.get("/api/about", headers={"Host": host})).status == 200
    changed = await served.post(CHANGE, headers={"Host": host, "Origin": f"http://{host.lower()}"})
    assert changed.status == 409, "let in: nothing goes on that could be stopped"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "http://127.0.0.1"]
)
async def test_another_site_changes_nothing(recorded: Path, serve: Serve, origin: str) -> None:
    served = await serve(recorded)
    assert (await served.post(CHANGE, headers={"Origin": origin})).status == 403
    assert (await served.get("/api/live", headers={"Origin": origin})).status == 403, "no stream for it either"


async def test_a_change_without_an_origin_is_refused(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    assert (await served.ask("POST", CHANGE, json={})).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_reads_nothing_not_even_blindly(recorded: Path, serve: Serve, site: str) -> None:
    served = await serve(recorded)
    assert (await served.get("/api/about", headers={"Sec-Fetch-Site": site})).status == 403
    assert (await served.get("/api/about", headers={"Sec-Fetch-Site": "same-origin"})).status == 200


async def test_a_form_is_no_change(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    origin = {"Origin": served.base}
    for options in ({"data": {"run": ""}}, {"data": "{}", "headers": origin | {"Content-Type": "text/plain"}}):
        answer = await served.ask("POST", CHANGE, **({"headers": origin} | options))
        assert answer.status == 415, answer.said


async def test_every_answer_forbids_what_the_page_does_not_need(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    answers: list[Any] = [
        await served.get("/"),
        await served.get("/static/index.html"),
        await served.get("/api/about"),
        await served.get("/api/none"),
        await served.post(CHANGE),
        await served.get(f"/?token={served.door.token}"),
        await served.get("/?token=wrong"),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        for rule in (
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "frame-ancestors 'none'",
        ):
            assert rule in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "../serve.py",
        "..%2fserve.py",
        "%2e%2e/serve.py",
        "..%5cserve.py",
        "/etc/passwd",
        "js/../../serve.py",
        "index.html%00.js",
        "",
    ],
)
async def test_no_file_beside_the_page_is_served(recorded: Path, serve: Serve, name: str) -> None:
    from yarl import URL

    served = await serve(recorded)
    async with served.browser.get(URL(f"{served.base}/static/{name}", encoded=True)) as answer:
        body = await answer.read()
        assert answer.status == 404
        assert b"aiohttp" not in body


async def test_the_page_and_its_scripts_are_served_with_their_types(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    first = await served.get("/")
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    scripts = [each.relative_to(STATIC).as_posix() for each in STATIC.rglob("*.js")]
    assert scripts
    for script in scripts:
        answer = await served.get(f"/static/{script}")
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        again = await served.get(f"/static/{script}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


def test_an_address_that_others_reach_must_be_asked_for(recorded: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        assert not is_loopback(host)
        with pytest.raises(StudioError, match="ssh -L"):
            serve_forever(recorded, host=host, open_browser=False)
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.9.9.9")))


async def test_an_address_that_others_reach_keeps_the_token(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded, let_in=False, host="0.0.0.0")
    assert (await served.get(LOOK)).status == 401
    await served.let_in()
    assert (await served.get("/api/about")).status == 200
    assert (await served.get("/api/about", headers={"Host": "192.168.1.5:80"})).status == 200
    assert (await served.get("/api/about", headers={"Host": "evil.example"})).status == 403


def test_a_short_token_of_ones_own_is_refused(recorded: Path) -> None:
    with pytest.raises(StudioError, match="16 characters"):
        serve_forever(recorded, token="secret", open_browser=False)
