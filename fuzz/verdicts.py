"""Compare random suites' published results with what pytest counts of the same run.

    python fuzz/verdicts.py                     # seeds from the clock, until Ctrl-C
    python fuzz/verdicts.py --seconds 3600
    python fuzz/verdicts.py --seed 7 --count 1  # that one again

Each seed is one session of random modules (suites.py), run serially or distributed. Of
each test, what was published is compared with the terminal reporter's own statistics of
that same run (recorder.py). A module that differs is run alone, and shrunk to the lines
that matter; what is left is printed as a file to paste, with the command to run it.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from typing import Final
from typing import TypeAlias

import jsonschema
import pytest

import seeds  # before faulty_server, which it makes importable
import suites
from faulty_server import FaultyServer
from pytest_publish import schema
from pytest_publish.results.values import escape


Result: TypeAlias = dict[str, Any]
#: The texts of a suite's modules by their names.
Suite: TypeAlias = dict[str, str]

MODES: Final = (
    (),
    (),
    ("-n", "2"),
    ("-p", "rerunfailures", "--reruns", "1"),
    ("-n", "2", "-p", "rerunfailures", "--reruns", "1"),
    ("-n", "2", "--dist", "loadgroup"),
    ("-n", "2", "--dist", "loadscope"),
    ("-n", "2", "--dist", "each"),
)
#: Of which a run has some.
VARIANTS: Final = (
    ("--capture=no",),
    ("--capture=sys",),
    ("--capture=tee-sys",),
    ("--color=yes",),
    ("--tb=native",),
    ("--tb=line",),
    ("--showlocals",),
    ("--import-mode=importlib",),
    ("--assert=plain",),
    ("--maxfail=5",),
    ("-p", "no:logging"),
    ("-o", "xfail_strict=true"),
)
OPTIONS: Final = (
    *("-p", "xdist", "-p", "recorder", "-p", "no:cacheprovider", "-p", "no:randomly"),
    *("--doctest-modules", "--continue-on-collection-errors", "--max-worker-restart=0"),
    *("-q", "-W", "ignore"),
    *(("-o", "verbosity_subtests=1") if suites.HAS_SUBTESTS else ()),
)
MODULES: Final = 20
TIMEOUT: Final = 120.0


@dataclasses.dataclass(frozen=True)
class Run:
    """What one session left."""

    tree: list[Result]
    posted: list[Result]
    #: What pytest counts, as recorder.py writes it; None if the session did not end.
    recorded: dict[str, Any] | None
    exit_code: int
    output: str


# Running.


def run(suite: Suite, mode: tuple[str, ...], *, publish: bool = True) -> Run:
    """Run a suite in a new folder."""
    folder = Path(tempfile.mkdtemp(prefix="verdicts-")).resolve()
    for name, text in suite.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = changed\n published\n")
    tree, record, endpoint = folder / "tree", folder / "record.json", FaultyServer()
    ours = (
        *("-p", "publish", f"--pubdir={tree}"),
        *(f"--publish={endpoint.url}", f"--publish-outbox={folder / 'outbox'}"),
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *(ours if publish else ()), *mode],
            cwd=folder,
            env=seeds.environ(FUZZ_RECORD=str(record)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
        exit_code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        exit_code, output = -1, error.stdout or b""
    endpoint.stop()
    found = Run(
        [
            json.loads(path.read_bytes())
            for path in tree.rglob("result.json")
            if not path.parent.name.startswith(".")
        ],
        list(endpoint.accepted.values()),
        json.loads(record.read_bytes()) if record.exists() else None,
        exit_code,
        output.decode("utf-8", "replace"),
    )
    shutil.rmtree(folder)
    return found


# What pytest says.

#: The words for a test that came to several of them, the gravest first.
GRAVITY: Final = ("rerun", "failed", "error", "xfailed", "skipped", "xpassed", "passed")
RESULTS: Final = {"xfailed": "skip", "skipped": "skip", "xpassed": "pass", "passed": "pass"}
SUBTESTS_PASSED: Final = "subtests passed"


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What pytest counts of one attempt of a test."""

    counts: Counter[str]
    #: Those of the whole test, without its subtests.
    phases: list[str]
    call: str
    has_crashed: bool

    @property
    def outcome(self) -> str | None:
        """The published word that is due; None if there is nothing to publish."""
        words = [word for word in self.phases if word]
        if self.counts["failed"]:  # a subtest that failed fails its test
            words.append("failed")
        found = min(words, key=GRAVITY.index, default=None)
        return "crashed" if self.has_crashed and found != "rerun" else found


def attempts_in(recorded: dict[str, Any]) -> dict[str, list[Attempt]]:
    """Return the attempts of each test, and of each file that was not collected."""
    reports: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for report in recorded["reports"]:
        reports.setdefault((plain(report["nodeid"]), report["worker"]), []).append(report)
    attempts: dict[str, list[Attempt]] = {}
    for (nodeid, _worker), of_one in reports.items():
        # What passed in setup or teardown alone counts as nothing.
        found = [attempt for part in split(of_one) if (attempt := counted(part)).counts]
        if found:
            attempts.setdefault(nodeid, []).extend(found)
    return attempts


def plain(nodeid: str) -> str:
    """Return a node id as it is published: the test's own, and as UTF-8 can hold it."""
    nodeid = nodeid.removesuffix("-changed")
    for group in suites.GROUPS:
        nodeid = nodeid.removesuffix(f"@{group}")
    return escape(nodeid) or "."


def split(reports: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split a test's reports after the last one of each attempt."""
    attempt: list[dict[str, Any]] = []
    for report in reports:
        if report["when"] == "setup" and any(one["when"] == "setup" for one in attempt):
            yield attempt
            attempt = []
        attempt.append(report)
        if report["when"] in ("teardown", "???", "collect"):
            yield attempt
            attempt = []
    if attempt:
        yield attempt


def counted(reports: list[dict[str, Any]]) -> Attempt:
    words = [report["category"] for report in reports]
    phases = [word for word, report in zip(words, reports, strict=True) if not report["subtest"]]
    # pytest-rerunfailures (16.7) takes back what the subtests of such an attempt counted.
    counts = Counter(filter(None, phases if "rerun" in phases else words))
    whens = [report["when"] for report in reports if not report["subtest"]]
    call = phases[whens.index("call")] if "call" in whens else ""
    return Attempt(counts, phases, call, "???" in whens)


# What was published.


def counts_of(result: Result, theirs: Attempt) -> Counter[str]:
    """Return by how much a result raises the counts of pytest's last line.

    pytest (9.2) does not fail the parent of a unittest's ``subTest``, as we do.
    """
    counts: Counter[str] = Counter()
    for phase in result["phases"]:
        if phase["when"] == "call" or phase["outcome"] != "passed":
            failed_elsewhere = phase["outcome"] == "failed" and phase["when"] != "call"
            counts["error" if failed_elsewhere else phase["outcome"]] += 1
    for subtest in result["subtests"] if result["outcome"] != "rerun" else ():
        passed = subtest["outcome"] == "passed"
        counts[SUBTESTS_PASSED if passed else subtest["outcome"]] += 1
    if counts["failed"] > theirs.counts["failed"] and any(map(_by_subtests, result["phases"])):
        counts["failed"] -= 1
        counts[theirs.call] += 1
    if result["outcome"] == "crashed":
        counts["failed"] += 1
    return +counts


def _by_subtests(phase: Result) -> bool:
    told = phase["excinfo"] and re.fullmatch(
        # The second is what stands there where a hook that masks has raised.
        r"contains \d+ failed subtests?|withheld, .*",
        phase["excinfo"]["value"],
    )
    return bool(told)


# Comparing.


def differences(found: Run) -> Iterator[str]:
    """Tell of all that differs between what was published and what pytest counts."""
    if found.recorded is None:
        yield f"the session did not end as it should (exit code {found.exit_code})"
        return
    ours: dict[str, list[Result]] = {}
    for result in sorted(found.tree, key=lambda result: int(result["seq"])):
        ours.setdefault(result["nodeid"], []).append(result)
    theirs = attempts_in(found.recorded)
    for nodeid in sorted(ours.keys() | theirs.keys()):
        for text in of_test(ours.get(nodeid, []), theirs.get(nodeid, [])):
            yield f"{nodeid}: {text}"
    yield from of_session(found)


def of_test(ours: list[Result], theirs: list[Attempt]) -> Iterator[str]:
    """Tell what differs of one test, or of one file that was not collected."""
    if any(phase["when"] == "collect" for result in ours for phase in result["phases"]):
        # Each worker collects each file: what they say alike counts once, and a skip of
        # one beside an error of another need not be told.
        words = sorted({result["outcome"] for result in ours}, key=GRAVITY.index)
        expected = sorted({str(attempt.outcome) for attempt in theirs}, key=GRAVITY.index)
        if words[:1] != expected[:1] or not set(words) <= set(expected):
            yield f"published as {words}, pytest counts {expected}"
        return
    due = [attempt for attempt in theirs if attempt.outcome is not None]
    # Two workers' attempts of --dist each come interleaved.
    words_of_ours = [result["outcome"] for result in ours]
    words_due = [attempt.outcome for attempt in due]
    if sorted(words_of_ours) != sorted(map(str, words_due)):
        yield f"published as {words_of_ours}, pytest counts {words_due}"
        return
    unmatched = list(due)
    for result in ours:
        if result["result"] != RESULTS.get(result["outcome"], "fail"):
            yield f"{result['outcome']} is published as a {result['result']}"
        same = [attempt for attempt in unmatched if attempt.outcome == result["outcome"]]
        best = next((one for one in same if counts_of(result, one) == one.counts), same[0])
        unmatched.remove(best)
        if (counts := counts_of(result, best)) != best.counts:
            yield f"its phases and subtests come to {dict(counts)}, pytest's {dict(best.counts)}"


#: Of what publishing may say: what CONFTEST's hooks do, and what xdist 3.8 can't on pytest 9.2.
EXPECTED: Final = ("a pytest_publish_result hook", "pytest-xdist issue 1386")


def of_session(found: Run) -> Iterator[str]:
    """Tell what is wrong with the run as a whole, and with the form of its results."""
    assert found.recorded is not None
    if found.exit_code != found.recorded["exit_code"]:
        yield f"exit code {found.exit_code}, pytest's is {found.recorded['exit_code']}"
    for line in re.findall(r"^publish: .*", found.output, re.MULTILINE):
        if not any(text in line for text in EXPECTED):
            yield f"the terminal says: {line}"
    if internal := re.findall(r"^INTERNALERROR> .*\w.*", found.output, re.MULTILINE):
        yield f"the terminal says: {internal[-1]}"
    if sorted(result["seq"] for result in found.tree) != list(range(len(found.tree))):
        yield "seq: there are gaps or doubles in the tree"
    one, two = (sorted(map(json.dumps, results)) for results in (found.tree, found.posted))
    if one != two:
        yield f"the tree has {len(one)} results, the endpoint {len(two)}, and they differ"
    validator = jsonschema.Draft202012Validator(schema())
    for result in found.tree:
        for error in validator.iter_errors(result):
            yield f"{result['nodeid']}: against the schema: {error.json_path} {error.message[:200]}"


# Shrinking.


def kind_of(difference: str) -> str:
    """Return a difference without the names and numbers that change as a suite shrinks."""
    _nodeid, _colon, text = difference.rpartition(": ")
    return re.sub(r"\d+", "N", text)


class Shrinker:
    """Makes the suite of one difference as small as it gets.

    A difference is the same if it reads the same but for its node id.
    """

    def __init__(self, mode: tuple[str, ...], kind: str, deadline: float) -> None:
        self._mode = mode
        self._kind = kind
        self._deadline = deadline

    def shrink(self, suite: Suite, difference: str) -> Suite | None:
        """Return the smallest suite that still differs; None if it can't be repeated."""
        blamed = [name for name in suite if name in difference]
        names = [name for name in suite if name != "conftest.py"]
        for chosen in (blamed, names):
            if chosen and self._with(suite)(chosen):
                break
        else:
            return None
        chosen = self._fewer(chosen, self._with(suite))
        found = {name: suite[name] for name in [*chosen, "conftest.py"]}
        for name in chosen:
            found = self._smaller(found, name)
        if self._differs(without := {name: found[name] for name in chosen}):
            return without
        return found

    def _differs(self, suite: Suite) -> bool:
        return self._kind in map(kind_of, differences(run(suite, self._mode)))

    def _with(self, suite: Suite) -> Callable[[list[str]], bool]:
        def differs(names: list[str]) -> bool:
            return self._differs({name: suite[name] for name in [*names, "conftest.py"]})

        return differs

    def _smaller(self, suite: Suite, name: str) -> Suite:
        def differs(lines: list[str]) -> bool:
            text = "\n".join([*lines, ""])
            return is_python(text) and self._differs({**suite, name: text})

        if is_python(suite[name]):
            suite[name] = "\n".join([*self._fewer(suite[name].split("\n"), differs), ""])
        return suite

    def _fewer(self, parts: list[str], differs: Callable[[list[str]], bool]) -> list[str]:
        """Leave out halves, quarters … and at last single parts, while it still differs."""
        size = len(parts)
        while size := size // 2:
            start = 0
            while start < len(parts) and time.monotonic() < self._deadline:
                fewer = parts[:start] + parts[start + size :]
                if differs(fewer):
                    parts = fewer
                else:
                    start += size
        return parts


def is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


# Telling.


#: The kinds of differences that were told already.
seen: Final[set[str]] = set()


def check(seed: int, shrink_seconds: float) -> int:
    """Run one seed; tell of each kind of difference once, with a suite that shows it."""
    random = Random(seed)  # noqa: S311  # no secret
    variants = random.sample(VARIANTS, random.randrange(3))
    mode = sum((random.choice(MODES), *variants), ())
    suite = {f"test_{number:02}.py": suites.module(random) for number in range(MODULES)}
    if not random.randrange(5) and "-n" not in mode:
        suite[f"test_{random.randrange(MODULES // 2, MODULES)}.py"] = suites.ending(random)
    suite["conftest.py"] = suites.CONFTEST
    found = run(suite, mode)
    told = list(differences(found))
    if told and run(suite, mode, publish=False).exit_code == found.exit_code:
        # A teardown may raise in pytest's own pytest_sessionfinish.
        told = [text for text in told if not text.startswith("exit code ")]
    if (
        "INTERNALERROR" in found.output
        and "INTERNALERROR" in run(suite, mode, publish=False).output
    ):
        print(f"seed {seed}: pytest breaks on it without pytest-publish too")
        return 0
    tests = f"{len(found.tree)} results, pytest {pytest.__version__}"
    print(
        f"seed {seed} ({' '.join(mode) or 'serial'}): {tests}, {len(told)} differences", flush=True
    )
    new = [difference for difference in told if kind_of(difference) not in seen]
    for difference in {kind_of(difference): difference for difference in reversed(new)}.values():
        print(f"  {difference}", flush=True)
        if not shrink_seconds:
            continue
        shrinker = Shrinker(mode, kind_of(difference), time.monotonic() + shrink_seconds)
        show(shrinker.shrink(suite, difference), mode)
    seen.update(map(kind_of, told))
    return len(told)


def show(suite: Suite | None, mode: tuple[str, ...]) -> None:
    """Print a suite as files to paste, and the command to run it."""
    if suite is None:
        print("  it did not come again when its suite was run again")
        return
    if len(suite) > 3:
        print(f"  it takes {len(suite)} files to show it: --shrink-seconds gives more time")
        return
    for name, text in suite.items():
        told = "fuzz/suites.py: CONFTEST" if name == "conftest.py" else text.rstrip()
        print(f"--- {name}", told, sep="\n")
    command = " ".join(["pytest", *OPTIONS, "--pubdir=tree", *mode])
    print("---", f"PYTHONPATH=fuzz {command}", "", sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(seeds.main(__doc__, check))
