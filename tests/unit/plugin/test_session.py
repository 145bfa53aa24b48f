from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import cast

import pytest

from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin import hookspec
from pytest_publish.plugin.session import PublishSession
from pytest_publish.plugin.settings import Settings
from pytest_publish.plugin.terminal import Watch
from report_factories import report


#: Makes a session whose results go to a log.
MakeSession = Callable[..., PublishSession]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def make_session(tmp_path: Path, log: Path) -> MakeSession:
    settings = Settings(tmp_path, log=log)
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hookspec)
    config = SimpleNamespace(
        hook=manager.hook, invocation_params=SimpleNamespace(dir=tmp_path), pluginmanager=manager
    )

    def make(**changed: Any) -> PublishSession:
        given = settings._replace(**changed)
        watch = Watch(given, print, lambda: 0.0)
        session = PublishSession(cast("pytest.Config", config), given, watch)
        session.start(cast("pytest.Session", None))
        return session

    return make


def collected(nodeid: str) -> pytest.CollectReport:
    return pytest.CollectReport(nodeid, "failed", cast("Any", "no such module"), [])


def names_in(log: Path) -> list[str]:
    return [json.loads(line)["nodeid"] for line in log.read_bytes().splitlines()]


class Unreadable:
    """A report of a plugin, of which nothing can be read."""

    when = "call"

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


def test_a_report_that_can_not_be_read_costs_no_other_result(
    make_session: MakeSession, log: Path
) -> None:
    session = make_session()
    for each in (report("setup"), Unreadable(), report("call"), report("teardown")):
        session.pytest_runtest_logreport(cast("pytest.TestReport", each))
    assert len(names_in(log)) == 1
    (line,) = session.problem_lines()
    assert "RuntimeError: no " in line


def test_a_file_is_not_lost_to_a_ctrl_c(
    make_session: MakeSession, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session()
    with monkeypatch.context() as patched:
        patched.setattr(session.publisher, "publish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            session.pytest_collectreport(collected("test_a.py"))
    session.pytest_collectreport(collected("test_b.py"))
    session.finish(lambda _url, _waiting: None)
    assert names_in(log) == ["test_a.py", "test_b.py"]


def interrupt(_results: object) -> None:
    raise KeyboardInterrupt


RELAY = cast("RelayProcess", SimpleNamespace(url="http://h/"))


@pytest.mark.parametrize(
    ("waiting", "refused", "has_problem", "failure"),
    [
        (0, 0, False, None),
        (2, 1, True, "publish: 3 results not delivered (--publish-strict)"),
        (0, 0, True, "publish: something went wrong, see above (--publish-strict)"),
    ],
)
def test_strict_fails_for_what_was_not_delivered_and_for_problems(
    make_session: MakeSession, waiting: int, refused: int, has_problem: bool, failure: str | None
) -> None:
    for is_strict in (False, True):
        session = make_session(strict=is_strict)
        outcome = DeliveryReport(5, refused=refused, waiting=waiting, reason="", refusal="")
        session.publisher.delivered.append((RELAY, outcome))
        if has_problem:
            session.problems.add("can't write", "No space left on device")
        assert session.strict_failure() == (failure if is_strict else None)


def test_the_summary_begins_with_what_misled_pytest(make_session: MakeSession) -> None:
    session = make_session(warning="pytest did not read pytest.ini")
    session.problems.add("can't write", "No space left on device")
    assert list(session.problem_lines()) == [
        "publish: pytest did not read pytest.ini",
        "publish: can't write: No space left on device",
    ]
