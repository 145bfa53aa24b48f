"""Who may talk to the board: checks in front of every request.

By default it listens on the loopback address, where every web page that a browser of
this machine shows could try to reach it.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import re
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import RedirectResponse
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.types import Message
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send


#: Host names that can only mean this machine.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE: Final = "pytest_publish_board"
#: Seconds that a signed POST may be old (Standard Webhooks leaves it to the receiver);
#: a relay signs anew at each try.
MAX_AGE: Final = 300.0

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A module of another version would not fit the others.
    "Cache-Control": "no-cache",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Safety:
    """``hosts`` are the names by which the board may be called; None for any.

    ``token`` is asked for in every request if it is set.
    """

    hosts: frozenset[str] | None = LOOPBACK
    token: str = ""


class Guard:
    """ASGI middleware: answers what must not get through, and adds the policies."""

    def __init__(self, app: ASGIApp, safety: Safety) -> None:
        self._app = app
        self._safety = safety

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_policies(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, with_policies)

    def _refusal(self, request: Request) -> Response | None:
        name = request.headers.get("host", "")
        if self._safety.hosts is not None and _host_of(f"//{name}") not in self._safety.hosts:
            return _refuse(
                403, "this board is not called so: use localhost, or start it with --host"
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in _origins(name.lower()):
            return _refuse(403, "pages of other origins may not talk to this board")
        if self._safety.token and not self._has_token(request):
            given = parse_qs(request.url.query).get("token", [""])[0]
            if request.method == "GET" and self._is_token(given.encode()):
                return self._logged_in(request)
            return _refuse(
                401,
                "a token is needed: 'Authorization: Bearer TOKEN', or /?token=TOKEN in a browser",
            )
        if request.method == "POST" and not _is_json(request.headers):
            return _refuse(415, "a POST needs 'Content-Type: application/json'")
        return None

    def _has_token(self, request: Request) -> bool:
        cookie = request.cookies.get(COOKIE, "")
        if hmac.compare_digest(cookie.encode(), self._cookie.encode()):
            return True
        scheme, _space, given = request.headers.get("authorization", "").partition(" ")
        # Starlette reads headers as Latin-1; a token beyond ASCII was sent as UTF-8.
        return scheme.lower() == "bearer" and self._is_token(given.encode("latin-1"))

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._safety.token.encode())

    @property
    def _cookie(self) -> str:
        return hashlib.sha256(self._safety.token.encode()).hexdigest()

    def _logged_in(self, request: Request) -> Response:
        """Put the token into a cookie, and out of the address that is seen and shared."""
        response = RedirectResponse(request.url.path, 303)
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
        return response


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # brackets that don't close, say
        return None


def _origins(name: str) -> tuple[str, str]:
    return f"http://{name}", f"https://{name}"  # the latter behind a proxy


def policy_for(page: str) -> str:
    """Return the Content-Security-Policy of a page: scripts of this origin and its own.

    Of scripts inside a page (the import map), those are allowed whose hashes are named.
    """
    hashes = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in re.findall(r"<script[^>]*>(.+?)</script>", page, re.DOTALL)
    )
    scripts = " ".join(["'self'", *(f"'sha256-{found}'" for found in hashes)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _refuse(status: int, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status)


def signing_key(secret: str) -> bytes:
    """Return the bytes of a Standard Webhooks secret; empty for an empty one.

    Raises ValueError.
    """
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is written in base64, whsec_ may stand before it") from None


def has_signature(headers: Headers, body: bytes, key: bytes, now: float) -> bool:
    """Tell whether a body is signed with ``key`` (Standard Webhooks 1.0.0).

    ``now`` is epoch seconds.
    """
    id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _is_number(timestamp) or abs(now - int(timestamp)) > MAX_AGE:
        return False
    signed = b".".join((id_.encode(), timestamp.encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return any(
        version == "v1" and hmac.compare_digest(digest, _decoded(signature))
        for version, _comma, signature in (
            part.partition(",") for part in headers.get("webhook-signature", "").split()
        )
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
