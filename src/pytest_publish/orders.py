"""What a relay is told: where to deliver, how, and for how long.

Nothing here sends, so that the process that runs tests need not load what does.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
from pathlib import Path
from typing import Any
from typing import Final
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

import orjson


_SECRET_PREFIX: Final = "whsec_"


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to POST. ``timeout`` is seconds, for connecting and for reading.

    ``secret`` is a Standard Webhooks secret (``whsec_…`` or bare base64), or empty.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    secret: str = ""
    gzip: bool = False

    def __repr__(self) -> str:  # no secrets in a log or a traceback
        return f"Endpoint({shown(self.url)!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class Orders:
    """How to deliver; ``grace`` is seconds without any success after the run's end."""

    endpoint: Endpoint
    connections: int = 16
    batch: int = 1
    grace: float = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Instructions:
    """What a relay process reads from its standard input, as one line of JSON.

    That way no secret is in a command line. ``parent`` is the process whose results
    ``outbox`` holds.
    """

    outbox: Path
    parent: int
    orders: Orders

    def to_json(self) -> bytes:
        """Return the line, with its newline."""
        told = dataclasses.asdict(self) | {"outbox": os.fsdecode(self.outbox)}
        return orjson.dumps(told) + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Instructions:
        """Return what :meth:`to_json` wrote."""
        told: dict[str, Any] = orjson.loads(line)
        orders = told["orders"]
        endpoint = orders.pop("endpoint")
        headers = tuple((name, value) for name, value in endpoint.pop("headers"))
        return cls(
            outbox=Path(told["outbox"]),
            parent=told["parent"],
            orders=Orders(endpoint=Endpoint(headers=headers, **endpoint), **orders),
        )


def signing_key(secret: str) -> bytes:
    """Return the bytes of a Standard Webhooks secret; empty for an empty one.

    Raises ValueError if it is not base64.
    """
    try:
        encoded = secret.removeprefix(_SECRET_PREFIX)
        padding = "=" * (-len(encoded) % 4)
        return base64.b64decode(encoded + padding, validate=True)
    except binascii.Error:
        raise ValueError("not base64, with or without whsec_ before it") from None


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query, fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
