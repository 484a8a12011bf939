"""The MLflow model registry: a logged model becomes a version of a name, the best one on validation its champion."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from workbench.mlflow.bounded_client import BoundedClient

CHAMPION = "champion"
SQLITE = "sqlite:///"
PATIENCE = 0.5  # seconds that a database which is being written is waited for
ADAPTER, MEASURE, VALIDATION = "workbench.adapter", "workbench.measure", "workbench.validation"


@dataclass(frozen=True)
class Entry:
    """What is registered.

    Attributes:
        name: of the registered model, without ``/`` and ``:``, which MLflow allows in none.
        model: key of the logged model.
        adapter: its id.
        measure: what its validation score is a score of; only scores of equal measures are compared.
        validation: the score, higher is better.
    """

    name: str
    model: str
    adapter: str
    measure: str
    validation: float


@dataclass(frozen=True)
class Registered:
    """What came of it.

    Attributes:
        name: of the registered model.
        version: of it.
        champion: whether this version is the champion now.
        decision: why, in a few words.
    """

    name: str
    version: str
    champion: bool
    decision: str

    @property
    def uri(self) -> str:
        """What ``mlflow models serve -m`` takes for this version."""
        return f"models:/{self.name}@{CHAMPION}" if self.champion else f"models:/{self.name}/{self.version}"


def champions(uri: str) -> frozenset[str]:
    """Return the ids of the adapters that are champions, as far as a local database tells at once.

    MLflow itself takes two seconds to be imported, and may wait for a server: so its SQLite file is read, and nothing
    else. A store that cannot be asked in this way has no champions.

    Args:
        uri: of the tracking store, as :func:`workbench.mlflow.address.tracking_uri` gives it.
    """
    path = Path(uri.removeprefix(SQLITE))
    if not uri.startswith(SQLITE) or not path.is_file():
        return frozenset()
    query = """
        SELECT tag.value FROM registered_model_aliases AS alias
        JOIN model_version_tags AS tag ON tag.name = alias.name AND tag.version = alias.version
        WHERE alias.alias = ? AND tag.key = ?
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            return frozenset(str(row[0]) for row in database.execute(query, (CHAMPION, ADAPTER)))
    except sqlite3.Error:  # busy, damaged, or of an MLflow with other tables
        return frozenset()


def enter(client: BoundedClient, entry: Entry, model: Any) -> Registered:
    """Make ``model``, MLflow's entity of it, a version; an adapter that has one already keeps it.

    It becomes the champion where there is none, or where it beats the champion on the same validation examples.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(entry.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{entry.name}'")
    version = next((each for each in known if each.tags.get(ADAPTER) == entry.adapter), None)
    if version is None:
        told = {ADAPTER: entry.adapter, MEASURE: entry.measure, VALIDATION: repr(entry.validation)}
        place = model.artifact_location  # of "models:/ID" MLflow would ask the server that is set globally
        version = client.create_model_version(entry.name, place, model.source_run_id, told, model_id=model.model_id)
    number = str(version.version)
    standing = client.get_registered_model(entry.name).aliases.get(CHAMPION)
    champion = next((each for each in known if str(each.version) == str(standing)), None)
    wins, decision = _decided(entry, number, champion)
    if wins:
        client.set_registered_model_alias(entry.name, CHAMPION, number)
    return Registered(entry.name, number, wins, decision)


def _decided(entry: Entry, version: str, champion: Any) -> tuple[bool, str]:
    """Return whether a version is the champion, and why."""
    if champion is None:
        return True, f"version {version} is the champion: there was none"
    if str(champion.version) == version:
        return True, f"version {version} is the champion already"
    before = f"version {champion.version}"
    if champion.tags.get(MEASURE) != entry.measure or VALIDATION not in champion.tags:
        return False, f"{before} stays champion: its validation score is not of the same examples and metric"
    own, other = entry.validation, float(champion.tags[VALIDATION])
    if own > other:
        return True, f"version {version} is the champion: {own:.4f} on validation, {before} has {other:.4f}"
    return False, f"{before} stays champion: {other:.4f} on validation, version {version} has {own:.4f}"
