"""One POST: its headers, its time-outs, when to try again, and what is final.

A body is bytes; nothing here knows what is in it.
"""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import functools
import gzip
import hashlib
import hmac
import http.client
import random
import ssl
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Final
from urllib.parse import urljoin
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.connection

from .config import Endpoint
from .config import printable
from .config import signing_key


#: Statuses after which the same request may well succeed (RFC 9110, 6585, 8470).
RETRIED_STATUSES: Final = frozenset({408, 425, 429})
#: Redirects that keep the method and the body (RFC 9110, section 15.4).
FOLLOWED_STATUSES: Final = frozenset({307, 308})
MAX_REDIRECTS: Final = 5

#: Seconds: the first wait between two tries is below ``BASE``, and no wait that is
#: ours is above ``CAP``; an endpoint's Retry-After is heeded up to ``MAX_RETRY_AFTER``.
BACKOFF_BASE: Final = 0.1
BACKOFF_CAP: Final = 5.0
BACKOFF_FLOOR: Final = 0.01
MAX_RETRY_AFTER: Final = 60.0

# More of an answer is not read: its status says all that is asked for.
_ANSWER_LIMIT: Final = 1 << 16
# An endpoint that has nothing but interim answers has none.
_MOST_INTERIM: Final = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """The endpoint answered 2xx."""


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """The endpoint will not take it, however often it is tried."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """It did not work this time; ``retry_after`` is what the endpoint asked for, in s."""

    reason: str
    retry_after: float | None = None


class Transport:
    """Sends bodies to one endpoint, over one connection that is kept alive.

    Not for use by several threads at once. ``clock`` returns epoch seconds.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._key = signing_key(endpoint.secret)
        self._session = requests.Session()
        adapter = _Adapter()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._settings: dict[str, Mapping[str, Any]] = {}
        # Why nothing can be sent, if so.
        self._unsendable = ""
        self._request = requests.PreparedRequest()
        try:
            self._request = self._prepared()
        except Exception as error:  # whose text has the whole URL, with what is secret
            self._unsendable = f"nothing can be POSTed to this URL: {type(error).__name__}"

    def _prepared(self) -> requests.PreparedRequest:
        # Prepared once: proxies, CA bundles, .netrc and user:password are the same
        # for each POST, and asking for them takes longer than to send one.
        asked = requests.Request("POST", self._endpoint.url, data=b"-")
        request = self._session.prepare_request(asked)
        request.headers["Content-Type"] = "application/json"
        request.headers["User-Agent"] = "pytest-publish"
        if self._endpoint.gzip:
            request.headers["Content-Encoding"] = "gzip"
        request.headers.update(self._endpoint.headers)
        return request

    def prepare(self, body: bytes) -> bytes:
        """Return the bytes that go over the wire for a body, at each try the same."""
        return gzip.compress(body, mtime=0) if self._endpoint.gzip else body

    def post(self, key: str, body: bytes, sent: bytes) -> Accepted | Refused | Failed:
        """Try once to POST ``body``, as ``sent``, and tell what came of it."""
        if self._unsendable:
            return Failed(self._unsendable)
        request = self._request.copy()
        request.body = sent
        request.headers["Content-Length"] = str(len(sent))
        request.headers.update(self._naming_headers(key, body))
        # Whatever it is: a thread that dies of it would send nothing more.
        try:
            return self._follow(request)
        except Exception as error:
            return _judge_error(error)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _follow(self, request: requests.PreparedRequest) -> Accepted | Refused | Failed:
        for _hop in range(MAX_REDIRECTS + 1):
            response = self._send(request)
            try:
                if response.status_code not in FOLLOWED_STATUSES:
                    return _judge(response, self._clock())
                location = response.headers.get("Location", "")
            finally:
                _drain(response)
            url = _target(request.url or "", location)
            if url is None:
                return Refused(f"{_status(response)}: a redirect that can't be followed")
            # Not from http to https on one host, which is what it is meant for there.
            if self._session.should_strip_auth(request.url or "", url):  # type: ignore[no-untyped-call]
                self._remove_private_headers(request)
            request.url = url
            request.headers.pop("Host", None)
        return Refused(f"more than {MAX_REDIRECTS} redirects")

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        url = request.url or ""
        settings = self._settings.get(_origin(url))
        if settings is None:
            settings = self._session.merge_environment_settings(
                url, {}, stream=True, verify=None, cert=None
            )
            self._settings[_origin(url)] = settings
        adapter = self._session.get_adapter(url)
        return adapter.send(request, timeout=self._endpoint.timeout, **settings)

    def _remove_private_headers(self, request: requests.PreparedRequest) -> None:
        """Give another host nothing that was meant for the one the user named."""
        for name in ("Authorization", "Cookie", *(name for name, _ in self._endpoint.headers)):
            request.headers.pop(name, None)

    def _naming_headers(self, key: str, body: bytes) -> dict[str, str]:
        """Return the headers that name and sign a body (Standard Webhooks 1.0.0)."""
        timestamp = str(int(self._clock()))
        headers = {
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": timestamp,
        }
        if self._key:
            signed = b".".join((key.encode(), timestamp.encode(), body))
            digest = hmac.new(self._key, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
        return headers


class _FinalResponse(http.client.HTTPResponse):
    """Passes by all interim answers (RFC 9110, section 15.2), not by 100 alone.

    Taken for the answer, a 103 would leave the real one to the next request.
    """

    def begin(self) -> None:
        """Read the head of the answer. Raises what http.client raises."""
        super().begin()
        for _interim in range(_MOST_INTERIM):
            if not 100 <= self.status < 200 or self.status == 101:
                return
            self.headers = None  # type: ignore[assignment]  # or begin() has begun already
            super().begin()


@functools.cache
def _with_final_response(
    connection: type[urllib3.connection.HTTPConnection],
) -> type[urllib3.connection.HTTPConnection]:
    return type("Connection", (connection,), {"response_class": _FinalResponse})


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' own, whose connections wait for the final answer."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the pool for a request, also where that is a proxy's."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if pool.ConnectionCls.response_class is not _FinalResponse:
            pool.ConnectionCls = _with_final_response(pool.ConnectionCls)
        return pool


def retry_delay(failed: Failed, tries: int) -> float:
    """Return how many seconds to wait after the ``tries``-th failure in a row.

    Capped exponential backoff with full jitter; what the endpoint asked for by
    Retry-After is the least, within :data:`MAX_RETRY_AFTER`.
    """
    ceiling = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries - 1, 30))
    asked = min(failed.retry_after or 0.0, MAX_RETRY_AFTER)
    return max(asked, BACKOFF_FLOOR, random.uniform(0.0, ceiling))  # noqa: S311 - no secret


def _judge(response: requests.Response, now: float) -> Accepted | Refused | Failed:
    status = response.status_code
    if 200 <= status < 300:
        return Accepted()
    if status in RETRIED_STATUSES or status >= 500 or status < 200:
        return Failed(_status(response), _retry_after(response, now))
    return Refused(_status(response))


def _judge_error(error: Exception) -> Refused | Failed:
    reason = printable(_reason(error))
    # requests' errors of a URL or a header that can't be sent are ValueErrors too.
    is_unsendable = isinstance(error, requests.RequestException) and isinstance(error, ValueError)
    if is_unsendable or _find(error, ssl.SSLCertVerificationError):
        return Refused(reason)
    return Failed(reason)


def _status(response: requests.Response) -> str:
    return printable(f"{response.status_code} {response.reason or ''}")


def _retry_after(response: requests.Response, now: float) -> float | None:
    """Return the seconds that Retry-After asks for: a number, or a date (RFC 9110)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _drain(response: requests.Response) -> None:
    """Read the answer to its end, so that the connection can be used again.

    Raises requests.ConnectionError if it is cut short: then nobody knows whether
    the endpoint got to the end of its work, and the result is sent again.
    """
    ends, closes = _ends(response), _closes(response)
    if not ends and not closes:
        response.close()  # its end may never come
        return
    try:
        left = _ANSWER_LIMIT
        while left > 0 and (part := response.raw.read(left)):
            left -= len(part)
        if left > 0:
            response.raw.release_conn()
        else:
            response.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        response.close()
        if ends:
            raise requests.ConnectionError(error) from error


def _ends(response: requests.Response) -> bool:
    """Tell whether an answer says where it ends: only then it can be cut short."""
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or "Content-Length" in response.headers or response.status_code == 204


def _closes(response: requests.Response) -> bool:
    """Tell whether the endpoint said that it closes the connection after its answer."""
    options = response.headers.get("Connection", "").lower()
    return "close" in options or (response.raw.version < 11 and "keep-alive" not in options)


def _reason(error: BaseException) -> str:
    """Return what went wrong in a few words, and none of the URL."""
    proxy = _find(error, urllib3.exceptions.ProxyError)
    if isinstance(proxy, urllib3.exceptions.ProxyError):
        return f"the proxy: {_reason(proxy.original_error)}"
    verification = _find(error, ssl.SSLCertVerificationError)
    if isinstance(verification, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {verification.verify_message}"
    system = _find(error, OSError)
    if isinstance(system, OSError) and str(system):
        return system.strerror or str(system)  # as requests tells of a missing CA bundle
    if isinstance(error, requests.Timeout):
        return "timed out"
    innermost = list(_chain(error))[-1]
    return type(innermost).__name__


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    # requests' own errors are OSErrors, without an errno.
    return next(
        (
            found
            for found in _chain(error)
            if isinstance(found, kind) and not isinstance(found, requests.RequestException)
        ),
        None,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it was made of or raised from."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inner = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
        waiting += [part for part in inner if isinstance(part, BaseException)]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _target(url: str, location: str) -> str | None:
    """Return where a redirect leads; None if that is no URL, no HTTP, or leaves TLS."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        has_place = parts.hostname and parts.port != 0  # which may be no number
    except ValueError:
        return None
    allowed = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    return target if has_place and parts.scheme in allowed else None
