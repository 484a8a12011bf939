"""MLflow's own database: its tables are made once for each version of MLflow, and copied from then on."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from workbench.atomic import write_whole
from workbench.cache import cache_folder
from workbench.errors import UnwritableError
from workbench.extras import installed

DEFAULT = "UPDATE experiments SET artifact_location = ?1, creation_time = ?2, last_update_time = ?2"


def set_up(database: Path) -> None:
    """Put a database with MLflow's tables in place, in one piece; the tables are kept in the cache for the next one.

    MLflow gets there through all the schemas it ever had, which takes seconds. Where the cache cannot be used, they are
    made each time.
    """
    kept = cache_folder() / "mlflow" / f"{installed('mlflow')}.db"
    try:
        content = _as_made_here(kept.read_bytes())
    except (OSError, sqlite3.Error):  # not there yet, or damaged
        tables = _tables()
        with suppress(OSError, UnwritableError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, tables)
        content = _as_made_here(tables)
    if not database.exists():
        write_whole(database, content)


def _as_made_here(content: bytes) -> bytes:
    """Return a database whose experiment `Default`, MLflow's own, was made now and keeps its files in this folder."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "mlflow.db")
        file.write_bytes(content)
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(DEFAULT, (str(Path.cwd() / "mlruns" / "0"), round(time.time() * 1000)))
        return file.read_bytes()


def _tables() -> bytes:
    """Return an empty database as MLflow makes it; waiting for the disk after each step would take 5 s instead of 1."""
    from mlflow.tracking import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def do_not_wait(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    with tempfile.TemporaryDirectory() as scratch:
        event.listen(Engine, "connect", do_not_wait)
        try:
            MlflowClient(tracking_uri=f"sqlite:///{scratch}/mlflow.db").search_experiments(max_results=1)
        finally:
            event.remove(Engine, "connect", do_not_wait)
        return Path(scratch, "mlflow.db").read_bytes()
