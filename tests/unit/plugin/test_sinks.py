from __future__ import annotations

from pathlib import Path

import pytest

from pytest_publish._os import realos
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.settings import Settings
from pytest_publish.plugin.sinks import LogSink
from pytest_publish.plugin.sinks import Pending
from pytest_publish.results.events import SessionFinish


def sink_for(path: Path, problems: Problems) -> LogSink:
    return LogSink(path, Settings(path.parent), problems)


def pending(seq: int) -> Pending:
    event = SessionFinish(
        time=1.0,
        seq=seq,
        exitstatus=0,
        reason="finished",
        duration=0.0,
        results=0,
        outcomes={},
    )
    pending = Pending(event)
    pending._body = b"%d" % seq  # noqa: SLF001
    return pending


def test_each_is_a_line_by_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    written: list[bytes] = []
    write = realos.write

    def noting(fd: int, data: bytes) -> int:
        written.append(data)
        return write(fd, data)

    monkeypatch.setattr(realos, "write", noting)
    sinks = [sink_for(path, Problems()) for _ in range(2)]
    for sink, seq in zip([*sinks, *sinks], range(4), strict=True):
        sink.write(one := pending(seq))
        sink.write(one)  # after an interrupt it is asked again
    assert written == [b"0\n", b"1\n", b"2\n", b"3\n"]
    assert path.read_bytes() == b"0\n1\n2\n3\n"
    assert [sink.total() for sink in sinks] == 2 * ["2 results appended to log"]


def test_what_a_full_disk_refuses_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    problems = Problems()
    sink = sink_for(path, problems)
    write = realos.write
    monkeypatch.setattr(realos, "write", lambda fd, data: write(fd, data[:1]))
    sink.write(pending(10))
    monkeypatch.setattr(realos, "write", write)
    sink.write(pending(11))
    sink.close()
    # A part of a line stands on a line of its own.
    assert path.read_bytes() == b"1\n10\n11\n"
    assert not problems


def test_what_can_t_be_written_to_the_end_is_told(tmp_path: Path) -> None:
    problems = Problems()
    sink = sink_for(tmp_path / "missing" / "log", problems)
    sink.write(pending(1))
    sink.close()
    (line,) = problems.lines()
    assert line == "publish: can't write to log: No such file or directory"
