"""One POST: its headers, its time-outs, when to try again, and what is final.

A body is bytes; nothing here knows what is in it.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import gzip
import hmac
import http.client
import random
import ssl
import time
from collections.abc import Iterator
from typing import Any
from typing import Final
from typing import TypeAlias
from typing import TypeVar
from urllib.parse import urljoin
from urllib.parse import urlsplit

import requests
import urllib3

from .config import DeliveryConfig
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
_NO_RETRIES: Final = urllib3.Retry(total=False)

_Error = TypeVar("_Error", bound=BaseException)


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The endpoint answered 2xx."""


@dataclasses.dataclass(frozen=True)
class Refused:
    """The endpoint will not take it, however often it is tried."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Failed:
    """It did not work this time; ``retry_after`` are the seconds that the endpoint asked for."""

    reason: str
    retry_after: float | None = None


class Transport:
    """Sends bodies to one URL, over one connection that is kept alive.

    Not for use by several threads at once.
    """

    def __init__(self, config: DeliveryConfig) -> None:
        self._config = config
        self._key = signing_key(config.secret)
        self._session = requests.Session()
        # Asking for proxies and certificates takes longer than a POST, so it is done once.
        self._route = functools.lru_cache(maxsize=8)(self._find_route)
        # Why nothing can be sent, if so.
        self._unsendable = ""
        try:
            self._url, self._headers = self._url_and_headers()
        except Exception as error:  # whose text has the whole URL, with what is secret
            self._unsendable = f"nothing can be POSTed to this URL: {type(error).__name__}"

    def _url_and_headers(self) -> tuple[str, dict[str, str]]:
        # Without Accept and the like, which say what HTTP takes for granted.
        self._session.headers.clear()
        # By requests, which knows user:password and .netrc.
        request = self._session.prepare_request(requests.Request("POST", self._config.url))
        request.headers["Content-Type"] = "application/json"
        request.headers["User-Agent"] = "pytest-publish"
        if self._config.gzip:
            request.headers["Content-Encoding"] = "gzip"
        request.headers.update(self._config.headers)
        # Set here without regard to case, so that each POST replaces exactly these names.
        request.headers.update(self._headers_of("", b"", b""))
        return request.url or "", dict(request.headers)

    def post(self, key: str, body: bytes) -> Accepted | Refused | Failed:
        """Try once to POST ``body``, and tell what came of it."""
        if self._unsendable:
            return Failed(self._unsendable)
        # Whatever it is: a thread that dies of it would send nothing more.
        try:
            # Without the time of compression, so that each try sends the same bytes.
            sent = gzip.compress(body, mtime=0) if self._config.gzip else body
            return self._follow(self._headers | self._headers_of(key, body, sent), sent)
        except Exception as error:
            return _judge_error(error)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _follow(self, headers: dict[str, str], sent: bytes) -> Accepted | Refused | Failed:
        url = self._url
        for _hop in range(MAX_REDIRECTS + 1):
            route = self._route(url)
            response = route.post(headers, sent)
            try:
                if response.status not in FOLLOWED_STATUSES:
                    return _judge(response)
            finally:
                route.drain(response)
            target = _target(url, response.headers.get("Location", ""))
            if target is None:
                return Refused(f"{_status(response)}: a redirect that can't be followed")
            dropped = {"host"}
            # Another host gets nothing that was meant for the one the user named.
            if self._session.should_strip_auth(url, target):  # type: ignore[no-untyped-call]
                dropped |= {"authorization", "cookie"}
                dropped |= {name.lower() for name, _value in self._config.headers}
            headers = {name: text for name, text in headers.items() if name.lower() not in dropped}
            url = target
        return Refused(f"more than {MAX_REDIRECTS} redirects")

    def _find_route(self, url: str) -> _Route:
        settings = self._session.merge_environment_settings(
            url, {}, stream=True, verify=None, cert=None
        )
        proxies, verify = settings["proxies"], settings["verify"]
        request = requests.Request("POST", url).prepare()
        # It knows of proxies and authorities of certificates.
        adapter: Any = self._session.get_adapter(url)
        pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies)
        adapter.cert_verify(pool, request.url, verify, None)
        if not issubclass(pool.ConnectionCls, _Connection):
            pool.ConnectionCls = type("Connection", (_Connection, pool.ConnectionCls), {})
        return _Route(pool, adapter.request_url(request, proxies), self._config.timeout)

    def _headers_of(self, key: str, body: bytes, sent: bytes) -> dict[str, str]:
        """Return the headers that name, sign (Standard Webhooks 1.0.0) and measure a body."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Length": str(len(sent)),
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": timestamp,
        }
        if self._key:
            signed = b".".join((key.encode(), timestamp.encode(), body))
            digest = hmac.digest(self._key, signed, "sha256")
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
        return headers


class _FinalResponse(http.client.HTTPResponse):
    """Skips all interim answers (RFC 9110, section 15.2), not only 100.

    If a 103 were taken for the answer, the real one would become that of the next request.
    """

    def begin(self) -> None:
        """Read the head of the answer. Raises what http.client raises."""
        super().begin()
        for _interim in range(_MOST_INTERIM):
            if not 100 <= self.status < 200 or self.status == 101:
                return
            self.headers = None  # type: ignore[assignment]  # or begin() has begun already
            super().begin()

    @property
    def length_remaining(self) -> int | None:
        """How much is still to be read, under the name that urllib3 gives it."""
        return self.length


#: The answer to a POST by http.client, or to one by urllib3. A text, because 1.26 has no such name.
_Response: TypeAlias = "_FinalResponse | urllib3.BaseHTTPResponse"


class _Route:
    """The way to one URL: urllib3's pool connects, and sends the first POST.

    What follows over the same connection is sent by http.client alone, in half the time.
    """

    def __init__(self, pool: urllib3.HTTPConnectionPool, target: str, timeout: float) -> None:
        self._pool = pool
        self._target = target
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)
        self._connection: Any = None

    def post(self, headers: dict[str, str], body: bytes) -> _Response:
        """Send a POST, and return the answer, of which only the head is read."""
        if self._is_open():
            answer: _FinalResponse = self._connection.post(self._target, headers, body)
            return answer
        response = self._pool.urlopen(
            "POST",
            self._target,
            body=body,
            headers=headers,
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        self._connection = response.connection
        response.release_conn()
        return response

    def _is_open(self) -> bool:
        """Tell whether there is a connection that http.client can use by itself."""
        # A proxy may want headers, which only its pool adds.
        if self._connection is None or self._pool.proxy is not None:
            return False
        return not urllib3.util.is_connection_dropped(self._connection)

    def drain(self, response: _Response) -> None:
        """Read an answer to its end, so that the connection can be used again.

        Raises what http.client or urllib3 raises if it is cut short: then nobody knows whether
        the endpoint got to the end of its work, and the result is sent again.
        """
        # Only an answer that says where it ends can be cut short.
        has_end = response.chunked or response.length_remaining is not None
        is_read = False
        try:
            # Else its end may never come, or only interim answers have.
            if response.status >= 200 and (has_end or _closes(response)):
                is_read = _read_to_end(response)
        except (http.client.HTTPException, urllib3.exceptions.HTTPError, OSError):
            if has_end:
                raise
        finally:
            if not is_read:
                self._connection.close()


class _Connection(http.client.HTTPConnection):
    """What is common to all connections that a pool makes for us."""

    response_class = _FinalResponse
    _head: bytes | None = None

    def post(self, target: str, headers: dict[str, str], body: bytes) -> _FinalResponse:
        """Send a POST over this connection, which is open, and return the answer."""
        names = {name.lower() for name in headers}
        plain = http.client.HTTPConnection
        try:
            plain.putrequest(
                self,
                "POST",
                target,
                skip_host="host" in names,
                skip_accept_encoding="accept-encoding" in names,
            )
            for name, value in headers.items():
                plain.putheader(self, name, value)
            self._head = b""
            plain.endheaders(self)
            head, self._head = self._head, None
            # An endpoint may close after an answer that did not need the whole body.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send(head + body)
            return plain.getresponse(self)  # type: ignore[return-value]  # response_class
        except BaseException:
            self.close()
            raise

    def send(self, data: Any) -> None:
        """Send, but keep the head until its body is there.

        Sent apart, the two would wake the endpoint twice.
        """
        if self._head is None:
            super().send(data)
        else:
            self._head += data


def retry_delay(failed: Failed, tries: int) -> float:
    """Return how many seconds to wait after the ``tries``-th failure in a row.

    Capped exponential backoff with full jitter; what the endpoint asked for by
    Retry-After is the least.
    """
    ceiling = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries - 1, 30))
    jitter = random.uniform(0.0, ceiling)  # noqa: S311 - no secret
    return max(failed.retry_after or 0.0, BACKOFF_FLOOR, jitter)


def _judge(response: _Response) -> Accepted | Refused | Failed:
    status = response.status
    if 200 <= status < 300:
        return Accepted()
    if status in RETRIED_STATUSES or status >= 500 or status < 200:
        return Failed(_status(response), _retry_after(response))
    return Refused(_status(response))


def _judge_error(error: Exception) -> Refused | Failed:
    reason = printable(_reason(error))
    # Errors of a URL or a header that can't be sent are ValueErrors too.
    is_unsendable = isinstance(error, ValueError) and isinstance(
        error, (requests.RequestException, urllib3.exceptions.HTTPError)
    )
    if is_unsendable or _find(error, ssl.SSLCertVerificationError):
        return Refused(reason)
    return Failed(reason)


def _status(response: _Response) -> str:
    return printable(f"{response.status} {response.reason or ''}")


def _retry_after(response: _Response) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or a date (RFC 9110)."""
    try:
        asked = _NO_RETRIES.parse_retry_after(response.headers.get("Retry-After", ""))
    except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
        return None
    return float(min(asked, MAX_RETRY_AFTER))


def _read_to_end(response: _Response) -> bool:
    """Return whether an answer has ended within the limit. Raises if it is cut short."""
    left = _ANSWER_LIMIT
    while left > 0:
        part = response.read(left)
        left -= len(part)
        if response.length_remaining == 0:  # to read nothing once more costs as much again
            return True
        if not part:
            if response.length_remaining:  # urllib3 raises by itself
                raise http.client.IncompleteRead(part, response.length_remaining)
            return True
    return False


def _closes(response: _Response) -> bool:
    """Tell whether the endpoint said that it closes the connection after its answer."""
    options = response.headers.get("Connection", "").lower()
    return "close" in options or (response.version < 11 and "keep-alive" not in options)


def _reason(error: BaseException) -> str:
    """Return what went wrong in a few words, and none of the URL."""
    if proxy := _find(error, urllib3.exceptions.ProxyError):
        return f"the proxy: {_reason(proxy.original_error)}"
    if verification := _find(error, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {verification.verify_message}"
    system = _find(error, OSError)
    if system is not None and str(system):
        return system.strerror or str(system)  # as requests tells of a missing CA bundle
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "timed out"
    return type(list(_chain(error))[-1]).__name__


def _find(error: BaseException, kind: type[_Error]) -> _Error | None:
    # requests' own errors are OSErrors, without an errno.
    others = (part for part in _chain(error) if not isinstance(part, requests.RequestException))
    return next((part for part in others if isinstance(part, kind)), None)


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
