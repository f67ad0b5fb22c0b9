"""The user's own recommender behind HTTP, against a real server on this machine."""

import asyncio
import contextlib
import json
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from recloop.data import from_rows
from recloop.methods.recommenders import (
    EndpointConfig,
    HTTPRecommender,
    RecommenderError,
    UnusableAnswer,
    open_recommender,
    slow,
)

DATA = from_rows([(f"u{n}", f"i{m}") for n in range(30) for m in range(6) if (n + m) % 3 == 0])
QUICK = {"backoff": 0.0, "timeout": 5.0}


class Server:
    """Answers with `script(n, question)` -> (status, headers, body) | None (cut the connection), n counting requests."""

    def __init__(self, script):
        self.questions, self.headers, self.in_flight, self.most = [], [], 0, 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    n = len(outer.questions)
                    outer.questions.append(question)
                    outer.headers.append(dict(self.headers))
                    outer.in_flight += 1
                    outer.most = max(outer.most, outer.in_flight)
                reply = script(n, question)
                with lock:
                    outer.in_flight -= 1
                if reply is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, headers, body = reply
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

            def handle(self):
                with contextlib.suppress(ConnectionError, ValueError):
                    super().handle()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/recommend"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def serve():
    servers = []

    def start(script):
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def first_left(n, question):
    left = [item for item in DATA.items.ids if item not in question["exclude"]]
    return 200, {}, {"items": left[: question["k"]], "scores": list(range(len(left), 0, -1))[: question["k"]]}


async def test_plain_and_async_callers_get_the_same_rankings_over_one_pool(serve):
    server = serve(first_left)
    model = open_recommender(server.url, config=QUICK).fit(DATA)
    users = DATA.users.ids
    rankings = await model.atop_many(users, 3)
    assert rankings == model.top_many(users, 3)
    assert model.top("u0", 2, exclude=["i0"]).items == ("i1", "i2")
    assert model.scores("u0", ["i5", "i0"]).tolist() == [1.0, 6.0]
    for user, ranking in zip(users, rankings, strict=True):
        assert not set(ranking.items) & set(DATA.history(user).items)
    assert {"user": "u0", "history": ["i0", "i3"], "k": 3, "exclude": ["i0", "i3"]} in server.questions
    assert not model.problems
    model.close()
    assert len(model.top("u0", 1)) == 1, "a closed pool opens again"


async def test_requests_in_flight_stay_within_the_bound_over_many_calls(serve):
    def late(n, question):
        time.sleep(0.02)
        return first_left(n, question)

    server = serve(late)
    model = open_recommender(server.url, config={**QUICK, "concurrency": 4}).fit(DATA)
    await asyncio.gather(*(model.atop_many(DATA.users.ids[n : n + 10], 2) for n in (0, 10, 20)))
    assert len(server.questions) == 30
    assert 2 <= server.most <= 4


@pytest.mark.parametrize("fault", [(503, {}, b"busy"), (429, {"Retry-After": "0"}, b"slow down"), None], ids=str)
def test_passing_faults_are_retried_and_counted(serve, fault):
    server = serve(lambda n, question: fault if n < 2 else first_left(n, question))
    model = open_recommender(server.url, config=QUICK).fit(DATA)
    assert model.top("u0", 2).items == ("i0", "i1")
    assert model.problems["retry"] == 2
    assert len(server.questions) == 3


def test_a_lasting_fault_is_an_error_with_status_user_and_advice(serve):
    server = serve(lambda n, question: (500, {}, b"out of   memory"))
    model = open_recommender(server.url, config={**QUICK, "retries": 1}).fit(DATA)
    with pytest.raises(
        RecommenderError, match=r"user 'u0' in 2 attempts: status 500 out of memory\n  is the server up"
    ):
        model.top_many(["u0"], 2)


def test_a_refusal_is_not_retried(serve):
    server = serve(lambda n, question: (404, {}, b"no such path"))
    with pytest.raises(RecommenderError, match="status 404 no such path"):
        open_recommender(server.url, config=QUICK).fit(DATA).top("u0", 2)
    assert len(server.questions) == 1


def test_silence_is_a_timeout_and_nobody_there_is_said(serve):
    release = threading.Event()
    server = serve(lambda n, question: release.wait(5) and None)
    config = {"timeout": 0.1, "retries": 0}
    with pytest.raises(RecommenderError, match=r"no answer within 0\.1 s"):
        open_recommender(server.url, config=config).fit(DATA).top("u0", 2)
    release.set()
    with pytest.raises(RecommenderError, match="Connect"):
        open_recommender("http://127.0.0.1:9/x", config=config).fit(DATA).top("u0", 2)


@pytest.mark.parametrize("body", [["i4", "i3"], [["i4", 2.0], ["i3", 1.0]], {"items": ["i4", "i3"]}], ids=str)
def test_the_simple_shapes_of_an_answer_will_do(serve, body):
    server = serve(lambda n, question: (200, {}, body))
    assert open_recommender(server.url, config=QUICK).fit(DATA).top("u0", 2).items == ("i4", "i3")


def test_an_answer_that_is_no_json_shows_what_came(serve):
    server = serve(lambda n, question: (200, {}, b"<html>login</html>"))
    with pytest.raises(UnusableAnswer, match=r"did not answer JSON for user 'u0': <html>login</html>"):
        open_recommender(server.url, config=QUICK).fit(DATA).top("u0", 2)


def test_keys_are_sent_but_never_shown(serve, monkeypatch):
    server = serve(lambda n, question: (401, {}, b"key s3cret-token or s3cret-header or s3cret-query is wrong"))
    monkeypatch.setenv("MY_SHOP_TOKEN", "s3cret-token")
    config = {**QUICK, "auth_env": "MY_SHOP_TOKEN", "headers": {"X-Key": "s3cret-header"}}
    model = HTTPRecommender(server.url + "?key=s3cret-query", EndpointConfig(**config)).fit(DATA)
    with pytest.raises(RecommenderError) as error:
        model.top("u0", 2)
    assert server.headers[0]["Authorization"] == "Bearer s3cret-token"
    assert server.headers[0]["X-Key"] == "s3cret-header"
    assert "s3cret" not in f"{error.value}{error.value.__cause__}{model.name}{model.policy_id}{model.config!r}"
    monkeypatch.delenv("MY_SHOP_TOKEN")
    with pytest.raises(RecommenderError, match="export MY_SHOP_TOKEN"):
        open_recommender(server.url, config=config)


def test_what_is_no_address_is_refused():
    with pytest.raises(RecommenderError, match="http://host:port/path"):
        open_recommender("http://")


SECRET = ["u:s3cret@h/r", "s3cret@h/r", "h/r?token=s3cret", "h/r?s3cret", "h/r#s3cret", "u:s3cret/more@h/r"]


@pytest.mark.parametrize("rest", SECRET)
@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
def test_a_credential_in_an_address_is_refused_and_not_repeated(scheme, rest):
    with pytest.raises(RecommenderError, match=r"\n  ") as error:
        open_recommender(f"{scheme}://{rest}")
    assert "s3cret" not in "".join(traceback.format_exception(error.value, limit=0))


async def test_an_endpoint_that_lets_one_wait_is_named(serve, caplog, monkeypatch):
    monkeypatch.setattr(slow, "AFTER", 0.05)

    def late(n, question):
        time.sleep(0.3)
        return first_left(n, question)

    mine = open_recommender(serve(late).url, config=QUICK).fit(DATA)
    await mine.atop_many(["u1", "u2"], 2)
    mine.top_many(["u1"], 2)
    said = [record.getMessage() for record in caplog.records if record.name == "recloop"]
    assert [text.split(" to ", 1)[1] for text in said] == [
        "rank for 2 users (0.05 s so far)",
        "rank for user 'u1' (0.05 s so far)",
    ]
