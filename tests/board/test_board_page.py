"""The page in a real browser, as a person uses it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from playwright.sync_api import Page

from boards import Board
from boards import restarted
from looks import check_phone
from looks import lines
from looks import PHONE
from published import Session
from published import TEXT
from support import RunPytest


NODEIDS = [f"tests/test_{one}.py::Test{one}::test_sell[{two}]" for one in "ab" for two in "123"]


def a_run(board: Board, project: str = "shop") -> Session:
    """Publish a run of six tests, of which two have failed and one still runs."""
    session = Session(project)
    board.post(session.start(), session.collected(NODEIDS))
    for number, nodeid in enumerate(NODEIDS[:5]):
        outcome = "failed" if number in {1, 4} else "passed"
        worker = f"gw{number % 2}"
        begin = session.test_start(nodeid, worker)
        took = 1.0 + number
        end = session.result(nodeid, outcome, worker, stdout="sold\n" * 20, duration=took)
        board.post(begin, end)
    board.post(session.test_start(NODEIDS[5], "gw1"))
    return session


def show(page: Page, board: Board, session: Session, query: str = "") -> None:
    page.goto(f"{board.url}/#/run/{session.run_id}{query}")
    expect(page.locator("h2")).to_have_text(re.compile(".+"))


def test_a_real_run_appears_while_it_goes_on(
    start_board: Callable[..., Board],
    page: Page,
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
) -> None:
    board = start_board()
    page.goto(board.url)
    expect(page.get_by_text(f"pytest --publish {board.url} --publish-events")).to_be_visible()
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("fruit", ["apples", "<img src=x onerror=alert(1)>", "p"])
        def test_sell(fruit):
            print("\\x1b[31mselling\\x1b[0m <b>much</b>")
            assert fruit == "apples"
        """
    )
    run_pytest("-n", "2", "--publish", f"{board.url}/test-update")
    # Nothing was clicked: who opens the board sees the newest run.
    expect(page).to_have_title(re.compile("^✗2 "))
    expect(lines(page)).to_have_count(2)
    expect(page.get_by_text("--publish-events").first).to_be_visible()
    lines(page).filter(has_text="<img").click()
    detail = page.get_by_role("complementary", name="Result")
    # Where the keys of the keyboard go, is where the eyes are.
    expect(detail).to_be_focused()
    expect(detail.locator("h3")).to_contain_text("test_sell[<img src=x onerror=alert(1)>]")
    expect(detail.get_by_text("selling <b>much</b>")).to_be_visible()
    expect(detail.locator("pre .ansi-1").first).to_have_text("selling")
    assert page.locator("img").count() == 0


def test_what_runs_is_shown_and_goes_away_when_it_is_done(board: Board, page: Page) -> None:
    session = a_run(board)
    show(page, board, session, "?tab=running")
    worker = page.locator(".worker").filter(has_text="gw1")
    expect(worker).to_contain_text("test_sell[3]")
    expect(page.get_by_role("tab", name="Running 1")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".figures")).to_contain_text("5 of 6")
    board.post(session.result(NODEIDS[5], "failed", "gw1"), session.finish())
    expect(page.locator(".state")).to_have_text(re.compile("finished, exit code 1"))
    expect(worker).not_to_contain_text("test_sell")
    expect(page.get_by_text("Nothing runs.")).to_be_visible()
    expect(page.get_by_role("tab", name="Failures 3")).to_be_visible()
    assert "finished" in (page.locator("#announcer").text_content() or "")


def test_a_failure_is_read_by_keyboard_alone(board: Board, page: Page) -> None:
    session = a_run(board)
    show(page, board, session)
    expect(lines(page)).to_have_count(2)
    page.keyboard.press("j")
    expect(lines(page).nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(lines(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    detail = page.get_by_role("complementary", name="Result")
    expect(detail).to_be_focused()
    expect(detail.locator(".error").first).to_have_text(re.compile("E +AssertionError"))
    expect(detail.get_by_role("heading", name="stdout")).to_be_visible()
    expect(detail.get_by_text("setup")).to_be_visible()
    page.keyboard.press("k")
    expect(lines(page).nth(0)).to_have_attribute("aria-current", "true")
    link = page.url
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)
    expect(lines(page).nth(0)).to_be_focused()
    page.keyboard.press("a")
    expect(lines(page)).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("TESTB")
    expect(lines(page)).to_have_count(2)
    assert "q=TESTB" in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(lines(page)).to_have_count(2)
    page.goto(link)
    expect(detail.locator("h3")).to_have_text("test_sell[2]")
    page.go_back()
    expect(page.locator("#search")).to_have_value("TESTB")


def test_the_list_is_filtered_folded_and_grouped(board: Board, page: Page) -> None:
    session = a_run(board)
    extra = [
        session.result("tests/test_c.py::test_db", xdist_scope="database", worker="gw0"),
        session.result("tests/test_c.py::test_db2", xdist_scope="database", worker="gw1"),
    ]
    board.post(*extra)
    show(page, board, session, "?tab=all")
    expect(lines(page)).to_have_count(7)
    page.get_by_label("outcome", exact=True).select_option("failed")
    expect(lines(page)).to_have_count(2)
    page.get_by_label("worker", exact=True).select_option("gw0")
    expect(lines(page)).to_have_count(1)
    page.get_by_label("outcome", exact=True).select_option("")
    page.get_by_label("worker", exact=True).select_option("")
    page.get_by_role("button", name="by file").click()
    groups = page.locator(".list .group")
    expect(groups).to_have_text(
        [re.compile(word) for word in ("test_a.py", "Testa", "test_b.py", "Testb", "test_c.py")]
    )
    groups.first.click()
    expect(groups.first).to_have_attribute("aria-expanded", "false")
    expect(lines(page)).to_have_count(4)
    page.get_by_role("tab", name="Scopes 1").click()
    page.get_by_text("database").click()
    expect(lines(page)).to_have_count(2)
    page.get_by_role("tab", name="Slowest").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="All")).to_be_focused()


def test_all_attempts_subtests_and_properties_are_there_and_can_be_copied(
    board: Board, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    session = Session()
    nodeid = "test_a.py::test_it[it's]"
    subtest = {"description": "[n=1]", "outcome": "failed", "duration": 0.1, "text": TEXT}
    board.post(
        session.start(),
        session.result(nodeid, "rerun", stderr="first"),
        session.result(nodeid, "failed", attempt=2, subtests=[subtest], properties={"owner": "b"}),
    )
    show(page, board, session)
    lines(page).click()
    detail = page.get_by_role("complementary", name="Result")
    expect(detail.get_by_text("[n=1]")).to_be_visible()
    expect(detail.locator("dd")).to_have_text("b")
    for name, text in (
        ("Copy the node id", nodeid),
        ("Copy the command that runs it again", """pytest 'test_a.py::test_it[it'"'"'s]'"""),
        ("Copy the text of the failure", TEXT),
    ):
        detail.get_by_role("button", name=name).click()
        expect(detail.get_by_text("copied").first).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == text
    # Not by its name alone: a link to an earlier run has that run's time, and so a 1 as well.
    detail.locator(".attempts").get_by_role("link").first.click()
    expect(detail.get_by_text("first")).to_be_visible()


def test_new_failures_are_counted_and_do_not_push_what_is_read(board: Board, page: Page) -> None:
    session = Session()
    many = [session.result(f"test_a.py::test_{one}", "failed") for one in range(60)]
    board.post(session.start(), *many)
    show(page, board, session)
    expect(page.get_by_role("tab", name="Failures 60")).to_be_visible()
    expect(lines(page).first).to_be_visible()
    fresh = page.locator(".fresh")
    expect(fresh).to_have_count(0)
    board.post(*(session.result(f"test_a.py::test_new_{one}", "failed") for one in range(3)))
    expect(fresh).to_have_text("3 new ↓")
    expect(lines(page).first).to_contain_text("test_0")
    # Never more than a few are drawn, however many there are.
    assert lines(page).count() < 60
    fresh.click()
    expect(page.get_by_text("test_new_2")).to_be_visible()
    expect(fresh).to_have_count(0)


def test_runs_that_died_say_so(board: Board, page: Page) -> None:
    killed = a_run(board, "dead")
    killed.now += 10
    board.post(killed.finish("killed", None))
    silent = Session("quiet", begin=time.time() - 9000)
    board.post(silent.start(), silent.result(NODEIDS[0]))
    show(page, board, killed)
    expect(page.locator(".state")).to_have_text(re.compile("✝ killed"))
    expect(page.locator(".worker").nth(1)).to_contain_text("was running test_sell[3]")
    page.get_by_role("tab", name="Not run 1").click()
    expect(page.locator(".list")).to_contain_text("test_sell[3]")
    show(page, board, silent)
    expect(page.locator(".state")).to_have_text(re.compile("silent since"))
    expect(page.get_by_text("No failures.")).to_be_visible()
    assert page.title().startswith("silent")


def test_shards_and_crashes_are_told_apart(board: Board, page: Page) -> None:
    run_id = "ci/main 9"
    for number in range(2):
        session = Session("shards", run_id)
        board.post(session.start(), session.result(NODEIDS[number], "passed", "gw0"))
    board.post(session.result(NODEIDS[2], "crashed", "gw1"), session.test_start(NODEIDS[3], "gw2"))
    page.goto(board.url)
    page.locator(".runs").get_by_text("shards").click()
    workers = page.locator(".worker")
    expect(workers).to_have_text(
        [re.compile(text) for text in ("1·gw0", "2·gw0", "2·gw1.*✝ crashed", "2·gw2.*test_sell")],
        use_inner_text=False,
    )


def test_a_lost_board_is_told_at_once_and_found_again(
    start_board: Callable[..., Board], page: Page
) -> None:
    board = start_board()
    session = a_run(board)
    show(page, board, session)
    expect(lines(page)).to_have_count(2)
    board.stop()
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("The board was stopped")
    again = restarted(board)
    try:
        again.post(session.result(NODEIDS[5], "failed"))
        expect(banner).to_have_count(0)
        expect(lines(page)).to_have_count(3)
        again.process.kill()
        expect(banner).to_contain_text("The connection to the board is lost")
    finally:
        again.stop()
    third = restarted(board)
    try:
        expect(banner).to_have_count(0)
        other = a_run(third, "other")
        expect(page.locator(".runs")).to_contain_text("other")
        assert other.run_id not in page.url
    finally:
        third.stop()


def test_it_fits_on_a_phone_and_can_be_read(board: Board, page: Page) -> None:
    session = Session("an-unreasonably-long-name-of-a-project-that-nobody-would-choose")
    long = f"{'deep/' * 20}test_a.py::Test{'A' * 50}::test_{'name_' * 30}7[{'p' * 200}]"
    board.post(
        session.start(),
        session.collected([long, "test_b.py::test"]),
        session.result(long, "failed", stdout="x" * 5000),
        session.test_start("test_b.py::test", "gw1"),
    )
    page.set_viewport_size(PHONE)
    for query in ("", "?tab=running", "?tab=all&view=tree", "?tab=slowest"):
        show(page, board, session, query)
        check_phone(page)
    show(page, board, session)
    lines(page).click()
    expect(page.locator(".detail pre").first).to_be_visible()
    check_phone(page)
    page.get_by_role("link", name="Back to the list").click()
    page.locator(".run > .back").click()
    expect(page.get_by_role("navigation", name="Runs")).to_be_visible()
    check_phone(page)
