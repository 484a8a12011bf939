"""The MLflow model registry: a logged model becomes a version of a name, the best one on validation its champion."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workbench.errors import TrackingError
from workbench.mlflow.address import database_of

if TYPE_CHECKING:
    from workbench.mlflow.bounded_client import BoundedClient

CHAMPION = "champion"
PATIENCE = 0.5  # seconds that a database which is being written is waited for
ADAPTER, MEASURE, VALIDATION = "workbench.adapter", "workbench.measure", "workbench.validation"
BEFORE = "workbench.champion-before"  # of a champion: the number of the version that was champion before it
ROLLED_BACK = "workbench.rolled-back"  # of a version that a person took the alias from


@dataclass(frozen=True)
class Entry:
    """What is registered.

    Attributes:
        name: of the registered model, without ``/`` and ``:``, which MLflow allows in none.
        model: key of the logged model.
        adapter: its id.
        measure: what its validation score is a score of; only scores of equal measures are compared.
        validation: the score, higher is better.
        description: of the version, in Markdown.
        about: describes the registered model, in Markdown.
    """

    name: str
    model: str
    adapter: str
    measure: str
    validation: float
    description: str = ""
    about: str = ""


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


@dataclass(frozen=True)
class Version:
    """A version of a registered model, by its tags; None for what no tag tells.

    Attributes:
        number: of the version.
        adapter: its id.
        measure: what its validation score is a score of.
        validation: the score, higher is better.
        before: number of the version that was champion before it.
        rolled_back: whether a person took the alias from it; a registration does not give it back.
    """

    number: str
    adapter: str | None
    measure: str | None
    validation: float | None
    before: str | None
    rolled_back: bool

    @classmethod
    def read(cls, found: Any) -> Version:
        """Return what MLflow's entity of a version tells."""
        tags = found.tags
        validation = float(tags[VALIDATION]) if VALIDATION in tags else None
        fields = (tags.get(ADAPTER), tags.get(MEASURE), validation, tags.get(BEFORE))
        return cls(str(found.version), *fields, ROLLED_BACK in tags)

    def __str__(self) -> str:
        """Return the number, the adapter and the score."""
        score = "no score" if self.validation is None else f"{self.validation:.4f} on validation"
        return f"version {self.number} ({self.adapter or 'an unknown adapter'}, {score})"


def champions(uri: str) -> frozenset[str]:
    """Return the ids of the adapters that are champions, as far as a local database tells at once.

    MLflow itself takes two seconds to be imported, and may wait for a server: so its SQLite file is read, and nothing
    else. A store that cannot be asked in this way has no champions.

    Args:
        uri: of the tracking store, as :func:`workbench.mlflow.address.tracking_uri` gives it.
    """
    path = database_of(uri)
    if path is None or not path.is_file():
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
        client.create_registered_model(entry.name, description=entry.about or None)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    entities = client.search_model_versions(f"name = '{entry.name}'")
    entity = next((entity for entity in entities if entity.tags.get(ADAPTER) == entry.adapter), None)
    if entity is None:
        tags = {ADAPTER: entry.adapter, MEASURE: entry.measure, VALIDATION: repr(entry.validation)}
        location = model.artifact_location  # of "models:/ID" MLflow would ask the server that is set globally
        options = {"description": entry.description or None, "model_id": model.model_id}
        entity = client.create_model_version(entry.name, location, model.source_run_id, tags, **options)
    elif entry.description and not entity.description:  # of an earlier version of the workbench
        client.update_model_version(entry.name, entity.version, entry.description)
    version, champion = Version.read(entity), champion_of(client, entry.name)
    wins, decision = _decided(entry, version, champion)
    if wins and champion != version:
        crown(client, entry.name, version, champion)
    return Registered(entry.name, version.number, wins, decision)


def champion_of(client: BoundedClient, name: str) -> Version | None:
    """Return the version of a registered model that is its champion; None where there is none, or no such model.

    Raises:
        TrackingError: the server answers with something else; that is not taken for an answer that there is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    if model.name != name:
        raise TrackingError(f"asked for the registered model {name!r}, it does not name it in its answer")
    number = model.aliases.get(CHAMPION)
    return None if number is None else Version.read(client.get_model_version(name, str(number)))


def crown(client: BoundedClient, name: str, version: Version, before: Version | None) -> None:
    """Make a version the champion, and note on it which one it follows: the note first, since it alone does no harm."""
    if before is not None:
        client.set_model_version_tag(name, version.number, BEFORE, before.number)
    client.set_registered_model_alias(name, CHAMPION, version.number)


def _decided(entry: Entry, version: Version, champion: Version | None) -> tuple[bool, str]:
    """Return whether a version is the champion, and why."""
    named = f"version {version.number}"
    if champion is None:
        return True, f"{named} is the champion: there was none"
    if champion.number == version.number:
        return True, f"{named} is the champion already"
    before = f"version {champion.number}"
    if version.rolled_back:
        again = f"`workbench adapters rollback {entry.name} --to {version.number}` makes it the champion again"
        return False, f"{before} stays champion: {named} was rolled back; {again}"
    if champion.measure != entry.measure or champion.validation is None:
        return False, f"{before} stays champion: its validation score is not of the same examples and metric"
    own, other = entry.validation, champion.validation
    if own > other:
        return True, f"{named} is the champion: {own:.4f} on validation, {before} has {other:.4f}"
    return False, f"{before} stays champion: {other:.4f} on validation, {named} has {own:.4f}"
