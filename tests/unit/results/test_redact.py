from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (["-o", "addopts=-q --token=s3cret"], ["-o", "addopts=-q --token=***"]),
        (["-oaddopts=--publish-header 'X: s3cret' x"], ["-oaddopts=--publish-header *** x"]),
        (["--override-ini=addopts=--api-token s3cret"], ["--override-ini=addopts=--api-token ***"]),
        (["-o", "addopts=--token 's3cret"], ["-o", "addopts=***"]),
        (["-o", "addopts=-k 'a or b'"], ["-o", "addopts=-k 'a or b'"]),
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


# What can't be part of what stands around it.
SECRETS = st.text("0123456789ABCXYZ:@é%", min_size=4).map("s3cret{}".format)


@given(st.sampled_from(["token", "API_TOKEN", "db-password", "secrets", "ssh-key"]), SECRETS)
def test_a_secret_is_hidden_however_it_is_given(name: str, secret: str) -> None:
    forms = [
        [f"--{name}={secret}"],
        [f"--{name}", secret],
        ["-o", f"{name}={secret}"],
        [f"-o{name}={secret}"],
        [f"--override-ini={name}={secret}"],
        [f"--publish-metadata={name}={secret}"],
        ["--publish", f"https://{secret}@host/x", f"--url=http://me:{secret}@host?key={secret}"],
    ]
    for args in forms:
        shown = redacted_args(args)
        assert len(shown) == len(args)
        assert "s3cret" not in "".join(shown)
    metadata = redacted_metadata({name: secret, "in": {name: [secret]}, "url": [f"x://{secret}@h"]})
    assert "s3cret" not in repr(metadata)


@given(st.lists(st.text("abcdefgh-=/[]. ")))
def test_what_speaks_of_no_secret_stays_as_it_is(args: list[str]) -> None:
    assert redacted_args(args) == args
