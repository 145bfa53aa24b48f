"""Where to deliver, how, and for how long; the checks of what users say about it.

Nothing here sends, so that the process that runs tests need not load what does.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import threading
from collections.abc import Mapping
from json import dumps
from json import loads
from pathlib import Path
from typing import Any
from typing import Final
from typing import NamedTuple
from urllib.parse import unquote
from urllib.parse import urlsplit
from urllib.parse import urlunsplit


#: Where headers with secrets come from, one ``NAME: VALUE`` a line.
HEADERS_VARIABLE: Final = "PYTEST_PUBLISH_HEADERS"
#: Where the secret for signatures comes from.
SECRET_VARIABLE: Final = "PYTEST_PUBLISH_SECRET"
#: The exit status of a relay whose endpoint has accepted everything. Not 0, which
#: subprocess also gives for a child that something else has waited for.
ALL_ACCEPTED: Final = 70

#: How the name of an outbox of refused results ends.
REFUSED_SUFFIX: Final = ".refused.jsonl"

# A header's name (RFC 9110, section 5.6.2).
_HEADER_NAME: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# A host name that can be looked up (RFC 1035, section 2.3.4) or an IPv6 address, and a port.
_HOST_AND_PORT: Final = r"([\w-]{1,63}(\.[\w-]{1,63})*\.?|\[[0-9A-Fa-f:.]+(%[\w.-]+)?\])(:[0-9]*)?"


class DeliveryConfig(NamedTuple):
    """Where and how to deliver. The defaults of the options stand here and nowhere else.

    ``timeout`` is seconds, for connecting and for reading; ``grace`` is seconds without any
    success after the run's end. ``secret`` is a Standard Webhooks secret (``whsec_…`` or
    bare base64), or empty.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    secret: str = ""
    gzip: bool = False
    connections: int = 16
    batch: int = 1
    grace: float = 10.0

    def __repr__(self) -> str:  # no secrets in a log or a traceback
        return f"DeliveryConfig({redact_url(self.url)!r})"


class RelayConfig(NamedTuple):
    """What a relay process reads from its standard input, as one line of JSON.

    That way no secret is in a command line. ``parent`` is the process whose results
    ``outbox`` holds.
    """

    outbox: Path
    parent: int
    config: DeliveryConfig

    def to_json(self) -> bytes:
        """Return the line, with its newline."""
        data = {
            "outbox": os.fsdecode(self.outbox),
            "parent": self.parent,
            "config": self.config._asdict(),
        }
        # Not by orjson, which has no form for a path that is not UTF-8.
        return dumps(data).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> RelayConfig:
        """Return what :meth:`to_json` wrote."""
        data: dict[str, Any] = loads(line)
        config = data["config"]
        config["headers"] = tuple((name, value) for name, value in config["headers"])
        return cls(Path(data["outbox"]), data["parent"], DeliveryConfig(**config))


def private_from(environment: Mapping[str, str]) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the headers and the secret that the environment has.

    Raises ValueError if they can't be used, with the variable's name and no value.
    """
    lines = environment.get(HEADERS_VARIABLE, "").splitlines()
    try:
        headers = tuple(checked_header(line) for line in lines if line.strip())
    except ValueError as error:
        raise ValueError(f"{HEADERS_VARIABLE}: {error}") from None
    secret = environment.get(SECRET_VARIABLE, "")
    signing_key(secret)
    return headers, secret


def signing_key(secret: str) -> bytes:
    """Return the bytes of a Standard Webhooks secret; empty for an empty one.

    Raises ValueError if it is not base64, or nothing.
    """
    encoded = secret.removeprefix("whsec_")
    padding = "=" * (-len(encoded) % 4)
    try:
        key = base64.b64decode(encoded + padding, validate=True)
    except ValueError:  # also for what is not ASCII
        key = b""
    if secret and not key:
        raise ValueError(
            f"{SECRET_VARIABLE}: a secret must be base64, with or without whsec_ before it"
        )
    return key


def checked_url(url: str) -> str:
    """Return a URL that can be POSTed to. Raises ValueError, without what may be secret."""
    try:
        parts = urlsplit(url)
        user_and_password, _at, host = parts.netloc.rpartition("@")
        usable = parts.scheme in ("http", "https") and parts.port != 0
        usable = usable and re.fullmatch(_HOST_AND_PORT, host) is not None
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or set(url) & {" ", "\\"}:
        raise ValueError(
            f"{_public(url)!r} is not a URL like http://HOST/PATH or https://HOST/PATH"
        )
    if not _is_latin_1(unquote(user_and_password)):
        raise ValueError(
            f"{redact_url(url)!r} has characters in its user or password that HTTP can't carry; "
            f"send them in a header instead ({HEADERS_VARIABLE})"
        )
    return url


def _public(url: str) -> str:
    """Return what can be shown of a text that is not a URL."""
    before, at, after = url.rpartition("@")
    if not at:
        # What looks like a port and is no number may be a password.
        return re.sub(r"(//[^/:]*:)(?!\d*(?:/|\Z))[^/]*", r"\1…", re.split("[?#]", url)[0])
    # Nobody knows where in it the user, password and query begin and end.
    return "…" if re.search("[?#]", before) else re.split("[?#]", after)[0]


def printable(text: str) -> str:
    """Return a text of somebody else's as one line that does nothing to a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def checked_count(text: str) -> int:
    """Return a whole number, 1 or more. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise ValueError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


def checked_seconds(text: str, *, least: float = 0.0) -> float:
    """Return a number of seconds, which a thread can wait. Raises ValueError."""
    with contextlib.suppress(ValueError):
        if least <= float(text) <= threading.TIMEOUT_MAX:
            return float(text)
    raise ValueError(f"{text!r} is not a number of seconds, {least:g} or more")


def checked_timeout(text: str) -> float:
    """Return the seconds to wait for an answer. Raises ValueError."""
    return checked_seconds(text, least=0.001)


def checked_header(line: str) -> tuple[str, str]:
    """Return a header's name and value. Raises ValueError, without the value."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header must be written NAME: VALUE")
    # http.client refuses line breaks.
    if not value.isprintable() or not _is_latin_1(value):
        raise ValueError(f"the value of {name} has characters that no header can hold")
    return name, value


def _is_latin_1(text: str) -> bool:
    """Tell whether http.client can encode a text of a header."""
    return all(ord(character) <= 0xFF for character in text)


def redact_url(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query, fragment."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # what stands in its place may be a password
    except ValueError:
        return _public(url)
    host = parts.netloc.rpartition("@")[2]
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
