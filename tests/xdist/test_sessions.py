"""Options, terminal, and the company of pytest's own switches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import by_name
from support import Endpoint
from support import eventually
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


def test_a_result_arrives_while_the_session_runs(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint, mode: tuple[str, ...]
) -> None:
    flag = pytester.path / "arrived"
    pytester.makepyfile(
        f"""
        import pathlib, time
        import pytest

        def test_first(): pass
        def test_second(): pass

        @pytest.mark.parametrize("number", range(2))
        def test_last(number):
            deadline = time.monotonic() + 30
            while not pathlib.Path({str(flag)!r}).exists():
                assert time.monotonic() < deadline, "nothing arrived"
                time.sleep(0.01)
        """
    )

    def answer(_post: object) -> int:
        flag.touch()
        return 200

    endpoint.answer = answer
    run = run_pytest("--publish", endpoint.url, *mode)
    run.assert_outcomes(passed=4)
    assert len(endpoint.results) == 4


@pytest.mark.in_process(False)  # an audit hook stays
def test_only_the_relay_opens_connections(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        import os, socket, sys

        def note(event, args):
            if event == "socket.connect" and args[0].family in (socket.AF_INET, socket.AF_INET6):
                with open(f"connected-{os.getpid()}", "w") as file:
                    file.write(repr(args))

        sys.addaudithook(note)
        """
    )
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
    run_pytest("--publish", endpoint.url, *mode).assert_outcomes(passed=2)
    assert len(endpoint.posts) == 2
    assert not list(pytester.path.glob("connected-*"))


def test_a_clean_run_leaves_no_outbox_or_process(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    make_endpoint: Callable[[], Endpoint],
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    first, second = make_endpoint(), make_endpoint()
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
    run = run_pytest(f"--publish={first.url}", "--publish", second.url, "--pubdir", pubdir, *mode)
    run.assert_outcomes(passed=2)
    # Header and summary tell what goes where.
    run.stdout.no_fnmatch_line("*run_id*")
    run.stdout.fnmatch_lines(
        [
            f"publish: {first.url}, {second.url}, tree",
            f"publish: 2 results sent to {first.url}",
            f"publish: 2 results sent to {second.url}",
            "publish: 2 results written to tree",
        ]
    )
    # Each endpoint gets everything.
    assert by_name(first.results) == by_name(second.results) == by_name(tree_results(pubdir))
    assert len(first.posts) == len(second.posts) == 2
    assert not (pytester.path / ".pytest_cache/publish").exists()
    assert (pytester.path / ".pytest_cache/.gitignore").is_file(), "pytest's own, as ever"
    eventually(lambda: not processes_of(pytester.path), "the relay to be gone")


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of the processes that were started for a folder's run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if str(folder) in str((process / "cwd").readlink()):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_quiet_is_quiet(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint, pubdir: Path
) -> None:
    pytester.makepyfile("def test_it(): pass")
    run = run_pytest("--publish", endpoint.url, "--pubdir", pubdir, "-q")
    run.stdout.no_fnmatch_line("*publish*")
    run.stderr.no_fnmatch_line("*publish*")


def test_a_password_is_shown_nowhere(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint
) -> None:
    pytester.makepyfile("def test_it(): pass")
    url = endpoint.url.replace("://", "://user:hunter2@") + "?token=hunter2"
    run = run_pytest("--publish", url)
    assert "hunter2" not in run.stdout.str() + run.stderr.str()
    assert endpoint.posts[0].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--publish", "localhost:8080"], "--publish: 'localhost:8080' is not a URL like"),
        (["--publish", "http://"], "--publish: 'http://' is not a URL like"),
        (["--publish", "ftp://host/"], "--publish: 'ftp://host/' is not a URL like"),
        (["--pubdir", "a-file"], "--pubdir: can't write to"),
        (["--pubdir", "a-file/below"], "--pubdir: can't write to"),
        (["--pubdir", "x", "--pubdir-layout", "flat"], "--pubdir-layout: 'flat' is none of"),
        (["--pubdir", "x", "--pubdir-filter", "good"], "--pubdir-filter: 'good' is none of"),
        (["--publish", "http://h/", "--publish-header", "x"], "--publish-header: a header must"),
        (["--publish", "http://h/", "--publish-batch", "0"], "--publish-batch: '0' is not"),
        (["--publish", "http://h/", "--publish-timeout", "x"], "--publish-timeout: 'x' is not"),
        (["--publish=http://h/", "-o", "publish_gzip=maybe"], "--publish-gzip: invalid truth"),
        (["--publish=http://h/", "-o", "publish_grace=x"], "--publish-grace: 'x' is not"),
        (["-o", "publish=x"], "--publish: 'x' is not a URL"),
        (["-n", "1", "--publish", "x"], "--publish: 'x' is not a URL"),
    ],
)
def test_a_bad_option_is_a_one_line_usage_error(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    arguments: list[str],
    message: str,
) -> None:
    pytester.makepyfile("raise SystemExit('collected')")
    pytester.path.joinpath("a-file").touch()
    run = run_pytest(*arguments)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in run.stderr.lines if line]
    assert line.startswith(f"ERROR: {message}")


@pytest.mark.in_process(False)
def test_python_itself_loads_what_publishes(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    # pytest does so by itself where the plugin is installed, and not editable.
    pytester.makepyfile(rewriting="import pytest; pytest.register_assert_rewrite('pytest_publish')")
    pytester.makepyfile(
        """
        import sys
        from importlib.machinery import PathFinder, SourceFileLoader

        def test_only_the_hooks_are_loaded_by_pytest():
            ours = {name: module.__loader__ for name, module in sys.modules.items()
                    if name.startswith("pytest_publish.")}
            by_pytest = {name for name, loader in ours.items()
                         if not isinstance(loader, SourceFileLoader)}
            assert by_pytest <= {"pytest_publish.plugin"}
            assert "pytest_publish.plugin.worker" in ours
            assert sys.meta_path.count(PathFinder) == 1

        def test_pytest_would_load_them():
            import pytest_publish.board.protocol as another
            assert not isinstance(another.__loader__, SourceFileLoader)
        """
    )
    run_pytest("-p", "rewriting", f"--pubdir={pubdir}", *mode).assert_outcomes(passed=2)


@pytest.mark.in_process(False)
def test_without_a_switch_the_plugin_is_inert(
    pytester: pytest.Pytester, run_pytest: RunPytest
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded_or_registered(pytestconfig):
            loaded = {name for name in sys.modules if name.startswith("pytest_publish")}
            plugin = "pytest_publish.plugin"
            names = ("pytest_publish", plugin, f"{plugin}.options", f"{plugin}.hookspec")
            assert loaded == set(names)
            assert not {"requests", "orjson", "fasteners"} & set(sys.modules)
            registered = map(str, pytestconfig.pluginmanager.get_plugins())
            (ours,) = [text for text in registered if "pytest_publish" in text]
            assert ours.startswith("<module 'pytest_publish.plugin' ")
            hooks = {impl.function.__name__ for caller in vars(pytestconfig.hook).values()
                     for impl in caller.get_hookimpls() if impl.plugin is sys.modules[plugin]}
            assert hooks == {
                "pytest_addhooks", "pytest_addoption", "pytest_cmdline_main",
                "pytest_configure", "pytest_load_initial_conftests"}
        """
    )
    run = run_pytest()
    run.assert_outcomes(passed=1)
    run.stdout.no_fnmatch_line("publish:*")


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(
            ["-s", "-pno:terminal", "-pno:cacheprovider", "-pno:logging"],
            marks=pytest.mark.in_process(False),  # in which -s shows what is captured
        ),
        ["--capture=tee-sys"],
    ],
    ids=" ".join,
)
def test_pytests_own_switches_are_no_obstacle(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
    switches: list[str],
) -> None:
    pytester.makepyfile(
        """
        import logging
        def test_pass(): print("said"); logging.warning("logged")
        def test_fail(): assert 0
        """
    )
    run = run_pytest("--publish", endpoint.url, "--pubdir", pubdir, *switches, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = by_name(tree_results(pubdir))
    assert by_name(endpoint.results) == results
    assert {name: result["result"] for name, result in results.items()} == {
        "test_pass": "pass",
        "test_fail": "fail",
    }
    # A worker's own output is captured by nobody under -s.
    assert results["test_pass"]["stdout"] == ("" if "-s" in switches else "said\n")
    assert ("logged" in results["test_pass"]["log"]) == ("-s" not in switches)


def test_it_works_without_xdist(
    pytester: pytest.Pytester, endpoint: Endpoint, pubdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("def test_it(): pass")
    run = pytester.runpytest_subprocess(
        "-p",
        "pytest_publish.plugin",
        "-p",
        "no:xdist",
        "--publish",
        endpoint.url,
        "--pubdir",
        pubdir,
    )
    run.assert_outcomes(passed=1)
    (result,) = endpoint.results
    assert result == tree_results(pubdir)[0]
    assert result["xdist_dist"] is result["xdist_worker"] is result["xdist_scope"] is None


def test_it_is_found_by_its_entry_point(pytester: pytest.Pytester, pubdir: Path) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess("--pubdir", pubdir).assert_outcomes(passed=1)
    assert len(tree_results(pubdir)) == 1


@pytest.mark.parametrize(
    "switch",
    [
        *("--collect-only", "--setup-only", "--setup-plan", "--fixtures", "--fixtures-per-test"),
        *("--markers", "--help", "--version", "--cache-show"),
    ],
)
def test_a_run_that_runs_no_test_publishes_none(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, switch: str
) -> None:
    pytester.makepyfile("def test_it(): pass")
    assert run_pytest("--pubdir", pubdir, switch).ret == 0
    assert not pubdir.exists()


@pytest.mark.parametrize(
    ("argument", "status"),
    [
        ("--collect-only", pytest.ExitCode.OK),
        ("--publish-timeout=x", pytest.ExitCode.USAGE_ERROR),
        ("--publish-outbox=outbox", pytest.ExitCode.OK),
    ],
)
def test_a_run_that_can_not_send_leaves_no_relay_behind(
    pytester: pytest.Pytester,
    own_plugins: tuple[str, ...],
    argument: str,
    status: pytest.ExitCode,
) -> None:
    pytester.makeconftest(
        """
        import atexit, os, pathlib, pytest, shutil

        @pytest.hookimpl(wrapper=True)
        def pytest_sessionstart():
            outbox = pathlib.Path("outbox")
            if outbox.is_dir():
                shutil.rmtree(outbox)
                outbox.touch()
            return (yield)

        @atexit.register
        def tell():
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                print("no child process is left")
        """
    )
    pytester.makepyfile("def test_it(): pass")
    command = (sys.executable, "-X", "dev", "-m", "pytest", *own_plugins)
    run = pytester.run(*command, "--publish=http://localhost/", argument)
    assert run.ret == status
    run.stdout.fnmatch_lines(["no child process is left"])
    run.stderr.no_fnmatch_line("*ResourceWarning*")


@pytest.mark.parametrize("plugin", ["setupplan", "setuponly", "cacheprovider", "terminal"])
def test_pytests_own_plugins_may_be_left_out(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, plugin: str
) -> None:
    pytester.makepyfile("def test_it(): pass")
    arguments = ["-p", f"no:{plugin}"]
    if plugin == "cacheprovider":
        arguments += ["-p", "no:stepwise"]
    assert run_pytest("--pubdir", pubdir, *arguments).ret == 0
    assert len(tree_results(pubdir)) == 1


def test_an_impossible_path_is_a_usage_error(
    pytester: pytest.Pytester, run_pytest: RunPytest
) -> None:
    run = run_pytest("--pubdir", "x" * 300)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["ERROR: --pubdir: can't write to *: File name too long"])


def test_settings_come_from_ini_and_environment_too(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    mode: tuple[str, ...],
) -> None:
    pytester.makeini(
        f"""
        [pytest]
        publish = {endpoint.url}
        publish_header = X-Team: blue
            X-Stage: test
        publish_run_id = nightly-7
        pubdir_layout = nodeid
        """
    )
    monkeypatch.setenv("PYTEST_ADDOPTS", "--pubdir='my results'")
    pytester.mkdir("sub").joinpath("test_it.py").write_text("def test_it(): pass\n")
    run_pytest("sub", *mode).assert_outcomes(passed=1)
    (result,) = tree_results(pytester.path / "my results/sub/test_it.py/test_it")
    assert endpoint.results == [result]
    assert result["run_id"] == "nightly-7"
    (post,) = endpoint.posts
    assert (post.headers["X-Team"], post.headers["X-Stage"]) == ("blue", "test")


@pytest.mark.parametrize("switches", [("--publish=", "--pubdir="), ("-opublish=", "-opubdir=")])
def test_empty_options_switch_ini_settings_off(
    pytester: pytest.Pytester, run_pytest: RunPytest, switches: tuple[str, ...]
) -> None:
    pytester.makeini("[pytest]\npublish = http://localhost:9/\npubdir = tree\n")
    pytester.makepyfile(
        """
        def test_it(pytestconfig):
            assert not pytestconfig.pluginmanager.hasplugin("publish_controller")
        """
    )
    run_pytest(*switches).assert_outcomes(passed=1)
    assert not (pytester.path / "tree").exists()


INI = "publish = {url}\npubdir = my results\npublish_strict = true\n"
TOML = 'publish = ["{url}"]\npubdir = "my results"\npublish_strict = true\n'


@pytest.mark.parametrize(
    ("file", "table", "settings"),
    [
        ("pytest.ini", "[pytest]", INI),
        ("tox.ini", "[pytest]", INI),
        ("setup.cfg", "[tool:pytest]", INI),
        ("pyproject.toml", "[tool.pytest.ini_options]", TOML),
        pytest.param(
            "pyproject.toml",
            "[tool.pytest]",
            TOML,
            marks=pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 brought it"),
        ),
    ],
)
def test_each_kind_of_ini_file_will_do(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    file: str,
    table: str,
    settings: str,
) -> None:
    text = f"{table}\n{settings.format(url=endpoint.url)}"
    (pytester.path / file).write_text(text, "utf-8")
    pytester.makepyfile("def test_it(): pass")
    run_pytest().assert_outcomes(passed=1)
    assert tree_results(pytester.path / "my results") == endpoint.results
    assert len(endpoint.posts) == 1


def test_the_run_id_is_xdists_own(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        def test_it(testrun_uid, record_property):
            record_property("uid", testrun_uid)
        """
    )
    run_pytest("--pubdir", pubdir, "-n", "1")
    (result,) = tree_results(pubdir)
    assert result["run_id"] == result["properties"]["uid"]


def test_a_relative_path_is_where_it_was_called(
    pytester: pytest.Pytester, run_pytest: RunPytest, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile("def test_it(monkeypatch): monkeypatch.chdir('/')")
    run_pytest("--pubdir", "my results/of today", *mode).assert_outcomes(passed=1)
    (result,) = tree_results(pytester.path / "my results/of today")
    assert Path(result["pubdir_path"]).is_absolute()


def test_a_path_elsewhere_keeps_the_ini_file(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pubdir = tmp_path_factory.mktemp("elsewhere") / "tree"
    pytester.makeini("[pytest]\npython_functions = check_*\n")
    pytester.makepyfile("def check_it(): pass")
    log = pubdir.with_name("log")
    run = run_pytest("--pubdir", pubdir, "--publish-log", log, "-n", "1")
    run.assert_outcomes(passed=1)
    assert tree_results(pubdir)[0]["file"].startswith("test_a_path")
    assert len(log.read_bytes().splitlines()) == 1
    run = run_pytest("--pubdir", pubdir)
    run.stdout.fnmatch_lines([f"publish: pytest did not read *tox.ini*: write --pubdir={pubdir}"])
    run_pytest(f"--pubdir={pubdir}").assert_outcomes(passed=1)
