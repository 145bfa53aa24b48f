"""Virtual environments, one for each set of packages that is measured."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final


ROOT: Final = Path(__file__).resolve().parents[1]

_TEST: Final = ("pytest", "pytest-xdist")

#: What each environment has besides its interpreter.
PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "plain": _TEST,
    "reportlog": (*_TEST, "pytest-reportlog"),
    "json-report": (*_TEST, "pytest-json-report"),
    "html": (*_TEST, "pytest-html"),
    "allure": (*_TEST, "allure-pytest"),
    "buildkite": (*_TEST, "buildkite-test-collector"),
    "older": (*_TEST, "pytest-publish==1.2.0"),
    "ours": _TEST,  # and this very tree, see _install_ours()
    "plot": ("matplotlib",),
}
_TOLD: Final = {"pytest-publish", "orjson", "requests", "fasteners"}.union(*PACKAGES.values())
# What is needed of the tree to install from it.
_OURS: Final = ("src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


class Environments:
    """Makes environments below a folder when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pythons: dict[str, Path] = {}

    def python(self, name: str) -> Path:
        """Return the interpreter of an environment, which is made if there is none."""
        if name not in self._pythons:
            self._pythons[name] = self._make(name)
        return self._pythons[name]

    def versions(self, name: str) -> dict[str, str]:
        """Return the versions of what is measured, and of what does its work."""
        command = [str(self.python(name)), "-m", "pip", "list", "--format=json"]
        listed = subprocess.run(command, check=True, capture_output=True).stdout
        versions = {package["name"]: package["version"] for package in json.loads(listed)}
        return {name: versions[name] for name in sorted(versions) if name in _TOLD}

    def _make(self, name: str) -> Path:
        wanted = "\n".join((sys.version, *PACKAGES[name]))
        home = self._folder / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        python = home / "bin" / "python"
        complete = home / "complete"
        if not complete.exists():
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            _install(python, *PACKAGES[name])
            complete.touch()
        if name == "ours":
            _install_ours(python, self._folder / "source")
        return python


def _install(python: Path, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True)


def _install_ours(python: Path, copy: Path) -> None:
    """Install the tree as a user would, from a copy: building leaves files behind."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in _OURS:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    _install(python, copy)
    _install(python, "--force-reinstall", "--no-deps", copy)
