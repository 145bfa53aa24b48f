from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.tree.paths import components
from pytest_publish.tree.paths import encode
from pytest_publish.tree.paths import Scheme


def decode(component: str) -> str | None:
    """Return the name of which a component was made, as anybody can; None if it was cut."""
    if component == "%":
        return ""
    if "%~" in component:
        return None
    return unquote_to_bytes(component).decode("utf-8", "surrogatepass")


# The rules of both systems, written from their own documentation and not from ours.
WINDOWS_FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}
WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"
}
RESULT_NAME = re.compile(r"\d+\.(pass|skip|fail)", re.IGNORECASE | re.ASCII)

#: Any code point, the surrogates too.
texts = st.text(alphabet=st.characters(exclude_categories=()))
#: Names of which most are one step from what a tree or a system keeps for itself.
tricky_names = st.builds(
    "".join,
    st.lists(
        st.sampled_from(
            [
                *("count", "COUNT", "Count", ".lock", "0.pass", "12.FAIL", "tmp"),
                *("con", "NUL", "aux.txt", "com1", "LPT³", "CONIN$"),
                *(".", "..", " ", "%", "%~", "~", "%63", "/", "\\", ":", "::", "@g"),
                *("\n", "\x00", "\u2028", "ä", "\ud800", "\udc80", "\U0001f600", "a", "[1]"),
            ]
        ),
        max_size=5,
    ),
)
long_names = st.builds(
    lambda head, unit, times, tail: head + unit * times + tail,
    texts,
    st.text(alphabet=st.characters(exclude_categories=()), min_size=1, max_size=3),
    st.integers(min_value=60, max_value=250),
    texts,
)
names = texts | tricky_names | long_names


def portability_problem(component: str) -> str | None:
    """Return why a path component is not safe on POSIX, Windows or a terminal."""
    if component in ("", ".", ".."):
        return "it is no name"
    if WINDOWS_FORBIDDEN & set(component) or "\x7f" in component:
        return "a character that Windows or POSIX forbids"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in component):
        return "a control character, a surrogate, or a line separator"
    if component[-1] in ". ":
        return "Windows drops a dot or a space at the end"
    if component[0] == " ":
        return "a space at the beginning"
    if component.split(".", maxsplit=1)[0].rstrip(" ").upper() in WINDOWS_DEVICES:
        return "a device of Windows"
    return None


@given(names)
@example("")
@example(".")
@example("..")
@example("a.")
@example(" ")
@example("nul .txt")
@example("com¹.log")
@example("con\x00")
@example("test\x85")
def test_a_name_becomes_one_portable_component(name: str) -> None:
    component = encode(name)
    assert portability_problem(component) is None
    assert len(component.encode("utf-8")) <= 200


@given(names)
@example("count")
@example("COUNT")
@example("0.pass")
@example("007.Skip")
@example(".lock")
@example(".0.pass.tmp")
def test_no_name_becomes_one_of_the_trees_own_names(name: str) -> None:
    component = encode(name)
    assert component.lower() != "count"
    assert not RESULT_NAME.fullmatch(component)
    # The lock and all temporary names.
    assert not component.startswith(".")


@given(names)
@example("%")
@example("%~")
@example("%63ount")
@example("\ud83d\ude00")
@example("a" * 200)
def test_a_component_that_is_not_cut_is_decoded_to_its_name(name: str) -> None:
    component = encode(name)
    decoded = decode(component)
    if decoded is None:
        assert len(component.encode()) > 200 - 4
    else:
        assert decoded == name


@pytest.mark.parametrize(
    ("name", "is_cut"),
    [
        ("a" * 200, False),
        ("a" * 201, True),
        ("ä" * 100, False),
        ("ä" * 101, True),
        ("/" * 67, True),
    ],
)
def test_only_what_would_be_longer_than_200_bytes_is_cut(name: str, *, is_cut: bool) -> None:
    assert (decode(encode(name)) is None) is is_cut


@given(st.lists(names, min_size=2, max_size=8, unique=True))
@example(["count", "%63ount"])
@example(["", "%"])
@example(["\ud83d\ude00", "\U0001f600"])
@example(["a" * 300, "a" * 301])
@example(["a" * 300, encode("a" * 300)])
def test_different_names_have_different_components(different: list[str]) -> None:
    assert len({encode(name) for name in different}) == len(different)


@given(st.text(alphabet="/\ud800ä€", min_size=60, max_size=300))
def test_a_cut_leaves_whole_characters_and_whole_escapes(name: str) -> None:
    component = encode(name)
    kept, cut, digest = component.partition("%~")
    if cut:
        assert re.fullmatch("[0-9a-f]{32}", digest)
    assert re.fullmatch("(%[0-9A-F]{2}|[^%])*", kept)


@pytest.mark.parametrize(
    "name", ["test_a", "test_a[1]", "test_a[x-y]", "tests", "test_ä[€]", "a b"]
)
def test_an_ordinary_name_stays_readable(name: str) -> None:
    assert encode(name) == name


@given(names, names, st.none() | names, st.sampled_from(["name", "nodeid"]))
@example("../../etc/passwd::/root", "/root", "..", "nodeid")
@example("/etc::..", "..", "../..", "name")
def test_nothing_leads_outside_the_root(
    nodeid: str, name: str, scope: str | None, scheme: Scheme
) -> None:
    below = components(nodeid, name, scope=scope, scheme=scheme)
    assert below
    assert all(portability_problem(component) is None for component in below)
    root = Path("/root/of/the/tree")
    assert root.joinpath(*below).resolve().relative_to(root).parts == below


@pytest.mark.parametrize(
    ("nodeid", "name", "expected"),
    [
        ("tests/test_mod.py::test_a", "test_a", ("tests", "test_mod.py", "test_a")),
        ("tests/test_mod.py::TestC::test_a", "test_a", ("tests", "test_mod.py", "TestC", "test_a")),
        (
            "test_mod.py::TestC::TestD::test_a[1]",
            "test_a[1]",
            ("test_mod.py", "TestC", "TestD", "test_a[1]"),
        ),
        (
            "a/test_mod.py::TestC::test_a[x::y/z]",
            "test_a[x::y/z]",
            ("a", "test_mod.py", "TestC", "test_a[x%3A%3Ay%2Fz]"),
        ),
        ("test_mod.py::test_a[::]", "test_a[::]", ("test_mod.py", "test_a[%3A%3A]")),
        ("docs/usage.rst::usage.rst", "usage.rst", ("docs", "usage.rst", "usage.rst")),
        ("tests/test_broken.py", "test_broken.py", ("tests", "test_broken.py")),
        ("tests/count::count", "count", ("tests", "%63ount", "%63ount")),
    ],
)
def test_by_node_id_each_test_has_a_directory_of_its_own(
    nodeid: str, name: str, expected: tuple[str, ...]
) -> None:
    assert components(nodeid, name, scope=None, scheme="nodeid") == expected


@pytest.mark.parametrize(
    "nodeid", ["test_mod.py::test_a[x::y/z]", "other/test_mod.py::TestC::test_a[x::y/z]"]
)
def test_by_name_a_test_has_one_component_wherever_it_is_defined(nodeid: str) -> None:
    below = components(nodeid, "test_a[x::y/z]", scope=None, scheme="name")
    assert below == ("test_a[x%3A%3Ay%2Fz]",)


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("name", ("g%2F1", "test_a")),
        ("nodeid", ("g%2F1", "test_mod.py", "test_a")),
    ],
)
def test_a_scope_is_one_component_above_the_test(scheme: Scheme, expected: tuple[str, ...]) -> None:
    nodeid = "test_mod.py::test_a"
    assert components(nodeid, "test_a", scope="g/1", scheme=scheme) == expected


def test_a_scope_without_a_name_is_a_component_all_the_same() -> None:
    assert components("a.py::test_a", "test_a", scope="", scheme="name") == ("%", "test_a")
