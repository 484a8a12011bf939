"""Which version of each registered name is the champion: ``champions.json``, the truth that MLflow's alias copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.workspace.documents import form_of
from workbench.adapters.name_resolution import NamedChampion
from workbench.errors import IntegrityError, TrackingError, UnwritableError
from workbench.files import checksummed
from workbench.files.locks import hold
from workbench.mlflow.address import database_of, own_database, printable_address, tracking_uri
from workbench.mlflow.alias import Succession
from workbench.mlflow.registration import Entry, RegisteredModel, Version
from workbench.mlflow.tracker import Tracker

if TYPE_CHECKING:
    from workbench.machine.listener import Listener

FILE = "champions.json"
LOCK = "claims/champions"


@dataclass(frozen=True)
class Change:
    """One change of the champion of a name.

    Attributes:
        version: number of the version that became the champion.
        adapter: its id.
        before: number of the version that was champion until then; None where there was none.
        when: the time, UTC, in ISO format.
        why: who or what decided, in words, with the scores and the examples that were compared.
    """

    version: str
    adapter: str | None
    before: str | None
    when: str
    why: str


@dataclass(frozen=True)
class RegisteredName:
    """The versions of one registered name, and how the champion's place passed from one to the next.

    Attributes:
        versions: by number, the lowest first.
        line: numbers of the champions to which rollbacks lead back, the first one first; the last is the champion.
        history: every change, the oldest first.
    """

    versions: tuple[Version, ...] = ()
    line: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()

    @property
    def champion(self) -> Version | None:
        """The version that answers under the name."""
        return self.version(self.line[-1]) if self.line else None

    @property
    def before(self) -> Version | None:
        """The version that was champion before this one, to which a rollback leads."""
        return self.version(self.line[-2]) if len(self.line) > 1 else None

    @property
    def succession(self) -> Succession | None:
        """What MLflow is to say of it; None where there is no champion."""
        if self.champion is None:
            return None
        aside = frozenset(version.adapter for version in self.versions if version.set_aside and version.adapter)
        return Succession(self.champion, self.before, aside)

    def version(self, number: str) -> Version | None:
        """Return the version with this number, or None."""
        return next((version for version in self.versions if version.number == number), None)

    def version_of(self, adapter: str) -> Version | None:
        """Return the version of an adapter, or None."""
        return next((version for version in self.versions if version.adapter == adapter), None)

    def with_versions_of(self, model: RegisteredModel) -> RegisteredName:
        """Return the same with the versions that MLflow alone knows; a number that is taken here is not given twice.

        Numbers differ where the registry is another one, or was emptied: a version is known by its adapter.
        """
        versions = list(self.versions)
        for theirs in model.versions:
            if any(own.is_of(theirs) for own in versions):
                continue
            taken = {version.number for version in versions}
            number = str(1 + max(map(int, taken))) if theirs.number in taken else theirs.number
            versions.append(replace(theirs, number=number))
        return replace(self, versions=tuple(sorted(versions, key=lambda version: int(version.number))))

    def with_facts_of(self, entry: Entry) -> RegisteredName:
        """Return the same with what is known of an adapter now, which has a version already."""
        facts = {name: getattr(entry, name) for name in ("measure", "validation", "examples")}
        versions = (
            replace(own, **facts, identity=entry.model) if own.adapter == entry.adapter else own
            for own in self.versions
        )
        return replace(self, versions=tuple(versions))

    def with_champion(self, version: Version, line: tuple[str, ...], why: str, aside: bool) -> RegisteredName:
        """Return the same with another champion.

        Args:
            version: it.
            line: of champions below it.
            why: see :class:`Change`.
            aside: whether a person takes the place from the one before, so that it does not come back by itself.
        """
        was = self.champion
        versions = tuple(
            replace(own, set_aside=False)
            if own.number == version.number
            else replace(own, set_aside=own.set_aside or (aside and was is not None and own.number == was.number))
            for own in self.versions
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        change = Change(version.number, version.adapter, None if was is None else was.number, now, why)
        return RegisteredName(versions, (*line, version.number), (*self.history, change))


@dataclass(frozen=True)
class ChampionsDocument:
    """What ``champions.json`` holds: registered name, ``TASK.METHOD`` → its versions and champions."""

    names: Mapping[str, RegisteredName] = field(default_factory=dict)


def name_from_mlflow(model: RegisteredModel) -> RegisteredName:
    """Return what an earlier version, or another workspace, wrote to MLflow alone."""
    begun = RegisteredName().with_versions_of(model)
    line: list[str] = []
    number = model.champion
    while number is not None and number not in line and begun.version(number) is not None:
        line.append(number)
        number = model.before.get(number)
    champion = begun.version(line[0]) if line else None
    if champion is None:
        return begun
    return begun.with_champion(champion, tuple(reversed(line[1:])), "taken over from MLflow's alias", aside=False)


def _is_file(uri: str) -> bool:
    """Return whether the address is that of a database that is there."""
    database = database_of(uri)
    return database is not None and database.is_file()


class Champions:
    """The champions of one workspace."""

    def __init__(self, root: Path) -> None:
        """Keep them in ``root``; the file is made when the first one is registered, or taken over."""
        self.root, self.path = root, root / FILE

    def names(self) -> Mapping[str, RegisteredName]:
        """Return what is known of each registered name.

        A workspace from before there was the file has its champions in MLflow's database: they are taken over once,
        for which MLflow has to be imported. A server is not asked here, which may take long; see :attr:`server`.

        Raises:
            IntegrityError: the file is damaged.
            TrackingError: the champions have to be taken over, and another process keeps the database locked.
        """
        stored = self._stored()
        if stored is not None:
            return stored.names
        store = next((uri for uri in self._stores() if _is_file(uri)), None)
        if store is None:
            return {}
        try:
            names = {model.name: name_from_mlflow(model) for model in Tracker(store).registered_models()}
        except TrackingError as error:
            if "locked" not in error.what:
                return {}  # damaged, or of an MLflow with other tables
            message = "MLflow's database is locked, and has to say once which adapters are champions"
            hint = "The same command again, when nobody writes it."
            raise TrackingError(message, where=printable_address(store), hint=hint) from None
        with suppress(UnwritableError), hold(self.root / LOCK, wait=False) as mine:
            if mine and not self.path.exists():
                self._write(names)
        return names

    @property
    def server(self) -> str | None:
        """The address of a server that may know champions which were never taken over; None where there is none."""
        uri = tracking_uri(self.root)
        unknown = database_of(uri) is None and not self.path.exists() and not any(map(_is_file, self._stores()))
        return printable_address(uri) if unknown else None

    def begin(self) -> None:
        """Write that there are none, before MLflow's database is made here: then it has none to be taken over."""
        if not self.path.exists() and all(database_of(uri) and not _is_file(uri) for uri in self._stores()):
            with suppress(UnwritableError):
                self._write({})

    def current(self) -> dict[str, NamedChampion]:
        """Return the champion of each registered name that has one; raises as :meth:`names`."""
        return {
            name: NamedChampion(known.champion.adapter, known.champion.identity)
            for name, known in self.names().items()
            if known.champion is not None and known.champion.adapter is not None
        }

    @contextmanager
    def changing(self, listener: Listener) -> Iterator[dict[str, RegisteredName]]:
        """Yield what is known, to be changed by :meth:`save` while no other process does.

        Raises:
            IntegrityError, TrackingError: as :meth:`names`.
            UnwritableError: the workspace cannot be written.
        """
        lock = self.root / LOCK
        with hold(lock, wait=False) as mine:
            if mine:
                yield dict(self.names())
                return
        listener.say("Another command is changing champions here; this one waits for it.")
        with hold(lock, wait=True):
            yield dict(self.names())

    def save(self, names: Mapping[str, RegisteredName]) -> None:
        """Write all names, whole or not at all; for the block of :meth:`changing`."""
        self._write(names)

    def _stores(self) -> tuple[str, str]:
        """Return where a workspace from before may have champions: the tracking store, and its own database."""
        return tracking_uri(self.root), own_database(self.root)

    def _write(self, names: Mapping[str, RegisteredName]) -> None:
        checksummed.write(form_of(ChampionsDocument), ChampionsDocument(dict(sorted(names.items()))), self.path)

    def _stored(self) -> ChampionsDocument | None:
        try:
            return checksummed.read(form_of(ChampionsDocument), self.path)
        except IntegrityError as error:
            hint = "Delete it, and the champions are taken over from MLflow's registry; or bring a copy back."
            raise IntegrityError(error.what, where=error.where, hint=hint) from None
