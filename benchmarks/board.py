"""Measures how fast the board is, and prints a table.

    python benchmarks/board.py [--results 100000] [--chromium /usr/bin/chromium]

Needs Linux with two cores, playwright, Chromium, and the project installed with its extras
board and test. The board runs on one core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final

from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright


ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from boards import Board  # noqa: E402, found by the line above
from published import body  # noqa: E402
from published import Object  # noqa: E402
from published import Session  # noqa: E402


ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--enable-precise-memory-info")
BATCH: Final = 100
#: The number of tests in the real run, and the seconds that each takes.
TESTS: Final = 25
TEST_SECONDS: Final = 0.1

SUITE: Final = f"""
import pytest, time

@pytest.mark.parametrize("number", range({TESTS}))
def test_some(number):
    time.sleep({TEST_SECONDS})
"""
#: Records, for each name in the list, when the first frame with it was drawn.
WATCH: Final = """() => {
    window.seen = {};
    new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
        for (const line of document.querySelectorAll(".list a.result"))
            window.seen[line.title] ??= Date.now() / 1000;
    }))).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
#: Scrolls through the list, one screen per frame; returns the times of the frames in ms.
SCROLL: Final = """async (seconds) => {
    const list = document.querySelector(".list");
    const frames = [];
    const frame = () => new Promise(requestAnimationFrame);
    let last = await frame();
    const end = last + seconds * 1000;
    while (last < end) {
        const bottom = list.scrollHeight - list.clientHeight;
        list.scrollTop = (list.scrollTop + list.clientHeight) % bottom;
        const now = await frame();
        frames.push(now - last);
        last = now;
    }
    return frames;
}"""
#: Records the times of the frames until window.over is set.
FRAMES: Final = """() => {
    window.frames_ = [];
    window.over = false;
    let last = performance.now();
    const frame = (now) => {
        window.frames_.push(now - last);
        last = now;
        if (!window.over) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


def many(session: Session, number: int) -> Iterator[Object]:
    """Yield the results of a large run."""
    for one in range(number):
        nodeid = (
            f"tests/unit/test_{one // 200}.py::TestSome{one // 50}::test_name_{one}[value-{one}]"
        )
        outcome = "failed" if one % 50 == 7 else "passed"
        output = f"log line {one}\n" * 5
        yield session.result(nodeid, outcome, f"gw{one % 8}", duration=0.01, stdout=output)


def fill(board: Board, session: Session, number: int) -> float:
    """Publish results in batches; return how many per second were accepted."""
    results = list(many(session, number))
    parts = [body(*results[begin : begin + BATCH]) for begin in range(0, number, BATCH)]
    begin = time.perf_counter()
    for part in parts:
        assert board.send(part).status_code == 204
    return number / (time.perf_counter() - begin)


def pixel(board: Board, page: Page, folder: Path) -> list[float]:
    """Return, for each test of a real run, the seconds from its end until the page shows it."""
    (folder / "test_it.py").write_text(SUITE, "utf-8")
    page.goto(board.url)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:asyncio",
        "--publish",
        board.url,
    ]
    pytest = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    while not (runs := board.get("/api/runs")):
        time.sleep(0.02)
    run_id = runs[0]["run_id"]
    page.goto(f"{board.url}/#/run/{run_id}?tab=all")
    page.evaluate(WATCH)
    pytest.wait()
    page.locator(f".list [title$='[{TESTS - 1}]']").wait_for()
    page.wait_for_timeout(500)
    seen = page.evaluate("window.seen")
    rows = board.results(run_id)[5:]  # the first ones were already there when the page was opened
    return [
        seen[row["nodeid"]] - row["start_time"] - row["duration"]
        for row in rows
        if row["nodeid"] in seen
    ]


def first_view(page: Page, url: str) -> tuple[float, float]:
    """Return the seconds until the page shows the first row, and until it has all rows."""
    begin = time.perf_counter()
    page.goto(url)
    page.locator(".list a.result").first.wait_for()
    first = time.perf_counter() - begin
    wait_for_rows(page)
    return first, time.perf_counter() - begin


def wait_for_rows(page: Page) -> None:
    """Wait until the list has as many lines as the tab says."""
    page.wait_for_function(
        """() => {
            const told = document.querySelector("[aria-selected=true] b").textContent;
            const line = document.querySelector(".list [aria-setsize]");
            return line && line.getAttribute("aria-setsize") === told.replaceAll(",", "");
        }""",
        polling=20,
        timeout=60_000,
    )


def memory(browser: Browser, page: Page) -> tuple[float, float]:
    """Return the memory of the page's objects and of its renderer process, in MB."""
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    infos = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [
        int(line.split()[1]) / 1e3
        for info in infos
        if info["type"] == "renderer"
        for line in Path(f"/proc/{int(info['id'])}/smaps_rollup").read_text("utf-8").splitlines()
        if line.startswith("Pss:")
    ]
    return heap, max(sizes)


def worst_while(page: Page, work: Callable[[], Any]) -> float:
    """Return the longest frame, in ms, during an action."""
    page.evaluate(FRAMES)
    work()
    page.wait_for_timeout(600)
    page.evaluate("window.over = true")
    return float(max(page.evaluate("window.frames_")))


def measure(number: int, chromium: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each figure, its value, and its limit."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        board = Board(folder / "store.sqlite3")
        os.sched_setaffinity(board.process.pid, {0})
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        waits = pixel(board, page, folder)
        yield (
            "from the end of a test to the page, median",
            f"{statistics.median(waits) * 1e3:.0f} ms",
            "300 ms",
        )
        yield "from the end of a test to the page, longest", f"{max(waits) * 1e3:.0f} ms", ""
        page.goto("about:blank")
        session = Session("large")
        board.post(session.start())
        speed = fill(board, session, number)
        yield "ingest, batches of 100, one core", f"{speed:,.0f} results/s", "≥ 1,500"
        size = sum(path.stat().st_size for path in folder.glob("store*"))
        yield f"store of {number:,} results", f"{size / 1e6:.0f} MB", ""
        url = f"{board.url}/#/run/{session.run_id}?tab=all"
        first, whole = first_view(page, url)
        yield "first view", f"{first * 1e3:.0f} ms", "1,000 ms"
        yield "all rows loaded", f"{whole * 1e3:.0f} ms", ""
        heap, process = memory(browser, page)
        yield "tab: objects of the page", f"{heap:.0f} MB", ""
        yield "tab: renderer process", f"{process:.0f} MB", "200 MB"
        frames = page.evaluate(SCROLL, 3)
        yield "longest frame, scrolling", f"{max(frames):.0f} ms", "100 ms"
        search = page.locator("#search")
        worst = worst_while(page, lambda: search.press_sequentially("name_77", delay=50))
        yield "longest frame, searching", f"{worst:.0f} ms", "100 ms"
        search.fill("")
        wait_for_rows(page)
        worst = worst_while(page, lambda: page.get_by_role("button", name="by file").click())
        yield "longest frame, switching to the tree", f"{worst:.0f} ms", "100 ms"
        page.get_by_role("button", name="flat").click()
        worst = worst_while(page, lambda: fill(board, session, 3000))
        yield "longest frame, receiving 3,000 more results", f"{worst:.0f} ms", "100 ms"
        page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
        _heap, process = memory(browser, page)
        yield (
            "tab: renderer process at the end, after garbage collection",
            f"{process:.0f} MB",
            "200 MB",
        )
        yield "board's memory", f"{board.memory() / 1e6:.0f} MB", ""
        browser.close()
        board.stop()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    asked = parser.parse_args()
    print("| figure | measured | bar |\n|---|---|---|")
    for row in measure(asked.results, asked.chromium):
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
