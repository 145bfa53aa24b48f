from __future__ import annotations

import base64
import email.utils
import json
import os
import time
from collections.abc import Callable

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from faulty_server import CutError
from faulty_server import FaultyServer
from faulty_server import OK
from faulty_server import ResetError
from faulty_server import status
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.http import Accepted
from pytest_publish.delivery.http import BACKOFF_CAP
from pytest_publish.delivery.http import BACKOFF_FLOOR
from pytest_publish.delivery.http import Failed
from pytest_publish.delivery.http import MAX_RETRY_AFTER
from pytest_publish.delivery.http import Refused
from pytest_publish.delivery.http import retry_delay
from pytest_publish.delivery.http import Transport
from support import eventually
from support import Post


BODY = json.dumps({"text": "ä"}).encode()
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def post(config: DeliveryConfig, body: bytes = BODY) -> Accepted | Refused | Failed:
    sender = Transport(config)
    try:
        return sender.post("run-0", body)
    finally:
        sender.close()


def raising(error: type[Exception]) -> Callable[[Post], bytes]:
    def answer(_post: Post) -> bytes:
        raise error

    return answer


def test_a_body_is_posted_as_it_is_and_named(faulty_server: FaultyServer) -> None:
    assert post(DeliveryConfig(faulty_server.url)) == Accepted()
    (sent,) = faulty_server.posts
    assert sent.body == BODY
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Idempotency-Key"] == sent.headers["webhook-id"] == "run-0"
    assert "webhook-signature" not in sent.headers


def test_one_connection_is_kept_for_many_posts(faulty_server: FaultyServer) -> None:
    sender = Transport(DeliveryConfig(faulty_server.url))
    for number in range(20):
        assert sender.post(f"run-{number}", BODY) == Accepted()
    sender.close()
    assert faulty_server.connections == 1


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_any_2xx_is_acceptance(faulty_server: FaultyServer, code: int) -> None:
    faulty_server.answer = lambda _post: status(code)
    assert post(DeliveryConfig(faulty_server.url)) == Accepted()


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_statuses_are_tried_again(faulty_server: FaultyServer, code: int) -> None:
    faulty_server.answer = lambda _post: status(code)
    assert post(DeliveryConfig(faulty_server.url)) == Failed(f"{code} Whatever")


@pytest.mark.parametrize("code", [300, 301, 302, 303, 400, 401, 403, 404, 410, 413, 422])
def test_these_statuses_are_final(faulty_server: FaultyServer, code: int) -> None:
    faulty_server.answer = lambda _post: status(code, "Location: /elsewhere")
    assert post(DeliveryConfig(faulty_server.url)) == Refused(f"{code} Whatever")


@pytest.mark.parametrize("code", [307, 308])
def test_these_redirects_are_followed_with_method_and_body(
    faulty_server: FaultyServer, code: int
) -> None:
    answers = iter([status(code, "Location: /moved"), OK])
    faulty_server.answer = lambda _post: next(answers)
    assert post(DeliveryConfig(faulty_server.url)) == Accepted()
    assert [sent.body for sent in faulty_server.posts] == [BODY, BODY]


def test_a_circle_of_redirects_ends(faulty_server: FaultyServer) -> None:
    faulty_server.answer = lambda _post: status(307, "Location: /again")
    assert post(DeliveryConfig(faulty_server.url)) == Refused("more than 5 redirects")


def test_another_host_gets_no_header_that_was_meant_for_the_first(
    faulty_server: FaultyServer,
) -> None:
    other = FaultyServer()
    faulty_server.answer = lambda _post: status(307, f"Location: {other.url}")
    url = faulty_server.url.replace("://", "://user:password@")
    assert post(DeliveryConfig(url, headers=(("X-Api-Key", "secret"),))) == Accepted()
    other.stop()
    assert faulty_server.posts[0].headers["X-Api-Key"] == "secret"
    assert faulty_server.posts[0].headers["Authorization"].startswith("Basic ")
    assert not {"X-Api-Key", "Authorization"} & set(other.posts[0].headers)
    assert other.posts[0].headers["Host"] == f"localhost:{other.port}"


def test_a_redirect_never_leaves_http(faulty_server: FaultyServer) -> None:
    faulty_server.answer = lambda _post: status(307, "Location: file:///etc/passwd")
    answer = post(DeliveryConfig(faulty_server.url))
    assert isinstance(answer, Refused)
    assert "can't be followed" in answer.reason


@pytest.mark.parametrize("error", [ResetError, CutError])
def test_an_answer_that_breaks_off_is_tried_again(
    faulty_server: FaultyServer, error: type[Exception]
) -> None:
    faulty_server.answer = raising(error)
    assert isinstance(post(DeliveryConfig(faulty_server.url)), Failed)


def test_a_refused_connection_is_tried_again(faulty_server: FaultyServer) -> None:
    faulty_server.stop()
    assert post(DeliveryConfig(faulty_server.url)) == Failed("Connection refused")


def test_an_endpoint_that_never_answers_times_out(faulty_server: FaultyServer) -> None:
    def answer(_post: Post) -> bytes:
        faulty_server.wait(30)
        return OK

    faulty_server.answer = answer
    assert post(DeliveryConfig(faulty_server.url, timeout=0.1)) == Failed("timed out")


def test_a_host_that_is_not_there_is_tried_again_and_the_reason_has_no_url() -> None:
    answer = post(DeliveryConfig("http://nowhere.invalid/hook?token=secret"))
    assert isinstance(answer, Failed)
    assert "secret" not in answer.reason


@pytest.mark.parametrize("code", [401, 503])
def test_the_reason_of_an_endpoint_does_nothing_to_a_terminal(
    faulty_server: FaultyServer, code: int
) -> None:
    faulty_server.answer = lambda _post: status(code, reason="\x1b[31mNo\x07\t\x9b2J way")
    answer = post(DeliveryConfig(faulty_server.url))
    assert isinstance(answer, (Failed, Refused))
    assert answer.reason.isprintable()
    assert answer.reason.startswith(f"{code} [31mNo")


def test_a_url_that_nothing_can_be_posted_to_is_reported_without_its_secrets() -> None:
    answer = post(DeliveryConfig("http://user:hunter2@-ü?token=hunter2"))
    assert answer == Failed("nothing can be POSTed to this URL: InvalidURL")


@pytest.mark.parametrize(
    "proxy",
    [r"http://user:hunter2@\host\x", "http://user:hunter2€@localhost:1", "x://user:hunter2@h", "@"],
)
def test_a_proxy_that_cant_be_used_is_reported_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    answer = post(DeliveryConfig("http://nowhere.invalid/"))
    assert isinstance(answer, (Failed, Refused))
    assert "hunter2" not in answer.reason
    assert answer.reason.isprintable()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-1", None), ("soon", None), ("9" * 400, MAX_RETRY_AFTER)],
)
def test_retry_after_in_seconds_is_understood(
    faulty_server: FaultyServer, header: str, seconds: float | None
) -> None:
    faulty_server.answer = lambda _post: status(429, f"Retry-After: {header}")
    assert post(DeliveryConfig(faulty_server.url)) == Failed("429 Whatever", seconds)


def test_retry_after_as_a_date_is_understood(faulty_server: FaultyServer) -> None:
    date = email.utils.formatdate(time.time() + 40, usegmt=True)
    faulty_server.answer = lambda _post: status(503, f"Retry-After: {date}")
    answer = post(DeliveryConfig(faulty_server.url))
    assert isinstance(answer, Failed)
    assert answer.retry_after is not None
    assert 20 < answer.retry_after <= 40


@given(
    tries=st.integers(1, 10_000),
    asked=st.none() | st.floats(0, MAX_RETRY_AFTER),
)
def test_a_wait_is_never_nothing_and_never_without_end(tries: int, asked: float | None) -> None:
    wait = retry_delay(Failed("", asked), tries)
    assert wait >= BACKOFF_FLOOR
    assert wait <= max(BACKOFF_CAP, asked or 0)
    assert wait >= (asked or 0)


@pytest.mark.parametrize("compress", [False, True])
def test_a_signature_verifies_with_standard_webhooks(
    faulty_server: FaultyServer, compress: bool
) -> None:
    assert post(DeliveryConfig(faulty_server.url, secret=SECRET, gzip=compress)) == Accepted()
    (sent,) = faulty_server.posts
    assert sent.headers.get("Content-Encoding") == ("gzip" if compress else None)
    assert Webhook(SECRET).verify(sent.text, sent.headers) == json.loads(BODY)


def test_the_bytes_are_the_same_at_every_try(faulty_server: FaultyServer) -> None:
    for _ in range(2):
        assert post(DeliveryConfig(faulty_server.url, gzip=True)) == Accepted()
    first, second = (sent.body for sent in faulty_server.posts)
    assert first == second
    assert first[4:8] == bytes(4), "no time of compression in it (RFC 1952)"


def test_a_certificate_that_does_not_verify_is_final(secure: FaultyServer) -> None:
    answer = post(DeliveryConfig(secure.url))
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("the certificate does not verify: ")
    assert not secure.posts


def test_a_private_authority_is_trusted_by_environment(
    secure: FaultyServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        assert post(DeliveryConfig(secure.url)) == Accepted()


def test_a_proxy_that_is_not_there_is_named_as_the_proxy(
    monkeypatch: pytest.MonkeyPatch, faulty_server: FaultyServer
) -> None:
    faulty_server.stop()
    for scheme in ("http", "https"):
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:hunter2@localhost:{faulty_server.port}")
        answer = post(DeliveryConfig(f"{scheme}://example.org/results"))
        assert answer == Failed("the proxy: Connection refused")


def use_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the environment name this proxy, and no exception from it."""
    for name in [name for name in os.environ if name.lower() in ("no_proxy", "http_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", url)


def test_a_proxy_of_the_environment_is_used(
    faulty_server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_proxy(monkeypatch, f"http://localhost:{faulty_server.port}")
    assert post(DeliveryConfig("http://results.invalid/hook")) == Accepted()
    assert faulty_server.posts[0].headers["Host"] == "results.invalid"


@pytest.mark.parametrize("location", ["http://[", "http://host:99999/", "mailto:me"])
def test_a_redirect_to_no_place_is_final(faulty_server: FaultyServer, location: str) -> None:
    faulty_server.answer = lambda _post: status(308, f"Location: {location}")
    assert post(DeliveryConfig(faulty_server.url)) == Refused(
        "308 Whatever: a redirect that can't be followed"
    )


def test_a_bundle_of_authorities_that_is_not_there_is_tried_again(
    secure: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone/authorities.pem")
    answer = post(DeliveryConfig(secure.url))
    assert isinstance(answer, Failed)
    assert "/gone/authorities.pem" in answer.reason


def test_a_date_beyond_all_years_asks_for_no_wait(faulty_server: FaultyServer) -> None:
    date = "Mon, 01 Jan 99999999999 00:00:00 GMT"
    faulty_server.answer = lambda _post: status(503, f"Retry-After: {date}")
    assert post(DeliveryConfig(faulty_server.url)) == Failed("503 Whatever")


@pytest.mark.parametrize("code", [100, 102, 103, 199])
def test_an_interim_answer_is_not_the_answer(faulty_server: FaultyServer, code: int) -> None:
    interim = f"HTTP/1.1 {code} Wait\r\nLink: </style.css>\r\n\r\n".encode()
    answers = iter([2 * interim + OK, interim + status(503), OK])
    faulty_server.answer = lambda _post: next(answers)
    sender = Transport(DeliveryConfig(faulty_server.url))
    # Each POST gets its own answer, not what an earlier one left in the connection.
    assert sender.post("run-0", BODY) == Accepted()
    assert sender.post("run-1", BODY) == Failed("503 Whatever")
    assert sender.post("run-2", BODY) == Accepted()
    sender.close()
    assert faulty_server.connections == 1


@pytest.mark.parametrize("answer", [status(101), status(103) * 200], ids=["switch", "no end"])
def test_interim_answers_alone_are_tried_again(faulty_server: FaultyServer, answer: bytes) -> None:
    answers = iter([OK, answer, OK])
    faulty_server.answer = lambda _post: next(answers)
    sender = Transport(DeliveryConfig(faulty_server.url))
    assert sender.post("run-0", BODY) == Accepted()
    assert isinstance(sender.post("run-1", BODY), Failed)
    assert sender.post("run-1", BODY) == Accepted()
    sender.close()
    assert faulty_server.connections == 2, "nobody knows what follows in the first"


@pytest.mark.parametrize(
    ("code", "expected"), [(200, Accepted()), (500, Failed("500 No")), (400, Refused("400 No"))]
)
def test_an_answer_that_names_no_end_counts_by_its_status(
    faulty_server: FaultyServer, code: int, expected: object
) -> None:
    faulty_server.answer = lambda _post: f"HTTP/1.1 {code} No\r\n\r\nsome text".encode()
    # Longer than the test may take: it must not be waited for.
    assert post(DeliveryConfig(faulty_server.url, timeout=1000)) == expected


@pytest.mark.parametrize("head", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nConnection: close"])
def test_an_answer_that_ends_with_its_connection_is_read_to_its_end(
    faulty_server: FaultyServer, head: str
) -> None:
    faulty_server.answer = lambda _post: f"{head}\r\n\r\nok".encode()
    faulty_server.closes = True
    assert post(DeliveryConfig(faulty_server.url)) == Accepted()


ANSWERS = {
    "created": b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    "cut text": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
    "until closed": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nok",
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + status(503),
    "refused": status(400),
    "later": status(429, "Retry-After: 7"),
    "nowhere": status(307, "Location: mailto:me"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_counts_alike_over_a_connection_that_was_open(
    faulty_server: FaultyServer, name: str
) -> None:
    def then(answer: bytes, *, closes: bool) -> Accepted | Refused | Failed:
        faulty_server.answer = lambda _post: answer
        faulty_server.closes = closes
        return sender.post("run-0", BODY)

    faulty_server.answer = lambda _post: ANSWERS[name]
    faulty_server.closes = True
    alone = post(DeliveryConfig(faulty_server.url))
    sender = Transport(DeliveryConfig(faulty_server.url))
    assert then(OK, closes=False) == Accepted()
    assert then(ANSWERS[name], closes=True) == alone
    eventually(lambda: faulty_server.closed == 2)
    assert then(OK, closes=False) == Accepted()
    sender.close()
    first, second = (sent.headers for sent in faulty_server.posts[1:3])
    assert first | {"webhook-timestamp": ""} == second | {"webhook-timestamp": ""}


def test_a_connection_that_the_endpoint_has_closed_is_opened_again(
    faulty_server: FaultyServer,
) -> None:
    faulty_server.closes = True
    sender = Transport(DeliveryConfig(faulty_server.url))
    for number in range(3):
        assert sender.post(f"run-{number}", BODY) == Accepted()
        eventually(lambda: faulty_server.closed == faulty_server.connections)
    sender.close()
    assert faulty_server.connections == 3


def test_one_connection_with_tls_is_kept_for_many_posts(
    secure: FaultyServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        sender = Transport(DeliveryConfig(secure.url))
        for number in range(5):
            assert sender.post(f"run-{number}", BODY) == Accepted()
        sender.close()
    assert secure.connections == 1


def test_a_proxy_gets_what_it_asks_for_with_each_post(
    faulty_server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_proxy(monkeypatch, f"http://user:password@localhost:{faulty_server.port}")
    sender = Transport(DeliveryConfig("http://results.invalid/hook"))
    for number in range(2):
        assert sender.post(f"run-{number}", BODY) == Accepted()
    sender.close()
    first, second = (sent.headers["Proxy-Authorization"] for sent in faulty_server.posts)
    assert first == second
