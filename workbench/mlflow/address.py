"""Where MLflow keeps things: the address of a server or of a database."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from workbench.mlflow.bounded_client import LOCAL

VARIABLE = "MLFLOW_TRACKING_URI"


def tracking_uri(workspace: Path) -> str:
    """Return ``$MLFLOW_TRACKING_URI``, else SQLite inside ``workspace``."""
    given = os.environ.get(VARIABLE)
    database = str(workspace.absolute() / "mlflow.db")
    return given or LOCAL + database.replace("%", "%25").replace("?", "%3F")  # what SQLAlchemy reads as something else


def shown(address: str) -> str:
    """Return an address, or a message that quotes one, without the password that may stand in it."""
    return re.sub(r"(//[^/@:\s]*:)(?:[^/\s]*|(?!\d+/)[^@\s]*)(?=@)", r"\1…", address)


def database_of(uri: str) -> Path | None:
    """Return the file that a local address means; None where it is a server's."""
    if not uri.startswith(LOCAL):
        return None
    return Path(unquote(uri.removeprefix(LOCAL).partition("?")[0])).absolute()
