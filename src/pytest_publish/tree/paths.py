"""Names into paths: where below PATH a test's results are kept."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final
from typing import Literal
from typing import TypeAlias


#: How tests are laid out: by their bare name, or by their whole node id.
Scheme: TypeAlias = Literal["name", "nodeid"]

#: The most bytes (of UTF-8) in one path component. Most file systems allow 255, of which
#: the tree needs some for its temporary names.
MAX_BYTES: Final = 200

# Both expressions are compiled when a name needs them, because the first compilation takes
# longer than all else that a test's directory needs, and most names need neither.
# Windows forbids <>:"/\|?* and the control characters, POSIX the slash and NUL.
# C1 controls, line separators and marks that turn the direction of text garble a
# listing of the tree. UTF-8 can't hold surrogates.
_UNSAFE: Final = (
    r'[<>:"/\\|?*%\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
    r"|^[. ]|[. ]\Z"
)
# A device's name, alone or before any extension ("Naming Files, Paths, and
# Namespaces", Microsoft), and the names that the tree itself uses.
_RESERVED: Final = (
    r"(?is)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\ *(\..*)?\Z"
    r"|count\Z|[0-9]+\.(pass|skip|fail)\Z"
)
_FIRST_OF_RESERVED: Final = frozenset("aclnpACLNP0123456789")
# Neither is in an encoded name, because there two hexadecimal digits follow each "%".
_EMPTY: Final = "%"
_CUT: Final = "%~"
_HASH_LENGTH: Final = 32


def encode(name: str) -> str:
    """Return ``name`` as one portable path component.

    A character that a portable file name can't hold is percent-encoded, byte by byte of
    its UTF-8. A component of more than :data:`MAX_BYTES` is cut and ends in a hash of
    the whole name. Different names have different components.
    """
    if not name:
        return _EMPTY
    component = name
    if not name.isidentifier():  # which has no unsafe character
        component = re.sub(_UNSAFE, lambda found: _percent(found[0]), name)
    if component[0] in _FIRST_OF_RESERVED and re.match(_RESERVED, component):
        component = _percent(component[0]) + component[1:]
    encoded = component.encode()
    if len(encoded) <= MAX_BYTES:
        return component
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    kept = encoded[: MAX_BYTES - len(_CUT) - _HASH_LENGTH].decode("utf-8", "ignore")
    # An escape that was cut in two is left out.
    return re.sub(r"%[0-9A-F]?\Z", "", kept) + _CUT + digest[:_HASH_LENGTH]


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def components(nodeid: str, name: str, *, scope: str | None, scheme: Scheme) -> tuple[str, ...]:
    """Return the path components, below PATH, of a test's directory.

    ``scope`` is the group (or node id) that a test of a loadgroup run is kept
    below, None in any other run.
    """
    names = _split(nodeid, name) if scheme == "nodeid" else [name]
    if scope is not None:
        names.insert(0, scope)
    return tuple(map(encode, names))


def _split(nodeid: str, name: str) -> list[str]:
    """Split a node id at its slashes and colons, but never inside the test's name."""
    path, colons, names = nodeid.partition("::")
    parts = path.split("/")
    if colons:
        if names != name:
            parts += names.removesuffix(f"::{name}").split("::")
        parts.append(name)
    return parts
