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
from starlette.responses import HTMLResponse
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

#: Seconds for which a browser need not ask for the token again.
_REMEMBERED: Final = 30 * 24 * 3600
_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_FORM: Final = 4096
_STYLE: Final = (
    ":root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif } "
    "form { max-width: 20em; margin: 20vh auto; display: grid; gap: 12px } "
    "input, button { font: inherit; padding: 6px 8px; width: 100%; box-sizing: border-box }"
)
_LOGIN: Final = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>pytest-publish board</title>
    <style>{style}</style>
  </head>
  <body>
    <form method="post">
      <label>This board needs a token
        <input type="password" name="token" autocomplete="current-password" required autofocus>
      </label>
      <button>Open</button>
      <div role="alert">{problem}</div>
    </form>
  </body>
</html>
"""

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
class Key:
    """A token, and what whoever has it may do."""

    token: str = dataclasses.field(repr=False)
    may_read: bool = True
    may_publish: bool = True

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    def allows(self, method: str) -> bool:
        """Tell whether it is good for a request."""
        return self.may_publish if method == "POST" else self.may_read


@dataclasses.dataclass(frozen=True, slots=True)
class Safety:
    """``hosts`` are the names by which the board may be called; None for any.

    If there are ``keys``, every request needs the token of one.
    """

    hosts: frozenset[str] | None = LOOPBACK
    keys: tuple[Key, ...] = ()


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

        request = Request(scope, receive)
        answer = self._refusal(request)
        if answer is None and self._safety.keys:
            answer = await self._unless_let_in(request)
        if answer is None and request.method == "POST" and not _is_json(request.headers):
            answer = _refuse(415, "a POST needs 'Content-Type: application/json'")
        await (answer or self._app)(scope, receive, with_policies)

    def _refusal(self, request: Request) -> Response | None:
        name = request.headers.get("host", "")
        if self._safety.hosts is not None and _host_of(f"//{name}") not in self._safety.hosts:
            return _refuse(
                403, "this board is not called so: use localhost, or start it with --host"
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in _origins(name.lower()):
            return _refuse(403, "pages of other origins may not talk to this board")
        return None

    async def _unless_let_in(self, request: Request) -> Response | None:
        """Return an answer for whoever has no token, brings one to log in, or a wrong one."""
        given = parse_qs(request.url.query)
        # Also if it is not needed any more: it must not stay in the address.
        if request.method == "GET" and request.url.path == "/" and "token" in given:
            return self._logged_in(request, given)
        keys = self._keys_of(request)
        if any(key.allows(request.method) for key in keys):
            return None
        if request.method == "POST" and _type_of(request.headers) == _FORM:
            return self._logged_in(request, await _form_of(request))
        if keys:
            return _refuse(403, f"this token may only {'read' if keys[0].may_read else 'publish'}")
        if "text/html" in request.headers.get("accept", ""):
            return _login_page()
        return _refuse(401, "a token is needed: 'Authorization: Bearer TOKEN'")

    def _keys_of(self, request: Request) -> list[Key]:
        """Return the keys of a request, as browsers and as programs bring them."""
        cookie = request.cookies.get(COOKIE, "").encode()
        scheme, _space, given = request.headers.get("authorization", "").partition(" ")
        # Starlette reads headers as Latin-1; a token beyond ASCII was sent as UTF-8.
        token = given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        return [key for key in self._safety.keys if _is_key(key, token, cookie)]

    def _logged_in(self, request: Request, given: dict[str, list[str]]) -> Response:
        """Put a token into a cookie, and out of the address that is seen and shared."""
        token = given.get("token", [""])[0].encode()
        found = [key for key in self._safety.keys if _is_key(key, token, b"")]
        readers = [key for key in found if key.may_read]
        if not readers:
            return _login_page(f"This token {'may only publish' if found else 'is wrong'}.")
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE,
            readers[0].cookie,
            max_age=_REMEMBERED,
            httponly=True,
            # A link in a chat leads here with it; only this board's own page may POST.
            samesite="lax",
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return response


def _is_key(key: Key, token: bytes, cookie: bytes) -> bool:
    is_token = hmac.compare_digest(token, key.token.encode())
    is_cookie = hmac.compare_digest(cookie, key.cookie.encode())
    return is_token or is_cookie


async def _form_of(request: Request) -> dict[str, list[str]]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return {}
    return parse_qs(body.decode("ascii", "replace"))


def _login_page(problem: str = "") -> Response:
    style = hashlib.sha256(_STYLE.encode()).digest()
    page = _LOGIN.format(style=_STYLE, problem=problem)
    policy = (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(style).decode()}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    # With no-referrer, a browser does not tell the form's origin.
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return HTMLResponse(page, 401, headers=headers)


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
    return _type_of(headers) == "application/json"


def _type_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


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
