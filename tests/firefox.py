"""Firefox, driven by its own protocol (Marionette): Playwright needs a build of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final

import pytest

from daemons import free_port
from support import eventually


#: No pages of its own, no processes in reserve, and nothing asked of the net.
_SETTINGS: Final = {
    "app.normandy.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "dom.ipc.processPrelaunch.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
}


class Firefox:
    """One window."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._answer()  # it greets
        self._call("WebDriver:NewSession")

    def open(self, url: str) -> None:
        """Show a page."""
        self._call("WebDriver:Navigate", url=url)

    def run(self, script: str) -> Any:
        """Return what a script in the page returns."""
        return self._call("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def _call(self, command: str, **parameters: Any) -> Any:
        message = json.dumps([0, 1, command, parameters]).encode()
        self._file.write(b"%d:%s" % (len(message), message))
        self._file.flush()
        _kind, _number, error, result = self._answer()
        assert error is None, error
        return result

    def _answer(self) -> Any:
        digits = b"".join(iter(lambda: self._file.read(1), b":"))
        return json.loads(self._file.read(int(digits)))


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Debian's Firefox with a profile in a folder."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("there is no Firefox here (apt-get install firefox-esr): it is NOT tested")
    port = free_port()
    settings = _SETTINGS | {"marionette.port": port}
    told = (
        f"user_pref({json.dumps(name)}, {json.dumps(is_)});\n" for name, is_ in settings.items()
    )
    (folder / "user.js").write_text("".join(told), "utf-8")
    with subprocess.Popen(
        [program, "--headless", "--no-remote", "--marionette", "--profile", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            with eventually(lambda: _connected(port), "Firefox") as connection:
                yield Firefox(connection)
        finally:
            process.terminate()


def _connected(port: int) -> socket.socket | None:
    with contextlib.suppress(OSError):
        return socket.create_connection(("127.0.0.1", port), 60)
    return None
