"""The suite over Pythons, pytests and xdists: ``nox``, or ``nox -s tests-3.12``."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox


nox.options.sessions = ["tests", "versions", "without_xdist", "lint"]
# An interpreter that is missing is said, and is no failure.
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
#: pytest and xdist: the oldest that are supported, one of each minor since, the newest.
VERSIONS = [
    ("8.2.*", "3.6.1"),
    ("8.4.*", "3.8.*"),
    ("9.0.*", "3.8.*"),
    ("9.1.*", "3.8.*"),
]
#: What a version of pytest or xdist is most likely to break.
CORE = ["tests/xdist/test_contract.py", "tests/xdist/test_tree.py", "tests/xdist/test_crashes.py"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite on the newest pytest and xdist."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
@nox.parametrize(("pytest", "xdist"), VERSIONS, ids=[pytest for pytest, _xdist in VERSIONS])
def versions(session: nox.Session, pytest: str, xdist: str) -> None:
    """Run the core of the suite on another pytest and xdist."""
    session.install("-e", ".[test]", f"pytest=={pytest}", f"pytest-xdist=={xdist}")
    session.run("pytest", "-n", "auto", *(session.posargs or CORE))


@nox.session
def without_xdist(session: nox.Session) -> None:
    """Run a session in an environment that has no xdist at all."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pip", "uninstall", "--yes", "pytest-xdist")
    session.run("pytest", "tests/unit", *session.posargs)
    session.run("pytest", "examples", "--pubdir=results", success_codes=[1])


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, and run the core of the suite against the wheel alone."""
    session.install("build", "twine")
    folder = Path(session.create_tmp()) / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder))
    session.run("python", "-m", "twine", "check", "--strict", *map(str, folder.iterdir()))
    (wheel,) = folder.glob("*.whl")
    session.install(f"pytest-publish[test] @ {wheel.as_uri()}")
    session.run("pytest", "-n", "auto", *CORE)
