from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import cast

import pytest

from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin import _SWITCHES
from pytest_publish.plugin import pytest_addoption
from pytest_publish.plugin.messages import header
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.publisher import Publisher
from pytest_publish.plugin.settings import read_settings
from pytest_publish.plugin.settings import Settings


class Declared:
    """Stands in for pytest's parser: the options and ini settings with their defaults."""

    def __init__(self) -> None:
        self.options: dict[str, object] = {}
        self.ini: dict[str, object] = {}
        pytest_addoption(cast("pytest.Parser", self))

    def getgroup(self, _name: str, _description: str) -> Declared:
        return self

    def addoption(self, _name: str, *, dest: str, default: object, **_more: object) -> None:
        self.options[dest] = default

    def addini(self, name: str, _help: str, *, default: object, **_more: object) -> None:
        self.ini[name] = default


class Config:
    """Stands in for pytest's Config: what is asked of it, and no more."""

    def __init__(self, folder: Path, options: dict[str, object], ini: dict[str, object]) -> None:
        declared = Declared()
        assert declared.options.keys() >= options.keys()
        assert declared.ini.keys() >= ini.keys()
        self._options = declared.options | options
        self._ini = declared.ini | ini
        self.folder = folder
        self.rootpath = folder
        self.inipath: Path | None = None
        self.invocation_params = pytest.Config.InvocationParams(args=[], plugins=None, dir=folder)
        self.plugins = {"cacheprovider"}
        self.pluginmanager = SimpleNamespace(hasplugin=lambda name: name in self.plugins)
        self.cache = pytest.Cache(folder / ".cache", cast("pytest.Config", self), _ispytest=True)

    def getoption(self, name: str) -> object:
        return self._options[name]

    def getini(self, name: str) -> object:
        value = self._ini[name]
        if isinstance(value, Exception):
            raise value
        return value

    def read(self, **environment: str) -> Settings:
        """Read the settings with only these variables set."""
        return read_settings(cast("pytest.Config", self), environment)


#: Returns a Config with the given options and, in ``ini``, ini settings.
MakeConfig = Callable[..., Config]

URL = "https://example.org/results"


@pytest.fixture
def make_config(rootdir: Path) -> MakeConfig:
    def make(ini: dict[str, object] | None = None, **options: object) -> Config:
        return Config(rootdir, options, ini or {})

    return make


def refusal(config: Config, **environment: str) -> str:
    """Return the one line with which the settings are refused."""
    with pytest.raises(pytest.UsageError) as refused:
        config.read(**environment)
    # Nor may a chained error be shown, which would have the value in it.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text


def test_what_is_not_asked_for_has_its_default(make_config: MakeConfig, rootdir: Path) -> None:
    read = make_config(publish=[URL]).read()
    (delivery,) = read.deliveries
    assert (read.pubdir, read.scheme, read.which) == (None, "name", "all")
    assert (read.run_id, read.strict, read.warning) == (None, False, None)
    assert (read.log, read.events, read.metadata) == (None, False, {})
    assert (read.project, read.outbox_folder) == ("project", rootdir / ".cache" / "publish")
    assert (delivery.url, delivery.headers, delivery.secret) == (URL, (), "")
    assert (delivery.timeout, delivery.gzip) == (10.0, False)
    assert (delivery.connections, delivery.batch, delivery.grace) == (16, 1, 10.0)


EVERYTHING: dict[str, Any] = {
    "publish": [URL, "http://second.example/"],
    "pubdir": "tree",
    "pubdir_layout": "nodeid",
    "pubdir_filter": "bad",
    "publish_log": "results.jsonl",
    "publish_events": True,
    "publish_metadata": ["build=7", "empty ="],
    "publish_project": "shop",
    "publish_run_id": "build 7",
    "publish_header": ["X-A: 1"],
    "publish_timeout": "2.5",
    "publish_grace": "0",
    "publish_connections": "4",
    "publish_batch": "50",
    "publish_gzip": True,
    "publish_outbox": "outbox",
    "publish_strict": True,
}


@pytest.mark.parametrize("where", ["options", "ini"])
def test_everything_can_be_asked_for_by_option_and_by_ini(
    make_config: MakeConfig, rootdir: Path, where: str
) -> None:
    config = make_config(**EVERYTHING) if where == "options" else make_config(ini=EVERYTHING)
    read = config.read(PYTEST_PUBLISH_SECRET="whsec_aGk=", PYTEST_PUBLISH_HEADERS="X-B: 2")
    assert [delivery.url for delivery in read.deliveries] == EVERYTHING["publish"]
    assert (read.pubdir, read.scheme, read.which) == (rootdir / "tree", "nodeid", "bad")
    assert (read.run_id, read.strict) == ("build 7", True)
    assert read.log == rootdir / "results.jsonl"
    assert (read.events, read.project) == (True, "shop")
    assert read.metadata == {"build": "7", "empty": ""}
    assert read.outbox_folder == rootdir / "outbox"
    for delivery in read.deliveries:
        assert delivery.headers == (("X-B", "2"), ("X-A", "1"))
        assert delivery.secret == "whsec_aGk="
        assert (delivery.timeout, delivery.gzip) == (2.5, True)
        assert (delivery.connections, delivery.batch, delivery.grace) == (4, 50, 0.0)


def test_every_setting_is_tried_here(make_config: MakeConfig) -> None:
    assert Declared().options.keys() == Declared().ini.keys() == EVERYTHING.keys()
    assert make_config(**EVERYTHING).read() != make_config(publish=[URL]).read()


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_opens_a_sink_is_a_switch_and_named_in_the_header(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(RelayProcess, "start", lambda *_args: None)
    read = make_config(**{name: EVERYTHING[name]}).read()
    publisher = Publisher(read, lambda _told: True, Problems())
    publisher.start()
    opens_a_sink = bool(publisher._sinks)  # noqa: SLF001
    assert (name in _SWITCHES) == opens_a_sink
    assert (next(header(read, [], [])) != "publish: ") == opens_a_sink


def test_the_command_line_goes_before_the_ini_file(make_config: MakeConfig) -> None:
    ini: dict[str, object] = {
        "publish": ["http://ini.example/"],
        "pubdir": "ini",
        "pubdir_layout": "nodeid",
        "publish_batch": "2",
    }
    read = make_config(
        ini, publish=[URL], pubdir="option", pubdir_layout="name", publish_batch="3"
    ).read()
    assert [delivery.url for delivery in read.deliveries] == [URL]
    assert read.deliveries[0].batch == 3
    assert read.pubdir is not None
    assert (read.pubdir.name, read.scheme) == ("option", "name")


def test_an_empty_option_switches_off_what_the_ini_file_asks_for(make_config: MakeConfig) -> None:
    assert make_config({"pubdir": "tree"}, pubdir="", publish=[URL]).read().pubdir is None


def test_empty_lists_switch_off_what_the_ini_file_asks_for(make_config: MakeConfig) -> None:
    ini: dict[str, object] = {"publish": [URL], "publish_header": ["X-A: 1"]}
    assert make_config(ini, publish=[""], pubdir="tree").read().deliveries == ()
    (delivery,) = make_config(ini, publish=["", "http://h/"], publish_header=[""]).read().deliveries
    assert (delivery.url, delivery.headers) == ("http://h/", ())


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("kind", [ValueError, TypeError, pytest.UsageError])
def test_an_ini_value_that_pytest_refuses_is_reported_with_the_option_and_without_the_value(
    make_config: MakeConfig, name: str, kind: type[Exception]
) -> None:
    ini: dict[str, object] = {"publish": [URL], name: kind("expects a list, got str: 'hunter2'")}
    text = refusal(make_config(ini))
    assert text == f"--{name.replace('_', '-')}: expects a list"


@pytest.mark.parametrize(
    "name", sorted(name for name, value in EVERYTHING.items() if value is not True)
)
def test_an_ini_value_of_another_type_is_reported_with_the_option(
    make_config: MakeConfig, name: str
) -> None:
    # As in pyproject.toml, where pytest lets a list through as it is.
    ini: dict[str, object] = {"publish": [URL], name: [1]}
    assert refusal(make_config(ini)).startswith(f"--{name.replace('_', '-')}: the ini file")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/work/project/tree", "tree"),
        ("/work/tree", "../tree"),
        ("/work/project", "."),
        ("/tree", "/tree"),
        ("/work/project/-tree", "/work/project/-tree"),
    ],
)
def test_a_path_is_shown_as_pytest_shows_it(path: str, expected: str) -> None:
    assert Settings(Path("/work/project")).shown(Path(path)) == expected


def test_a_url_that_is_named_twice_is_served_once(make_config: MakeConfig) -> None:
    assert len(make_config(publish=[URL, URL]).read().deliveries) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"publish": ["results"]}, "--publish: 'results' is not a URL"),
        ({"publish": [URL, "ftp://user:hunter2@h/?hunter2"]}, "--publish: 'h/' is not a URL"),
        ({"publish": ["http://user:hunter2@:99/"]}, "--publish: ':99/' is not a URL"),
        (
            {"publish_header": ["Authorization hunter2"]},
            "--publish-header: a header must be",
        ),
        ({"publish_header": ["X-A: hunter2 €"]}, "--publish-header: the value of X-A"),
        ({"pubdir_layout": "tree"}, "--pubdir-layout: 'tree' is none of name, nodeid"),
        ({"pubdir_filter": "Bad"}, "--pubdir-filter: 'Bad' is none of all, bad, fail"),
        (
            {"publish_metadata": ["hunter2"]},
            "--publish-metadata: metadata must be written",
        ),
        ({"publish_metadata": [" =hunter2"]}, "--publish-metadata: metadata must be written"),
        ({"publish_log": "."}, "--publish-log: can't write to "),
        ({"publish_timeout": "0"}, "--publish-timeout: '0' is not a number of seconds"),
        ({"publish_timeout": "ten"}, "--publish-timeout: 'ten' is not a number of seconds"),
        ({"publish_timeout": "nan"}, "--publish-timeout: 'nan' is not a number of seconds"),
        ({"publish_timeout": "1e300"}, "--publish-timeout: '1e300' is not a number of seconds"),
        ({"publish_grace": "inf"}, "--publish-grace: 'inf' is not a number of seconds"),
        ({"publish_grace": "-1"}, "--publish-grace: '-1' is not a number of seconds"),
        ({"publish_connections": "0"}, "--publish-connections: '0' is not a whole number"),
        ({"publish_connections": "1.5"}, "--publish-connections: '1.5' is not a whole number"),
        ({"publish_batch": "-1"}, "--publish-batch: '-1' is not a whole number"),
        ({"publish_batch": "²"}, "--publish-batch: '²' is not a whole number"),
        ({"publish_batch": "9" * 5000}, "--publish-batch: "),
        ({"publish_run_id": "a\nb"}, "--publish-run-id: "),
        ({"pubdir": "file"}, "--pubdir: can't write to "),
        ({"pubdir": "file/below"}, "--pubdir: can't write to "),
        ({"pubdir": "~nobody-of-that-name/tree"}, "--pubdir: "),
        ({"pubdir": "a\0b"}, "--pubdir: can't write to "),
        ({"publish_outbox": "file"}, "--publish-outbox: can't write to "),
    ],
)
@pytest.mark.parametrize("where", ["options", "ini"])
def test_what_can_not_be_is_refused_in_one_line_that_names_the_option(
    make_config: MakeConfig, rootdir: Path, where: str, options: dict[str, object], message: str
) -> None:
    (rootdir / "file").write_text("a file")
    asked = {"publish": [URL]} | options
    text = refusal(make_config(**asked) if where == "options" else make_config(ini=asked))
    assert text.startswith(message)
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PYTEST_PUBLISH_SECRET", "hunter2!"), ("PYTEST_PUBLISH_HEADERS", "X-A: 1\nhunter2")],
)
def test_a_secret_of_the_environment_is_refused_without_being_shown(
    make_config: MakeConfig, variable: str, value: str
) -> None:
    text = refusal(make_config(publish=[URL]), **{variable: value})
    assert text.startswith(f"{variable}: ")
    assert "hunter2" not in text


def test_no_secret_is_in_the_text_of_settings(make_config: MakeConfig) -> None:
    config = make_config(publish=["http://user:hunter2@h/"], publish_header=["X-A: hunter2"])
    read = config.read(PYTEST_PUBLISH_SECRET="hunter2A")
    assert read.deliveries[0].secret == "hunter2A"
    assert "hunter2" not in repr(read)


def test_a_path_on_the_command_line_starts_where_pytest_was_called(
    make_config: MakeConfig, rootdir: Path, tmp_path: Path
) -> None:
    config = make_config(pubdir="tree")
    config.inipath = tmp_path / "pytest.ini"
    assert config.read().pubdir == rootdir / "tree"
    assert (rootdir / "tree").is_dir()


@pytest.mark.parametrize("has_ini_file", [True, False])
def test_a_path_in_the_ini_file_starts_at_that_file(
    make_config: MakeConfig, rootdir: Path, tmp_path: Path, *, has_ini_file: bool
) -> None:
    config = make_config({"pubdir": "tree"})
    if has_ini_file:
        config.inipath = tmp_path / "pytest.ini"
    assert config.read().pubdir == (tmp_path if has_ini_file else rootdir) / "tree"


def test_a_path_may_begin_at_home(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert make_config(pubdir="~/tree").read().pubdir == tmp_path / "tree"


def test_nothing_is_left_in_a_folder_that_was_tried(make_config: MakeConfig, rootdir: Path) -> None:
    make_config(pubdir="tree", publish=[URL], publish_outbox="outbox").read()
    assert list((rootdir / "tree").iterdir()) == []
    assert list((rootdir / "outbox").iterdir()) == []


def test_without_a_url_there_is_no_outbox(make_config: MakeConfig, rootdir: Path) -> None:
    assert make_config(pubdir="tree", publish_outbox="outbox").read().outbox_folder is None
    assert [path.name for path in rootdir.iterdir()] == ["tree"]


def test_an_outbox_folder_that_is_asked_for_has_to_be_writable(
    make_config: MakeConfig, rootdir: Path
) -> None:
    (rootdir / "file").touch()
    config = make_config(publish=[URL], publish_outbox="file")
    assert refusal(config).startswith("--publish-outbox: can't write to ")
