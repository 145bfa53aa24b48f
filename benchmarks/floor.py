"""Lower bounds: the cost of a line in a file, a POST and a directory without this plugin.

``floor.py NAME COUNT FOLDER URL`` does one operation COUNT times, and prints the
microseconds per operation; counted.py counts its instructions.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit


# As long as the JSON of a trivial test's result.
BODY: Final = b'{"padding":"' + b"x" * 1000 + b'"}'
_HEADERS: Final = {"Content-Type": "application/json"}


def line(folder: Path, _url: str) -> Callable[[int], object]:
    """Append one line to a file."""
    file = os.open(folder / "lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return lambda _number: os.write(file, BODY + b"\n")


def directory(folder: Path, _url: str) -> Callable[[int], object]:
    """Make one empty directory."""
    return lambda number: os.mkdir(f"{folder}/{number}")


def tree(folder: Path, _url: str) -> Callable[[int], object]:
    """Write one result into a tree, with the fewest possible system calls."""

    def write(path: str, content: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(file, content)
        os.close(file)

    def make(number: int) -> None:
        test = f"{folder}/{number}"
        os.mkdir(test)
        write(f"{test}/.lock", b"")
        write(f"{test}/count", b"1")
        os.mkdir(f"{test}/.new")
        write(f"{test}/.new/brief.txt", BODY)
        write(f"{test}/.new/result.json", BODY)
        os.rename(f"{test}/.new", f"{test}/0.pass")

    return make


def post_by_socket(_folder: Path, url: str) -> Callable[[int], object]:
    """Send one POST over an open connection, with the socket module."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    head = f"POST {parts.path} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(BODY)}\r\n\r\n"
    data = head.encode() + BODY

    def post(_number: int) -> None:
        connection.sendall(data)
        connection.recv(4096)

    return post


def post_by_http_client(_folder: Path, url: str) -> Callable[[int], object]:
    """Send one POST with http.client."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def post(_number: int) -> None:
        connection.request("POST", parts.path, BODY, _HEADERS)
        connection.getresponse().read()

    return post


def post_by_urllib3(_folder: Path, url: str) -> Callable[[int], object]:
    """Send one POST with urllib3, which requests uses."""
    import urllib3

    pool = urllib3.PoolManager()
    return lambda _number: pool.request("POST", url, body=BODY, headers=_HEADERS)


def post_by_requests(_folder: Path, url: str) -> Callable[[int], object]:
    """Send one POST with a requests session."""
    import requests

    session = requests.Session()
    return lambda _number: session.post(url, data=BODY, headers=_HEADERS)


#: The operations by name.
FLOORS: Final = {
    each.__name__: each
    for each in (
        line,
        directory,
        tree,
        post_by_socket,
        post_by_http_client,
        post_by_urllib3,
        post_by_requests,
    )
}


def main(name: str, count: str, folder: str, url: str) -> None:
    """Do the operation once to warm up, then COUNT times; print the microseconds of each."""
    do = FLOORS[name](Path(folder), url)
    do(0)
    begun = time.perf_counter()
    for number in range(1, int(count) + 1):
        do(number)
    print((time.perf_counter() - begun) / int(count) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
