"""Where MLflow keeps things: the address of a server or of a database."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.mlflow.bounded_client import LOCAL

VARIABLE = "MLFLOW_TRACKING_URI"
HIDDEN = "…"
SHORTEST_SECRET = 3  # characters; to take shorter ones out of a message would leave none of it
NAME = re.compile(r"[\w-]+")  # a store that needs no more: databricks
PATH = re.compile(r"[/?#]")  # begins what follows host and port
HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9a-fA-F:.]+\])(?P<port>:\d{1,5})?(?::.*)?")
SIGNS = re.compile(r"[@:/?#&=;]")  # between the parts of an address
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")


def tracking_uri(workspace: Path) -> str:
    """Return ``$MLFLOW_TRACKING_URI``, else SQLite inside ``workspace``."""
    return os.environ.get(VARIABLE) or own_database(workspace)


def own_database(workspace: Path) -> str:
    """Return the address of SQLite inside ``workspace``, whether or not it is there."""
    database = str(workspace.absolute() / "mlflow.db")
    return LOCAL + database.replace("%", "%25").replace("?", "%3F")  # what SQLAlchemy reads as something else


def printable_address(address: str) -> str:
    """Return an address as it may be printed: scheme, host and port, and ``/…`` where more follows.

    Every other part may be a secret or hold one: what stands before the host, the path, the query, what follows a
    ``#``. Paths of this machine's files stay readable: no server asks for a secret there.
    """
    if _is_file(address):
        return address.partition("?")[0].partition("#")[0] if ":" in address else address
    scheme, is_url, rest = address.partition("://")
    if not is_url:
        return address if NAME.fullmatch(address) else HIDDEN
    authority = PATH.split(rest, maxsplit=1)[0]
    more = "/…" if rest.removeprefix(authority).strip("/") else ""
    host = HOST.fullmatch(authority.rpartition("@")[2])
    if not host or "@" in rest.removeprefix(authority):  # a password with a "/" in it would be taken for the host
        return f"{printable(scheme, 40)}://{HIDDEN}"
    return f"{printable(scheme, 40)}://{host['name']}{host['port'] or ''}{more}"


def without_secrets(message: str, address: str) -> str:
    """Return a message of MLflow or a driver without the parts of its address that :func:`printable_address` hides."""
    if _is_file(address):
        return message
    message = URL.sub(lambda url: printable_address(url[0]), message.replace(address, printable_address(address)))
    for secret in sorted(_hidden_parts(address), key=len, reverse=True):
        message = message.replace(secret, HIDDEN)
    return message


def _is_file(address: str) -> bool:
    """Return whether an address is a path, or one of the schemes of MLflow's that are."""
    if address.startswith((LOCAL, "file:///")):
        return True
    return "://" not in address and (address.startswith(("/", ".", "~", "file:")) or ":" not in address)


def _hidden_parts(address: str) -> set[str]:
    """Return what is not shown of an address, piece by piece, as it is written and as a server would read it."""
    rest, visible = address.partition("://")[2] or address, printable_address(address)
    before = rest.rpartition("@")[0]
    pieces = [before, *before.split("/"), *SIGNS.split(rest), *SIGNS.split(unquote(rest))]
    forms = {form for piece in pieces for form in (piece, unquote(piece), quote(piece, safe=""))}
    return {form for form in forms if len(form) >= SHORTEST_SECRET and form not in visible}


def database_of(uri: str) -> Path | None:
    """Return the file that a local address means; None where it is a server's."""
    if not uri.startswith(LOCAL):
        return None
    return Path(unquote(uri.removeprefix(LOCAL).partition("?")[0])).absolute()
