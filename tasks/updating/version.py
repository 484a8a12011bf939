"""One version of a task on disk: its task file, a parquet file for each split, texts that are gone, and its facts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from adapter_workbench.tasks.loading.version_folders import TASK_FILE
from adapter_workbench.tasks.sources.version import checked_bytes, file_of, read_table
from adapter_workbench.tasks.updating.label_map import LabelMap, composed, unchanged
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import written_whole
from adapter_workbench.workbench.methods.task import SPLITS
from adapter_workbench.workbench.settings import yaml_text

if TYPE_CHECKING:
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.rows import Row

FACTS, FORGOTTEN = "version.json", "forgotten.parquet"


@dataclass(frozen=True)
class Version:
    """What is known of a version beside its rows."""

    number: int  # 1 is the task as its own file had it
    made: str  # when it was written, UTC
    how: str  # ``kept`` (the first), ``append``, ``replace``, or ``labels`` where only those changed
    made_from: str  # where its newest rows come from, for people
    note: str  # what a person wrote on it
    fingerprint: str  # of the task's data, as adapters have it
    before: tuple[str, ...]  # the labels of the version before; of the first one its own
    labels: tuple[str, ...]  # in the order of the classes
    # of the labels, as ``LabelMap`` has them
    sources: tuple[tuple[int, ...], ...]
    examples: dict[str, int]  # split → rows
    changes: dict[str, int]  # how many rows are new, relabelled, changed, gone and left out against the version before
    shares: dict[str, float]  # of new texts, for ``test`` and ``validation``
    forgotten: str  # the SHA-256 of the file with the texts that are gone

    @property
    def label_map(self) -> LabelMap:
        """The labels beside those of the version before."""
        return LabelMap(self.before, self.labels, self.sources)


VERSION = TypeAdapter(Version)


def facts_of(folder: Path) -> Version:
    """Return what is known of the version in a folder; raises IntegrityError where the file is damaged."""
    return checksummed.require(VERSION, folder / FACTS)


def labels_between(specs: Mapping[int, TaskSpec], first: int, second: int) -> LabelMap:
    """Return the labels of the version ``second`` beside those of the earlier version ``first``.

    Args:
        specs: number → version of one task.
        first: the earlier version.
        second: the later version.

    Raises:
        IntegrityError: what is known of a version is damaged.
        InputError: a version between them is gone.
    """
    if gone := [number for number in range(first, second + 1) if number not in specs]:
        name = specs[max(specs)].name.partition("@")[0]
        message = f"{name}@{gone[0]} is gone, and with it what became of the labels of {name}@{first}"
        raise InputError(message, hint=f"Learn the newest version from nothing: workbench add {name}")
    steps = (facts_of(specs[number].folder).label_map for number in range(first + 1, second + 1))
    return reduce(composed, steps, unchanged(facts_of(specs[first].folder).labels))


def table_bytes(columns: Mapping[str, Sequence[str]]) -> bytes:
    """Return columns of text as a parquet file: the same bytes for the same columns on the same versions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def split_bytes(rows: Iterable[Row], columns: Sequence[str], id_column: str, label_column: str) -> dict[str, bytes]:
    """Return split → its rows as a parquet file, with the columns under the names that the task reads."""
    by_split: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for row in rows:
        by_split[row.split].append(row)
    files = {}
    for split, members in by_split.items():
        data = {name: [row.values[position] for row in members] for position, name in enumerate(columns)}
        data |= {label_column: [row.label for row in members], id_column: [row.id for row in members]}
        files[split] = table_bytes(data)
    return files


def forgotten_bytes(forgotten: Mapping[str, str]) -> bytes:
    """Return the digests of texts that are gone, and the split of each, as a parquet file."""
    texts = sorted(forgotten)
    return table_bytes({"text": texts, "split": [forgotten[text] for text in texts]})


def forgotten_in(folder: Path, version: Version) -> dict[str, str]:
    """Return text → split of the texts that earlier versions had; raises IntegrityError where the file is damaged."""
    table = read_table(checked_bytes(folder / FORGOTTEN, version.forgotten))
    return dict(zip(table["text"], table["split"], strict=True))


def write_version(
    folder: Path, version: Version, document: Mapping[str, Any], splits: Mapping[str, bytes], forgotten: bytes
) -> None:
    """Write a version, whole or not at all; a version that is there already is kept.

    Args:
        folder: of the version.
        version: what is known of it.
        document: its task file.
        splits: split → bytes of its rows.
        forgotten: bytes of the texts that are gone.

    Raises:
        UnwritableError: nothing can be written there.
    """
    head = f"# Version {version.number}, written by `workbench tasks update`. It is kept as it is: do not change it.\n"
    text = yaml_text.text_of(dict(document))
    with written_whole(folder) as scratch:
        for split, content in splits.items():
            file_of(split, scratch).write_bytes(content)
        (scratch / FORGOTTEN).write_bytes(forgotten)
        (scratch / FACTS).write_text(checksummed.text_of(VERSION, version), encoding="utf-8")
        (scratch / TASK_FILE).write_text(head + text, encoding="utf-8")
