"""The suite over Pythons, pytests and xdists: ``nox``, or ``nox -s tests-3.12``."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nox


nox.options.default_venv_backend = "venv"
# An interpreter that is missing is said, and is no failure.
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
#: pytest and xdist: the oldest that are supported, one of each minor since, the newest.
VERSIONS = {
    "8.2": ("pytest==8.2.*", "pytest-xdist==3.6.1"),
    "8.4": ("pytest==8.4.*", "pytest-xdist==3.8.*"),
    "9.0": ("pytest==9.0.*", "pytest-xdist==3.8.*"),
    "9.1": ("pytest==9.1.*", "pytest-xdist==3.8.*"),
    "newest": ("pytest", "pytest-xdist"),
}
#: What a version of pytest or xdist is most likely to break.
CORE = [f"tests/xdist/test_{name}.py" for name in ("contract", "tree", "crashes", "hooks")]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite on the newest pytest and xdist."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
@nox.parametrize("pytest", list(VERSIONS), ids=list(VERSIONS))
def versions(session: nox.Session, pytest: str) -> None:
    """Run the core of the suite on another pytest and xdist."""
    session.install("-e", ".[test]", *VERSIONS[pytest])
    session.run("pytest", "-n", "auto", *(session.posargs or CORE))


@nox.session
@nox.parametrize("pytest", ["8.4", "newest"], ids=["8.4", "newest"])
def fuzz(session: nox.Session, pytest: str) -> None:
    """Try random suites, kills and faults for an hour, or for the seconds that are given."""
    session.install("-e", ".[test]", *VERSIONS[pytest])
    seconds = float(session.posargs[0]) if session.posargs else 3600
    for program in ("verdicts", "losses"):
        session.run("python", f"fuzz/{program}.py", f"--seconds={seconds / 2}")


#: What the benchmark compares with.
REPORTERS = ("pytest-reportlog", "pytest-json-report", "pytest-html", "allure-pytest")


@nox.session(default=False)
@nox.parametrize("how", ["counted", "timed"], ids=["counted", "timed"])
def benchmark(session: nox.Session, how: str) -> None:
    """Measure what publishing costs, and write it into docs/cost.md. Needs Linux, and valgrind."""
    session.install("-e", ".", *REPORTERS)
    session.run("python", f"benchmarks/{how}.py")


@nox.session
def agree(session: nox.Session) -> None:
    """Compare each result with pytest's own report, on suites of other packages."""
    session.install("jsonschema")
    session.run("python", ".ci/agree.py", *session.posargs)


@nox.session
def without_xdist(session: nox.Session) -> None:
    """Run what runs no other session, and the examples, where there is no xdist at all."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pip", "uninstall", "--yes", "pytest-xdist")
    session.run("pytest", "tests/unit", *session.posargs)
    tree = Path(tempfile.mkdtemp(prefix="tree-"))
    session.run("pytest", "examples", f"--pubdir={tree}", success_codes=[1])
    assert len(list(tree.rglob("result.json"))) == 6


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


#: Of npm: what checks the page's modules, and what is vendored of others in it.
PAGE = (
    *("typescript@5.9.3", "@biomejs/biome@2.3.8"),
    *("preact@11.2.0", "htm@3.1.1", "uplot@1.6.32"),
)
STATIC = Path("src/pytest_publish/board/static").resolve()
VENDORED = {
    "preact.js": "preact/dist/preact.mjs",
    "preact-hooks.js": "preact/hooks/dist/hooks.mjs",
    "htm.js": "htm/dist/htm.module.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "LICENSE-preact": "preact/LICENSE",
    "LICENSE-htm": "htm/LICENSE",
    "LICENSE-uplot": "uplot/LICENSE",
}
#: What makes a module of a script.
ADDED = {"uplot.js": ["export default uPlot;"]}


@nox.session(venv_backend="none")
def page(session: nox.Session) -> None:
    """Check the page's style and types, and that vendored files are what npm has. Needs npm."""
    folder = Path(tempfile.mkdtemp(prefix="page-"))
    quiet = ("--no-save", "--no-audit", "--no-fund", "--prefix", str(folder))
    session.run("npm", "install", *quiet, *PAGE, external=True, success_codes=[0, 1])
    modules = folder / "node_modules"
    if not (modules / "typescript").exists():  # npm installs all or nothing
        session.skip("npm could not install what checks the page")
    for name, original in VENDORED.items():
        lines = (modules / original).read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("//# sourceMappingURL")]
        if (STATIC / "vendor" / name).read_text("utf-8").splitlines() != kept + ADDED.get(name, []):
            session.error(f"{name} is not what the npm package has as {original}")
    types = {
        "preact": [str(modules / "preact")],
        "preact/hooks": [str(modules / "preact/hooks")],
        "htm": [str(modules / "htm")],
        "uplot": [str(modules / "uplot")],
    }
    settings = Path(".ci/page").resolve()
    project = {
        "extends": str(settings / "tsconfig.json"),
        "compilerOptions": {"paths": types},
        "include": [str(STATIC / "js")],
    }
    (folder / "tsconfig.json").write_text(json.dumps(project), "utf-8")
    binaries = modules / ".bin"
    session.run(str(binaries / "tsc"), "--project", str(folder), external=True)
    session.run(
        *(str(binaries / "biome"), "ci", "--error-on-warnings", f"--config-path={settings}"),
        str(STATIC / "js"),
        external=True,
    )


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, check what is in them, and test the wheel alone.

    ``nox -s package -- FOLDER`` keeps them in a folder, which must be empty.
    """
    session.install("build", "twine")
    # Not session.create_tmp(): our tests' sessions would find pyproject.toml above it.
    folder = Path(*session.posargs) if session.posargs else Path(tempfile.mkdtemp(prefix="dist-"))
    # The wheel is built from the sdist, as whoever installs from that would.
    session.run("python", "-m", "build", "--outdir", str(folder))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    session.run("python", "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    check_wheel(session, wheel)
    check_sdist(session, sdist)
    session.install(str(wheel))
    where = "import pytest_publish; print(pytest_publish.__file__)"
    used = session.run("python", "-c", where, silent=True)
    if not isinstance(used, str) or "site-packages" not in used:
        session.error(f"the wheel is not what is tested, but {used}")
    for mode in ((), ("-n", "2")):
        tree = Path(tempfile.mkdtemp(prefix="tree-"))
        session.run("pytest", "examples", f"--pubdir={tree}", *mode, success_codes=[1])
        assert len(list(tree.rglob("result.json"))) == 6
    test_contract(session)


def check_wheel(session: nox.Session, wheel: Path) -> None:
    """Check that the wheel has each file of the package, and nothing else."""
    wanted = {name.removeprefix("src/") for name in tracked(session) if name.startswith("src/")}
    names = zipfile.ZipFile(wheel).namelist()
    found = {name for name in names if ".dist-info/" not in name}
    if found != wanted or not any(name.endswith("licenses/LICENSE") for name in names):
        session.error(f"{wheel} differs from the source in {sorted(found ^ wanted)}, or no licence")


def test_contract(session: nox.Session) -> None:
    """Run the suite's test of the JSON where no src can be imported instead of the wheel."""
    # What this test needs: to install all of [test] takes longer than the test.
    session.install("hypothesis", "jsonschema", "pytest-httpserver", "trustme")
    folder = Path(tempfile.mkdtemp(prefix="suite-"))
    shutil.copytree("tests", folder / "tests")
    shutil.copy("pyproject.toml", folder)
    with session.chdir(folder):
        session.run("pytest", "tests/xdist/test_contract.py", "-n", "2")


def check_sdist(session: nox.Session, sdist: Path) -> None:
    """Check that the sdist has each tracked file but those about the repository, and no more."""
    wanted = {name for name in tracked(session) if not name.startswith((".git", ".pre-commit"))}
    with tarfile.open(sdist) as archive:
        files = {member.name.partition("/")[2] for member in archive if member.isfile()}
    found = {name for name in files if ".egg-info/" not in name} - {"PKG-INFO"}
    if found != wanted:
        session.error(f"{sdist} differs from the repository in {sorted(found ^ wanted)}")


def tracked(session: nox.Session) -> list[str]:
    """Return the files that the repository keeps."""
    return str(session.run("git", "ls-files", external=True, silent=True)).splitlines()
