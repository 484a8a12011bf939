"""What made each adapter, and which adapters a person asked for: only those answer under the name of a task.

What made an adapter is in its manifest, which is never changed. Who asked for it since is in ``asked/ID.json``: a
command writes that for each adapter that it is asked for, whatever made it. So an adapter that an experiment left, and
that somebody trains, imports or promotes later, is in service from then on; one that a person asked for stays in
service, whichever experiment reads it. Earlier versions wrote neither: what made their adapters is derived from the
records of experiments, and an adapter that no record mentions counts as asked for.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, TypeAlias

from adapter_workbench.experiments.workspace.records import FILE as RECORD
from adapter_workbench.workbench.errors import InputError, IntegrityError
from adapter_workbench.workbench.files import atomic, checksummed
from adapter_workbench.workbench.files.ordinary import contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from adapter_workbench.experiments.workspace.champions import Champions
    from adapter_workbench.experiments.workspace.documents import Documents, Known
    from adapter_workbench.experiments.workspace.records import RecordDocument, Records
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

FOLDER = "asked"  # of the documents in a workspace
RUN, IMPORT, REGISTER = "run", "import", "register"
IN_TEXTS = re.compile(
    r'"([^"\\]*-[0-9a-f]{8}|[0-9a-f]{64})"'
)  # what may be the id of an adapter, or the SHA-256 of one
Mentions: TypeAlias = tuple[float, str, frozenset[str]]  # when an experiment began, its name, what its pieces mention


def left_by(experiment: str) -> str:
    """Return what made the adapters that an experiment leaves."""
    return f"{RUN} {experiment}"


@dataclass(frozen=True)
class Asked:
    """That a person asked for an adapter."""

    by: str  # the command, ``train`` or ``adapters promote``
    when: str  # the time, UTC, in ISO format


@dataclass(frozen=True)
class Origin:
    """Where an adapter of this workspace comes from."""

    made_by: str | None  # the command that made it, or ``run NAME``; None where that is not known
    # the command by which a person asked for it first, which may have found it there; None where nobody did, or
    # that is not known
    asked_by: str | None = None

    @property
    def experiment(self) -> str | None:
        """The experiment that left it; None where a command made it, or nobody knows what did."""
        made_by = self.made_by or ""
        return made_by.removeprefix(f"{RUN} ") if made_by.startswith(f"{RUN} ") else None

    @property
    def in_service(self) -> bool:
        """Whether it may answer under the name of its task."""
        return self.experiment is None or self.asked_by is not None

    def is_of(self, maker: str) -> bool:
        """Return whether a person means it by ``maker``: a command, ``run``, ``run NAME`` or the NAME alone."""
        if maker == RUN:
            return self.experiment is not None
        return maker in {self.made_by, self.asked_by, self.experiment} - {None}

    def __str__(self) -> str:
        """Return it in words; an empty text where nothing is known."""
        known = dict.fromkeys(maker for maker in (self.made_by, self.asked_by) if maker)
        return ", then ".join(known)


class Origins:
    """The origins of the adapters of one workspace."""

    def __init__(self, asked: Documents[Asked], champions: Champions, records: Records, known: Known) -> None:
        """Read them from the documents of ``asked``; ``known`` has what was read of records already."""
        self._asked, self._champions, self._records, self._known = asked, champions, records, known

    def ask(self, adapter: str, command: str) -> None:
        """Write that a person asked for an adapter, unless somebody did before.

        Raises:
            UnwritableError: the workspace cannot be written.
        """
        if not (self._asked.root / f"{adapter}.json").is_file():
            self._asked.save(adapter, Asked(command, datetime.now(UTC).isoformat(timespec="seconds")))

    def forgotten(self, adapter: str) -> AbstractContextManager[None]:
        """Delete what :meth:`ask` wrote of an adapter that the block removes; it is there again if the block fails.

        It goes first: a run may make the same adapter again at once, for which nobody asks then.
        """
        return atomic.removed_whole(self._asked.root / f"{adapter}.json")

    def of(self, manifests: Iterable[Manifest]) -> dict[str, Origin]:
        """Return the origin of each adapter by its id.

        Raises:
            IntegrityError: a document of ``asked`` or the file with the champions is damaged.
            TrackingError: as :meth:`adapter_workbench.experiments.workspace.champions.Champions.names`.
        """
        experiments = cache(lambda: [*self._experiments()])  # read once, and only if something has to be derived
        origins = {}
        for manifest in manifests:
            made_by = manifest.made_by or self._derived(manifest, experiments)
            asked_by = self._asked_by(manifest.id)
            origin = Origin(made_by, asked_by)
            origins[manifest.id] = origin if origin.experiment else Origin(made_by, asked_by or made_by)
        left = {adapter for adapter, origin in origins.items() if not origin.in_service}
        registered = left & self._registered() if left else ()
        return origins | {adapter: Origin(origins[adapter].made_by, REGISTER) for adapter in registered}

    def in_service(self, manifests: Iterable[Manifest]) -> list[Manifest]:
        """Return the adapters that may answer under the names of their tasks; raises as :meth:`of`."""
        manifests = [*manifests]
        origins = self.of(manifests)
        return [manifest for manifest in manifests if origins[manifest.id].in_service]

    def serving(self, adapters: Iterable[StoredAdapter]) -> list[StoredAdapter]:
        """Return what :meth:`in_service` does, of stored adapters."""
        by_id = {adapter.id: adapter for adapter in adapters}
        return [by_id[own.id] for own in self.in_service(adapter.manifest for adapter in by_id.values())]

    def _asked_by(self, adapter: str) -> str | None:
        try:
            asked = self._asked.get(adapter)
        except IntegrityError as error:
            hint = f"Delete it, and ask for the adapter again: workbench adapters promote {adapter}"
            raise IntegrityError(error.what, where=error.where, hint=hint) from None
        return None if asked is None else asked.by

    def _registered(self) -> set[str | None]:
        """Return the ids of adapters that are versions of a registered name: a person entered each of them."""
        names = self._champions.names().values()
        return {version.adapter for name in names for version in name.versions}

    def _derived(self, manifest: Manifest, experiments: Callable[[], Iterable[Mentions]]) -> str | None:
        """Return what made an adapter of an earlier version, as far as something says so."""
        if manifest.imported is not None:
            return IMPORT
        if self._records.system(manifest.id).is_file():  # only a command that trains this one adapter writes it
            return "update" if manifest.update else "train"
        names = {manifest.id, *(sha256 for file, sha256 in manifest.files.items() if file.endswith(".safetensors"))}
        mentions = [
            (started, experiment)
            for started, experiment, mentioned in experiments()
            if not names.isdisjoint(mentioned) and started <= _seconds(manifest.created)
        ]
        if mentions:
            return left_by(self._records.experiment_of(min(mentions)[1]))
        if manifest.update or manifest.composition:
            return "update" if manifest.update else "fuse"
        return None

    def _experiments(self) -> Iterator[Mentions]:
        """Yield what each experiment mentions; what it mentions and did not make was there before it began."""
        for name in self._records.names():
            folder = self._records.root / name
            with suppress(
                IntegrityError, InputError, PermissionError
            ):  # damaged, or of another version: it says nothing
                stamp = checksummed.stamp_of(folder, [RECORD])
                mentions = self._known.documents.value(folder / RECORD, stamp, partial(self._mentions, name))
                if mentions is not None:
                    yield mentions

    def _mentions(self, experiment: str) -> Mentions | None:
        record = self._records.get(experiment)
        if record is None:
            return None
        texts = map(_text, self._files_of(record))
        names = frozenset(name for text in texts for name in IN_TEXTS.findall(text))
        return _seconds(record.provenance.get("started")), experiment, names

    def _files_of(self, record: RecordDocument) -> Iterator[Path]:
        """Yield the files in which pieces name their adapters; of a stage, those of the strategy's state."""
        root = self._records.root.parent
        for piece in record.pieces:
            yield root / "pieces" / f"{piece.key}.json"
            stages = piece.coordinates.get("steps", [piece.coordinates.get("step")])
            for stage in filter(None, stages):
                state = root / "steps" / stage / "state"
                yield from (state / "adapters.json", state / "groups.json")


def _text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return contents(file).decode()
    return ""


def _seconds(when: str | None) -> float:
    """Return a time in ISO format in seconds; 0, long ago, where it is none."""
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(when or "").timestamp()
    return 0.0
