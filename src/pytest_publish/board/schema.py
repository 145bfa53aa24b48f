"""The tables of a board's file, and how an older file gets them."""

from __future__ import annotations

import sqlite3
from typing import Any
from typing import Final

import orjson


#: ``PRAGMA user_version`` of the files that this program writes.
VERSION: Final = 2
#: Marks a file as a board's (``PRAGMA application_id``, "pubd").
APPLICATION: Final = 0x70756264
#: What continuous integration calls the commit, in the environment and so in
#: pytest-metadata; what people give themselves comes first.
_COMMIT: Final = (
    *("commit", "sha", "revision", "GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"),
    *("BITBUCKET_COMMIT", "CIRCLE_SHA1", "TRAVIS_COMMIT", "APPVEYOR_REPO_COMMIT"),
    *("BUILD_SOURCEVERSION", "SVN_REVISION"),
)

_TABLES: Final = """
CREATE TABLE runs(
    id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, run_id TEXT NOT NULL,
    started REAL NOT NULL, revision TEXT, UNIQUE(project, run_id));
CREATE TABLE sessions(
    id INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE,
    run INTEGER NOT NULL REFERENCES runs, project TEXT,
    started REAL NOT NULL, stopped REAL, seen REAL NOT NULL, heard REAL NOT NULL,
    reason TEXT, exitstatus INTEGER, end_seq INTEGER NOT NULL DEFAULT -1,
    total INTEGER, deselected INTEGER, done INTEGER NOT NULL DEFAULT 0, info BLOB,
    -- Tests that were planned, and those of them of which is not known what they take,
    -- and what the others usually take. The same of those that are done, and what those
    -- of them took this time of which is known what they usually take.
    planned INTEGER NOT NULL DEFAULT 0, planned_new INTEGER NOT NULL DEFAULT 0,
    planned_seconds REAL NOT NULL DEFAULT 0,
    done_new INTEGER NOT NULL DEFAULT 0, done_seconds REAL NOT NULL DEFAULT 0,
    done_took REAL NOT NULL DEFAULT 0);
CREATE TABLE counts(
    session INTEGER NOT NULL, outcome TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY(session, outcome)) WITHOUT ROWID;
CREATE TABLE workers(
    session INTEGER NOT NULL, worker TEXT NOT NULL,
    start_seq INTEGER NOT NULL DEFAULT -1, result_seq INTEGER NOT NULL DEFAULT -1,
    nodeid TEXT, attempt INTEGER, since REAL, stopped REAL,
    PRIMARY KEY(session, worker)) WITHOUT ROWID;
CREATE TABLE objects(
    id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, seq INTEGER NOT NULL,
    type TEXT NOT NULL, body BLOB NOT NULL, UNIQUE(session, seq));
CREATE TABLE results(
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, session INTEGER NOT NULL,
    seq INTEGER NOT NULL, test INTEGER NOT NULL, outcome TEXT NOT NULL, worker TEXT, scope TEXT,
    start_time REAL NOT NULL, duration REAL NOT NULL, attempt INTEGER NOT NULL, problem TEXT,
    cause INTEGER);
CREATE TABLE tests(
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, nodeid TEXT NOT NULL,
    name TEXT NOT NULL, file TEXT, usual REAL, median REAL, spread REAL,
    lately REAL, before REAL, unsteady INTEGER NOT NULL DEFAULT 0, last_run INTEGER,
    UNIQUE(project, nodeid));
"""
#: What format 1 does not have, but for columns.
_NEW_TABLES: Final = """
-- The last runs of a test, packed; apart from tests, whose rows are read in numbers.
CREATE TABLE recent(test INTEGER PRIMARY KEY, runs BLOB NOT NULL);
CREATE TABLE causes(
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, message TEXT NOT NULL, frame TEXT NOT NULL,
    UNIQUE(type, message, frame));
-- Runs that are being removed: they have no row in runs any more.
CREATE TABLE removed(run INTEGER PRIMARY KEY);
-- How far what an older file lacks has been filled in.
CREATE TABLE unfinished(name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX runs_by_start ON runs(started);
CREATE INDEX sessions_by_run ON sessions(run);
CREATE INDEX sessions_without_end ON sessions(heard) WHERE reason IS NULL;
CREATE INDEX collections ON objects(session, seq) WHERE type = 'collected';
CREATE INDEX results_by_run ON results(run);
"""
_NEW_INDEXES: Final = """
CREATE INDEX runs_by_project ON runs(project, started);
CREATE INDEX results_by_test ON results(test, run);
CREATE INDEX results_by_cause ON results(cause, run, test) WHERE cause IS NOT NULL;
CREATE INDEX results_with_cause ON results(run, test) WHERE cause IS NOT NULL;
CREATE INDEX tests_unsteady ON tests(project, unsteady) WHERE unsteady > 0;
CREATE INDEX tests_slow ON tests(project, median) WHERE median IS NOT NULL;
CREATE INDEX tests_slower ON tests(project, before) WHERE before IS NOT NULL;
"""
#: From format 1. The objects of a session are found by objects' own index.
_COLUMNS_SINCE_1: Final = """
DROP INDEX results_by_session;
DROP INDEX results_by_test;
ALTER TABLE runs ADD COLUMN revision TEXT;
ALTER TABLE workers ADD COLUMN stopped REAL;
ALTER TABLE sessions ADD COLUMN done_took REAL NOT NULL DEFAULT 0;
ALTER TABLE results ADD COLUMN cause INTEGER;
ALTER TABLE tests RENAME COLUMN duration TO usual;
ALTER TABLE tests ADD COLUMN median REAL;
ALTER TABLE tests ADD COLUMN spread REAL;
ALTER TABLE tests ADD COLUMN lately REAL;
ALTER TABLE tests ADD COLUMN before REAL;
ALTER TABLE tests ADD COLUMN unsteady INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tests ADD COLUMN last_run INTEGER;
"""
#: The rest is filled in while the board serves, the newest results first.
_UNFINISHED: Final = """
INSERT INTO unfinished SELECT 'causes', coalesce(max(id), 0) + 1 FROM results;
INSERT INTO unfinished SELECT 'recent', coalesce(max(id), 0) + 1 FROM tests;
"""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, in the caller's transaction."""
    _run(connection, _TABLES, _NEW_TABLES, _INDEXES, _NEW_INDEXES)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def update(connection: sqlite3.Connection) -> None:
    """Bring a file of format 1 to this one, in the caller's transaction.

    What has to be read from each result is left to do (the table ``unfinished``).
    """
    _run(connection, _COLUMNS_SINCE_1, _NEW_TABLES, _NEW_INDEXES, _UNFINISHED)
    sessions = connection.execute(
        "SELECT run, info FROM sessions WHERE info IS NOT NULL ORDER BY started DESC, id DESC"
    ).fetchall()
    for run, info in sessions:
        if revision := revision_of(orjson.loads(info).get("metadata")):
            connection.execute("UPDATE runs SET revision = ? WHERE id = ?", (revision, run))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def revision_of(metadata: Any) -> str | None:
    """Return the commit that a session's metadata tells of."""
    if not isinstance(metadata, dict):
        return None
    return next((str(metadata[name]) for name in _COMMIT if metadata.get(name)), None)


def _run(connection: sqlite3.Connection, *scripts: str) -> None:
    for script in scripts:
        for statement in script.split(";\n"):
            connection.execute(statement)
