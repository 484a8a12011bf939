"""A database of MLflow that was moved or copied together with its artifacts: the locations in it follow.

MLflow keeps an absolute location for every experiment, run, model and registered version. After ``mv`` or ``cp -r``
they lead into the folder that was left, where nothing is, or where the original is, which a copy must never write to.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workbench.errors import TrackingError

ARTIFACTS = "mlartifacts"  # the folder beside the database that holds what its runs and models consist of
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),  # of mlflow.artifactLocation
)
# An experiment that holds runs of others was made by a person, and lies where that person said.
OURS = """
SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE '%/' || ? AND NOT EXISTS (
  SELECT 1 FROM runs WHERE runs.experiment_id = experiments.experiment_id AND NOT EXISTS (
    SELECT 1 FROM tags WHERE tags.run_uuid = runs.run_uuid AND tags.key = 'workbench.key'))
"""
MOVE = (
    "UPDATE {table} SET {column} = ? || substr({column}, ?)"
    " WHERE {column} = ? OR substr({column}, 1, ?) = ? || '/'"  # below the folder, not in one whose name begins so
)
BUSY = 5.0  # seconds to wait for a process that writes


def artifact_folder(database: Path) -> Path:
    """Return where the artifacts of ``database`` lie, whatever links lead there."""
    return database.parent.resolve() / ARTIFACTS


def relocate(database: Path, artifacts: Path | None = None) -> str | None:
    """Let ``database`` look for its artifacts where they are now; return a line that says so, None if they never moved.

    Only locations below the folder for which the database was written are changed, all of them or none. A database
    that has lost its artifacts, which still lie where they were, stays as it is.

    Args:
        database: SQLite, in MLflow's tables.
        artifacts: where they lie; by default beside the database.

    Raises:
        TrackingError: they moved, and the database cannot be written.
    """
    here = artifacts or artifact_folder(database)
    moved = [location for location in _locations(database) if _moved(location, here, database.name)]
    if not moved:
        return None
    try:
        with closing(sqlite3.connect(database, timeout=BUSY)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for location in moved:
                _rewrite(connection, location, here)
    except sqlite3.Error as error:
        raise TrackingError(
            f"MLflow's database was written for {_folder(moved[0]).parent}, and cannot be changed to this one: {error}",
            where=str(database),
            hint="Copy the whole workspace to a folder of your own (cp -r) and name that with --workspace.",
        ) from None
    return f"MLflow's database was written for {_folder(moved[0]).parent}: its artifacts are now looked for in {here}."


def is_writable(database: Path) -> bool:
    """Return whether something could be written into ``database`` now; nothing is."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA user_version = 0")  # a lock alone makes no journal, which may be refused
            connection.rollback()
    except sqlite3.Error:
        return False
    return True


def _locations(database: Path) -> list[str]:
    """Return where our experiments keep their artifacts; nothing of a file that is no database of MLflow's."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY)) as connection:
            return [location for (location,) in connection.execute(OURS, (ARTIFACTS,))]
    except sqlite3.Error:
        return []  # MLflow is about to say what is wrong with it


def _moved(location: str, here: Path, name: str) -> bool:
    there = _folder(location)
    if there == here or urlsplit(location).scheme not in ("", "file"):
        return False
    try:
        if there.parent.samefile(here.parent):  # by another name
            return False
        return here.is_dir() or not there.is_dir() or (there.parent / name).exists()
    except OSError:  # the folder that it was written for is gone, or somebody else's
        return True


def _rewrite(connection: sqlite3.Connection, location: str, here: Path) -> None:
    there = _folder(location)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for old, new in ((there.as_uri(), here.as_uri()), (str(there), str(here))):
        for table, column in LOCATIONS:
            if table in tables:
                statement = MOVE.format(table=table, column=column)
                connection.execute(statement, (new, len(old) + 1, old, len(old) + 1, old))


def _folder(location: str) -> Path:
    return Path(unquote(urlsplit(location).path)) if location.startswith("file:") else Path(location)
