from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemons import our_relay
from faulty_server import FaultyServer
from pytest_publish.delivery import program as program_module
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.delivery.program import RelayProgram


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux shows environments")
def test_a_relay_is_not_measured_and_gets_no_secret_by_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_START", os.devnull)
    monkeypatch.setenv("PYTEST_PUBLISH_SECRET", "aHVudGVyMg==")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "authorities.pem")
    program = RelayProgram()
    environment = (our_relay() / "environ").read_bytes().split(b"\0")
    names = {line.partition(b"=")[0] for line in environment}
    assert not names & {b"COVERAGE_PROCESS_START", b"PYTEST_PUBLISH_SECRET"}
    # Its current folder is another one.
    assert f"REQUESTS_CA_BUNDLE={Path.cwd() / 'authorities.pem'}".encode() in environment
    program.stop()
    program.close()


def test_a_relay_that_was_started_early_has_the_environment_of_later(
    faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    program = RelayProgram()
    # As a conftest may do it.
    monkeypatch.setenv("http_proxy", faulty_server.url)
    delivery = RelayProcess(tmp_path, "run", DeliveryConfig("http://results.invalid/"))
    delivery.start(program)
    delivery.append(b'{"type":"result","session_id":"s1","seq":0}')
    delivery.end()
    assert delivery.wait(lambda _waiting: None).sent == 1
    assert len(faulty_server.posts) == 1


def test_a_relay_whose_run_died_before_it_said_anything_says_nothing() -> None:
    code: str = vars(program_module)["_CODE"]
    for begun in (b"", b"[]\n"):
        done = subprocess.run(
            [sys.executable, "-c", code], input=begun, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
