"""The pages across runs in a real browser, as a person uses them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import expect
from playwright.sync_api import Page

from boards import Board
from looks import check_phone
from looks import lines
from looks import PHONE
from published import Session


PAY, SELL, SHIP, HTML = (
    f"tests/test_shop.py::{name}"
    for name in (
        "test_pay",
        "test_sell[pears]",
        "test_ship",
        "test_html[<script>alert(1)</script>]",
    )
)


def a_run(
    board: Board, project: str, number: int, *, commit: str | None = None, **outcomes: str
) -> Session:
    """Publish a run of four tests that ended, ``number`` hours after the first of them.

    A test passed unless another outcome is named, by the last word of its name; ``rerun`` is
    one that passed then.
    """
    session = Session(project, f"{project}-{number}", begin=time.time() - (20 - number) * 3600)
    start = session.start()
    start["metadata"] = {
        "branch": "main",
        "commit": commit or f"{number}{number}c0ffee",
        "evil": "javascript:alert(1)",
        "build": f"https://ci.example.org/{number}",
    }
    objects = [start, session.collected([PAY, SELL, SHIP, HTML])]
    for nodeid, name in ((PAY, "pay"), (SELL, "sell"), (SHIP, "ship"), (HTML, "html")):
        outcome = outcomes.get(name, "passed")
        again = outcome == "rerun"
        objects.append(session.result(nodeid, outcome, duration=30.0))
        if again:
            objects.append(session.result(nodeid, "passed", attempt=2, duration=30.0))
    board.post(*objects, session.finish())
    return session


def test_a_failure_leads_to_its_test_and_to_the_run_where_it_began(
    board: Board, page: Page
) -> None:
    a_run(board, "story", 1)
    a_run(board, "story", 2, pay="failed", ship="failed")
    a_run(board, "story", 3, pay="failed", sell="failed")
    page.goto(f"{board.url}/#/run/story-3?project=story")
    expect(lines(page).filter(has_text="test_sell")).to_contain_text("new")
    expect(lines(page).filter(has_text="test_pay")).to_contain_text("failing")
    page.get_by_label("mark").select_option("new")
    expect(lines(page)).to_contain_text(["test_sell"])
    page.get_by_role("tab", name="Mended 1").click()
    expect(lines(page)).to_contain_text(["test_ship"])
    page.get_by_role("tab", name="Failures 2").click()
    page.get_by_label("mark").select_option("")
    lines(page).filter(has_text="test_pay").click()
    detail = page.get_by_role("complementary", name="Result")
    expect(detail.locator(".told")).to_have_text(re.compile(r"^\s*failing\s+since "))
    detail.get_by_role("link", name="history").click()
    heading = page.get_by_role("heading", name="test_pay")
    expect(heading).to_be_focused()
    expect(page.locator(".plot canvas")).to_be_visible()
    expect(lines(page)).to_have_count(3)
    page.get_by_role("tab", name="Causes 1").click()
    expect(lines(page)).to_contain_text(["AssertionError sold more than we have"])
    page.go_back()
    lines(page).nth(1).click()
    expect(page).to_have_title(re.compile("finished story"))
    assert "/run/story-2?" in page.url
    expect(detail.locator(".told")).to_contain_text("new")
    page.go_back()
    expect(heading).to_be_visible()
    page.go_back()
    assert "/run/story-3?" in page.url
    expect(detail.locator("h3")).to_have_text("test_pay")


def test_what_is_left_is_told_by_earlier_runs(board: Board, page: Page) -> None:
    for number in range(3):
        a_run(board, "left", number)
    session = Session("left", "left-now", workers=1)
    board.post(session.start(), session.collected([PAY, SELL, SHIP, HTML]))
    board.post(session.test_start(PAY, None))
    page.goto(f"{board.url}/#/run/left-now?project=left")
    expect(page.locator(".elapsed")).to_have_text(re.compile(r", ~1:[45]\d left"))


def test_flaky_tests_are_found_and_followed_while_runs_go_on(board: Board, page: Page) -> None:
    for number in range(1, 7):
        outcome = "failed" if number % 2 else "passed"
        a_run(board, "flaky", number, commit="one", html=outcome, pay="rerun")
        a_run(board, "steady", number)
    page.goto(f"{board.url}/#/run/flaky-6")
    page.get_by_role("link", name="Flaky tests").click()
    expect(page.get_by_label("project")).to_have_value("flaky")
    expect(lines(page)).to_have_count(2)
    expect(lines(page).filter(has_text="test_pay")).to_contain_text("rerun in 6 runs")
    flipping = lines(page).filter(has_text="test_html[<script>alert(1)</script>]")
    expect(flipping).to_contain_text("both in 1 commit")
    expect(flipping.get_by_role("img")).to_have_accessible_name("3 passed, 3 failed")
    page.get_by_label("project").select_option("steady")
    expect(page.get_by_role("heading", name="No flaky tests")).to_be_visible()
    expect(page.locator(".empty code")).to_contain_text("--publish-metadata commit=")
    page.go_back()
    flipping.click()
    expect(lines(page)).to_have_count(6)
    assert page.locator("main script").count() == 0
    a_run(board, "flaky", 7, commit="one", html="failed")
    expect(lines(page)).to_have_count(7)


def test_two_runs_are_chosen_and_compared(start_board: Callable[..., Board], page: Page) -> None:
    # One of its own, because the list draws only what is seen.
    board = start_board()
    a_run(board, "compared", 18, ship="failed")
    a_run(board, "compared", 19, pay="failed")
    a_run(board, "other", 19)
    page.goto(f"{board.url}/#/runs")
    first, second = (
        page.locator(".line").filter(has_text=f"compared-{number}") for number in (18, 19)
    )
    # The other address in the metadata is no http.
    expect(second.locator(".ci a")).to_have_attribute("href", "https://ci.example.org/19")
    second.get_by_role("checkbox").check()
    other = page.locator(".line").filter(has_text="other-19")
    expect(other.get_by_role("checkbox")).to_be_disabled()
    first.get_by_role("checkbox").check()
    page.get_by_role("link", name="Compare these two").click()
    expect(lines(page)).to_contain_text(["test_pay"])
    page.get_by_role("tab", name="Mended 1").click()
    expect(lines(page)).to_contain_text(["test_ship"])
    page.get_by_role("link", name="swap").click()
    expect(lines(page)).to_contain_text(["test_pay"])
    page.reload()
    lines(page).click()
    expect(page.get_by_role("complementary", name="Result")).to_contain_text("test_pay")
    assert "/run/compared-18?" in page.url
    page.go_back()
    expect(page.get_by_role("tab", name="Mended 1")).to_be_visible()


def test_older_runs_of_a_project_are_asked_for(board: Board, page: Page) -> None:
    for number in range(101):
        session = Session("paged", begin=time.time() - 600_000 - number)
        board.post(session.start(), session.result(PAY), session.finish())
    page.goto(f"{board.url}/#/runs?project=paged")
    first = page.locator(".line").first
    expect(first).to_have_attribute("aria-setsize", "100")
    older = page.get_by_role("main").get_by_role("button", name="older runs")
    older.click()
    expect(first).to_have_attribute("aria-setsize", "101")
    expect(older).to_have_count(0)


def test_all_of_it_works_by_keyboard(board: Board, page: Page) -> None:
    a_run(board, "keys", 1)
    a_run(board, "keys", 2, pay="failed", ship="failed")
    page.goto(f"{board.url}/#/run/keys-2?project=keys")
    expect(lines(page)).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(lines(page).nth(1)).to_be_focused()
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="test_ship")).to_be_focused()
    expect(lines(page)).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(lines(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Result")).to_be_focused()
    assert "/run/keys-1?" in page.url
    page.go_back()
    expect(lines(page).nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    # Where one was.
    expect(lines(page).nth(1)).to_be_focused()
    assert "/run/keys-2?" in page.url
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="All runs")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("this test over all runs")


def test_pages_say_what_is_missing(board: Board, page: Page) -> None:
    a_run(board, "single", 1)
    page.goto(f"{board.url}/#/test?project=single&nodeid={PAY}")
    expect(page.get_by_text("With the next run, a plot")).to_be_visible()
    for address, text in (
        ("slow?project=single&tab=slower", "No test got slower"),
        ("causes?project=single&days=1", "Nothing has failed in this time."),
        ("compare?project=single", "Choose two of the list of runs."),
        ("compare?project=single&a=single-1&b=gone", "no run 'gone'"),
        ("runs?project=nobody", "There are no runs of this project."),
        ("test?project=single&nodeid=gone", "no test 'gone'"),
    ):
        page.goto(f"{board.url}/#/{address}")
        expect(page.locator(".empty")).to_contain_text(text)


def test_they_fit_on_a_phone_and_can_be_read(board: Board, page: Page) -> None:
    project = "an-unreasonably-long-name-of-a-project-that-nobody-would-choose-to-have"
    for number in range(4):
        a_run(
            board, project, number, commit="x", pay=["failed", "passed"][number % 2], html="rerun"
        )
    page.set_viewport_size(PHONE)
    query = f"project={project}"
    for address in (
        f"runs?{query}&a={project}-1",
        f"flaky?{query}",
        f"slow?{query}",
        f"causes?{query}",
        f"test?{query}&nodeid={HTML}",
        f"test?{query}&nodeid={PAY}&tab=causes",
        f"compare?{query}&a={project}-1&b={project}-2",
        f"run/{project}-2?{query}",
    ):
        page.goto(f"{board.url}/#/{address}")
        expect(lines(page).first).to_be_visible()
        check_phone(page)
