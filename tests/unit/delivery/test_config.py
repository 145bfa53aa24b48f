from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.delivery.config import checked_header
from pytest_publish.delivery.config import checked_url
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.config import printable
from pytest_publish.delivery.config import private_from
from pytest_publish.delivery.config import redact_url
from pytest_publish.delivery.config import RelayConfig
from pytest_publish.delivery.config import signing_key


URL = "https://user:hunter2@example.org:8443/results?token=hunter2#hunter2"


@pytest.mark.parametrize(
    "outbox", [Path("/cache/ä b.jsonl"), Path(os.fsdecode(b"/cache/\xff.jsonl"))]
)
def test_a_relay_reads_its_configuration_from_one_line(outbox: Path) -> None:
    config = DeliveryConfig(
        URL,
        headers=(("X-A", "1"), ("X-Ä", "é")),
        timeout=2.5,
        secret="whsec_aGk=",
        gzip=True,
        connections=3,
        batch=7,
        grace=0.5,
    )
    relay_config = RelayConfig(outbox, 42, config)
    line = relay_config.to_json()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert RelayConfig.from_json(line) == relay_config


def test_no_secret_is_in_the_text_of_a_configuration() -> None:
    config = DeliveryConfig(URL, headers=(("Authorization", "hunter2"),), secret="hunter2")
    relay_config = RelayConfig(Path("outbox"), 1, config)
    assert "hunter2" not in f"{relay_config} {relay_config!r}"
    assert "example.org" in repr(relay_config)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, "https://example.org:8443/results?…"),
        ("http://h", "http://h"),
        ("http://user@h/p", "http://h/p"),
        ("http://user:p@ss@h/p", "http://h/p"),
        ("http://u:p@[::1]:80/", "http://[::1]:80/"),
        ("http://user:hunter2@[::1", "[::1"),  # of which nobody knows the parts
    ],
)
def test_a_url_is_shown_without_what_may_be_secret_in_it(url: str, expected: str) -> None:
    assert redact_url(url) == expected


@given(
    key=st.binary(min_size=1, max_size=64),
    with_prefix=st.booleans(),
    with_padding=st.booleans(),
)
def test_a_secret_is_base64_with_or_without_its_prefix_and_padding(
    key: bytes,
    *,
    with_prefix: bool,
    with_padding: bool,
) -> None:
    secret = base64.b64encode(key).decode()
    if not with_padding:
        secret = secret.rstrip("=")
    assert signing_key(("whsec_" if with_prefix else "") + secret) == key


def test_without_a_secret_there_is_no_key() -> None:
    assert signing_key("") == b""


@pytest.mark.parametrize(
    "secret", ["hunter2!", "whsec_hunter2 ", "hünter2", "whsec_hunte", "a\nbc"]
)
def test_a_secret_that_is_no_base64_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="base64") as refused:
        signing_key(secret)
    assert "unte" not in str(refused.value)


def test_a_secret_that_holds_no_key_is_refused() -> None:
    # It would leave everything unsigned, and nobody would know.
    with pytest.raises(ValueError, match="whsec_"):
        signing_key("whsec_")


@pytest.mark.parametrize(
    "url",
    ["http://h", URL, "https://h:1/p?q=1", "http://[::1]/", "http://u@h/", "http://ä.example/"],
)
def test_a_url_of_a_host_can_be_posted_to(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/results",
        "ftp://user:hunter2@h/",
        "http://",
        "http://user:hunter2@/p",
        "https://host /hook?token=hun@hunter2",
        "http://a..b/",
        f"http://{'a' * 64}.org/",
        "http://user:hunter2@h:port/",
        "http://user:hunter2@h:0/",
        "http://user:hunter2@h:70000/",
        "http://user:hunter2@h/a b",
        "http://user:hunter2@h/a\nb",
        "http://user:hunter2@[::1/",
        "https:/user:hunter2@h/",
        r"http://user:hunter2@\host\x",
        r"http://user:hunter2\@host",
        "http://user:hunter2@ho<st/",
        "http://user:hunter2@ho%41st/",
        "http://user:hunter2@[::1]x/",
        "http://user:hunter2@[x]/",
        "http://user:hunter2",
        "http://user:hunter2/p",
        "http://user:1hunter2%40host/p",
        "htps://h/?token=hunter2",
        "htps://h/#hunter2",
    ],
)
def test_any_other_url_is_refused_in_one_line_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL like http://HOST/PATH") as refused:
        checked_url(url)
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("private", ["user:hunter2€", "user:hunter2%E2%82%AC", "hunter2€:x"])
def test_a_password_that_http_has_no_form_for_is_refused_without_being_shown(private: str) -> None:
    with pytest.raises(ValueError, match=r"'http://h/p' .*PYTEST_PUBLISH_HEADERS") as refused:
        checked_url(f"http://{private}@h/p")
    assert "hunter2" not in str(refused.value)
    assert checked_url("http://user:pässword%C3%A4@h/p")


@given(st.text("ab:@/\\%?#[].-_ \x1bé€①&'<^|", max_size=8))
def test_a_password_is_never_shown_whatever_is_in_it(private: str) -> None:
    url = f"http://user:hunter2{private}@host/p"
    assert "hunter2" not in redact_url(url)
    with contextlib.suppress(ValueError):
        assert "hunter2" not in repr(DeliveryConfig(checked_url(url)))
        return
    with pytest.raises(ValueError, match="http") as refused:
        checked_url(url)
    assert "hunter2" not in str(refused.value)


def test_a_text_of_somebody_else_becomes_one_line_that_does_nothing_to_a_terminal() -> None:
    assert printable("  \x1b[31m503\r\nBüsy\x07\x9b \u202e") == "[31m503 Büsy"


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("X-A: b", ("X-A", "b")),
        ("X-A:b", ("X-A", "b")),
        (" Authorization :  Bearer a:b ", ("Authorization", "Bearer a:b")),
        ("X-Empty:", ("X-Empty", "")),
        ("X-Latin: é", ("X-Latin", "é")),
    ],
)
def test_a_header_is_a_name_and_a_value(line: str, header: tuple[str, str]) -> None:
    assert checked_header(line) == header


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hunter2",
        ": hunter2",
        "Two Words: hunter2",
        "X-Ä: hunter2",
        "X-A: hunter2\r\nX-B: c",
        "X-A: hunter2\x00",
        "X-A: hunter2 €",
    ],
)
def test_a_header_that_cant_be_sent_is_refused_in_one_line_without_its_value(line: str) -> None:
    with pytest.raises(ValueError, match="header") as refused:
        checked_header(line)
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_headers_and_secret_are_read_from_the_environment() -> None:
    environment = {
        "PYTEST_PUBLISH_HEADERS": "X-A: 1\n\n  \nX-B: 2\r\n",
        "PYTEST_PUBLISH_SECRET": "whsec_aGk=",
        "OTHER": "x",
    }
    assert private_from(environment) == ((("X-A", "1"), ("X-B", "2")), "whsec_aGk=")
    assert private_from({}) == ((), "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PYTEST_PUBLISH_HEADERS", "X-A: 1\nhunter2"),
        ("PYTEST_PUBLISH_HEADERS", "X-A: hunter2\x00"),
        ("PYTEST_PUBLISH_SECRET", "hunter2!"),
    ],
)
def test_a_variable_that_cant_be_used_is_named_without_its_value(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{variable}: .*$") as refused:
        private_from({variable: value})
    assert "hunter2" not in str(refused.value)
