"""The record of an experiment: which pieces it consists of. Their results are stored with the pieces."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from adapter_workbench.experiments.workspace.access import Access
from adapter_workbench.experiments.workspace.damage import needed_by
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError
from adapter_workbench.workbench.files import checksummed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "record.json"
NOT_IN_IDENTITY = (
    "description",
    "data_sources",
    "precision",
    "shared_texts",
)  # they change no number, or are in the keys of pieces
MACHINES = "machines"  # of a cluster, in the provenance
EARLIER = ("comparison.json", "fusion.json")  # what records were called before there was one form of them
SET_ASIDE = re.compile(r"(?P<name>.+)-before-(?P<when>\d{8}-\d{6})(?:-(?P<number>\d+))?")  # see `Records._set_aside`


@dataclass(frozen=True)
class PieceReference:
    """A piece of an experiment: its key, and which piece it is (label, seed, …)."""

    key: str
    coordinates: Annotated[Mapping[str, Any], Field(alias="place")]  # in record.json


@dataclass(frozen=True)
class RecordDocument:
    """What is stored of an experiment."""

    study: str  # the key of its kind
    about: Mapping[str, Any]  # what all pieces share; each study has its own form of it
    pieces: tuple[PieceReference, ...]  # all that the recipe asks for, done or not
    provenance: Mapping[str, str]  # command, date, versions, git state, machine: strings for people
    identity: str  # SHA-256 of everything that determines the numbers: the pieces with their data, and what they share
    finished: bool = False  # whether a run came to the end; from then on a missing piece is damage

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all pieces."""
        return frozenset(piece.key for piece in self.pieces)

    def content(self, experiment: str) -> dict[str, Any]:
        """Return the fields of a study's record of this ``experiment`` that are known before any piece is read."""
        return {**self.about, "experiment": experiment, "identity": self.identity, "provenance": self.provenance}

    def as_finished(self, machines: Sequence[str] = ()) -> RecordDocument:
        """Return the record of a run that has come to the end; ``machines`` of a cluster are added to earlier ones."""
        earlier = [machine for machine in self.provenance.get(MACHINES, "").split("; ") if machine]
        all_machines = {MACHINES: "; ".join(dict.fromkeys([*earlier, *machines]))} if earlier or machines else {}
        return replace(self, provenance={**self.provenance, **all_machines}, finished=True)

    @property
    def command(self) -> str:
        """The command that made it; empty where it was begun from Python."""
        return self.provenance.get("command", "")


RECORD = TypeAdapter(RecordDocument)


def identity(study: str, about: Mapping[str, Any], pieces: Iterable[PieceReference]) -> str:
    """Return :attr:`RecordDocument.identity`."""
    shared = {name: value for name, value in about.items() if name not in NOT_IN_IDENTITY}
    content = [study, sorted({piece.key for piece in pieces}), shared]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _lacks_only_added_seeds(record: RecordDocument, existing: RecordDocument) -> bool:
    """Return whether a record asks for all of an existing one except for seeds that were added until it was decided.

    Seeds that every entry has were not added. If a piece of one of those is no longer asked for under its coordinates,
    an entry or a task was left out or renamed, whether or not another entry shares the piece.
    """
    existing_looks, looks = (document.about.get("verdicts_after", []) for document in (existing, record))
    if not existing_looks or looks not in ([], existing_looks):
        return False
    seeds_of_all = record.about["seeds"][: looks[0] if looks else None]
    added = {*existing.about["seeds"]} - {*seeds_of_all}
    asked, there = ({_as_text(piece): piece for piece in document.pieces} for document in (record, existing))
    others = (piece for text, piece in there.items() if text not in asked)
    return asked.keys() <= there.keys() and all(piece.coordinates.get("seed") in added for piece in others)


def _as_text(piece: PieceReference) -> str:
    return json.dumps([piece.key, piece.coordinates], sort_keys=True)


def _with_added_seeds(record: RecordDocument, existing: RecordDocument) -> RecordDocument:
    """Return a record with the seeds that were added to an existing one, which has all of its pieces."""
    added = {name: existing.about[name] for name in ("seeds", "verdicts_after", "orders") if name in existing.about}
    about = {**record.about, **added}
    return replace(existing, about=about, identity=identity(record.study, about, existing.pieces))


def _what_changed(name: str, record: RecordDocument, existing: RecordDocument | None) -> str:
    """Return in a sentence why an ``existing`` record, None if an earlier version wrote it, is set aside."""
    if existing is None:
        return f"An earlier version ran {name!r}."
    then, now = (", ".join(map(str, document.about.get("verdicts_after", []))) for document in (existing, record))
    if then and now and then != now:
        return f"Verdicts of {name!r} were read after {then} seeds, and are now read after {now}."
    return f"The recipe of {name!r} has changed."


class Records:
    """The records of a workspace: ``experiments/NAME/record.json``."""

    def __init__(self, root: Path, access: Access, system: Callable[[str], Path]) -> None:
        """Keep records in folders below ``root``; ``system`` finds the file of the machine's load during a run."""
        self.root, self.access, self.system = root, access, system

    def names(self) -> list[str]:
        """Return the names of the experiments that were begun, sorted."""
        return sorted({path.parent.name for file in (FILE, *EARLIER) for path in self.root.glob(f"*/{file}")})

    def runs(self, name: str) -> list[str]:
        """Return the names of an experiment's runs: those that were set aside, the oldest first, then its own name.

        A run is set aside when its recipe changes; if the recipe only asks for more, it is the same run.
        """
        earlier = [match for folder in self.names() if (match := SET_ASIDE.fullmatch(folder)) and match["name"] == name]
        by_age = sorted(earlier, key=lambda match: (match["when"], int(match["number"] or 1)))
        return [*(match[0] for match in by_age), name]

    def experiment_of(self, name: str) -> str:
        """Return the experiment of which ``name`` is a run that was set aside; else ``name`` itself."""
        match = SET_ASIDE.fullmatch(name)
        return match["name"] if match and (self.root / match["name"] / FILE).is_file() else name

    def get(self, name: str) -> RecordDocument | None:
        """Return a record, or None.

        Raises:
            IntegrityError: it is damaged, and the workspace does not mend damage.
            InputError: an earlier version wrote it.
        """
        path = self.root / name / FILE
        if earlier := self._earlier(name):
            hint = "Run the recipe again: its adapters are not trained again."
            raise InputError(f"the record of {name!r} was written by an earlier version", where=str(earlier), hint=hint)
        return self.access.read(path, lambda: checksummed.read(RECORD, path))

    def require(self, name: str) -> RecordDocument:
        """Return the record of an experiment.

        Raises:
            UnknownNameError: no such experiment was begun here.
            IntegrityError: its record is damaged or missing.
        """
        with needed_by(name, ""):
            if record := self.get(name):
                return record
            if (self.root / name / "report.json").is_file():
                raise IntegrityError("the record of this experiment is missing", where=str(self.root / name))
        raise UnknownNameError("experiment", name, self.names(), str(self.root.parent), command="workbench report")

    def save(self, name: str, record: RecordDocument) -> None:
        """Write a record if it differs from the stored one."""
        if record != self.get(name):
            checksummed.write(RECORD, record, self.root / name / FILE)

    def begin(self, name: str, record: RecordDocument, say: Callable[[str], None]) -> RecordDocument:
        """Write and return the record of a run that begins with the plan of ``record``.

        A run that only adds pieces continues the stored record. If pieces are no longer asked for, the recipe has
        changed: the stored record is set aside under another name, which is passed to ``say``. Where seeds were added
        until it was decided, the recipe alone asks for fewer: the further ones stay. At other looks, other entries may
        need fewer seeds than they have: that is another run, and the stored one is set aside too.

        Raises:
            InputError: the name belongs to another kind of experiment.
        """
        existing = None if self._earlier(name) else self.get(name)
        if existing and existing.study != record.study:
            message = f"{name!r} is the name of another kind of experiment in this workspace already"
            raise InputError(message, where="name", hint="Give the recipe another name, or use another --workspace.")
        if existing and existing.keys <= record.keys:
            finished = existing.finished and existing.keys == record.keys
            record = replace(record, provenance=existing.provenance, finished=finished)
        elif existing and _lacks_only_added_seeds(record, existing):
            record = _with_added_seeds(record, existing)
        elif existing or self._earlier(name):
            why = _what_changed(name, record, existing)
            say(f"{why} What was there before is kept as {self._set_aside(name)!r}.")
        self.save(name, record)
        return record

    def _set_aside(self, name: str) -> str:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        aside, number = f"{name}-before-{stamp}", 1
        while (self.root / aside).exists():
            number += 1
            aside = f"{name}-before-{stamp}-{number}"
        folder = self.root / aside
        folder.mkdir(parents=True)
        for path in (self.root / name).iterdir():
            if path.is_file() and not path.name.startswith("."):  # a lock is held by whoever runs this
                path.rename(folder / path.name)
        with suppress(FileNotFoundError):  # a short run leaves none
            self.system(name).rename(self.system(aside))
        return aside

    def _earlier(self, name: str) -> Path | None:
        """Return the path of a record of an earlier version, if there is no newer one."""
        path, earlier = self.root / name / FILE, [self.root / name / file for file in EARLIER]
        if path.is_file():
            return path if checksummed.has_key(path, "steps") else None
        return next((file for file in earlier if file.is_file()), None)
