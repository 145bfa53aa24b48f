"""A run as one file, made of whatever a run left behind, and read from disk."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect
from playwright.sync_api import Page
from playwright.sync_api import Request

from boards import Board
from boards import WITH_A_LONG_TEST
from documents import Document
from documents import Shell
from firefox import firefox
from looks import errors_of
from published import Object
from published import Session
from reports import make_report
from reports import refused
from reports import refused_line
from reports import Report
from support import eventually
from support import RunPytest


PAGE: Final = Document("docs/report.md")
#: What ends a script, begins a comment, or would run if it were markup.
HOSTILE: Final = "</script><script>document.title='owned'</script><!-- <img src=x onerror=alert(1)>"


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Return the folder of somebody who makes reports, whose name is nobody's business."""
    folder = tmp_path / "of-the-reader"
    folder.mkdir()
    return folder


def write_log(path: Path, *objects: Object) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in objects), "utf-8")
    return path


def a_run() -> list[Object]:
    """Return what a run of three tests publishes."""
    session = Session()
    nodeids = ["test_a.py::test_one", f"test_a.py::test_two[{HOSTILE}]", "test_a.py::test_three"]
    return [
        session.start(),
        session.collected(nodeids),
        session.result(nodeids[0], stdout="sold pears\n"),
        session.result(nodeids[1], "failed", "gw1", stdout=HOSTILE),
        session.finish(),
    ]


def test_all_sources_of_a_run_give_the_same_report(
    board: Board, pytester: pytest.Pytester, run_pytest: RunPytest, reader: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_some(number):
            print("sold", number)
            assert number != 3
        """
    )
    events = ("--publish", board.url, "--publish-events", "--publish-log", "log.jsonl")
    run_pytest("-n", "2", *events, "--pubdir=tree").assert_outcomes(passed=5, failed=1)
    log = (pytester.path / "log.jsonl").rename(reader / "log.jsonl")
    tree = (pytester.path / "tree").rename(reader / "tree")
    run_id = board.get("/api/runs")[0]["run_id"]
    # The board still runs, and goes on.
    sources = {"tree": tree, "log": log, "store": board.store}
    reports = {
        name: make_report(path, reader / f"{name}.html", "--run", run_id)
        for name, path in sources.items()
    }
    board.post(*a_run())
    outcomes = {row["key"]: row["outcome"] for row in board.results(run_id)}
    assert sorted(outcomes.values()) == ["failed", *["passed"] * 5]
    for name, report in reports.items():
        # Only events tell how a run ended.
        assert report.run["state"] == ("untold" if name == "tree" else "finished"), name
        assert report.outcomes == outcomes, name
        assert {f"{one['session_id']}-{one['seq']}" for one in report.bodies()} == outcomes.keys()
        assert "sold 3\n" in {one["stdout"] for one in report.bodies()}
        assert reader.name not in report.everything()
    assert sorted(path.name for path in reader.iterdir()) == [
        *("log.html", "log.jsonl", "store.html", "tree", "tree.html")
    ]


def test_a_run_that_goes_on_and_one_that_was_killed(
    pytester: pytest.Pytester, own_plugins: tuple[str, ...], reader: Path
) -> None:
    pytester.makepyfile(WITH_A_LONG_TEST)
    outbox, tree = reader / "outbox", reader / "tree"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", *own_plugins, f"--pubdir={tree}"),
            *("--publish", "http://127.0.0.1:9", f"--publish-outbox={outbox}", "--publish-events"),
        ],
        stdout=subprocess.DEVNULL,
    )

    def starts() -> bool:
        return any('"test_start"' in path.read_text("utf-8") for path in outbox.glob("*.jsonl"))

    def is_running_second() -> bool:
        text = "".join(path.read_text("utf-8") for path in outbox.glob("*.jsonl"))
        return text.count('"test_start"') == 2

    eventually(starts)
    eventually(is_running_second, "the second test to begin")
    (file,) = outbox.glob("*.jsonl")
    report = make_report(file, reader / "report.html")
    assert (report.run["state"], report.run["done"], report.run["total"]) == ("running", 1, 2)
    assert [one["nodeid"].split("::")[1] for one in report.run["running"]] == ["test_long"]
    process.send_signal(signal.SIGKILL)
    process.wait(20)

    def state() -> str:
        return str(make_report(outbox, reader / "report.html").run["state"])

    eventually(lambda: state() == "killed", "the relay to tell it, or nobody to hold the outbox")
    assert list(make_report(tree, reader / "report.html").outcomes.values()) == ["passed"]


def test_of_several_runs_one_has_to_be_chosen(reader: Path) -> None:
    first, second = Session(run_id="nightly 1"), Session(run_id="nightly 2", begin=1e9)
    shard = Session(run_id="nightly 1")
    results = [one.result("test_a.py::test") for one in (first, second, shard)]
    log = write_log(reader / "log.jsonl", *results, {"of": "others"})
    with log.open("a") as file:
        file.write('{"type": "result", "nodeid": "cut off in the mid')
    told, *runs = refused("report", log, "-o", reader / "report.html").splitlines()
    assert told == f"pytest-publish report: {log} has several runs: choose one with --run"
    assert [line.split("  ")[1] for line in runs] == ["--run 'nightly 1'", "--run 'nightly 2'"]
    assert "2 tests, shop" in runs[0]
    assert "2001-09-0" in runs[1]
    assert not (reader / "report.html").exists()
    report = make_report(log, reader / "report.html", "--run", "nightly 1")
    assert len(report.run["sessions"]) == 2
    assert len(report.outcomes) == 2


def test_what_keeps_it_from_being_made_is_told_in_one_line(reader: Path) -> None:
    log = write_log(reader / "log.jsonl", *a_run())
    output = reader / "report.html"
    text = reader / "notes.txt"
    text.write_text("no results, but something else\n", "utf-8")
    (reader / "empty").mkdir()
    pipe = reader / "pipe"
    os.mkfifo(pipe)
    other = reader / "other.sqlite3"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE recipes(id)")
    database.close()
    for arguments, reason in (
        ((reader / "nothing",), "No such file or directory"),
        ((text,), "has nothing that pytest-publish wrote"),
        ((reader / "empty",), "has nothing that pytest-publish wrote"),
        ((pipe,), "neither a file nor a folder"),
        ((other,), "another program"),
        ((log, "-o", reader / "no" / "report.html"), "No such file or directory"),
        ((log, "-o", reader / "empty"), "no ordinary file"),
        ((log, "-o", "/dev/null"), "no ordinary file"),
    ):
        assert reason in refused_line("report", "-o", output, *arguments)
    assert not output.exists()
    # What cannot be made does not take away what was there.
    output.write_text("of yesterday", "utf-8")
    refused("report", log, "--run", "unknown", "-o", output)
    assert output.read_text("utf-8") == "of yesterday"


def test_a_store_is_only_read(board: Board, reader: Path) -> None:
    session = Session(run_id="read")
    board.post(session.result("test_a.py::test"))
    copy = reader / "copy.sqlite3"
    with sqlite3.connect(board.store) as database:
        database.execute("VACUUM INTO ?", (str(copy),))
    database.close()
    copy.chmod(0o400)
    before = copy.read_bytes()
    reader.chmod(0o500)
    try:
        report = make_report(copy, reader.parent / "report.html", "--run", "read")
        assert len(report.outcomes) == 1
        assert [path.name for path in reader.iterdir()] == [copy.name]
        assert copy.read_bytes() == before
    finally:
        reader.chmod(0o700)


def test_it_needs_nothing_of_the_boards_extra(reader: Path) -> None:
    log = write_log(reader / "log.jsonl", *a_run())
    code = f"""if True:
        import sys
        for name in ("starlette", "uvicorn", "platformdirs"):
            sys.modules[name] = None
        from pytest_publish import cli
        sys.exit(cli.main(["report", {str(log)!r}, "-o", {str(reader / "report.html")!r}]))
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_result_is_shown_without_unpacking_all(reader: Path) -> None:
    session = Session()
    text = "some line of output\n" * 5_000
    results = [session.result(f"test_a.py::test[{one}]", stdout=text) for one in range(30)]
    log = write_log(reader / "log.jsonl", *results)
    report = make_report(log, reader / "report.html")
    assert len(report.blocks) >= 8
    assert [one["seq"] for one in report.bodies()] == list(range(30))
    assert report.path.stat().st_size < log.stat().st_size / 5


@pytest.fixture
def offline(page: Page) -> Iterator[Page]:
    """Have a window that reaches nothing, and in which nothing at all may go wrong."""
    page.context.set_offline(True)
    with errors_of(page) as wrong:

        def asked(request: Request) -> None:
            wrong.append(request.url)

        page.on("request", asked)
        yield page
        page.evaluate("0")  # all events that there were have arrived
        page.remove_listener("request", asked)
    page.context.set_offline(False)
    # Its own file is opened, and what is inside it.
    assert [one for one in wrong if not one.startswith(("file://", "data:"))] == []


def test_a_person_reads_it_from_disk(offline: Page, reader: Path) -> None:
    objects = a_run()
    make_report(write_log(reader / "log.jsonl", *objects), reader / "report.html")
    offline.goto(f"file://{reader}/report.html")
    expect(offline.locator("h2")).to_have_text("shop")
    expect(offline.get_by_text(re.compile("^Report of "))).to_be_visible()
    expect(offline.locator(".state", has_text="finished")).to_be_visible()
    offline.locator(".list a.result").click()
    expect(offline.locator("pre.failure")).to_contain_text("sold more than we have")
    expect(offline.get_by_label("stdout")).to_have_text(HOSTILE)
    offline.get_by_role("tab", name=re.compile("^All")).click()
    offline.locator("#search").fill("test_one")
    expect(offline.locator(".list a.result")).to_have_count(1)
    offline.locator(".list a.result").click()
    expect(offline.get_by_label("stdout")).to_have_text("sold pears\n")
    # Every state is a link here too.
    offline.reload()
    expect(offline.get_by_label("stdout")).to_have_text("sold pears\n")
    offline.get_by_role("tab", name=re.compile("Not run")).click()
    expect(offline.get_by_text("test_three")).to_be_visible()
    assert "owned" not in offline.title()


def test_what_earlier_runs_tell_comes_along(offline: Page, reader: Path) -> None:
    objects: list[Object] = []
    for number in range(3):
        session = Session(run_id=f"nightly {number}", begin=time.time() - 86_400 * (3 - number))
        outcome = "failed" if number == 2 else "passed"
        objects += [
            session.start(),
            session.result("test_a.py::test_sell", outcome, duration=1.0 + number),
            session.result("test_a.py::test_ship"),
            session.finish(),
        ]
    log = write_log(reader / "log.jsonl", *objects)
    make_report(log, reader / "report.html", "--run", "nightly 2")
    offline.goto(f"file://{reader}/report.html")
    offline.locator(".list a.result").click()
    expect(offline.locator(".told")).to_contain_text("flaky")  # in one commit
    # What draws the plot is imported only now.
    offline.keyboard.press("h")
    expect(offline.locator(".plot canvas")).to_be_visible()
    expect(offline.locator(".list a.result")).to_have_count(3)
    offline.locator(".list a.result").last.click()
    needs_board = "This report has one run and what concerns it: ask the board for more."
    expect(offline.get_by_text(needs_board).first).to_be_visible()
    offline.goto(f"file://{reader}/report.html#/causes?days=30")
    expect(offline.locator(".list")).to_contain_text("sold more than we have")
    for address in ("#/flaky", "#/slow", "#/compare?a=nightly+1&b=nightly+2"):
        offline.goto(f"file://{reader}/report.html{address}")
        expect(offline.locator("h2")).to_be_visible()
        expect(offline.get_by_role("alert")).to_have_count(0)
    offline.goto(f"file://{reader}/report.html#/compare?a=nightly+0&b=nightly+2")
    expect(offline.get_by_role("alert")).to_contain_text(needs_board)


def test_nothing_else_runs_in_it_or_leaves_it(window: Page, reader: Path) -> None:
    make_report(write_log(reader / "log.jsonl", *a_run()), reader / "report.html")
    window.goto(f"file://{reader}/report.html")
    expect(window.locator("h2")).to_have_text("shop")
    tried = window.evaluate(
        """async () => {
            const fails = (promise) => promise.then(() => false, () => true);
            const script = document.createElement("script");
            script.textContent = "window.owned = true";
            document.body.append(script);
            return {
                inline: window.owned === undefined,
                module: await fails(import("data:text/javascript,window.owned = true")),
                fetch: await fails(fetch("http://127.0.0.1:9/")),
                scripts: document.scripts.length,
            };
        }"""
    )
    policy = re.search('Policy" content="([^"]+)"', (reader / "report.html").read_text("utf-8"))
    assert policy is not None
    assert "connect-src" not in policy[1]
    assert "unsafe" not in policy[1]
    assert (tried["inline"], tried["module"], tried["fetch"]) == (True, True, True)


def test_firefox_shows_it_too(reader: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    make_report(write_log(reader / "log.jsonl", *a_run()), reader / "report.html")
    with firefox(tmp_path_factory.mktemp("firefox")) as window:
        window.open(f"file://{reader}/report.html")
        eventually(lambda: window.run("return document.querySelector('.list a.result')"))
        window.run("document.querySelector('.list a.result').click()")
        eventually(lambda: window.run("return document.querySelector('pre.failure')"))
        shown = window.run("return document.body.innerText")
        assert "sold more than we have" in shown
        assert HOSTILE in shown


def test_the_commands_of_the_page_make_reports(board: Board, suite: Shell, reader: Path) -> None:
    suite.run(PAGE["a report of a log"])
    report = Report(suite.folder / "report.html")
    assert (report.run["state"], report.run["done"]) == ("finished", 3)
    board.post(Session(run_id="nightly-7").result("test_a.py::test"))
    command = PAGE["a report of a board's run"]
    suite.run(command.replace("board.sqlite3", shlex.quote(str(board.store))))
    assert len(Report(suite.folder / "nightly-7.html").outcomes) == 1
