from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish._os import realos
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.leftovers import found_in
from pytest_publish.delivery.leftovers import may_be_removed
from pytest_publish.delivery.leftovers import refused_in
from pytest_publish.delivery.leftovers import waiting_in
from pytest_publish.delivery.locks import is_free
from pytest_publish.delivery.locks import lock_of
from pytest_publish.delivery.locks import WriterLock
from pytest_publish.delivery.outbox import discard
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import header_of
from pytest_publish.delivery.outbox import key_of
from pytest_publish.delivery.outbox import Line
from pytest_publish.delivery.outbox import OutboxReader
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.outbox import refused_of
from pytest_publish.delivery.outbox import set_aside
from support import eventually


HEADER = Header("http://host/results", is_whole=True)

values = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20)
bodies = st.lists(
    st.dictionaries(st.text(max_size=5), values, max_size=3).map(orjson.dumps), max_size=5
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run-1.jsonl"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that each example of a property writes anew."""
    return tmp_path_factory.mktemp("outbox") / "scratch.jsonl"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start another process that holds the outbox's lock."""
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import lock_of\n"
        "lock = lock_of(pathlib.Path(sys.argv[1]))\n"
        "assert lock.acquire(blocking=False)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def read_all(path: Path, offset: int = 0) -> tuple[list[Line], OutboxReader]:
    """Read an outbox to its end; the reader is closed."""
    reader = OutboxReader(path, offset)
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
    again = OutboxReader(scratch)
    assert not again.ended
    again.close()


@given(bodies, st.lists(st.integers(0, 300), max_size=6))
@example([b'{"a": 1}', b'{"b": 2}'], [3, 9, 10])
def test_an_outbox_is_read_while_it_grows(
    scratch: Path, written: list[bytes], steps: list[int]
) -> None:
    whole = b"".join(body + b"\n" for body in written) + b"\n"
    scratch.write_bytes(b"")
    reader = OutboxReader(scratch)
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
    writer = OutboxWriter(path, HEADER)
    assert header_of(path) == HEADER
    assert read_all(path)[0] == []
    writer.append(b'{"a": 1}')
    writer.append(b'{"b": 2}')
    writer.end()
    (first, second), reader = read_all(path)
    assert not reader.torn
    assert (first.body, first.start, first.stop) == (b'{"a": 1}', 0, second.start)
    assert path.read_bytes()[second.start :] == b'{"b": 2}\n\n'
    cursor = Cursor()
    cursor.settle(second.start, second.stop)
    assert cursor.offset == 0
    cursor.settle(first.start, first.stop)
    assert (cursor.offset, cursor.settled_ranges) == (second.stop, [])
    assert bodies_of(read_all(path, first.stop)[0]) == [b'{"b": 2}']


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
    writer = OutboxWriter(path)
    reader = OutboxReader(path)
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
        writer = OutboxWriter(path, HEADER)
    writer.append(b'{"a": 1}')
    assert path.read_bytes() == b'{"a": 1}\n'


NAME = "20261123T010203Z-0a1b2c3d"
SHORT = b'{"type":"result","session_id":"0a1b2c3d4e5f","seq":0}'
LONG = SHORT[:-1] + b',"stdout":"%s"}' % (b"x" * 400_000)
OTHERS = [
    b"[project]\nname = 'mine'\n",
    b'{"type":"result","session_id":"ffffffff","seq":0}\n',
    b'{"seq":0,"session_id":"0a1b2c3d4e5f"}\n',
    b'{"type":"pytest-publish outbox","url":\n',
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("name", [NAME, f"{NAME}-1", f"{NAME}.refused", f"{NAME}-1.refused"])
def test_an_outbox_without_a_header_is_known_by_its_name_and_its_first_result(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.jsonl"
    for content in (b"", LONG, LONG + b"\n" + SHORT, SHORT + b"\n" + LONG + b"\n"):
        path.write_bytes(content)
        assert header_of(path) == Header()
        assert may_be_removed(path)
    for content in OTHERS:
        path.write_bytes(content)
        assert header_of(path) is None
        assert not may_be_removed(path)
    renamed = path.rename(tmp_path / "data.jsonl")
    for content in (b"", SHORT + b"\n"):
        renamed.write_bytes(content)
        assert header_of(renamed) is None


def test_what_beside_it_is_an_outboxs_only_if_it_has_the_name_a_run_gives(tmp_path: Path) -> None:
    for name, expected in [
        (NAME, True),
        (f"{NAME}-12", True),
        ("results.refused", True),
        ("poetry", False),
        (f"{NAME} (1)", False),
    ]:
        path = tmp_path / f"{name}.jsonl"
        OutboxWriter(path, HEADER)
        assert (header_of(path), may_be_removed(path)) == (HEADER, expected)


def test_only_outboxes_are_found_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.jsonl"
    OutboxWriter(path)
    OutboxWriter(tmp_path / f"{NAME}.refused.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "20261123T010203Z-0a1b2c3e.jsonl")
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    for number, content in enumerate(OTHERS):
        (tmp_path / f"data{number}.jsonl").write_bytes(content)
    assert found_in(tmp_path) == [path]
    assert waiting_in(tmp_path) == [path]


def test_a_line_may_be_longer_than_what_is_read_at_once(path: Path) -> None:
    written = [orjson.dumps({"text": "x" * length}) for length in (1, 700_000, 262_144, 3)]
    for number, order in enumerate((written, written[::-1], written[1:])):
        path = path.with_name(f"{number}.jsonl")
        writer = OutboxWriter(path)
        for body in order:
            writer.append(body)
        lines, reader = read_all(path)
        assert bodies_of(lines) == order
        assert lines[-1].stop == path.stat().st_size
        assert not reader.torn


def test_an_outbox_has_an_end_once_its_writer_says_so(path: Path) -> None:
    writer = OutboxWriter(path)
    writer.append(b'{"a": 1}')
    reader = OutboxReader(path)
    assert [bodies_of(reader.read()), reader.ended] == [[b'{"a": 1}'], False]
    writer.end()
    assert [bodies_of(reader.read()), reader.ended] == [[], True]
    reader.close()


def test_a_part_that_was_taken_back_is_not_read(path: Path) -> None:
    # What a reader sees if the disk is full in the middle of a line, and has room
    # again for the next one.
    writer = OutboxWriter(path)
    writer.append(b'{"a": 1}')
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        file.seek(0, 2)
        file.write(b'{"longer than the next": "and cut')
        reader = OutboxReader(path)
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
    OutboxWriter(path, HEADER)
    assert path.read_bytes() == HEADER.to_line()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        OutboxWriter(path)


def test_an_outbox_that_was_removed_is_not_made_anew(path: Path) -> None:
    writer = OutboxWriter(path)
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
        "import sys, pathlib; from pytest_publish.delivery.outbox import OutboxWriter\n"
        "writer = OutboxWriter(pathlib.Path(sys.argv[1]))\n"
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


cursor_file = st.builds(
    Cursor,
    offset=st.integers(0, 2**62),
    sent=st.integers(0, 2**62),
    refused=st.integers(0, 2**62),
    problem=st.text(max_size=2000),
    refusal=st.text(max_size=2000),
)


@given(st.lists(cursor_file, min_size=1, max_size=4))
@example([Cursor(problem="\x01" * 2000, refusal="\x01" * 2000), Cursor(offset=1)])
@example([Cursor(refusal="x" * 2000), Cursor(offset=1)])
@example([Cursor(problem="\U0001f600" * 2000), Cursor(offset=1)])
def test_a_mark_is_read_back_whatever_stood_there_before(
    scratch: Path, written: list[Cursor]
) -> None:
    scratch.with_suffix(".cursor").unlink(missing_ok=True)
    file = CursorFile(scratch)
    for cursor in written:
        file.write(cursor)
        read = CursorFile(scratch).read()
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
    file = CursorFile(path)
    file.write(cursor)
    file.close()
    assert file.read() == cursor


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00" * 1024, b'{"offset": 12', b"[]", b"null", b'{"unknown": 1}']
)
def test_where_no_mark_can_be_read_an_outbox_is_at_its_beginning(
    path: Path, content: bytes | None
) -> None:
    if content is not None:
        path.with_suffix(".cursor").write_bytes(content)
    assert CursorFile(path).read() == Cursor()


def test_a_mark_outlives_the_process_that_wrote_it(path: Path) -> None:
    first = CursorFile(path)
    first.write(Cursor(offset=10, sent=1))
    first.close()
    second = CursorFile(path)
    second.write(Cursor(offset=20, sent=2))
    second.close()
    assert CursorFile(path).read() == Cursor(offset=20, sent=2)


def test_refused_results_are_set_aside_one_a_line_and_stay_when_the_rest_goes(path: Path) -> None:
    writer = OutboxWriter(path, HEADER)
    writer.append(b'{"a": 1}')
    file = CursorFile(path)
    file.write(Cursor())
    file.close()
    lock = lock_of(path)
    assert lock.acquire(blocking=False)
    lock.release()
    set_aside(path, b'{"a": 1}')
    set_aside(path, b'{"b": 2}')
    discard(path)
    refused = path.with_name("run-1.refused.jsonl")
    assert refused_of(path) == refused
    assert list(path.parent.iterdir()) == [refused]
    assert refused.read_bytes() == HEADER.to_line() + b'{"a": 1}\n{"b": 2}\n'
    assert refused.stat().st_mode & 0o077 == 0


def test_discarding_what_is_gone_already_is_no_error(path: Path) -> None:
    discard(path)
    assert list(path.parent.iterdir()) == []


def test_an_outbox_without_a_lock_is_free_and_stays_without(path: Path) -> None:
    OutboxWriter(path)
    assert is_free(path)
    assert list(path.parent.iterdir()) == [path]


def test_an_outbox_is_free_only_while_no_process_holds_its_lock(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    OutboxWriter(path)
    other = path.with_name("another.jsonl")
    OutboxWriter(other)
    assert not is_free(path)
    assert waiting_in(path.parent) == [other]
    holder.kill()
    holder.wait()
    assert is_free(path)
    # What was refused for good waits for a person, and not to be sent.
    set_aside(path, b"{}")
    assert waiting_in(path.parent) == [other, path]


def test_refused_results_wait_once_no_process_adds_to_them(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    other = path.with_name("another.jsonl")
    for each in (path, other):
        OutboxWriter(each)
        set_aside(each, b"{}")
    assert refused_in(path.parent) == [refused_of(other)]
    holder.kill()
    holder.wait()
    assert refused_in(path.parent) == [refused_of(other), refused_of(path)]


def test_a_mark_is_read_by_the_real_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While the tests run, which may patch them.
    cursor_file = CursorFile(tmp_path / "a.jsonl")
    cursor_file.write(Cursor(sent=3))
    monkeypatch.setattr("io.open", None)
    monkeypatch.setattr("os.open", None)
    assert cursor_file.read().sent == 3


def test_asking_whether_an_outbox_is_free_does_not_take_its_lock(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    OutboxWriter(path)
    holder.kill()
    holder.wait()
    assert is_free(path)
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import is_free\n"
        "print(is_free(pathlib.Path(sys.argv[1])))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert run.stdout == b"True\n"


def test_a_lock_that_cant_be_asked_for_counts_as_held(path: Path) -> None:
    OutboxWriter(path)
    path.with_suffix(".lock").mkdir()
    assert not is_free(path)


@given(st.permutations(range(12)))
def test_a_mark_knows_what_is_dealt_with_in_whatever_order(order: list[int]) -> None:
    cursor = Cursor()
    lines = [Line(b"", number * 10, number * 10 + 10, "key") for number in range(12)]
    done: set[int] = set()
    for number in order:
        cursor.settle(lines[number].start, lines[number].stop)
        done.add(number)
        assert {line.start // 10 for line in lines if cursor.has_settled(line)} == done
        # As few parts as there are gaps.
        assert len(cursor.settled_ranges) <= len(set(range(12)) - done)
    assert (cursor.offset, cursor.settled_ranges) == (120, [])


def test_of_many_parts_the_first_are_kept(path: Path) -> None:
    cursor = Cursor(
        settled_ranges=[(2**62 + number * 4, 2**62 + number * 4 + 2) for number in range(200)]
    )
    file = CursorFile(path)
    file.write(cursor)
    file.close()
    read = CursorFile(path).read()
    assert read.settled_ranges == cursor.settled_ranges[: len(read.settled_ranges)]
    assert len(read.settled_ranges) >= 20


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["open", "write", "close"])
def test_an_interrupted_line_is_there_once_when_it_is_appended_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, when: str
) -> None:
    writer = OutboxWriter(path)
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


def test_an_outbox_that_is_claimed_is_not_free(path: Path) -> None:
    code = (
        "import sys, pathlib; from pytest_publish.delivery.leftovers import waiting_in\n"
        "print(waiting_in(pathlib.Path(sys.argv[1])) != [])"
    )
    command = [sys.executable, "-c", code, str(path.parent)]
    writer_lock = WriterLock(path)
    OutboxWriter(path)
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"False\n"
    writer_lock.release()
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("is_reused", [True, False])
def test_a_claim_closes_no_file_of_others(path: Path, is_reused: bool) -> None:
    writer_lock = WriterLock(path)
    # As a test does that closes all files; the next file gets the same number.
    found = next(fd for fd in range(3, 1000) if is_of(fd, path.with_suffix(".run")))
    os.close(found)
    other = os.open(path.parent, os.O_RDONLY) if is_reused else None
    writer_lock.release()
    if other is not None:
        assert other == found
        os.close(other)
    assert list(path.parent.iterdir()) == []


def free_for_others(path: Path) -> bool:
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import is_free\n"
        "print(is_free(pathlib.Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"


def test_what_else_happens_in_this_process_gives_no_claim_back(path: Path) -> None:
    writer_lock = WriterLock(path)
    OutboxWriter(path).append(b"{}")
    # As a session does that runs within this one, and as a test that copies the folder.
    assert not is_free(path)
    assert waiting_in(path.parent) == []
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    assert not free_for_others(path)
    writer_lock.release()
    assert is_free(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_claim_is_not_held_by_a_process_that_a_test_leaves_behind(path: Path) -> None:
    writer_lock = WriterLock(path)
    OutboxWriter(path).append(b"{}")
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    try:
        writer_lock.close()  # as the system does when this process dies
        eventually(lambda: is_free(path))
    finally:
        os.close(theirs)
        os.close(ours)
        os.waitpid(child, 0)


def test_an_outbox_in_which_nothing_waits_is_removed_with_what_stands_beside(path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from pytest_publish.delivery.locks import WriterLock\n"
        "from pytest_publish.delivery.outbox import OutboxWriter\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "lock = WriterLock(path)\n"
        "writer = OutboxWriter(path)\n"
        "for body in sys.argv[2:]: writer.append(body.encode())\n"
        "os._exit(0)"
    )

    def leave(*bodies: str) -> None:
        subprocess.run([sys.executable, "-c", code, str(path), *bodies], check=True)

    leave()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == []
    leave("{}")
    assert waiting_in(path.parent) == [path]
    file = CursorFile(path)
    file.write(Cursor(offset=path.stat().st_size, sent=1))
    file.close()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == []


def test_a_file_that_no_run_has_made_is_not_removed(path: Path) -> None:
    path.touch()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == [path]


def is_of(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
