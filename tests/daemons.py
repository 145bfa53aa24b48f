"""Debian's sshd and nginx on loopback, with settings, keys and ports of their own."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from support import eventually


_NCHAN: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_SSHD_CONFIG: Final = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv {environment}
"""
_SSH_CONFIG: Final = """\
Host host1 host2
HostName 127.0.0.1
Port {port}
IdentityFile {folder}/user_key
IdentitiesOnly yes
BatchMode yes
UserKnownHostsFile /dev/null
StrictHostKeyChecking no
LogLevel ERROR
"""
_NGINX_CONFIG: Final = """\
{modules}
{user}
daemon off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {server};
}}
"""


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


@contextmanager
def sshd(folder: Path, **environment: str) -> Iterator[Path]:
    """Run an sshd that this user can log in to; yield a folder with an ``ssh`` to it.

    That ssh knows it as host1 and host2. Sessions have ``environment`` beside their own.
    """
    program = _found("sshd", "apt-get install openssh-server")
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        pytest.skip("root's sshd needs a folder /run/sshd")
    for name in ("host_key", "user_key"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    port = free_port()
    variables = " ".join(f'"{name}={value}"' for name, value in environment.items())
    config = _SSHD_CONFIG.format(folder=folder, port=port, environment=variables)
    (folder / "sshd_config").write_text(config, "utf-8")
    client = folder / "ssh_config"
    client.write_text(_SSH_CONFIG.format(folder=folder, port=port), "utf-8")
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {shlex.quote(str(client))} "$@"\n')
    ssh.chmod(0o755)
    with _running([program, "-D", "-e", "-f", str(folder / "sshd_config")], port):
        yield ssh.parent


@contextmanager
def nginx(folder: Path, server: str) -> Iterator[str]:
    """Run an nginx with one ``server`` block, on a port of its own; yield the URL of its root."""
    program = _found("nginx", "apt-get install nginx-light libnginx-mod-nchan")
    needs_nchan = "nchan_" in server
    if needs_nchan and not _NCHAN.exists():
        pytest.skip("nginx is here without nchan: apt-get install libnginx-mod-nchan")
    port = free_port()
    moved = re.sub(r"listen \d+", f"listen 127.0.0.1:{port}", server)
    (folder / "server.conf").write_text(moved, "utf-8")
    modules = f"load_module {_NCHAN};" if needs_nchan else ""
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    config = _NGINX_CONFIG.format(modules=modules, user=user, server=folder / "server.conf")
    (folder / "nginx.conf").write_text(config, "utf-8")
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with _running(command, port):
        yield f"http{'s' if ' ssl' in server else ''}://127.0.0.1:{port}"


def _found(program: str, how_to_get_it: str) -> str:
    # Neither's folder is on the path of a user who is not root.
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"there is no {program}: {how_to_get_it}")
    return path


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the end of the block; begin that when it listens."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            eventually(lambda: _listens(port) or process.poll() is not None, command[0])
            assert process.poll() is None, process.communicate()[1]
            yield
        finally:
            process.terminate()
            process.communicate()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def our_relay() -> Path:
    """Return the folder in /proc of the relay that this process has started."""
    # A process that has just begun may have no command line yet.
    (relay,) = eventually(lambda: [path for path in Path("/proc").glob("[0-9]*") if _is_ours(path)])
    assert isinstance(relay, Path)
    return relay


def _is_ours(process: Path) -> bool:
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return (
            parent == os.getpid()
            and b"pytest_publish.delivery.relay" in (process / "cmdline").read_bytes()
        )
    except OSError:
        return False
