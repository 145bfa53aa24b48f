"""The board's page as one HTML file, with its modules, its style and its data inside.

The modules stay as they are: an import map gives each name a module in a ``data:`` URL.
Data are compressed and in base64, so that nothing in them can be taken for markup.
"""

from __future__ import annotations

import base64
import html
import posixpath
import re
import secrets
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson


STATIC: Final = Path(__file__).with_name("static")
#: The module that talks to the board, and the one that takes its place in a file.
_SOURCE: Final = "js/source.js"
_EMBEDDED: Final = "js/embedded.js"

_RELATIVE: Final = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)"(\.\.?/[^"]+)\"""")
_STYLE: Final = re.compile(r'<link rel="stylesheet" href="/static/([^"]+)">')
_IMPORT_MAP: Final = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_MAIN: Final = re.compile(r'<script type="module" src="/static/([^"]+)"></script>')
_WITHOUT_SCRIPTS: Final = re.compile(r"<noscript>.*?</noscript>", re.DOTALL)
#: Only what has the nonce runs, and the modules that it imports. Nothing may be loaded.
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)


def page_with(blocks: Iterable[tuple[str, bytes]], title: str) -> Iterator[str]:
    """Yield the parts of the file. ``blocks`` are JSON, each with an id by which it is found."""
    page = (STATIC / "index.html").read_text("utf-8")
    nonce = secrets.token_urlsafe(16)
    policy = _POLICY.format(nonce=nonce)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n    {meta}')
    page = re.sub("<title>.*</title>", lambda _: f"<title>{html.escape(title)}</title>", page)
    page = _STYLE.sub(lambda found: _style(found[1], nonce), page)
    page = _IMPORT_MAP.sub(lambda found: _import_map(found[1], nonce), page)
    page = _MAIN.sub(lambda found: _script("module", f'import "{found[1]}";', nonce), page)
    page = _WITHOUT_SCRIPTS.sub("<noscript>This report needs JavaScript.</noscript>", page)
    head, end, rest = page.partition("  </body>")
    yield head
    for id_, block in blocks:
        packed = base64.b64encode(zlib.compress(block)).decode()
        yield f'<script type="text/plain" id="{id_}">{packed}</script>\n'
    yield end + rest


def _style(name: str, nonce: str) -> str:
    return f'<style nonce="{nonce}">\n{(STATIC / name).read_text("utf-8")}</style>'


def _script(kind: str, text: str, nonce: str) -> str:
    return f'<script type="{kind}" nonce="{nonce}">{text}</script>'


def _import_map(text: str, nonce: str) -> str:
    """Return the page's own import map with what it names inside, and all other modules."""
    others = orjson.loads(text)["imports"].items()
    urls = {name: _module(path.removeprefix("/static/")) for name, path in others}
    for path in sorted(STATIC.glob("js/*.js")):
        name = f"js/{path.name}"
        urls[name] = _module(_EMBEDDED if name == _SOURCE else name)
    return _script("importmap", orjson.dumps({"imports": urls}).decode(), nonce)


def _module(name: str) -> str:
    """Return a module as a URL; what it imports, it imports by names of the import map."""
    folder = posixpath.dirname(name)

    def named(found: re.Match[str]) -> str:
        return f'{found[1]}"{posixpath.normpath(posixpath.join(folder, found[2]))}"'

    source = _RELATIVE.sub(named, (STATIC / name).read_text("utf-8"))
    return f"data:text/javascript;base64,{base64.b64encode(source.encode()).decode()}"
