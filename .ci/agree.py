"""Check this plugin's results against what pytest itself says of the same tests.

Runs suites of well-known packages, from their pinned source distributions, and one
of hard cases that they don't have, serially and with two workers. Beside ``--pubdir``
each run writes pytest's own ``--junitxml``. Every difference is printed, and makes the
exit code 1. What may differ is told by a rule below, never by a margin.

``--few`` leaves it at the hard cases and one package.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final
from typing import TypeAlias

import jsonschema


Result: TypeAlias = dict[str, Any]
#: How junitxml names a test: the dotted way to it, and its name with its parameters.
Address: TypeAlias = tuple[str, str]

HERE: Final = Path(__file__).resolve().parent
PROJECT: Final = HERE.parent
#: What building the project reads; built from a copy, so that nothing is left behind here.
SOURCES: Final = ("src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
#: What builds the packages, installed once instead of anew for each of them.
BACKENDS: Final = (
    "flit-core",
    "hatch-fancy-pypi-readme",
    "hatch-vcs",
    "hatchling",
    "setuptools>=77",
    "setuptools-scm",
)
MODES: Final = {"serial": (), "-n 2": ("-n", "2")}


@dataclasses.dataclass(frozen=True)
class Suite:
    """A package's tests: what to fetch, what to run, and what they need.

    Left out are tests that take seconds, and those that the clock or chance decides.
    """

    pinned: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()


#: This project's own, for what no package at hand has.
CASES: Final = Suite("hard cases", ("--doctest-modules", "."))
# Expected failures. Its conftest uses a mark that it does not register.
SMALL: Final = Suite(
    "python-dateutil==4.0.0",
    (
        "-W=ignore::pytest.PytestUnknownMarkWarning",
        "tests/test_isoparser.py",
        "tests/test_parser.py",
        "tests/test_rrule.py",
    ),
    ("freezegun", "hypothesis", "six"),
)
SUITES: Final = (
    CASES,
    # Classes, fixtures with ids, a module that skips itself, importlib mode. Its tests
    # with Hypothesis have a deadline, which a busy machine misses.
    Suite(
        "attrs==26.1.0",
        (
            "--ignore=tests/test_compat.py",
            "--ignore=tests/test_dunders.py",
            "--ignore=tests/test_funcs.py",
            "--ignore=tests/test_functional.py",
            "--ignore=tests/test_make.py",
        ),
        ("hypothesis",),
    ),
    # unittest, with thousands of its subtests, and doctests.
    Suite(
        "more-itertools==11.2.1",
        (
            "--doctest-modules",
            "--deselect=tests/test_more.py::DiscreteFourierTransformTests",
            "--deselect=tests/test_more.py::TestConcurrentTee",
            "--deselect=tests/test_more.py::TestSerialize",
            "--deselect=tests/test_more.py::TestSynchronized",
            "--deselect=tests/test_recipes.py::PrimeFunctionTests",
            "--deselect=tests/test_recipes.py::RunningMedianTests",
            "more_itertools",
            "tests",
        ),
    ),
    # Thousands of parameters, whose ids are full of slashes, brackets, quotes and colons.
    Suite(
        "packaging==26.3",
        (
            "tests/test_dependency_groups.py",
            "tests/test_licenses.py",
            "tests/test_manylinux.py",
            "tests/test_markers.py",
            "tests/test_metadata.py",
            "tests/test_tags.py",
            "tests/test_utils.py",
        ),
        ("hypothesis", "pretend", "tomli_w"),
    ),
    SMALL,
    # Classes made by code, skips, and a file that fails to import (what it needs is left
    # out on purpose). Of the drafts, which are much alike, two.
    Suite(
        "jsonschema==4.26.0",
        (
            "--continue-on-collection-errors",
            "-k=not TestDraft or TestDraft4 or TestDraft202012Format",
            "jsonschema",
        ),
    ),
    # Coroutines. The last, because pytest-asyncio would warn in the suites before it.
    Suite(
        "aiosignal==1.4.0",
        ("--override-ini=addopts=",),
        ("pytest-asyncio",),
    ),
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What one session left: its results, pytest's own report, and its last words."""

    results: list[Result]
    junit: dict[Address, Counter[str]]
    summary: Counter[str]
    exit_code: int


# Setting up.


class Workshop:
    """A folder with a virtual environment, into which the project is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        venv.create(folder / "venv", with_pip=True)
        self._python = folder / "venv" / "bin" / "python"
        # No option of the outer environment is to reach the suites.
        self._environ = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        }
        project = folder / "project"
        project.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
            copy(PROJECT / name, project / name)
        self._pip("install", *BACKENDS, str(project))

    def fetch(self, suite: Suite) -> Path:
        """Install a suite's package and needs; return the folder to run it in."""
        folder = self._folder / re.sub(r"\W", "-", suite.pinned)
        folder.mkdir()
        if suite is CASES:
            shutil.copy(HERE / "agree_cases.py", folder / "test_cases.py")
            return folder
        if suite.needs:
            self._pip("install", *suite.needs)
        source_only = ("--no-deps", "--no-binary=:all:", "--no-build-isolation")
        self._pip("download", *source_only, f"--dest={folder}", suite.pinned)
        (archive,) = folder.iterdir()
        # Python before 3.11.4 knows no filter, and 3.12 warns where none is named.
        safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        shutil.unpack_archive(archive, folder, **safely)
        (source,) = (path for path in folder.iterdir() if path.is_dir())
        self._pip("install", "--no-build-isolation", str(source))
        return source

    def run(self, suite: Suite, source: Path, mode: str) -> Run:
        """Run a suite once, and read what it left."""
        target = Path(tempfile.mkdtemp(dir=self._folder))
        xml, tree = target / "junit.xml", target / "tree"
        command = [
            *(str(self._python), "-m", "pytest", "-p", "no:cacheprovider", "--color=no"),
            *(f"--junitxml={xml}", f"--pubdir={tree}"),
            # Has pytest count its subtests too.
            "--override-ini=verbosity_subtests=1",
            *MODES[mode],
            *suite.arguments,
        ]
        done = subprocess.run(
            command, cwd=source, env=self._environ, capture_output=True, text=True, check=False
        )
        if not xml.exists():
            raise SystemExit(f"{suite.pinned} did not run:\n{done.stdout}{done.stderr}")
        results = [json.loads(path.read_bytes()) for path in tree.rglob("result.json")]
        return Run(results, junit_marks(xml), summary_counts(done.stdout), done.returncode)

    def _pip(self, *arguments: str) -> None:
        command = [str(self._python), "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(
            command, env=self._environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"pip {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


# What pytest says.

#: A mark of each <testcase> element, and one of each element in it.
TESTCASE: Final = "testcase"
FAILURE: Final = "failure"
SETUP_ERROR: Final = "setup error"
TEARDOWN_ERROR: Final = "teardown error"
COLLECTION_ERROR: Final = "collection error"
SKIPPED: Final = "skipped"
XFAILED: Final = "xfailed"
BY_SUBTESTS: Final = "failed by its subtests"

#: How pytest begins the messages of junitxml's <error>, and of a parent's <failure>.
MESSAGES: Final = (
    ("error", "failed on setup with ", SETUP_ERROR),
    ("error", "failed on teardown with ", TEARDOWN_ERROR),
    ("error", "collection failure", COLLECTION_ERROR),
    ("failure", "contains ", BY_SUBTESTS),
    ("failure", "", FAILURE),
)


#: What else a <testcase> may hold: output, if a suite's settings ask for it.
NO_OUTCOME: Final = ("properties", "system-out", "system-err")


def junit_marks(path: Path) -> dict[Address, Counter[str]]:
    """Return what junitxml holds of each test, by the names that it gives them."""
    found: dict[Address, Counter[str]] = {}
    for case in ET.parse(path).iter("testcase"):  # noqa: S314  # pytest wrote it just now
        marks = found.setdefault((case.attrib["classname"], case.attrib["name"]), Counter())
        marks[TESTCASE] += 1
        marks.update(_junit_mark(element) for element in case if element.tag not in NO_OUTCOME)
    return found


def _junit_mark(element: ET.Element) -> str:
    message = element.attrib.get("message", "")
    if element.tag == "skipped":
        return XFAILED if element.attrib.get("type") == "pytest.xfail" else SKIPPED
    for tag, begin, mark in MESSAGES:
        if element.tag == tag and message.startswith(begin):
            return mark
    return f"<{element.tag}>"


#: The last line's words that are about tests; the others are about warnings and choice.
WORDS: Final = ("failed", "passed", "skipped", "xfailed", "xpassed", "error", "subtests passed")


def summary_counts(output: str) -> Counter[str]:
    """Return the counts of pytest's last line, ``= 1 failed, 2 errors in 0.12s =``."""
    lines = re.findall(r"^(?:=+ )?(\d+ .+) in [\d.]+s\b", output, re.MULTILINE)
    if not lines:
        raise SystemExit(f"pytest's summary was not found:\n{output}")
    pairs = (part.split(" ", 1) for part in lines[-1].split(", "))
    counts = {word.replace("errors", "error"): int(count) for count, word in pairs}
    return Counter({word: count for word, count in counts.items() if word in WORDS})


# What we say, in pytest's terms.


def address(nodeid: str) -> Address:
    """Return how junitxml names a node id (its ``mangle_test_address``).

    Names are parted by ``::`` up to the first bracket: what follows is parameters. The
    path loses its ``.py`` and is dotted. Only the last name is escaped.
    """
    names, bracket, parameters = nodeid, "", ""
    if "::" in nodeid:
        path, _colons, inner = nodeid.partition("::")
        inner, bracket, parameters = inner.partition("[")
        names = f"{path}::{inner}"
    path, *parts = names.split("::")
    dotted = [re.sub(r"\.py$", "", path.replace("/", ".")), *parts]
    return ".".join(dotted[:-1]), xml_text(dotted[-1] + bracket + parameters)


def xml_text(text: str) -> str:
    """Escape what XML can't hold, as junitxml's ``bin_xml_escape`` does."""
    illegal = "[^\t\n\r -~\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    return re.sub(illegal, lambda found: f"#x{ord(found[0]):0{_width(found[0])}X}", text)


def _width(character: str) -> int:
    return 2 if ord(character) <= 0xFF else 4


def marks_of(result: Result) -> Counter[str]:
    """Return what junitxml writes of a test that ended as a result says.

    A phase that passed leaves no element, nor does a subtest. Each other leaves one, a
    subtest in its parent's testcase. junitxml opens a second testcase for an error in the
    teardown of a test that failed, because its schema allows no two verdicts in one; after
    a pass, a skip or an xfail the error is in the one testcase.
    """
    marks = Counter({TESTCASE: 1})
    marks.update(filter(None, map(_mark_of_phase, result["phases"])))
    marks.update(_marks_of_subtests(result))
    if marks[TEARDOWN_ERROR] and (marks[FAILURE] or marks[BY_SUBTESTS]):
        marks[TESTCASE] += 1
    return marks


def _mark_of_phase(phase: Result) -> str | None:
    if phase["outcome"] in ("skipped", "xfailed"):
        return str(phase["outcome"])
    if phase["outcome"] != "failed":
        return None
    if phase["when"] == "call":
        told = re.fullmatch(r"contains \d+ failed subtests?", phase["excinfo"]["value"])
        return BY_SUBTESTS if told else FAILURE
    return {"setup": SETUP_ERROR, "teardown": TEARDOWN_ERROR}.get(phase["when"], COLLECTION_ERROR)


def _marks_of_subtests(result: Result) -> Iterator[str]:
    for subtest in result["subtests"]:
        if subtest["outcome"] != "passed":
            yield FAILURE if subtest["outcome"] == "failed" else subtest["outcome"]


def counts_of(result: Result) -> Counter[str]:
    """Return by how much a test raises the counts of pytest's last line.

    Each phase counts by itself but for a setup or teardown that passed: a test that passed
    and whose teardown failed is ``1 passed, 1 error``. So does each subtest.
    """
    counts: Counter[str] = Counter()
    for phase in result["phases"]:
        if phase["when"] == "call" or phase["outcome"] != "passed":
            failed_elsewhere = phase["outcome"] == "failed" and phase["when"] != "call"
            counts["error" if failed_elsewhere else phase["outcome"]] += 1
    for subtest in result["subtests"]:
        passed = subtest["outcome"] == "passed"
        counts["subtests passed" if passed else subtest["outcome"]] += 1
    return counts


# Comparing.


def differences(run: Run) -> Iterator[str]:
    """Tell of all that differs between a run's results and what pytest says of it."""
    ours: dict[Address, Result] = {}
    counts: Counter[str] = Counter()
    for result in run.results:
        place = address(result["nodeid"])
        if place in ours:
            yield f"{result['nodeid']}: more than one result"
        ours[place] = result
        theirs = run.junit.get(place)
        if theirs is None:
            yield f"{result['nodeid']}: pytest knows of no {place}"
            continue
        yield from _differences_of_test(result, theirs)
        counts += counts_of(result)
        if _is_failed_by_us(result, theirs):
            counts += Counter(passed=1)
            counts -= Counter(failed=1)
    for place in run.junit.keys() - ours.keys():
        yield f"{place}: no result"
    if counts != run.summary:
        yield f"the results sum up to {dict(counts)}, pytest counts {dict(run.summary)}"
    yield from _differences_of_session(run)


def _differences_of_test(result: Result, theirs: Counter[str]) -> Iterator[str]:
    marks = marks_of(result)
    if _is_failed_by_us(result, theirs):
        marks -= Counter({BY_SUBTESTS: 1})
    if marks != theirs:
        yield f"{result['nodeid']}: we say {dict(marks)}, pytest says {dict(theirs)}"
    expected = verdict(theirs - Counter(_skips_of_subtests(result)))
    # junitxml writes no word of an unexpected pass; pytest's last line does.
    given = (result["result"], result["outcome"].replace("xpassed", "passed"))
    if given != expected:
        yield f"{result['nodeid']}: we judge {given}, by pytest's report it is {expected}"


def _is_failed_by_us(result: Result, theirs: Counter[str]) -> bool:
    """Tell whether it is only we who fail a test because a subtest of it failed.

    pytest (9.2) does so for its ``subtests`` fixture, but not for unittest's
    ``subTest``, whose parent it counts as passed beside the failed subtest.
    """
    return bool(marks_of(result)[BY_SUBTESTS] and theirs[FAILURE] and not theirs[BY_SUBTESTS])


def _skips_of_subtests(result: Result) -> list[str]:
    """Return the marks in a testcase that are no word about the test itself."""
    return [mark for mark in _marks_of_subtests(result) if mark != FAILURE]


def verdict(marks: Counter[str]) -> tuple[str, str]:
    """Return the result and outcome of a test by what junitxml holds of it.

    A failed call, or subtest, is told before an error around it; both before a skip.
    """
    if marks[FAILURE] or marks[BY_SUBTESTS]:
        return "fail", "failed"
    if marks[SETUP_ERROR] or marks[TEARDOWN_ERROR] or marks[COLLECTION_ERROR]:
        return "fail", "error"
    for outcome in (XFAILED, SKIPPED):
        if marks[outcome]:
            return "skip", outcome
    return "pass", "passed"


def _differences_of_session(run: Run) -> Iterator[str]:
    if sorted(result["seq"] for result in run.results) != list(range(len(run.results))):
        yield "the numbers of the results have gaps"
    expected = int(any(result["result"] == "fail" for result in run.results))
    if run.exit_code != expected:
        yield f"pytest's exit code is {run.exit_code}, by the results it is {expected}"
    if not run.summary["passed"]:
        yield "not one test passed: this suite is not set up as it should be"
    schema = json.loads((PROJECT / "src/pytest_publish/results/schema.json").read_bytes())
    validator = jsonschema.Draft202012Validator(schema)
    for result in run.results:
        for error in validator.iter_errors(result):
            yield f"{result['nodeid']}: against the schema: {error.message}"


def told(results: list[Result]) -> dict[str, str]:
    """Return what is to be the same in a serial and in a distributed run, by node id.

    Object addresses in the descriptions of subtests are each process's own.
    """
    same = ("result", "outcome", "name", "file", "line", "attempt")
    return {
        result["nodeid"]: json.dumps(
            {
                **{field: result[field] for field in same},
                "excinfo": result["excinfo"] and result["excinfo"]["type"],
                "phases": [(phase["when"], phase["outcome"]) for phase in result["phases"]],
                "subtests": [
                    (re.sub("0x[0-9a-f]+", "0x…", subtest["description"]), subtest["outcome"])
                    for subtest in result["subtests"]
                ],
            }
        )
        for result in results
    }


def differences_between(serial: Run, distributed: Run) -> Iterator[str]:
    """Tell of each test that is not the same in both runs."""
    one, two = told(serial.results), told(distributed.results)
    for nodeid in sorted(one.keys() | two.keys()):
        if one.get(nodeid) != two.get(nodeid):
            yield f"{nodeid}:\n  serial {one.get(nodeid)}\n  -n 2   {two.get(nodeid)}"


# Telling.


def check(suite: Suite, workshop: Workshop) -> int:
    """Run a suite in all modes, print what was found, and return how many differences."""
    source = workshop.fetch(suite)
    total = 0
    runs: dict[str, Run] = {}
    for mode in MODES:
        begin = time.monotonic()
        runs[mode] = run = workshop.run(suite, source, mode)
        found = list(differences(run))
        if mode != "serial":
            found += differences_between(runs["serial"], run)
        seconds = time.monotonic() - begin
        counts = ", ".join(f"{run.summary[word]} {word}" for word in WORDS if run.summary[word])
        print(
            f"{suite.pinned}, {mode}: {len(run.results)} tests compared, "
            f"{len(found)} differences ({counts}; {seconds:.0f} s)",
            *found,
            sep="\n  ",
            flush=True,
        )
        total += len(found)
    return total


def main() -> int:
    """Check all suites, or few; 1 if there is a difference."""
    suites = (CASES, SMALL) if "--few" in sys.argv[1:] else SUITES
    with tempfile.TemporaryDirectory(prefix="agree-") as folder:
        workshop = Workshop(Path(folder).resolve())
        return int(sum(check(suite, workshop) for suite in suites) > 0)


if __name__ == "__main__":
    sys.exit(main())
