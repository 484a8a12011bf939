"""MLflow's own database, where it is a file: it gets its tables from MLflow, without waiting for the disk each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from adapter_workbench.workbench.files.atomic import write_whole
from adapter_workbench.workbench.files.scratch import scratch_folder

EFFECTIVE = os.access in os.supports_effective_ids


def is_writable(database: Path) -> bool:
    """Return whether this process may write to a database: SQLite changes the file, and makes another one beside it."""
    return all(os.access(path, os.W_OK, effective_ids=EFFECTIVE) for path in (database, database.parent))


def set_up(database: Path) -> None:
    """Put a database with MLflow's tables in place, in one piece, where there is none yet.

    MLflow goes through all the schemas that it ever had. If each step waits for the disk, that takes five to seven
    times as long; here a step that is lost costs nothing, since the file is put in place when it is whole.
    """
    content = _tables()
    if not database.exists():
        write_whole(database, content)


def _tables() -> bytes:
    """Return an empty database as MLflow makes it."""
    from mlflow.tracking import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def do_not_wait(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    with scratch_folder() as scratch:
        event.listen(Engine, "connect", do_not_wait)
        try:
            MlflowClient(tracking_uri=f"sqlite:///{scratch}/mlflow.db").search_experiments(max_results=1)
        finally:
            event.remove(Engine, "connect", do_not_wait)
        return (scratch / "mlflow.db").read_bytes()
