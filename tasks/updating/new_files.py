"""The files of a version that is not written yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading.loading import make_content
from adapter_workbench.tasks.reading.dialect import unusual
from adapter_workbench.tasks.sources.version import read_table, sha256
from adapter_workbench.tasks.updating.given_rows import label_names
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.tasks.updating.next_rows import NextRows, RowChanges
from adapter_workbench.tasks.updating.rows import by_split
from adapter_workbench.tasks.updating.state import State, spec_of
from adapter_workbench.tasks.updating.version import Version, forgotten_bytes, split_bytes
from adapter_workbench.workbench.errors import DataError
from adapter_workbench.workbench.settings import yaml_text

if TYPE_CHECKING:
    from adapter_workbench.tasks.task_file.spec import TaskSpec

SOURCE = "version"  # the key of a version's task file
COUNTED = ("new", "relabelled", "changed", "gone", "left_out")


@dataclass(frozen=True)
class NewFiles:
    """A version that is not written yet: what is known of it, its task file, and the bytes of its tables."""

    version: Version
    document: Mapping[str, Any]
    splits: Mapping[str, bytes]
    forgotten: bytes


def first_files(spec: TaskSpec, state: State, folder: Path) -> NewFiles:
    """Return version 1 of a task, with the rows that its own file gives; raises DataError if they cannot be kept."""
    labels = unchanged(state.labels)
    rows = NextRows(state.rows, {}, RowChanges())
    new = _files(spec.name, state, labels, rows, folder, number=1, how="kept", made_from=spec.origin, note="")
    if new.version.fingerprint != state.fingerprint:
        hint = "Write the rows to a file, and make a task of that with `workbench tasks new`."
        raise DataError(f"the rows of {spec.name!r} cannot be kept as they are", where=spec.document.origin, hint=hint)
    return new


def next_files(name: str, state: State, labels: LabelMap, following: NextRows, folder: Path, **facts: Any) -> NewFiles:
    """Return the version after ``state``; ``facts`` are ``how``, ``made_from`` and ``note`` of :class:`Version`."""
    return _files(name, state, labels, following, folder, number=state.number + 1, **facts)


def _files(name: str, state: State, labels: LabelMap, following: NextRows, folder: Path, **facts: Any) -> NewFiles:
    """Return a version as it will be written; its fingerprint is that of the task that its own file gives."""
    splits = split_bytes(following.rows, state.columns, state.id_column, state.label_column)
    forgotten = forgotten_bytes(following.forgotten)
    source: dict[str, Any] = {"number": facts["number"], "made_from": facts["made_from"]}
    source |= {split: sha256(content) for split, content in splits.items()}
    if (known := state.known_dialect) is not None:
        source["files"] = {"format": known.format, **unusual(known.dialect, known.format)}
    document = {**state.document, "labels": label_names(state, labels), SOURCE: source}
    written = yaml_text.parse(yaml_text.text_of(document), str(folder)).data  # what will be read is what is kept
    spec = spec_of(name, written, folder / str(facts["number"]))
    content = make_content(spec, {split: read_table(table) for split, table in splits.items()})
    changes = {key: len(ids) for key, ids in asdict(following.changes).items() if key in COUNTED}
    version = Version(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=content.fingerprint,
        before=labels.before,
        labels=labels.labels,
        sources=labels.sources,
        examples=by_split(following.rows),
        changes=changes,
        shares=dict(state.shares),
        forgotten=sha256(forgotten),
        **facts,
    )
    source["fingerprint"] = content.fingerprint
    return NewFiles(version, document, splits, forgotten)
