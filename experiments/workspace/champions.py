"""Which version of each registered name is the champion: ``champions.json``, the truth that MLflow's alias copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.documents import form_of
from adapter_workbench.experiments.workspace.registered_names import RegisteredName, name_from_mlflow
from adapter_workbench.workbench.adapters.name_resolution import NamedChampion
from adapter_workbench.workbench.errors import IntegrityError, TrackingError, UnwritableError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.mlflow.address import database_of, own_database, printable_address, tracking_uri
from adapter_workbench.workbench.mlflow.tracker import Tracker

if TYPE_CHECKING:
    from adapter_workbench.workbench.machine.listener import Listener

FILE = "champions.json"
LOCK = "claims/champions"


@dataclass(frozen=True)
class ChampionsDocument:
    """What ``champions.json`` holds: registered name, ``TASK.METHOD`` → its versions and champions."""

    names: Mapping[str, RegisteredName] = field(default_factory=dict)


def named_champions(names: Mapping[str, RegisteredName]) -> dict[str, NamedChampion]:
    """Return the champion of each registered name that has one."""
    return {
        name: NamedChampion(known.champion.adapter, known.champion.identity)
        for name, known in names.items()
        if known.champion is not None and known.champion.adapter is not None
    }


def _is_file(uri: str) -> bool:
    """Return whether an address is that of a database file that exists."""
    database = database_of(uri)
    return database is not None and database.is_file()


class Champions:
    """The champions of one workspace."""

    def __init__(self, root: Path) -> None:
        """Keep them in ``root``; the file is made when the first name is registered or taken over."""
        self.root, self.path = root, root / FILE

    def names(self) -> Mapping[str, RegisteredName]:
        """Return what is known of each registered name.

        An older workspace has no such file, and its champions are in MLflow's database. They are taken over once, which
        imports MLflow. An MLflow server is not asked here, since that may take long; see :attr:`server`.

        Raises:
            IntegrityError: the file is damaged.
            TrackingError: the champions have to be taken over, and another process keeps the database locked.
        """
        stored = self._read()
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
            message = "MLflow's database is locked, and the champions have to be read from it once"
            hint = "Try again when no other process writes it."
            raise TrackingError(message, where=printable_address(store), hint=hint) from None
        with suppress(UnwritableError), hold(self.root / LOCK, wait=False) as acquired:
            if acquired and not self.path.exists():
                self._write(names)
        return names

    @property
    def server(self) -> str | None:
        """The address of a server that may have champions which were never taken over; None where there is none."""
        uri = tracking_uri(self.root)
        unknown = database_of(uri) is None and not self.path.exists() and not any(map(_is_file, self._stores()))
        return printable_address(uri) if unknown else None

    def begin(self) -> None:
        """Write that there are no champions, before MLflow's database is made here: it has none to take over."""
        if not self.path.exists() and all(database_of(uri) and not _is_file(uri) for uri in self._stores()):
            with suppress(UnwritableError), hold(self.root / LOCK, wait=False) as acquired:
                if acquired and not self.path.exists():
                    self._write({})

    def current(self) -> dict[str, NamedChampion]:
        """Return the champion of each registered name that has one; raises as :meth:`names`."""
        return named_champions(self.names())

    @contextmanager
    def changing(self, listener: Listener) -> Iterator[dict[str, RegisteredName]]:
        """Yield all names, to be changed and given to :meth:`save`; no other process changes them meanwhile.

        Raises:
            IntegrityError, TrackingError: as :meth:`names`.
            UnwritableError: the workspace cannot be written.
        """
        lock = self.root / LOCK
        with hold(lock, wait=False) as acquired:
            if acquired:
                yield dict(self.names())
                return
        listener.say("Another command is changing champions here; this one waits for it.")
        with hold(lock, wait=True):
            yield dict(self.names())

    def save(self, names: Mapping[str, RegisteredName]) -> None:
        """Write all names, whole or not at all; for the block of :meth:`changing`."""
        self._write(names)

    def _stores(self) -> tuple[str, str]:
        """Return where an older workspace may have champions: the tracking store, and its own database."""
        return tracking_uri(self.root), own_database(self.root)

    def _write(self, names: Mapping[str, RegisteredName]) -> None:
        checksummed.write(form_of(ChampionsDocument), ChampionsDocument(dict(sorted(names.items()))), self.path)

    def _read(self) -> ChampionsDocument | None:
        try:
            return checksummed.read(form_of(ChampionsDocument), self.path)
        except IntegrityError as error:
            hint = "Delete it, and the champions are taken over from MLflow's registry; or restore a copy."
            raise IntegrityError(error.what, where=error.where, hint=hint) from None
