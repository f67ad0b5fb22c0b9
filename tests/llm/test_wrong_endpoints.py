"""What no retry mends is said in one clear message with the next step, before anything else happens; keys are never seen."""

from __future__ import annotations

import base64
import logging
import ssl
import subprocess
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from recloop.llm import MemoryCassette, ModelConfigError, Place, open_model
from recloop.llm.providers.address import Address
from recloop.llm.redact import redact

KEY = "sk-proj-Very/Secret+0123456789abcdef"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server that answers everything with `handler`; gives its address with /v1."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def refused(spec: str, **options: Any) -> str:
    """The message with which `check` refuses."""
    with pytest.raises(ModelConfigError) as caught:
        async with open_model(spec, **{"backoff": 0.001, "timeout": 5.0, **options}) as model:
            await model.check()
    problem, _, step = str(caught.value).partition("\n  ")
    assert problem, "what is wrong"
    assert step, "the next step"
    assert "\n" not in step
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def saying(status: int, body: Any, **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else None
        if text is None:
            return web.json_response(body, status=status, headers=headers)
        return web.Response(text=text, status=status, headers={"content-type": "text/html", **headers})

    return answer


HTML = "<html><body>Welcome to nginx</body></html>"


@pytest.mark.parametrize(
    ("handler", "problem", "step"),
    [
        (saying(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "401", "check the key"),
        (saying(403, {"detail": "no"}), "403", "check the key"),
        (saying(404, {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}), "does not exist", "model's name"),
        (saying(400, {"error": {"message": "invalid model ID"}}), "invalid model ID", "model's name"),
        (saying(404, HTML), "404", "usually ends in /v1"),
        (saying(405, ""), "405", "usually ends in /v1"),
        (saying(200, HTML), "no chat completion", "its address"),
        (saying(200, {"hello": "world"}), "no chat completion", "its address"),
        (saying(301, "", location="https://elsewhere.example/v1/chat/completions?key=abcdefgh"), "moved", "give that address: https://elsewhere.example/v1"),
        (saying(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}), "quota", "credit"),
        (saying(402, {"error": "pay"}), "402", "credit"),
        (saying(500, {"error": {"message": "down"}}), "does not answer", "running"),
    ],
)  # fmt: skip
async def test_an_endpoint_that_cannot_work_is_refused_with_the_next_step(
    handler: Handler, problem: str, step: str
) -> None:
    async with serving(handler) as url:
        for spec, options in ((f"{url}#m", {"api_key": KEY}), ("openai/m", {"base_url": url, "api_key": KEY})):
            said, _, next_step = (await refused(spec, **options)).partition("\n  ")
            assert problem in said
            assert step in next_step
            assert "abcdefgh" not in next_step


async def test_an_address_without_v1_or_with_the_whole_path(fake_llm: Any) -> None:
    async def only_v1(request: web.Request) -> web.StreamResponse:
        if request.path != "/v1/chat/completions":
            return web.json_response({"detail": "Not Found"}, status=404)
        answer = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}
        return web.json_response(answer)

    async with serving(only_v1) as url:
        assert "usually ends in /v1" in await refused(f"{url.removesuffix('/v1')}#m")
        for address in (url, url + "/", url + "/chat/completions"):
            async with open_model(f"{address}#m") as model:
                await model.check()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9/v1", "connection refused"),
        ("http://no-such-host.invalid/v1", "no host of this name"),
    ],
)
async def test_no_network_is_told_in_plain_words(address: str, words: str) -> None:
    assert words in await refused(f"{address}#m", api_key=KEY)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:9/v1", "ftp://me:hidden-password@h/v1", "http://[::1/v1", "http://h:99999/v1", "http://h:port/v1", "http://"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ModelConfigError, match=r"is no address of an endpoint\n  it looks like") as caught:
        open_model("openai/m", base_url=address, api_key=KEY)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", [f"{KEY}\nsecond line", "sk-ünïcödé-0123456789"])
def test_a_key_that_no_header_takes_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ModelConfigError, match="the key holds line breaks") as caught:
        open_model("openai/m", base_url="http://127.0.0.1:9/v1", api_key=key)
    assert key not in "".join(traceback.format_exception(caught.value))


async def test_blanks_around_a_key_do_not_count(fake_llm: Any) -> None:
    server = fake_llm(api_key="right-key")
    async with open_model("openai/m", base_url=server.base_url, api_key="right-key\n") as model:
        await model.check()


def self_signed(folder: Path) -> ssl.SSLContext:
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_tls_where_none_is_spoken_and_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async with serving(saying(200, {})) as url:
        said = await refused(f"{url.replace('http://', 'https://')}#m", api_key=KEY)
        assert "does not speak TLS" in said
        assert "http://" in said.partition("\n  ")[2]
    async with serving(saying(200, {}), self_signed(tmp_path)) as url:
        said = await refused(f"{url}#m", api_key=KEY)
        assert "certificate is not trusted" in said
        assert "SSL_CERT_FILE" in said


async def test_calls_that_wait_behind_a_wrong_key_are_not_sent(fake_llm: Any) -> None:
    import asyncio

    server = fake_llm(api_key="right", latency="fixed:20")
    async with open_model("openai/m", base_url=server.base_url, api_key="wrong", concurrency=4) as model:
        asked = (model.complete([{"role": "user", "content": str(i)}], at=Place(str(i))) for i in range(50))
        problems = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(problem, ModelConfigError) for problem in problems)
    assert server.stats()["requests"] <= 8


# -- keys


def echo(status: int) -> Handler:
    """An endpoint that repeats all it was sent: key, address, headers, in every form it may log them."""

    async def answer(request: web.Request) -> web.StreamResponse:
        said = f"{request.headers} {request.url} {request.raw_headers} {request.headers.get('authorization')}"
        if status != 200:
            return web.json_response({"error": {"message": said, "code": said}}, status=status)
        message = {"content": f'{{"text": "{request.headers.get("authorization")}"}}'}
        return web.json_response({"model": said, "choices": [{"message": message, "finish_reason": "stop"}]})

    return answer


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
async def test_no_key_comes_back_from_an_endpoint_that_repeats_it(
    status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "environment-secret-1")
    secrets = [KEY, "user-name-1", "pass:word-1", "query-secret-1", "header-secret-1", "environment-secret-1"]
    secrets += ["pass%3Aword-1", base64.b64encode(b"user-name-1:pass:word-1").decode()]
    cassette, seen = MemoryCassette(), []
    async with serving(echo(status)) as url:
        address = f"{url.replace('//', '//user-name-1:pass%3Aword-1@')}?code=query-secret-1&api-version=1"
        for key in (KEY, None):
            model = open_model(
                f"{address}#m",
                api_key=key,
                headers={"x-gateway": "header-secret-1", "x-other": "environment-secret-1"},
                cassette=cassette,
                attempts=2,
                backoff=0.001,
            )
            with caplog.at_level(logging.DEBUG):
                try:
                    outcome = await model.complete([{"role": "user", "content": "x"}], at=Place(str(key is None)))
                    seen.append(repr(outcome))
                except ModelConfigError as problem:
                    seen += traceback.format_exception(problem)
            seen.append(repr(model.name))
            await model.close()
    seen += [repr(cassette.records), caplog.text, *capsys.readouterr()]
    assert len("".join(seen)) > 200
    for secret in secrets:
        if secret != "user-name-1":  # beside a password a user's name is none
            assert secret not in "".join(seen), secret


def test_short_keys_do_not_garble_words() -> None:
    assert redact("no next step; key x is wrong", "x") == "no next step; key [key] is wrong"
    assert redact("sk-abcdef123456 and Bearer abcd.efgh") == "[key] and [key]"
    assert redact("it takes 3 tasks, a risk", "sk") == "it takes 3 tasks, a risk"


def test_an_address_says_what_of_it_is_secret() -> None:
    address = Address.parse("https://a-token-1@gateway.example:8443/v1/?api-version=2024-06-01&code=abcdefgh")
    assert address.where == "https://gateway.example:8443/v1"
    assert address.authorization == "Basic " + base64.b64encode(b"a-token-1:").decode()
    assert {"a-token-1", "abcdefgh"} <= set(address.secrets)


@pytest.mark.parametrize("short", ["abc12", "tr0ub4d", "ab-1"])
async def test_a_short_key_that_comes_back_in_a_refusal_is_not_shown(
    short: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = saying(
        401, {"error": {"message": f"no such key {short}, key={short}_v1 ({short}****) '{short}'; a tabc12e"}}
    )
    async with serving(echo) as url:
        given = await refused("openai/fake", base_url=url, api_key=short)
        monkeypatch.setenv("OPENAI_API_KEY", short)
        named = await refused("openai/fake", base_url=url)
    assert given == named
    assert "tabc12e" in given, "a word that holds the key's letters is none"
    assert short not in given.replace("tabc12e", "")
    monkeypatch.setenv("SOME_PROVIDERS_API_KEY", short)
    async with serving(echo) as url:
        assert short not in (await refused("openai/fake", base_url=url, api_key="other")).replace("tabc12e", "")
