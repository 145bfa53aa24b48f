from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.outbox import Line
from pytest_publish.delivery.outbox import Outbox


cursors = st.builds(
    Cursor,
    offset=st.integers(0, 2**62),
    sent=st.integers(0, 2**62),
    refused=st.integers(0, 2**62),
    problem=st.text(max_size=2000),
    refusal=st.text(max_size=2000),
)


@settings(max_examples=30)  # each writes files, and texts are dear to make up
@given(st.lists(cursors, min_size=1, max_size=3))
@example([Cursor(problem="\x01" * 2000, refusal="\x01" * 2000), Cursor(offset=1)])
@example([Cursor(refusal="x" * 2000), Cursor(offset=1)])
@example([Cursor(problem="\U0001f600" * 2000), Cursor(offset=1)])
def test_a_cursor_is_read_back_whatever_stood_there_before(
    scratch: Path, written: list[Cursor]
) -> None:
    scratch.with_suffix(".cursor").unlink(missing_ok=True)
    file = CursorFile(Outbox(scratch))
    for cursor in written:
        file.write(cursor)
        read = CursorFile(Outbox(scratch)).read()
        assert (read.offset, read.sent, read.refused) == (
            cursor.offset,
            cursor.sent,
            cursor.refused,
        )
        # A reason may be cut to fit, but is never lost.
        assert cursor.problem.startswith(read.problem)
        assert bool(read.problem) == bool(cursor.problem)
        assert cursor.refusal.startswith(read.refusal)
        assert bool(read.refusal) == bool(cursor.refusal)
    file.close()


def test_reasons_of_usual_length_are_kept_whole(path: Path) -> None:
    cursor = Cursor(1, 2, 3, problem="503 Service Unavailable" * 10, refusal="400 Bad Request" * 10)
    file = CursorFile(Outbox(path))
    file.write(cursor)
    file.close()
    assert file.read() == cursor


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00" * 1024, b'{"offset": 12', b"[]", b"null", b'{"unknown": 1}']
)
def test_where_no_cursor_can_be_read_an_outbox_is_at_its_beginning(
    path: Path, content: bytes | None
) -> None:
    if content is not None:
        path.with_suffix(".cursor").write_bytes(content)
    assert CursorFile(Outbox(path)).read() == Cursor()


def test_a_cursor_outlives_the_process_that_wrote_it(path: Path) -> None:
    first = CursorFile(Outbox(path))
    first.write(Cursor(offset=10, sent=1))
    first.close()
    second = CursorFile(Outbox(path))
    second.write(Cursor(offset=20, sent=2))
    second.close()
    assert CursorFile(Outbox(path)).read() == Cursor(offset=20, sent=2)


def test_a_cursor_is_read_by_the_real_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While the tests run, which may patch them.
    cursor_file = CursorFile(Outbox(tmp_path / "a.jsonl"))
    cursor_file.write(Cursor(sent=3))
    monkeypatch.setattr("io.open", None)
    monkeypatch.setattr("os.open", None)
    assert cursor_file.read().sent == 3


@given(st.permutations(range(12)))
def test_a_cursor_knows_what_is_settled_in_whatever_order(order: list[int]) -> None:
    cursor = Cursor()
    lines = [Line(b"", number * 10, number * 10 + 10, "key") for number in range(12)]
    done: set[int] = set()
    for number in order:
        cursor.settle(lines[number])
        done.add(number)
        assert {line.start // 10 for line in lines if cursor.has_settled(line)} == done
        # As few ranges as there are gaps.
        assert len(cursor.settled_ranges) <= len(set(range(12)) - done)
    assert (cursor.offset, cursor.settled_ranges) == (120, [])


def test_of_many_settled_ranges_the_first_are_kept(path: Path) -> None:
    cursor = Cursor(
        settled_ranges=[(2**62 + number * 4, 2**62 + number * 4 + 2) for number in range(200)]
    )
    file = CursorFile(Outbox(path))
    file.write(cursor)
    file.close()
    read = CursorFile(Outbox(path)).read()
    assert read.settled_ranges == cursor.settled_ranges[: len(read.settled_ranges)]
    assert len(read.settled_ranges) >= 20
