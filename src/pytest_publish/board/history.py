"""What a team asks the day after: what is new, what is flaky, what got slow, and why.

All of it is answered from what the store keeps; a run that comes late, or twice, is
where its own start puts it.
"""

from __future__ import annotations

import collections
import functools
import itertools
import sqlite3
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Concatenate
from typing import Final
from typing import NamedTuple
from typing import ParamSpec
from typing import TypeVar

import orjson

from .recent import Entry
from .recent import FLIPS
from .recent import flips_in
from .recent import is_slower
from .recent import joined
from .recent import letter_of
from .recent import PASSED
from .recent import PROBLEM
from .recent import RUNS
from .recent import SKIPPED
from .recent import unpack
from .store import Store


#: Who failed in so many runs before fails steadily, however flaky it was earlier.
STEADY: Final = 3
#: The most results of earlier runs that one run is compared with, and the most runs.
_LOOKUPS: Final = 20_000
_EARLIER: Final = 1_000
#: Of how many times the tests that are asked for more is read, to find the flakiest.
_CANDIDATES: Final = 3
#: The most tests of each list of a comparison.
MOST: Final = 1_000
#: A test that was in none of the last runs, nor within these seconds of the newest, is
#: taken for removed.
_GONE: Final = 7 * 86_400.0

#: One index on (test, run) finds single results; the planner would read the whole run.
_VERDICTS: Final = (
    "SELECT results.id, run, session, attempt, outcome, start_time, duration, test "
    "FROM json_each(?) CROSS JOIN results INDEXED BY results_by_test "
    "WHERE test = value AND run = ?"
)
_ALL_VERDICTS: Final = (
    "SELECT id, run, session, attempt, outcome, start_time, duration, test "
    "FROM results INDEXED BY results_by_run WHERE run = ?"
)
_PROBLEMS: Final = (
    "SELECT test, cause FROM results INDEXED BY results_with_cause "
    "WHERE run = ? AND cause IS NOT NULL ORDER BY id"
)
_EARLIER_RUNS: Final = (
    "SELECT id, run_id, project, started, revision FROM runs INDEXED BY runs_by_project "
    "WHERE project = ? AND (started, id) < (?, ?) ORDER BY started DESC, id DESC LIMIT ?"
)
_RESULTS_OF_TEST: Final = (
    "SELECT session_id || '-' || seq AS key, run_id, runs.project, runs.started, outcome, "
    "results.duration, attempt, worker, cause, revision AS 'commit' "
    "FROM results INDEXED BY results_by_test JOIN runs ON runs.id = results.run "
    "JOIN sessions ON sessions.id = results.session "
    "WHERE test = ? ORDER BY runs.started DESC, start_time DESC, attempt DESC LIMIT ?"
)
_UNSTEADY: Final = (
    "SELECT tests.id, nodeid, name, file, runs FROM tests INDEXED BY tests_unsteady "
    "JOIN recent ON test = tests.id JOIN runs AS last ON last.id = last_run "
    "WHERE tests.project = ? AND unsteady > 0 AND last.started >= ? "
    "ORDER BY unsteady DESC LIMIT ?"
)
_SLOWEST: Final = (
    "SELECT tests.project, nodeid, name, file, median, spread, runs FROM tests "
    "INDEXED BY tests_slow JOIN recent ON test = tests.id "
    "JOIN runs AS last ON last.id = last_run "
    "WHERE tests.project = ? AND median IS NOT NULL AND last.started >= ? "
    "ORDER BY median DESC LIMIT ?"
)
_SLOWER: Final = (
    "SELECT tests.project, nodeid, name, file, lately AS median, spread, before, "
    "lately / before AS ratio, runs FROM tests "
    "INDEXED BY tests_slower JOIN recent ON test = tests.id "
    "JOIN runs AS last ON last.id = last_run "
    "WHERE tests.project = ? AND before IS NOT NULL AND last.started >= ? "
    "ORDER BY lately - before DESC LIMIT ?"
)
_CAUSES: Final = (
    "SELECT cause, total(number) AS number FROM (SELECT cause, run, count(*) AS number "
    "FROM results INDEXED BY results_by_cause WHERE cause IS NOT NULL GROUP BY cause, run) "
    "JOIN runs ON runs.id = run WHERE started >= ?1 AND (?2 IS NULL OR project = ?2) "
    "GROUP BY cause ORDER BY number DESC LIMIT ?3"
)
_TESTS_OF_CAUSE: Final = (
    "SELECT count(DISTINCT test) FROM results INDEXED BY results_by_cause "
    "JOIN runs ON runs.id = run WHERE cause = ?1 AND cause IS NOT NULL "
    "AND started >= ?2 AND (?3 IS NULL OR project = ?3)"
)
_RUNS_OF_CAUSE: Final = (
    "SELECT id, run_id, project, started FROM runs WHERE id IN (SELECT run FROM results "
    "INDEXED BY results_by_cause WHERE cause = ?1 AND cause IS NOT NULL) "
    "AND (?2 IS NULL OR project = ?2) ORDER BY started, id"
)


class _Run(NamedTuple):
    id: int
    run_id: str
    project: str
    started: float
    revision: str | None

    def told(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "project": self.project, "started": self.started}


_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")
#: Runs before another one, the newest first, and how a test ended in each that had it.
_Past = dict[int, list[tuple[_Run, str]]]


def _in_one_state(
    answer: Callable[Concatenate[History, _Asked], _Answer],
) -> Callable[Concatenate[History, _Asked], _Answer]:
    """Let a method see one state of the store: runs may be removed meanwhile."""

    @functools.wraps(answer)
    def asked(history: History, /, *args: _Asked.args, **named: _Asked.kwargs) -> _Answer:
        with history.store.snapshot():
            return answer(history, *args, **named)

    return asked


class History:
    """Answers out of a store; for any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self.store.reader.execute(query, values).fetchall()

    @_in_one_state
    def projects(self) -> list[dict[str, Any]]:
        """Return each project with its number of runs and its newest, the newest first."""
        rows = self._rows(
            "SELECT project, count(*) AS runs, run_id, max(started) AS started "
            "FROM runs GROUP BY project ORDER BY started DESC"
        )
        return [
            {
                "project": row["project"],
                "runs": row["runs"],
                "last": {name: row[name] for name in ("run_id", "project", "started")},
            }
            for row in rows
        ]

    # One run, and those before it.

    @_in_one_state
    def changes(self, id_: int) -> dict[str, Any] | None:
        """Tell what is new in a run, what fails since when, what is flaky, what was mended.

        None if there is no such run.
        """
        run = next(iter(self._runs([id_])), None)
        if run is None:
            return None
        earlier = self._earlier(run)
        causes = {row["test"]: row["cause"] for row in self._rows(_PROBLEMS, id_)}
        here = self._verdicts(run, causes)
        # Some attempt failed; another session may have skipped the test after that.
        failed = {test: entry for test, entry in here.items() if entry.letter in PROBLEM}
        mended = self._mended(run, earlier[:RUNS], causes.keys())
        past = self._past(earlier, [*failed, *mended])
        names = self._names([*failed, *mended])
        keys = self._keys(entry.result for entry in mended.values())
        return {
            "failures": {
                names[test]: {**_judged(run, entry, past[test]), "cause": causes[test]}
                for test, entry in failed.items()
            },
            "mended": sorted(
                (
                    {
                        "nodeid": names[test],
                        "since": _failing_since(past[test]),
                        "key": keys[entry.result],
                    }
                    for test, entry in mended.items()
                ),
                key=lambda one: str(one["nodeid"]),
            ),
            "before": earlier[0].told() if earlier else None,
            "causes": self._causes_of(id_),
        }

    def _earlier(self, run: _Run) -> list[_Run]:
        rows = self._rows(_EARLIER_RUNS, run.project, run.started, run.id, _EARLIER)
        return [_Run(*row) for row in rows]

    def _verdicts(self, run: _Run, tests: Iterable[int] | None = None) -> dict[int, Entry]:
        """Return how tests ended in a run: all of its tests, or those that are named."""
        if tests is None:
            return _joined(self._rows(_ALL_VERDICTS, run.id))
        return _joined(self._rows(_VERDICTS, orjson.dumps(list(tests)), run.id))

    def _mended(
        self, run: _Run, earlier: Sequence[_Run], failing: Iterable[int]
    ) -> dict[int, Entry]:
        """Return the tests that passed, and failed in the last run before that had them."""
        once = {row["test"] for one in earlier for row in self._rows(_PROBLEMS, one.id)}
        here = self._verdicts(run, once.difference(failing))
        undecided = {test: entry for test, entry in here.items() if entry.letter in PASSED}
        mended = {}
        for one in earlier:
            if not undecided:
                break
            for test, entry in self._verdicts(one, undecided).items():
                if entry.letter == "f":
                    mended[test] = undecided.pop(test)
                elif entry.letter in PASSED:
                    del undecided[test]
        return mended

    def _past(self, earlier: Sequence[_Run], tests: Sequence[int]) -> _Past:
        """Return how tests ended in the runs before, as far back as it matters."""
        past: _Past = {test: [] for test in tests}
        looked = 0
        for number, run in enumerate(earlier):
            # Further back is only asked since when a test fails, or whether it ever ran.
            wanted = past if number < RUNS else [test for test in past if _is_open(past[test])]
            looked += len(wanted)
            if not wanted or (number and looked > _LOOKUPS):
                break
            for test, entry in self._verdicts(run, wanted).items():
                past[test].append((run, entry.letter))
        return past

    def _causes_of(self, id_: int) -> list[dict[str, Any]]:
        """Return the causes of a run's failures, the most frequent first."""
        rows = self._rows(
            "SELECT causes.id, type, message, nullif(frame, '') AS frame, count(*) AS number, "
            "count(DISTINCT test) AS tests FROM results INDEXED BY results_with_cause "
            "JOIN causes ON causes.id = cause WHERE run = ? AND cause IS NOT NULL "
            "GROUP BY cause ORDER BY number DESC, causes.id",
            id_,
        )
        return [dict(row) for row in rows]

    # One test.

    @_in_one_state
    def test(self, project: str | None, nodeid: str, *, limit: int) -> dict[str, Any] | None:
        """Tell of a test's runs, the newest first; None if there is no such test."""
        row = self._test(project, nodeid)
        if row is None:
            return None
        found = [dict(one) for one in self._rows(_RESULTS_OF_TEST, row["id"], limit)]
        entries = self._known(unpack(row["runs"]))
        return {
            "project": row["project"],
            "nodeid": nodeid,
            "name": row["name"],
            "file": row["file"],
            "results": found,
            "causes": self._causes_among(found, row["project"], nodeid),
            "median": row["median"],
            "flips": flips_in("".join(entry.letter for entry in entries)),
        }

    def _test(self, project: str | None, nodeid: str) -> sqlite3.Row | None:
        projects = [one["project"] for one in self.projects()] if project is None else [project]
        for one in projects:
            for row in self._rows(
                "SELECT tests.*, runs FROM tests LEFT JOIN recent ON test = id "
                "WHERE project = ? AND nodeid = ?",
                *(one, nodeid),
            ):
                return row
        return None

    def _causes_among(
        self, results: list[dict[str, Any]], project: str, nodeid: str
    ) -> list[dict[str, Any]]:
        """Return the causes of one test's results: their number, first and last are the test's."""
        by_cause = collections.defaultdict(list)
        for result in results:
            if result["cause"] is not None:
                by_cause[result["cause"]].append(result)
        causes = [
            {
                **self._cause(id_),
                "number": len(failed),
                "tests": self._rows(_TESTS_OF_CAUSE, id_, 0.0, project)[0][0],
                "first": _run_of(failed[-1]),
                "last": {**_run_of(failed[0]), "key": failed[0]["key"], "nodeid": nodeid},
            }
            for id_, failed in by_cause.items()
        ]
        return sorted(causes, key=lambda cause: -cause["number"])

    # All tests of a project.

    @_in_one_state
    def flaky(self, project: str | None, *, limit: int) -> dict[str, Any]:
        """Return the tests that are not steady, the worst first."""
        found = [one for name in self._named(project) for one in self._flaky_of(name, limit)]
        found.sort(key=lambda one: (-one["reruns"] - one["changed"] - one["flips"], one["nodeid"]))
        return {"tests": self._with_last(found[:limit])}

    def _flaky_of(self, project: str, limit: int) -> Iterable[dict[str, Any]]:
        rows = self._rows(_UNSTEADY, project, self._horizon(project), _CANDIDATES * limit)
        tests = [(row, unpack(row["runs"])) for row in rows]
        runs = self._runs_of(entries for _row, entries in tests)
        revisions = {id_: run.revision for id_, run in runs.items()}
        for row, all_entries in tests:
            entries = [entry for entry in all_entries if entry.run in runs]
            told = _steadiness(entries, revisions)
            if told["reruns"] or told["changed"] or told["flips"] >= FLIPS:
                named = {name: row[name] for name in ("nodeid", "name", "file")}
                yield {"project": project, **named, **told, "last": entries[-1]}

    @_in_one_state
    def slow(self, project: str | None, *, limit: int) -> dict[str, Any]:
        """Return the slowest tests, and those that have become slower, the worst first."""
        slowest = self._ranked(_SLOWEST, project, limit)
        slower = self._ranked(_SLOWER, project, limit)
        slowest.sort(key=lambda one: -one["median"])
        slower.sort(key=lambda one: one["before"] - one["median"])
        return {
            "slowest": self._with_last(slowest[:limit]),
            "slower": self._with_last(slower[:limit]),
        }

    def _ranked(self, query: str, project: str | None, limit: int) -> list[dict[str, Any]]:
        found = []
        for name in self._named(project):
            for row in self._rows(query, name, self._horizon(name), limit):
                entries = unpack(row["runs"])
                found.append({**dict(row), "runs": len(entries), "last": entries[-1]})
        return found

    def _named(self, project: str | None) -> list[str]:
        return [one["project"] for one in self.projects()] if project is None else [project]

    def _horizon(self, project: str) -> float:
        """Return the start of the last runs; what was not run since is taken for removed."""
        rows = self._rows(
            "SELECT started FROM runs WHERE project = ? ORDER BY started DESC LIMIT ?",
            *(project, RUNS),
        )
        starts = [row["started"] for row in rows]
        return min(starts[-1], starts[0] - _GONE) if starts else 0.0

    def _with_last(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Name the last result of each test."""
        ids = orjson.dumps([one["last"].result for one in found])
        rows = self._rows(
            "SELECT results.id, run_id, runs.project, runs.started, "
            "session_id || '-' || seq AS key, outcome FROM json_each(?) CROSS JOIN results "
            "JOIN runs ON runs.id = results.run JOIN sessions ON sessions.id = results.session "
            "WHERE results.id = value",
            ids,
        )
        last = {row["id"]: {name: row[name] for name in row.keys() if name != "id"} for row in rows}  # noqa: SIM118, a row is no mapping
        return [{**one, "last": last.get(one["last"].result)} for one in found]

    # Causes.

    @_in_one_state
    def causes(self, project: str | None, *, since: float, limit: int) -> dict[str, Any]:
        """Return the causes of failures in runs since a time, those of most tests first."""
        rows = self._rows(_CAUSES, since, project, limit)
        causes = [
            {
                **self._cause(row["cause"]),
                "number": int(row["number"]),
                "tests": self._rows(_TESTS_OF_CAUSE, row["cause"], since, project)[0][0],
                **self._first_and_last(row["cause"], project),
            }
            for row in rows
        ]
        causes.sort(key=lambda cause: (-cause["tests"], -cause["number"]))
        return {"causes": causes}

    def _cause(self, id_: int) -> dict[str, Any]:
        (row,) = self._rows(
            "SELECT id, type, message, nullif(frame, '') AS frame FROM causes WHERE id = ?", id_
        )
        return dict(row)

    def _first_and_last(self, cause: int, project: str | None) -> dict[str, Any]:
        runs = self._rows(_RUNS_OF_CAUSE, cause, project)
        (last,) = self._rows(
            "SELECT session_id || '-' || seq AS key, nodeid FROM results "
            "INDEXED BY results_by_cause JOIN tests ON tests.id = test "
            "JOIN sessions ON sessions.id = results.session "
            "WHERE cause = ? AND cause IS NOT NULL AND results.run = ? LIMIT 1",
            *(cause, runs[-1]["id"]),
        )
        return {"first": _run_of(runs[0]), "last": {**_run_of(runs[-1]), **dict(last)}}

    # Two runs.

    @_in_one_state
    def compare(self, a_id: int, b_id: int, now: float) -> dict[str, Any] | None:
        """Tell how the tests of two runs differ; of each list, a thousand at most."""
        runs = self._runs([a_id, b_id])
        if len(runs) < 2:
            return None
        a, b = (self._verdicts(run) for run in runs)
        lists = _differences(a, b)
        for name in ("slower", "faster"):
            noise = self._noise(lists[name])
            lists[name] = [test for test in lists[name] if _differ(a[test], b[test], noise[test])]
        shown = {name: tests[:MOST] for name, tests in lists.items()}
        details = self._details(shown, (a, b))
        return {
            "a": self.store.run(a_id, now),
            "b": self.store.run(b_id, now),
            "counts": {name: len(tests) for name, tests in lists.items()},
            **{name: [details[test] for test in tests] for name, tests in shown.items()},
        }

    def _noise(self, tests: Iterable[int]) -> dict[int, float]:
        rows = self._rows(
            "SELECT tests.id, spread FROM json_each(?) CROSS JOIN tests WHERE tests.id = value",
            orjson.dumps(list(tests)),
        )
        return {row["id"]: row["spread"] or 0.0 for row in rows}

    def _details(
        self, shown: Mapping[str, Sequence[int]], runs: tuple[dict[int, Entry], ...]
    ) -> dict[int, dict[str, Any]]:
        tests = list(itertools.chain.from_iterable(shown.values()))
        wanted = [run[test].result for run in runs for test in tests if test in run]
        results = self._results(wanted)
        rows = self._rows(
            "SELECT tests.id, nodeid, name, file FROM json_each(?) CROSS JOIN tests "
            "WHERE tests.id = value",
            orjson.dumps(tests),
        )
        return {
            row["id"]: {
                **{name: row[name] for name in ("nodeid", "name", "file")},
                **{
                    side: results[run[row["id"]].result] if row["id"] in run else None
                    for side, run in zip("ab", runs, strict=True)
                },
            }
            for row in rows
        }

    def _results(self, ids: Iterable[int]) -> dict[int, list[Any]]:
        rows = self._rows(
            "SELECT results.id, outcome, session_id || '-' || seq, results.duration "
            "FROM json_each(?) CROSS JOIN results "
            "JOIN sessions ON sessions.id = results.session WHERE results.id = value",
            orjson.dumps(list(ids)),
        )
        return {row[0]: list(row)[1:] for row in rows}

    # Names.

    def _keys(self, ids: Iterable[int]) -> dict[int, str]:
        return {id_: result[1] for id_, result in self._results(ids).items()}

    def _names(self, tests: Iterable[int]) -> dict[int, str]:
        rows = self._rows(
            "SELECT tests.id, nodeid FROM json_each(?) CROSS JOIN tests WHERE tests.id = value",
            orjson.dumps(list(tests)),
        )
        return {row["id"]: row["nodeid"] for row in rows}

    def _runs(self, ids: Sequence[int]) -> list[_Run]:
        rows = self._rows(
            "SELECT runs.id, run_id, project, started, revision FROM json_each(?) "
            "CROSS JOIN runs WHERE runs.id = value ORDER BY json_each.key",
            orjson.dumps(ids),
        )
        return [_Run(*row) for row in rows]

    def _runs_of(self, entries: Iterable[Iterable[Entry]]) -> dict[int, _Run]:
        ids = {entry.run for some in entries for entry in some}
        return {run.id: run for run in self._runs(list(ids))}

    def _known(self, entries: list[Entry]) -> list[Entry]:
        """Leave out entries of runs that were removed."""
        runs = self._runs_of([entries])
        return [entry for entry in entries if entry.run in runs]


def _joined(rows: Iterable[sqlite3.Row]) -> dict[int, Entry]:
    """Return one verdict for each test of a run."""
    verdicts: dict[int, Entry] = {}
    for id_, run, session, attempt, outcome, start, duration, test in rows:
        entry = Entry(id_, run, session, attempt, letter_of(outcome), start, duration, 0.0)
        other = verdicts.get(test)
        verdicts[test] = entry if other is None else joined(other, entry)
    return verdicts


def _is_open(past: list[tuple[_Run, str]]) -> bool:
    """Tell whether runs further back may change what is told of a test."""
    return all(letter not in PASSED for _run, letter in past)


def _judged(run: _Run, entry: Entry, past: list[tuple[_Run, str]]) -> dict[str, Any]:
    """Return the mark of a failure, and since when the test fails."""
    told = [(one, letter) for one, letter in past if letter not in SKIPPED]
    since = _failing_since(past)
    if entry.letter == "r":
        return {"mark": "flaky", "since": None}
    if _is_flaky(run, entry, told):
        return {"mark": "flaky", "since": since}
    return {"mark": "new" if since is None else "failing", "since": since}


def _is_flaky(run: _Run, entry: Entry, told: list[tuple[_Run, str]]) -> bool:
    before = [letter for _run, letter in told[:STEADY]]
    if before == ["f"] * STEADY:
        return False
    recent = [(run, entry.letter), *told[: RUNS - 1]]
    letters = "".join(letter for _run, letter in recent)
    return "r" in letters or flips_in(letters) >= FLIPS or bool(_changed(recent))


def _failing_since(past: list[tuple[_Run, str]]) -> dict[str, Any] | None:
    """Return the first run of the unbroken row of failures before; None without one."""
    failing = itertools.takewhile(
        lambda one: one[1] == "f", (one for one in past if one[1] not in SKIPPED)
    )
    first = collections.deque(failing, maxlen=1)
    return first[0][0].told() if first else None


def _changed(told: Iterable[tuple[_Run, str]]) -> set[str]:
    """Return the commits in which a test both passed and failed."""
    return _both((run.revision, letter) for run, letter in told)


def _both(told: Iterable[tuple[str | None, str]]) -> set[str]:
    passed: set[str] = set()
    failed: set[str] = set()
    for revision, letter in told:
        if revision is not None and letter not in SKIPPED:
            (failed if letter == "f" else passed).add(revision)
    return passed & failed


def _steadiness(entries: Sequence[Entry], revisions: Mapping[int, str | None]) -> dict[str, Any]:
    """Return the figures of how steady a test is."""
    letters = "".join(entry.letter for entry in entries)
    flips = flips_in(letters)
    return {
        "reruns": letters.count("r"),
        "changed": len(_both((revisions[entry.run], entry.letter) for entry in entries)),
        "flips": flips,
        "rate": flips / len(letters) if letters else 0.0,
        "runs": len(letters),
        "outcomes": letters.replace("x", "s"),
    }


def _differences(a: dict[int, Entry], b: dict[int, Entry]) -> dict[str, list[int]]:
    """Sort the tests of two runs by how they differ; the times that differ most come first."""
    both = a.keys() & b.keys()
    gains = sorted(
        (abs(b[test].duration - a[test].duration), b[test].duration > a[test].duration, test)
        for test in both
        if a[test].letter in PASSED and b[test].letter in PASSED and _differ(a[test], b[test], 0.0)
    )
    return {
        "broken": sorted(test for test in both if b[test].letter == "f" != a[test].letter),
        "mended": sorted(
            test for test in both if a[test].letter == "f" and b[test].letter in PASSED
        ),
        "added": sorted(b.keys() - a.keys()),
        "removed": sorted(a.keys() - b.keys()),
        "slower": [test for _gain, is_more, test in reversed(gains) if is_more],
        "faster": [test for _gain, is_more, test in reversed(gains) if not is_more],
    }


def _differ(one: Entry, other: Entry, noise: float) -> bool:
    """Tell whether a test took longer in one of two runs, by more than its usual noise."""
    least, most = sorted((one.duration, other.duration))
    return is_slower(least, most, noise)


def _run_of(row: Mapping[str, Any] | sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in ("run_id", "project", "started")}
