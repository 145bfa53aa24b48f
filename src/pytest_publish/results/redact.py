"""Takes secrets out of what describes a session: command-line arguments and metadata."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any
from typing import Final


HIDDEN: Final = "***"

# "key" as a word of its own: not in --monkeypatch or --keep-duplicates.
_SECRET: Final = re.compile(
    r"token|secret|passw|passphrase|credential|(?<![a-z])(api|access|private)?_?keys?(?![a-z])",
    re.IGNORECASE,
)
_OUR_SECRETS: Final = ("--publish-header", "publish_header")
_URL: Final = re.compile(r"(?P<scheme>\b[A-Za-z][\w+.-]*://)(?P<private>[^/?#\s]*@)?(?P<rest>\S*)")
_NAMED: Final = re.compile(r"(?P<name>[^=\s]*)=(?P<value>.*)", re.DOTALL)


def redacted_args(args: Iterable[str]) -> list[str]:
    """Return a command line's arguments without what may be secret in them.

    That is the value of each option whose name speaks of a secret, in either form, also
    as an ini setting after ``-o``, the headers that we send, and each URL's user and query.
    """
    redacted = []
    hides_next = False
    for arg in args:
        is_hidden = hides_next and not arg.startswith("-")
        shown = _without_value(_without_private_url(arg, with_query=False))
        redacted.append(HIDDEN if is_hidden else shown)
        hides_next = arg.startswith("-") and "=" not in arg and _is_secret(arg)
    return redacted


def _without_value(arg: str) -> str:
    named = _NAMED.fullmatch(arg)
    if named is None:
        return arg
    name, value = named["name"], named["value"]
    if _is_secret(name):
        return f"{name}={HIDDEN}"
    if name.removeprefix("-o") == "addopts":
        return f"{name}={_redacted_line(value)}"
    # Of "-oNAME=VALUE" and "--override-ini=NAME=VALUE" the inner name counts as well.
    return f"{name}={_without_value(value)}"


def _redacted_line(line: str) -> str:
    """Return a command line as :func:`redacted_args`; what can't be read is hidden whole."""
    try:
        args = shlex.split(line)
    except ValueError:
        return HIDDEN
    shown = redacted_args(args)
    return line if shown == args else " ".join(shown)


def redacted_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without the values whose names speak of a secret, and URLs' users."""
    return {name: _redacted_value(name, value) for name, value in metadata.items()}


def _redacted_value(name: str, value: Any) -> Any:
    if _is_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return _without_private_url(value, with_query=True)
    if isinstance(value, dict):
        return redacted_metadata(value)
    return [_redacted_value("", item) for item in value] if isinstance(value, list) else value


def _is_secret(name: str) -> bool:
    return name.removeprefix("-o").endswith(_OUR_SECRETS) or _SECRET.search(name) is not None


def _without_private_url(text: str, *, with_query: bool) -> str:
    def public(url: re.Match[str]) -> str:
        rest = url["rest"] if with_query else re.sub(r"[?#].*", "?…", url["rest"])
        return url["scheme"] + rest

    return _URL.sub(public, text) if "://" in text else text
