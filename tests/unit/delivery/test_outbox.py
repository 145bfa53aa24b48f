from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish._os import realos
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.locks import sender_lock
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import key_of
from pytest_publish.delivery.outbox import Line
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxReader
from pytest_publish.delivery.outbox import OutboxWriter


HEADER = Header("http://host/results", is_whole=True)


values = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20)


bodies = st.lists(
    st.dictionaries(st.text(max_size=5), values, max_size=3).map(orjson.dumps), max_size=5
)


def read_all(path: Path, offset: int = 0) -> tuple[list[Line], OutboxReader]:
    """Read an outbox to its end; the reader is closed."""
    reader = OutboxReader(Outbox(path), offset)
    lines: list[Line] = []
    while fresh := reader.read():
        lines += fresh
    reader.close()
    return lines, reader


def bodies_of(lines: list[Line]) -> list[bytes]:
    return [line.body for line in lines]


@given(bodies, st.data())
def test_of_whatever_a_dying_process_leaves_the_whole_lines_are_read(
    scratch: Path, written: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(body + b"\n" for body in written)
    cut = data.draw(st.integers(0, len(whole)), label="cut")
    scratch.write_bytes(whole[:cut])
    lines, reader = read_all(scratch)
    complete = whole[:cut].count(b"\n")
    assert bodies_of(lines) == written[:complete]
    assert reader.torn == (not whole[:cut].endswith(b"\n") and cut > 0)
    again = OutboxReader(Outbox(scratch))
    assert not again.ended
    again.close()


@given(bodies, st.lists(st.integers(0, 300), max_size=6))
@example([b'{"a": 1}', b'{"b": 2}'], [3, 9, 10])
def test_an_outbox_is_read_while_it_grows(
    scratch: Path, written: list[bytes], steps: list[int]
) -> None:
    whole = b"".join(body + b"\n" for body in written) + b"\n"
    scratch.write_bytes(b"")
    reader = OutboxReader(Outbox(scratch))
    lines: list[Line] = []
    done = 0
    with scratch.open("ab", buffering=0) as file:
        for stop in [*sorted(min(step, len(whole)) for step in steps), len(whole)]:
            file.write(whole[done:stop])
            done = stop
            while fresh := reader.read():
                lines += fresh
            assert len(lines) == min(whole[:done].count(b"\n"), len(written))
            assert reader.ended == (done == len(whole))
    reader.close()
    assert bodies_of(lines) == written
    assert not reader.torn


@given(bodies)
def test_each_line_tells_where_reading_goes_on(scratch: Path, written: list[bytes]) -> None:
    whole = b"".join(body + b"\n" for body in written)
    scratch.write_bytes(whole)
    lines, _reader = read_all(scratch)
    for number, line in enumerate(lines):
        assert whole[line.start : line.stop] == line.body + b"\n"
        rest, _reader = read_all(scratch, line.stop)
        assert rest == lines[number + 1 :]


def test_a_header_is_no_result_and_counts_to_the_line_after_it(path: Path) -> None:
    writer = OutboxWriter(Outbox(path), HEADER)
    assert Outbox(path).header() == HEADER
    assert read_all(path)[0] == []
    writer.append(b'{"a": 1}')
    writer.append(b'{"b": 2}')
    writer.end()
    (first, second), reader = read_all(path)
    assert not reader.torn
    assert (first.body, first.start, first.stop) == (b'{"a": 1}', 0, second.start)
    assert path.read_bytes()[second.start :] == b'{"b": 2}\n\n'
    cursor = Cursor()
    cursor.settle(second)
    assert cursor.offset == 0
    cursor.settle(first)
    assert (cursor.offset, cursor.settled_ranges) == (second.stop, [])
    assert bodies_of(read_all(path, first.stop)[0]) == [b'{"b": 2}']


def test_an_empty_line_counts_as_a_part_of_the_line_after_it(scratch: Path) -> None:
    scratch.write_bytes(b'{"a": 1}\n\n{"b": 2}\n')
    cursor = Cursor()
    for line in read_all(scratch)[0]:
        cursor.settle(line)
    assert cursor == Cursor(offset=scratch.stat().st_size)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (HEADER.to_line(), HEADER),
        (Header("http://host/\x1b[31m", is_whole=True).to_line(), Header()),
        (HEADER.to_line().replace(b"url", b"address"), None),
        (HEADER.to_line()[:-4], None),
        (b'{"type":"result"}\n', None),
    ],
)
def test_a_header_is_read_as_it_was_written_or_not_at_all(
    line: bytes, header: Header | None
) -> None:
    assert Header.from_line(line) == header


def test_an_outbox_that_holds_only_a_header_ends_as_any_other(path: Path) -> None:
    writer = OutboxWriter(Outbox(path))
    reader = OutboxReader(Outbox(path))
    assert [reader.read(), reader.ended] == [[], False]
    writer.end()
    assert [reader.read(), reader.ended, reader.torn] == [[], True, False]
    reader.close()


def test_a_disk_too_full_for_the_header_leaves_an_outbox_to_write_to_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(fd: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return os.write(fd, data[: len(data) - 10])

    with monkeypatch.context() as patched:
        patched.setattr(type(realos), "write", staticmethod(half))
        writer = OutboxWriter(Outbox(path), HEADER)
    writer.append(b'{"a": 1}')
    assert path.read_bytes() == b'{"a": 1}\n'


NAME = "20261123T010203Z-0a1b2c3d"


SHORT = b'{"type":"result","session_id":"0a1b2c3d4e5f","seq":0}'


LONG = SHORT[:-1] + b',"stdout":"%s"}' % (b"x" * 400_000)


@pytest.mark.parametrize("name", [NAME, f"{NAME}-1", f"{NAME}.refused", f"{NAME}-1.refused"])
def test_an_outbox_without_a_header_is_known_by_its_name_and_its_first_result(
    tmp_path: Path, others: list[bytes], name: str
) -> None:
    path = tmp_path / f"{name}.jsonl"
    for content in (b"", LONG, LONG + b"\n" + SHORT, SHORT + b"\n" + LONG + b"\n"):
        path.write_bytes(content)
        assert Outbox(path).header() == Header()
        assert Outbox(path).may_be_removed()
    for content in others:
        path.write_bytes(content)
        assert Outbox(path).header() is None
        assert not Outbox(path).may_be_removed()
    renamed = path.rename(tmp_path / "data.jsonl")
    for content in (b"", SHORT + b"\n"):
        renamed.write_bytes(content)
        assert Outbox(renamed).header() is None


def test_what_beside_it_is_an_outboxs_only_if_it_has_the_name_a_run_gives(tmp_path: Path) -> None:
    for name, expected in [
        (NAME, True),
        (f"{NAME}-12", True),
        ("results.refused", True),
        ("poetry", False),
        (f"{NAME} (1)", False),
    ]:
        path = tmp_path / f"{name}.jsonl"
        OutboxWriter(Outbox(path), HEADER)
        assert (Outbox(path).header(), Outbox(path).may_be_removed()) == (HEADER, expected)


def test_a_line_may_be_longer_than_what_is_read_at_once(path: Path) -> None:
    written = [orjson.dumps({"text": "x" * length}) for length in (1, 700_000, 262_144, 3)]
    for number, order in enumerate((written, written[::-1], written[1:])):
        path = path.with_name(f"{number}.jsonl")
        writer = OutboxWriter(Outbox(path))
        for body in order:
            writer.append(body)
        lines, reader = read_all(path)
        assert bodies_of(lines) == order
        assert lines[-1].stop == path.stat().st_size
        assert not reader.torn


def test_an_outbox_has_an_end_once_its_writer_says_so(path: Path) -> None:
    writer = OutboxWriter(Outbox(path))
    writer.append(b'{"a": 1}')
    reader = OutboxReader(Outbox(path))
    assert [bodies_of(reader.read()), reader.ended] == [[b'{"a": 1}'], False]
    writer.end()
    assert [bodies_of(reader.read()), reader.ended] == [[], True]
    reader.close()


def test_a_part_that_was_taken_back_is_not_read(path: Path) -> None:
    # What a reader sees if the disk is full in the middle of a line, and has room
    # again for the next one.
    writer = OutboxWriter(Outbox(path))
    writer.append(b'{"a": 1}')
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        file.seek(0, 2)
        file.write(b'{"longer than the next": "and cut')
        reader = OutboxReader(Outbox(path))
        assert bodies_of(reader.read()) == [b'{"a": 1}']
        assert [reader.read(), reader.torn] == [[], True]
        file.truncate(size)
    writer.append(b'{"b": 2}')
    assert bodies_of(reader.read()) == [b'{"b": 2}']
    writer.append(b'{"c": 3}')
    assert [(line.body, line.start) for line in reader.read()] == [(b'{"c": 3}', size + 9)]
    assert [reader.read(), reader.torn] == [[], False]
    reader.close()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"type": "result", "session_id": "5e55", "seq": 0}', "5e55-0"),
        (b'{"seq": 12, "other": [1], "session_id": "5e55", "type": "event"}', "5e55-12"),
        (b'{"type": "result"', None),
        (b"[1, 2]", None),
        (b'"text"', None),
        (b"null", None),
        (b'{"a": "\xff"}', None),
        (b'{"a": NaN}', None),
    ],
)
def test_a_key_is_the_session_and_the_number(body: bytes, key: str | None) -> None:
    assert key_of(body) == key


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"session_id": "5e55", "seq": 0}',
        b'{"type": 1, "session_id": "5e55", "seq": 0}',
        b'{"type": "result", "session_id": "5e55"}',
        b'{"type": "result", "session_id": "5e55", "seq": null}',
        b'{"type": "result", "session_id": "5e55", "seq": "1\\r\\nX-Header: 1"}',
        b'{"type": "result", "session_id": "5e55", "seq": true}',
        b'{"type": "result", "session_id": "5e55", "seq": -1}',
        b'{"type": "result", "session_id": "", "seq": 0}',
        b'{"type": "result", "session_id": "a\\nb", "seq": 0}',
        '{"type": "result", "session_id": "\u0661", "seq": 0}'.encode(),
        b'{"type": "result", "session_id": 5, "seq": 0}',
    ],
)
def test_an_object_that_names_no_result_has_no_key(body: bytes) -> None:
    assert key_of(body) is None


@given(values, values)
@example("5e55", 2**63)
def test_every_key_can_be_sent_in_a_header(session: object, seq: object) -> None:
    data = {"type": "result", "session_id": session, "seq": seq}
    key = key_of(orjson.dumps(data)) or ""
    assert key.isascii()
    assert key.isprintable()


def test_a_line_knows_its_key_and_a_broken_one_has_none(path: Path) -> None:
    path.write_bytes(b'{"type":"result","session_id":"5e55","seq":3}\n{"session_id":"5e\n')
    lines, _reader = read_all(path)
    assert [line.key for line in lines] == ["5e55-3", None]


def test_an_outbox_is_created_once_and_only_for_its_owner(path: Path) -> None:
    OutboxWriter(Outbox(path), HEADER)
    assert path.read_bytes() == HEADER.to_line()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        OutboxWriter(Outbox(path))


def test_an_outbox_that_was_removed_is_not_made_anew(path: Path) -> None:
    writer = OutboxWriter(Outbox(path))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        writer.append(b"{}")
    with pytest.raises(FileNotFoundError):
        writer.end()
    assert not path.exists()


def test_a_disk_that_fills_up_in_the_middle_of_a_line_leaves_whole_lines(path: Path) -> None:
    header = Header().to_line()
    limit = len(header) + 100

    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code = (
        "import sys, pathlib; from pytest_publish.delivery.outbox import Outbox, OutboxWriter\n"
        "writer = OutboxWriter(Outbox(pathlib.Path(sys.argv[1])))\n"
        "for size in (50, 90, 20):\n"
        "    body = b'{\"a\":\"%s\"}' % (b'x' * size)\n"
        "    try:\n"
        "        writer.append(body)\n"
        "    except OSError as error:\n"
        "        print(size, type(error).__name__)\n"
    )
    command = [sys.executable, "-B", "-c", code, str(path)]
    run = subprocess.run(
        command,
        preexec_fn=limit_files,
        capture_output=True,
        check=True,
    )
    assert run.stdout == b"90 OSError\n"
    lines = b'{"a":"%s"}\n{"a":"%s"}\n' % (b"x" * 50, b"x" * 20)
    assert path.read_bytes() == header + lines


def test_refused_results_are_set_aside_one_a_line_and_stay_when_the_rest_goes(path: Path) -> None:
    writer = OutboxWriter(Outbox(path), HEADER)
    writer.append(b'{"a": 1}')
    file = CursorFile(Outbox(path))
    file.write(Cursor())
    file.close()
    lock = sender_lock(Outbox(path))
    assert lock is not None
    lock.close()
    Outbox(path).set_aside(b'{"a": 1}')
    Outbox(path).set_aside(b'{"b": 2}')
    Outbox(path).discard()
    refused = path.with_name("run-1.refused.jsonl")
    assert Outbox(path).refused.path == refused
    assert list(path.parent.iterdir()) == [refused]
    assert refused.read_bytes() == HEADER.to_line() + b'{"a": 1}\n{"b": 2}\n'
    assert refused.stat().st_mode & 0o077 == 0


def test_discarding_what_is_gone_already_is_no_error(path: Path) -> None:
    Outbox(path).discard()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["open", "write", "close"])
def test_an_interrupted_line_is_there_once_when_it_is_appended_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, when: str
) -> None:
    writer = OutboxWriter(Outbox(path))
    writer.append(b'{"a": 0}')
    real = getattr(realos, call)

    def interrupted(*arguments: object) -> object:
        if when == "before":
            raise KeyboardInterrupt
        real(*arguments)
        raise KeyboardInterrupt

    again = b'{"a": 1}'
    with monkeypatch.context() as patched:
        patched.setattr(type(realos), call, staticmethod(interrupted))
        with pytest.raises(KeyboardInterrupt):
            writer.append(again)
    writer.append(again)
    writer.append(b'{"a": 2}')
    writer.end()
    header = Header().to_line()
    assert path.read_bytes() == header + b'{"a": 0}\n{"a": 1}\n{"a": 2}\n\n'
    assert writer.appended == 3
