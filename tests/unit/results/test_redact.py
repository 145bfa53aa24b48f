from __future__ import annotations

import pytest

from pytest_publish.results.redact import redacted_args
from pytest_publish.results.redact import redacted_metadata


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["-q", "tests/test_it.py::test_a[x=1]"], ["-q", "tests/test_it.py::test_a[x=1]"]),
        (["--api-token", "s3cret", "tests"], ["--api-token", "***", "tests"]),
        (["--api-token", "-q"], ["--api-token", "-q"]),
        (["--password=s3cret"], ["--password=***"]),
        (["--secret=a=b"], ["--secret=***"]),
        (
            ["--key=s3cret", "--api-key=s3cret", "--my_keys", "s3cret"],
            ["--key=***", "--api-key=***", "--my_keys", "***"],
        ),
        (["-k", "monkey", "--monkeypatch=x", "--keep=y"],) * 2,
        (["-o", "publish_header=X: s3cret"], ["-o", "publish_header=***"]),
        (["--override-ini=my_token=s3cret"], ["--override-ini=my_token=***"]),
        (["--publish-header", "X: s3cret"], ["--publish-header", "***"]),
        (["--publish-header=X: s3cret"], ["--publish-header=***"]),
        (["--publish", "http://me:s3cret@host/x?y=s3cret"], ["--publish", "http://host/x?…"]),
        (["--publish=http://s3cret@host/x#s3cret"], ["--publish=http://host/x?…"]),
        (["--db", "postgres://me:s3cret@db/shop"], ["--db", "postgres://db/shop"]),
        (["--publish-metadata=token=s3cret"], ["--publish-metadata=token=***"]),
    ],
)
def test_an_argument_shows_no_secret(args: list[str], shown: list[str]) -> None:
    assert redacted_args(args) == shown


def test_metadata_shows_no_secret() -> None:
    metadata = {
        "Python": "3.11",
        "API_KEY": "s3cret",
        "remote": "https://me:s3cret@host/x?build=1",
        "nested": {"password": "s3cret", "plugins": ["a", "http://s3cret@host/"]},
        "count": 3,
    }
    assert redacted_metadata(metadata) == {
        "Python": "3.11",
        "API_KEY": "***",
        "remote": "https://host/x?build=1",
        "nested": {"password": "***", "plugins": ["a", "http://host/"]},
        "count": 3,
    }
