from __future__ import annotations

import collections
import functools
import threading
import time
import tracemalloc
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faulty_server import FaultyServer
from faulty_server import OK
from faulty_server import status
from pytest_publish.delivery import relay as relay_module
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.relay import Relay
from support import DEADLINE
from support import eventually
from support import Post


def body(number: int) -> bytes:
    return b'{"type":"result","session_id":"s1","seq":%d}' % number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def writer(path: Path) -> OutboxWriter:
    return OutboxWriter(Outbox(path))


def fill(writer: OutboxWriter, count: int) -> None:
    for number in range(count):
        writer.append(body(number))


def relay_to(
    faulty_server: FaultyServer,
    path: Path,
    *,
    is_over: Callable[[], bool] = lambda: True,
    connections: int = 16,
    batch: int = 1,
    grace: float = 30.0,
) -> Relay:
    config = DeliveryConfig(faulty_server.url, connections=connections, batch=batch, grace=grace)
    return Relay(Outbox(path), config, is_over=is_over)


def run_until_sent(faulty_server: FaultyServer, path: Path, count: int) -> Relay:
    """Run a relay until so many lines are sent and it has given up on the others."""
    deadline = time.monotonic() + DEADLINE

    # However busy the machine is, the grace begins only when the last try has failed.
    def is_over() -> bool:
        is_left = relay.cursor.sent == count and relay.cursor.problem != ""
        return is_left or time.monotonic() > deadline

    relay = relay_to(faulty_server, path, is_over=is_over, grace=0.4)
    assert not relay.run()
    assert relay.cursor.sent == count
    return relay


def keys(faulty_server: FaultyServer) -> list[str]:
    return [post.key for post in faulty_server.posts]


def has_arrived(faulty_server: FaultyServer, key: str) -> bool:
    return key in keys(faulty_server)


def test_one_connection_delivers_in_order(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 300)
    relay = relay_to(faulty_server, path, connections=1)
    assert relay.run()
    assert keys(faulty_server) == [f"s1-{number}" for number in range(300)]
    assert [post.body for post in faulty_server.posts] == [body(number) for number in range(300)]
    assert (relay.cursor.sent, relay.cursor.offset) == (300, path.stat().st_size)


def test_it_follows_an_outbox_that_is_still_growing_until_its_end_mark(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    relay = relay_to(faulty_server, path, is_over=lambda: False)
    thread = threading.Thread(target=relay.run)
    thread.start()
    for number in range(3):
        writer.append(body(number))
        arrived = functools.partial(has_arrived, faulty_server, f"s1-{number}")
        eventually(arrived, "the line to be sent")
    writer.end()
    thread.join(30)
    assert not thread.is_alive()


def test_a_second_relay_goes_on_where_the_first_ended(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 10)
    assert relay_to(faulty_server, path).run()
    fill(writer, 5)
    again = relay_to(faulty_server, path)
    assert again.run()
    assert len(faulty_server.posts) == 15
    assert again.cursor.sent == 15


def test_the_cursor_never_passes_a_line_that_is_not_settled(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 20)
    faulty_server.answer = lambda post: status(503) if post.key == "s1-4" else OK
    relay = run_until_sent(faulty_server, path, 19)
    before = [Header().to_line(), *(body(number) + b"\n" for number in range(4))]
    assert relay.cursor.offset == sum(map(len, before))
    assert relay.cursor.problem == "503 Whatever"
    faulty_server.answer = lambda _post: OK
    assert relay_to(faulty_server, path).run()
    assert set(keys(faulty_server)) == {f"s1-{number}" for number in range(20)}


def test_connections_are_opened_only_where_the_endpoint_takes_its_time(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 60)

    def answer(_post: Post) -> bytes:
        time.sleep(0.03)
        return OK

    faulty_server.answer = answer
    assert relay_to(faulty_server, path, connections=5).run()
    assert 1 < faulty_server.connections <= 5


def test_nothing_gets_through_and_it_gives_up_after_the_grace(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    faulty_server.stop()
    fill(writer, 3)
    relay = relay_to(faulty_server, path, grace=0.1)
    assert not relay.run()
    assert (relay.cursor.sent, relay.cursor.problem) == (0, "Connection refused")


def test_a_refused_line_is_set_aside_as_it_was(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 5)
    faulty_server.answer = lambda post: status(400) if post.key == "s1-2" else OK
    relay = relay_to(faulty_server, path)
    assert relay.run()
    assert (relay.cursor.sent, relay.cursor.refused, relay.cursor.refusal) == (4, 1, "400 Whatever")
    assert Outbox(path).refused.path.read_bytes() == Header().to_line() + body(2) + b"\n"


@pytest.mark.parametrize(
    "line", [b'{"session_id":"s1","se', b'{"type":"result","seq":1}', b'{"session_id":"s","seq":1}']
)
def test_a_line_that_is_no_result_is_set_aside_unsent(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter, line: bytes
) -> None:
    writer.append(body(0))
    writer.append(line)
    writer.append(body(2))
    relay = relay_to(faulty_server, path)
    assert relay.run()
    assert keys(faulty_server) == ["s1-0", "s1-2"]
    assert relay.cursor.refusal == "not a result of pytest-publish"
    assert line in Outbox(path).refused.path.read_bytes().splitlines()


def test_a_line_that_was_cut_off_at_the_end_is_noticed_and_kept(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 2)
    with path.open("ab") as file:
        file.write(b'{"session_id"')
    relay = relay_to(faulty_server, path)
    assert relay.run()
    assert relay.is_torn
    assert keys(faulty_server) == ["s1-0", "s1-1"]


def test_a_batch_is_one_array_with_a_name_of_its_own(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 10)
    relay = relay_to(faulty_server, path, connections=1, batch=4)
    assert relay.run()
    assert relay.cursor.sent == 10
    assert keys(faulty_server) == ["s1-0_s1-3", "s1-4_s1-7", "s1-8_s1-9"]
    assert faulty_server.posts[2].body == b"[" + body(8) + b"," + body(9) + b"]"


def test_a_refused_batch_is_taken_apart_to_find_what_is_refused(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 4)
    faulty_server.answer = lambda post: status(413) if body(2) in post.body else OK
    relay = relay_to(faulty_server, path, connections=1, batch=4)
    assert relay.run()
    assert (relay.cursor.sent, relay.cursor.refused) == (3, 1)
    assert Outbox(path).refused.path.read_bytes() == Header().to_line() + body(2) + b"\n"


def test_memory_holds_a_part_of_a_long_outbox_only(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    for number in range(40):
        writer.append(body(number)[:-1] + b',"text":"%s"}' % (b"x" * 1_000_000))
    held = threading.Event()
    faulty_server.answer = lambda _post: (held.wait(30), OK)[1]
    relay = relay_to(faulty_server, path, connections=2)
    thread = threading.Thread(target=relay.run)
    tracemalloc.start()
    thread.start()
    eventually(lambda: len(faulty_server.posts) == 2, "both connections to be busy")
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000
    held.set()
    thread.join(30)
    assert relay.cursor.sent == 40


def test_it_gives_up_on_a_backlog_that_is_longer_than_what_is_read_ahead(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    faulty_server.stop()
    for number in range(2000):
        writer.append(body(number)[:-1] + b',"text":"%s"}' % (b"x" * 500))
    writer.end()
    relay = relay_to(faulty_server, path, is_over=lambda: False, grace=0.1)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert relay.cursor.sent == 0


def test_what_an_endpoint_asks_one_connection_to_wait_holds_for_the_others(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 30)
    answers = iter([status(429, "Retry-After: 1")])
    faulty_server.answer = lambda _post: next(answers, OK)
    relay = relay_to(faulty_server, path, connections=8)
    assert relay.run()
    first, *others = sorted(post.at for post in faulty_server.posts)
    assert len(others) == 30
    # At most what another connection had begun when the answer came.
    assert sum(at - first < 0.9 for at in others) <= 7


def test_an_outbox_is_not_done_while_lines_were_not_read(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than is read at once; the senders are always faster than who fills the backlog.
    for number in range(3000):
        writer.append(body(number)[:-1] + b',"text":"%s"}' % (b"x" * 200))
    backlogs: Any = vars(relay_module)["_Backlog"]
    wants_more = backlogs.wants_more.fget

    def slow(backlog: Any) -> bool:
        answer: bool = wants_more(backlog)
        if not answer:
            eventually(lambda: backlog.is_idle, "all that was read to be sent")
        return answer

    monkeypatch.setattr(backlogs, "wants_more", property(slow))
    relay = relay_to(faulty_server, path, connections=1, batch=100)
    assert relay.run()
    assert relay.cursor.sent == 3000


def test_what_was_sent_while_one_line_waited_is_not_sent_again(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter
) -> None:
    fill(writer, 40)
    faulty_server.answer = lambda post: status(503) if post.key in ("s1-4", "s1-20") else OK
    run_until_sent(faulty_server, path, 38)
    before = len(faulty_server.posts)
    faulty_server.answer = lambda _post: OK
    again = relay_to(faulty_server, path)
    assert again.run()
    assert sorted(keys(faulty_server)[before:]) == ["s1-20", "s1-4"]
    assert (again.cursor.sent, again.cursor.settled_ranges) == (40, [])


@pytest.mark.parametrize(
    "answer",
    [
        status(307, "Location: http://["),
        status(429, "Retry-After: Mon, 01 Jan 99999999999 00:00:00 GMT"),
    ],
)
def test_answers_that_make_no_sense_stop_no_connection(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter, answer: bytes
) -> None:
    fill(writer, 20)
    answers = iter([answer] * 6)
    faulty_server.answer = lambda _post: next(answers, OK)
    relay = relay_to(faulty_server, path, connections=2)
    assert relay.run()
    assert relay.cursor.sent + relay.cursor.refused == 20
    assert relay.cursor.sent >= 14


def slow(faulty_server: FaultyServer, seconds: float) -> None:
    """Have an endpoint take its time for each answer."""

    def answer(_post: Post) -> bytes:
        faulty_server.wait(seconds)
        return OK

    faulty_server.answer = answer


def test_order_holds_without_a_backlog_and_again_after_one(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine half a second passes without anybody being slow.
    monkeypatch.setattr("pytest_publish.delivery.relay._PATIENCE", 2.0)
    relay = relay_to(faulty_server, path, is_over=lambda: False)
    thread = threading.Thread(target=relay.run)
    thread.start()
    slow(faulty_server, 0.006)
    fill(writer, 12)
    eventually(lambda: relay.cursor.sent == 12)
    assert faulty_server.connections == 1
    slow(faulty_server, 0.1)
    for number in range(12, 52):
        writer.append(body(number))
    eventually(lambda: relay.cursor.sent == 52)
    assert faulty_server.connections > 1
    slow(faulty_server, 0.006)
    for number in range(52, 64):
        writer.append(body(number))
    writer.end()
    thread.join(30)
    in_order = [f"s1-{number}" for number in range(64)]
    assert keys(faulty_server)[:12] == in_order[:12]
    assert sorted(keys(faulty_server)[12:52]) == sorted(in_order[12:52])
    assert keys(faulty_server)[52:] == in_order[52:]
    assert len({post.port for post in faulty_server.posts[52:]}) == 1


@pytest.mark.parametrize("size", [1, 100_000], ids=["small", "large"])
def test_a_backlog_gets_all_the_connections_that_are_allowed(
    faulty_server: FaultyServer, path: Path, writer: OutboxWriter, size: int
) -> None:
    """Also one that is longer than what is read ahead, of which the end is read late."""
    slow(faulty_server, 0.02)
    for number in range(300):
        writer.append(body(number)[:-1] + b',"text":"%s"}' % (b"x" * size))
    relay = relay_to(faulty_server, path, connections=8)
    assert relay.run()
    assert faulty_server.connections == 8
    per_connection = collections.Counter(post.port for post in faulty_server.posts)
    # The last ones have as much to do as the first.
    assert min(per_connection.values()) > 300 / 8 / 3


def test_without_a_thread_for_a_first_connection_it_tries_again(
    faulty_server: FaultyServer,
    path: Path,
    writer: OutboxWriter,
    no_threads: Callable[[bool], None],
) -> None:
    fill(writer, 3)
    writer.end()
    relay = relay_to(faulty_server, path)
    thread = threading.Thread(target=relay.run)
    thread.start()
    no_threads(True)
    eventually(lambda: relay.cursor.problem or relay.cursor.sent)
    no_threads(False)
    thread.join(30)
    assert relay.cursor.sent == 3


def test_without_a_thread_for_another_connection_the_first_goes_on(
    faulty_server: FaultyServer,
    path: Path,
    writer: OutboxWriter,
    no_threads: Callable[[bool], None],
) -> None:
    fill(writer, 30)

    def answer(_post: Post) -> bytes:
        no_threads(True)
        faulty_server.wait(0.03)
        return OK

    faulty_server.answer = answer
    relay = relay_to(faulty_server, path)
    assert relay.run()
    assert (relay.cursor.sent, faulty_server.connections) == (30, 1)


@pytest.fixture
def no_threads() -> Iterator[Callable[[bool], None]]:
    """Return what makes the system refuse to start threads, or start them again."""

    def refuse(does: bool) -> None:
        threading.stack_size(1 << 46 if does else 0)  # which no machine has

    yield refuse
    refuse(False)
