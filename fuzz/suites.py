"""Random test modules: each is one text, that stands alone but for its conftest.

``module(random)`` puts together what pytest users write, and what nobody would: what
may happen in a test happens in each place where it may happen.
"""

from __future__ import annotations

import textwrap
from random import Random
from typing import Final

import pytest


HAS_SUBTESTS: Final = hasattr(pytest, "Subtests")

#: What may happen anywhere: in tests, subtests, setups and teardowns.
HAPPENINGS: Final = (
    "pass",
    "pass",
    "assert 0",
    "assert [1, 2] == [1, 3], 'because'",
    "raise ValueError('odd \\ud800 \\x00 \\x1b[31m text')",
    "raise ValueError from KeyError('cause')",
    "raise Group('group', [ValueError('one'), KeyError('two')])",
    "raise BadStr('text')",
    "raise ExitingStr('text')",
    "raise CancelledStr('text')",
    "assert CancelledRepr() == 1",
    "pytest.skip('why')",
    "pytest.skip()",
    "pytest.fail('why', pytrace=False)",
    "pytest.xfail('why')",
    "pytest.xfail()",
    "pytest.importorskip('no_such_module')",
    "raise unittest.SkipTest('why')",
    "raise SystemExit(3)",
    "raise GeneratorExit",
    "raise asyncio.CancelledError",
    "raise BaseException('base')",
    "raise pytest.skip.Exception(BadStr('reason'))",
    "recurse()",
    "print('out'); print('err', file=sys.stderr); logging.warning('log')",
    "warnings.warn('warned')",
    "os.chdir('/')",
)
#: What else may happen in a test that is a function, which can ask for fixtures.
#: A repr in an assert or a subtest that raises SystemExit ends bare pytest (9.2).
IN_FUNCTIONS: Final = (
    "request.node.user_properties.append({'ticket': 'A-1'})",
    "request.node.user_properties.append(('one', 'two', 'three'))",
    "request.node.user_properties.append(12)",
    "request.node.user_properties.append((ExitingRepr(), ExitingRepr()))",
    "record_property('value', ExitingRepr())",
    "record_property('value', 10**400)",
    "record_property('value', float('nan'))",
    "record_property(('odd', 'name'), b'bytes')",
    "record_property('\\ud800', {1: {2, 3}})",
    "request.addfinalizer(lambda: pytest.fail('finalizer'))",
    "request.applymarker(pytest.mark.xfail(reason=12))",
    "request.node.add_report_section('call', 'odd', ExitingRepr())",
    "request.getfixturevalue('no_such_fixture')",
    "monkeypatch.setattr('time.time', lambda: -1)",
    "monkeypatch.setattr('json.dumps', None)",
    "monkeypatch.setattr('json.loads', None)",
    "monkeypatch.setattr('uuid.uuid4', lambda: 1 / 0)",
    "monkeypatch.setattr('traceback.format_exception', None)",
    "monkeypatch.setitem(sys.modules, 'orjson', None)",
    "monkeypatch.setitem(sys.modules, 'pytest_publish', None)",
    "monkeypatch.setattr('os.open', None)",
    "monkeypatch.setattr('os.mkdir', None)",
    "monkeypatch.setattr('os.rename', None)",
    "monkeypatch.setattr('os.write', None)",
    "monkeypatch.setattr('os.getpid', lambda: 1)",
    "monkeypatch.delattr('builtins.print')",
)
IN_UNITTEST: Final = (
    "self.skipTest('why')",
    "self.fail('why')",
    "self.assertEqual({1: 2}, {1: 3})",
    "self.addCleanup(lambda: 1 / 0)",
    "self.addCleanup(lambda: self.skipTest('cleanup'))",
)
#: What ends a session.
ENDINGS: Final = (
    "raise KeyboardInterrupt",
    "pytest.exit('enough')",
    "pytest.exit('enough', returncode=0)",
    "request.session.shouldstop = 'enough'",
    "request.session.shouldfail = 'enough'",
)

MARKS: Final = (
    "xfail",
    "xfail(reason='why')",
    "xfail(reason=('bug 12',))",
    "xfail(reason=12)",
    "xfail(reason=ExitingRepr())",
    "xfail(reason=None)",
    "xfail(run=False)",
    "xfail(run=False, reason=['why'])",
    "xfail(strict=True)",
    "xfail(raises=ValueError)",
    "xfail(raises=(KeyError, SystemExit))",
    "xfail(raises=BaseException)",
    "xfail(False, reason='why')",
    "xfail('1 == 1', reason='why')",
    "xfail('1 +', reason='why')",
    "xfail(True)",
    "skip",
    "skip('why')",
    "skip(reason=12)",
    "skipif(True, reason='why')",
    "skipif(True)",
    "skipif('1 == 1')",
    "skipif(False, reason='why')",
    "xdist_group('g1')",
    "xdist_group('g2/a@b')",
    "filterwarnings('error')",
    "usefixtures('no_such_fixture')",
    "flaky(reruns=2)",
    "flaky(reruns=1, condition='1 +')",
    "changed('outcome')",
    "changed('passed')",
    "changed('wasxfail')",
    "changed('duration')",
    "changed('longrepr')",
    "changed('sections')",
    "changed('user_properties')",
    "changed('nodeid')",
    "published('raise')",
    "published('exit')",
    "published('zero')",
    "published('stdout')",
    "published('line')",
    "published('excinfo')",
    "published('properties')",
)
#: What xdist appends to node ids for them, alone and together.
GROUPS: Final = ("g1_g2/a@b", "g1", "g2/a@b")
#: In each suite; it does what marks ask for.
CONFTEST: Final = """
import os
import sys
import pytest

class Odd:
    def __repr__(self):
        raise SystemExit("repr")

def change(report, what):
    if what == "outcome":
        report.outcome = "failed" if report.passed else report.outcome
        report.longrepr = report.longrepr or "changed"
    elif what == "passed":
        report.outcome = "passed"
    elif what == "wasxfail":
        report.wasxfail = True
    elif what == "duration":
        report.duration = None
    elif what == "longrepr":
        report.longrepr = "changed"
    elif what == "sections" and report.passed:  # those of a failure end pytest's own summary
        report.sections = [("odd", "section"), ("Captured stdout call", 12)]
    elif what == "user_properties":
        report.user_properties = None
    elif what == "nodeid" and "PYTEST_XDIST_WORKER" not in os.environ:  # ends bare xdist (3.8)
        report.nodeid = report.nodeid.removesuffix("-changed") + "-changed"

class OddItem(pytest.Item):
    def __init__(self, *, obj, **more):
        super().__init__(**more)
        self.obj = obj

    def setup(self):
        if "setup" in self.name:
            self.obj()

    def runtest(self):
        if "setup" not in self.name:
            self.obj()

    def repr_failure(self, excinfo):
        return "odd text" if "text" in self.name else super().repr_failure(excinfo)

    def reportinfo(self):
        return ("elsewhere", None, "") if "place" in self.name else (self.path, 1, self.name)

def pytest_pycollect_makeitem(collector, name, obj):
    if name.startswith("odd_"):
        return OddItem.from_parent(collector, name=name, obj=obj)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    for mark in item.iter_markers("changed"):
        if call.when == "call":
            change(report, mark.args[0])
    for mark in item.iter_markers("published"):
        report.sections.append(("published", mark.args[0]))
    return report

def pytest_runtest_logreport(report):
    for title, text in report.sections:
        if title == "published":
            WANTED[report.nodeid.partition("@g")[0]] = text

WANTED = {}

@pytest.hookimpl(optionalhook=True)
def pytest_publish_result(result):
    what = WANTED.get(result.nodeid)
    if what == "raise":
        raise ValueError("hook")
    elif what == "exit":
        sys.exit("hook")
    elif what == "zero":
        return 0
    elif what == "stdout":
        result.stdout = 5
    elif what == "line":
        result.line = -1
    elif what == "excinfo":
        result.excinfo = Odd()
    elif what == "properties":
        result.properties = [Odd()]
"""

#: What a module has only if its text has the name.
DEFINITIONS: Final = {
    "BadStr": """
        class BadStr(Exception):
            def __str__(self):
                raise ValueError('str')
    """,
    "ExitingStr": """
        class ExitingStr(Exception):
            def __str__(self):
                raise SystemExit('str')
    """,
    "CancelledStr": """
        class CancelledStr(Exception):
            def __str__(self):
                raise asyncio.CancelledError
    """,
    "CancelledRepr": """
        class CancelledRepr:
            def __repr__(self):
                raise asyncio.CancelledError
    """,
    "ExitingRepr": """
        class ExitingRepr:
            def __repr__(self):
                raise SystemExit('repr')
    """,
    "Group": """
        Group = getattr(__builtins__, 'ExceptionGroup', lambda text, inside: inside[0])
    """,
    "recurse": """
        def recurse():
            recurse()
    """,
}
IMPORTS: Final = ("asyncio", "logging", "os", "pytest", "sys", "unittest", "warnings")

PARAMETERS: Final = (
    "[1, 2]",
    "['a::b', 'a/b', '[', ']', '@g1', '', ' ', '\\n', '\\\\', '\\x00', 'é', '\\ud800']",
    "[1, 1, pytest.param(2, id='x::y[z]@g1'), pytest.param(3, id='..')]",
    "[pytest.param(1, marks=pytest.mark.xfail(reason=1)), pytest.param(2, marks=pytest.mark.skip)]",
    "[pytest.param(1, id='x' * 300), pytest.param(2, id='-'), pytest.param(3, id='.py')]",
    "[]",
)
SCOPES: Final = ("function", "class", "module", "package", "session")


def lines(*parts: str) -> str:
    return "\n".join(parts)


def indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def some(random: Random, choices: tuple[str, ...], weights: tuple[int, ...]) -> list[str]:
    """Return none, one, two … of the choices, by their weights."""
    (number,) = random.choices(range(len(weights)), weights)
    return random.sample(choices, number)


def module(random: Random) -> str:
    """Return the text of a random module."""
    make = random.choices((functions, classes, unittests, doctests, uncollected), (6, 3, 4, 1, 1))[
        0
    ]
    return finished(make(random))


def ending(random: Random) -> str:
    """Return the text of a module that ends its session."""
    what = indented(random.choice(ENDINGS))
    return finished(
        random.choice(
            (
                lines("def test_before(): pass", "def test_ends(request):", what),
                lines(
                    "@pytest.fixture",
                    "def ends(request):",
                    what,
                    "def test_before(): pass",
                    "def test_ends(ends): pass",
                ),
                lines(
                    "@pytest.fixture(scope='module')",
                    "def ends(request):",
                    "    yield",
                    what,
                    "def test_before(): pass",
                    "def test_ends(ends): assert 0",
                ),
            )
        )
    )


def finished(text: str) -> str:
    """Return a module's text below the imports and definitions that it needs."""
    needed = [textwrap.dedent(code) for name, code in DEFINITIONS.items() if name in text]
    text = lines(*needed, text)
    return lines(*(f"import {name}" for name in IMPORTS if f"{name}." in text), text, "")


def functions(random: Random) -> str:
    """Return fixtures, and functions that use some of them."""
    fixtures = [f"fix{number}" for number in range(random.randrange(4))]
    return lines(
        *(maybe(random, 8, "pytestmark = pytest.mark." + random.choice(MARKS))),
        *(fixture(random, name, fixtures[:number]) for number, name in enumerate(fixtures)),
        *(maybe(random, 10, around(random, "module"))),
        *(function(random, f"test_{n}", tuple(fixtures)) for n in range(random.randint(1, 4))),
    )


def maybe(random: Random, one_in: int, text: str) -> list[str]:
    return [] if random.randrange(one_in) else [text]


def happening(random: Random, more: tuple[str, ...] = ()) -> str:
    return random.choice(HAPPENINGS + more)


def fixture(random: Random, name: str, others: list[str], arguments: str = "") -> str:
    """Return a fixture; two in three do nothing before the test, or after it."""
    options = [f"scope={random.choice(SCOPES)!r}"]
    options += maybe(random, 6, "autouse=True")
    options += maybe(random, 8, "params=[1, 'a/b']")
    # A wider scope can't ask for a narrower one, which is an error in setup: welcome.
    asked = random.sample(others, 1) if others and not random.randrange(3) else []
    setup = happening(random) if not random.randrange(3) else "pass"
    teardown = happening(random) if not random.randrange(3) else "pass"
    return lines(
        f"@pytest.fixture({', '.join(options)})",
        f"def {name}({', '.join([*filter(None, [arguments]), *asked])}):",
        indented(lines(setup, "yield 1", teardown)),
    )


def function(random: Random, name: str, fixtures: tuple[str, ...], arguments: str = "") -> str:
    """Return a test with marks, fixtures, parameters, subtests and what happens in it."""
    marks = some(random, MARKS, (6, 4, 2))
    body = random.sample(IN_FUNCTIONS, 1) if not random.randrange(4) else []
    asked = list(some(random, fixtures, (2, 3)[: len(fixtures) + 1]))
    if not random.randrange(5):
        marks.append(f"parametrize('value', {random.choice(PARAMETERS)})")
        asked.append("value")
    if HAS_SUBTESTS and not random.randrange(5):
        body += [subtest(random, "subtests.test") for _ in range(random.randint(1, 3))]
    body.append(happening(random))
    text = lines(*body)
    asked += [
        name
        for name in ("request", "record_property", "subtests", "monkeypatch")
        if f"{name}" in text
    ]
    asynchronous = "" if random.randrange(20) else "async "
    return lines(
        *(f"@pytest.mark.{mark}" for mark in marks),
        f"{asynchronous}def {name}({', '.join([*filter(None, [arguments]), *asked])}):",
        indented(text),
    )


def subtest(random: Random, call: str) -> str:
    named = random.choice(
        ("'m'", "'m', value=1", "", "value=CancelledRepr()", "msg=12", "'\\ud800'")
    )
    return lines(f"with {call}({named}):", indented(happening(random)))


def around(random: Random, what: str, arguments: str = "") -> str:
    """Return a ``setup_module``, ``teardown_method`` or the like."""
    name = f"{random.choice(('setup', 'teardown'))}_{what}"
    return lines(f"def {name}({arguments}):", indented(happening(random)))


def classes(random: Random) -> str:
    """Return a class, perhaps with one in it."""
    body = lines(
        *maybe(random, 4, around(random, "method", "self")),
        *maybe(random, 4, lines("@classmethod", around(random, "class", "cls"))),
        *maybe(random, 2, fixture(random, "fix", [], "self")),
        *(function(random, f"test_{n}", ("fix",), "self") for n in range(random.randint(1, 3))),
    )
    if not random.randrange(3):
        body = lines(body, "class TestInner:", indented(function(random, "test_x", (), "self")))
    marks = some(random, MARKS, (5, 2))
    return lines(*(f"@pytest.mark.{mark}" for mark in marks), "class TestIt:", indented(body))


def unittests(random: Random) -> str:
    """Return a unittest.TestCase."""
    methods = []
    for number in range(random.randint(1, 4)):
        body = [subtest(random, "self.subTest") for _ in range(random.choice((0, 0, 1, 3)))]
        methods += [
            *maybe(random, 4, "@unittest.expectedFailure"),
            *maybe(random, 6, random.choice(("@unittest.skip('why')", "@unittest.skip"))),
            *maybe(random, 5, f"@pytest.mark.{random.choice(MARKS)}"),
            f"def test_{number}(self):",
            indented(lines(*body, happening(random, IN_UNITTEST))),
        ]
    names = [
        ("setUp", "self"),
        ("tearDown", "self"),
        ("setUpClass", "cls"),
        ("tearDownClass", "cls"),
    ]
    for name, argument in names:
        if not random.randrange(6):
            methods += ["@classmethod"] if argument == "cls" else []
            methods += [f"def {name}({argument}):", indented(happening(random))]
    return lines(
        *maybe(random, 10, "@unittest.skip('why')"),
        *maybe(random, 8, f"@pytest.mark.{random.choice(MARKS)}"),
        "class TestUnit(unittest.TestCase):",
        indented(lines(*methods)),
    )


def doctests(random: Random) -> str:
    """Return functions with examples in their docstrings."""
    examples = (
        ">>> 1 + 1\n2",
        ">>> 1 + 1\n3",
        ">>> 1 / 0",
        ">>> 1 / 0  # doctest: +SKIP",
        ">>> import pytest; pytest.skip('why')",
        ">>> raise SystemExit",
        ">>> print('\\x1b[31m \\ud800')\nodd",
    )
    return lines(
        "import pytest",
        *(
            lines(f"def function_{number}():", indented(f"r'''\n{random.choice(examples)}\n'''"))
            for number in range(random.randint(1, 3))
        ),
    )


def items(random: Random) -> str:
    """Return what CONFTEST makes items of its own of."""
    kinds = ("setup", "text", "place", "setup_text", "place_text")
    return lines(
        *(
            lines(f"def odd_{number}_{random.choice(kinds)}():", indented(happening(random)))
            for number in range(random.randint(1, 3))
        )
    )


def uncollected(random: Random) -> str:
    """Return a module that can't be collected, or only in one process."""
    at_import = random.choice(
        (
            "pytest.skip('module', allow_module_level=True)",
            "pytest.skip('module')",
            "pytest.importorskip('no_such_module')",
            "import no_such_module",
            "1 / 0",
            "raise asyncio.CancelledError",
            "raise BadStr('import')",
            "raise ExitingStr('import')",
            "raise unittest.SkipTest('module')",
            "pytest.xfail('module')",
            "this is no Python",
            "if {}: 1 / 0\nelse: pytest.skip('no', allow_module_level=True)".format(
                "os.environ.get('PYTEST_XDIST_WORKER') == 'gw0'"
            ),
            "if {}: 1 / 0\nelse: pytest.skip('no', allow_module_level=True)".format(
                "os.environ.get('PYTEST_XDIST_WORKER') == 'gw1'"
            ),
            "@pytest.mark.parametrize('other', [1])\ndef test_parameter(value): pass",
            "class TestInit:\n    def __init__(self): pass\n    def test_it(self): pass",
            "collect_ignore = 5\nclass TestSlots:\n    __slots__ = ()\n    test_it = 5",
        )
    )
    return lines(at_import, "def test_it(): pass")
