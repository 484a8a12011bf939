"""Normalised rows on disk: memory-mapped on a second use, so that a large task opens in milliseconds."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from adapter_workbench.tasks.reading import verification
from adapter_workbench.tasks.reading.mapped import map_file
from adapter_workbench.tasks.rows.fingerprint import INTEGERS, LISTS, NUMBERS
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import remove_whole, sweep, written_whole
from adapter_workbench.workbench.files.cache import cache_folder, writing_cache
from adapter_workbench.workbench.methods.task import SPLITS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from datasets import Dataset


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What is stored beside the tables; its fields are those of :class:`Content`."""

    labels: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...]


ABOUT = TypeAdapter(About)


@dataclass(frozen=True)
class Content:
    """What a task file and its bytes give."""

    labels: tuple[str, ...]  # label names in order
    fingerprint: str  # SHA-256 over kind, labels and every row
    notes: tuple[str, ...]  # what a person has to know of the rows, such as how many were left out
    tables: Mapping[str, pa.Table]  # one for each split


def is_cached(key: str) -> bool:
    """Return whether content is stored under ``key``."""
    return _folder(key).is_dir()


def load_or_make(key: str, make: Callable[[], Content]) -> Content:
    """Return the content stored under ``key``, made and stored if it is not there, or not as it was written.

    Raises:
        InputError: the cache cannot be written.
    """
    folder = _folder(key)
    with writing_cache():
        there = folder.is_dir()
        if there and (damaged := verification.first_damaged(folder)):
            logger.warning("%s of the task cache is damaged (%s); it is made again", damaged, folder)
            remove_whole(folder)
            there = False
    if not there:
        content = make()
        with writing_cache():
            sweep(folder.parent)
            with written_whole(folder) as scratch:
                _write(content, scratch)
                verification.seal(scratch)
    return _read(folder)


def table_of(rows: pd.DataFrame) -> pa.Table:
    """Return ``rows`` as a table: strings, but for the columns that :mod:`.fingerprint` knows to be others."""
    import pyarrow as pa

    types = {
        **dict.fromkeys(INTEGERS, pa.int64()),
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(LISTS, pa.list_(pa.int64())),
    }
    fields = [(name, types.get(name, pa.large_string())) for name in rows.columns]
    return pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=False).replace_schema_metadata()


def dataset(table: pa.Table, identity: str, labels: Sequence[str] = ()) -> Dataset:
    """Return ``table`` as a data set whose own fingerprint follows from ``identity`` alone; tags know their names."""
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, List

    features = Features.from_arrow_schema(table.schema)
    if "tags" in features:
        features["tags"] = List(ClassLabel(names=list(labels)))
    short_digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Dataset(table, info=DatasetInfo(features=features), fingerprint=short_digest)


def _folder(key: str) -> Path:
    return cache_folder() / "tasks" / key


def _write(content: Content, folder: Path) -> None:
    import pyarrow as pa

    for split, table in content.tables.items():
        with pa.OSFile(str(folder / f"{split}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    about = About(content.labels, content.fingerprint, content.notes)
    (folder / "task.json").write_text(json.dumps(asdict(about)), encoding="utf-8")


def _read(folder: Path) -> Content:
    import pyarrow as pa

    about = checksummed.require(ABOUT, folder / "task.json")
    tables = {split: pa.ipc.open_file(map_file(folder / f"{split}.arrow")).read_all() for split in SPLITS}
    return Content(about.labels, about.fingerprint, about.notes, tables)
