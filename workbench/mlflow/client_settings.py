"""MLflow without its remarks, its telemetry and its patience."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from adapter_workbench.workbench.machine.lazy_imports import without_collection
from adapter_workbench.workbench.machine.quiet import quiet

# MLflow would retry for minutes, and send usage data to its makers; what a person has set themselves stays as it is.
QUICK = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the one document of `--json`
}
CHATTER = ("mlflow", "alembic", "sqlalchemy.pool", "urllib3.connectionpool")
STORE = "mlflow.store.db.utils"  # logs the traceback of each error, which is raised all the same


@contextmanager
def quick_and_quiet() -> Iterator[None]:
    """Let MLflow give up early and keep its remarks to itself while the block runs; put everything back after."""
    added = {name: value for name, value in QUICK.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with without_collection():
            import mlflow  # noqa: F401 - it sets up its logging when first imported: before the levels are raised

        with quiet(*CHATTER), quiet(STORE, below=logging.CRITICAL + 1):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
