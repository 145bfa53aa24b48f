"""What is run: suites of tests, written when they are first needed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final
from typing import Literal
from typing import TypeAlias

from peers import PEERS


Kind: TypeAlias = Literal["trivial", "failing", "sleeping"]

_TESTS_A_FILE: Final = 500

_TEMPLATES: Final[dict[Kind, tuple[str, str]]] = {
    "trivial": ("", "def test_{number:06}():\n    assert True\n\n\n"),
    "failing": (
        """\
import logging


def descend(depth, words):
    print(f"down at {depth} with {len(words)} words")
    if depth == 0:
        logging.getLogger("bottom").warning("reached with %s", words[:3])
        assert sorted(words) == words, "not in order"
    return descend(depth - 1, words)


""",
        "def test_{number:06}():\n    {body}\n\n\n",
    ),
    "sleeping": ("import time\n\n\n", "def test_{number:06}():\n    time.sleep(0.005)\n\n\n"),
}
_BODIES: Final = (
    'print("this one passes")',
    "descend(20, [str(number) for number in range(30)])",
)


@dataclasses.dataclass(frozen=True)
class Workload:
    """A suite, how it is run, and who runs it.

    ``endpoint`` is what results are sent to: at once answering, 50 ms away, or dead.
    """

    name: str
    template: str
    tests: int
    kind: Kind = "trivial"
    arguments: tuple[str, ...] = ()
    endpoint: Literal["near", "far", "dead"] = "near"
    peers: tuple[str, ...] = tuple(PEERS)
    grace: float = 10.0
    rounds: int | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        return self.template.format(tests=self.tests)

    def quick(self) -> Workload:
        """Return the same with a tenth of the tests."""
        return dataclasses.replace(self, tests=max(100, self.tests // 10))


_SENDERS: Final = (
    "plain",
    "plain again",
    "buildkite",
    "plain, pytest 8",
    "1.2.0 --publish",
    "ours --publish",
)

#: By their names, in the order in which they run.
WORKLOADS: Final[dict[str, Workload]] = {
    workload.name: workload
    for workload in (
        Workload("trivial", "{tests:,} trivial tests, serially", 5_000),
        Workload("trivial-n2", "{tests:,} trivial tests, -n 2", 5_000, arguments=("-n", "2")),
        Workload(
            "failing",
            "{tests:,} tests, half of them fail deep down, with output",
            1_000,
            "failing",
            # pytest's own tracebacks take 20 s a peer, and five times as long with the
            # older pytest that 1.2.0 needs.
            peers=tuple(name for name, peer in PEERS.items() if peer.environment != "older"),
            rounds=3,
        ),
        Workload(
            "far",
            "{tests:,} trivial tests, endpoint 50 ms away",
            500,
            endpoint="far",
            peers=_SENDERS,
        ),
        Workload(
            "dead",
            "{tests:,} trivial tests, dead endpoint (ours: --publish-grace=1)",
            500,
            endpoint="dead",
            peers=_SENDERS,
            grace=1.0,
        ),
        Workload(
            "scaling",
            "{tests:,} trivial tests, serially",
            100_000,
            peers=("plain", "ours --pubdir", "ours --publish"),
            rounds=1,
        ),
    )
}


def write_suite(folder: Path, kind: Kind, tests: int) -> Path:
    """Return the folder of a suite, which is written if it is not there."""
    suite = folder / f"{kind}-{tests}"
    complete = suite / "pytest.ini"
    if complete.exists():
        return suite
    suite.mkdir(parents=True, exist_ok=True)
    head, template = _TEMPLATES[kind]
    for first in range(0, tests, _TESTS_A_FILE):
        numbers = range(first, min(first + _TESTS_A_FILE, tests))
        bodies = (
            template.format(number=number, body=_BODIES[number % len(_BODIES)])
            for number in numbers
        )
        path = suite / f"test_{first // _TESTS_A_FILE:03}.py"
        path.write_text(head + "".join(bodies).rstrip() + "\n", "utf-8")
    complete.write_text("[pytest]\n", "utf-8")
    return suite
