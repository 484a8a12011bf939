"""A first task file for data that a person has: what it can tell from the data, with comments on how to change it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import formats, registry
from tasks.findings import Findings, findings
from tasks.guess import Given, Guess, guess_columns
from tasks.normalise import frame_of
from tasks.sources import hub
from tasks.spec import NAME, NAME_RULE
from tasks.template import quoted, template
from workbench.assets import write_whole
from workbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from tasks.sources import Table

SPLIT_NAMES = {"train": "train", "training": "train", "dev": "validation", "valid": "validation", "val": "validation"}
SPLIT_NAMES |= {"validation": "validation", "eval": "validation", "test": "test", "testing": "test", "data": "data"}
SAMPLE = 10_000  # rows that a guess looks at, evenly spaced
HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")


@dataclass(frozen=True)
class RawData:
    """Data as they were found.

    Attributes:
        origin: what a person called them.
        source: the lines of a task file that name them.
        sizes: split of the source → rows.
        frame: the rows of the training split.
    """

    origin: str
    source: tuple[str, ...]
    sizes: Mapping[str, int]
    frame: pd.DataFrame

    @property
    def sample(self) -> pd.DataFrame:
        """At most 10,000 rows, evenly spaced."""
        return self.frame.iloc[:: 1 + len(self.frame) // SAMPLE]


@dataclass(frozen=True)
class Draft:
    """A task file that is not written yet.

    Attributes:
        name: the task's name.
        text: the YAML.
        columns: what was guessed or given.
        findings: what the training data hold in these columns.
        examples: three training rows, by raw column.
    """

    name: str
    text: str
    columns: Guess
    findings: Findings
    examples: tuple[Mapping[str, Any], ...]


def found_at(origin: str, folder: Path) -> RawData:
    """Return the data at ``origin``.

    Args:
        origin: a csv, tsv, jsonl or parquet file, a folder of such files called train, dev, test …, a folder of
            ``<label>/*.txt``, a folder laid out like a repository of the hub, or a hub id (``owner/name``,
            ``owner/name:config``).
        folder: where the task file will lie; paths in it are relative to this folder.

    Raises:
        InputError: no such data, or none to train on.
        AssetError: the hub cannot be reached.
    """
    path = Path(origin).expanduser()
    repository, _, config = origin.partition(":")
    if path.exists():
        tables, source = _from_path(path, folder, None)
    elif Path(repository).expanduser().is_dir():
        tables, source = _from_path(Path(repository).expanduser(), folder, config)
    else:
        tables, source = _from_hub(origin)
    split = next((one for one in ("train", "data") if one in tables), None)
    if split is None:
        raise InputError(f"no training data, only {', '.join(tables)}", where=origin, hint="Call a file train or data.")
    return RawData(origin, tuple(source), {name: len(rows) for name, rows in tables.items()}, frame_of(tables[split]))


def draft(name: str, data: RawData, given: Given, description: str | None = None) -> Draft:
    """Return a task file for ``data``, with what is not ``given`` guessed.

    Raises:
        InputError: a name that is not allowed, or columns that cannot be told (:func:`tasks.guess.guess_columns`).
    """
    check_name(name)
    columns = guess_columns(data.sample, data.origin, given)
    found = findings(columns, data.frame)
    about = description or f"{name} (say in a line what it is)"
    text = template(data.origin, about, data.source, columns, list(found.counts), set(data.sizes))
    examples = tuple({str(key): value for key, value in row.items()} for row in data.frame.head(3).to_dict("records"))
    return Draft(name, text, columns, found, examples)


def require_new(name: str, folder: Path, *, force: bool = False) -> None:
    """Raise InputError where ``<folder>/<name>.yaml`` cannot be written.

    The name is not allowed, the catalog has it, or the file is there and ``force`` is False.
    """
    check_name(name)
    if name in registry.names():
        raise InputError(f"the catalog has a task called {name!r}", hint="Give yours another name.")
    path = folder / f"{name}.yaml"
    if path.exists() and not force:
        raise InputError("this file is there already", where=str(path), hint="Overwrite it with --force.")


def write(made: Draft, folder: Path, *, force: bool = False) -> Path:
    """Write ``<folder>/<name>.yaml`` and return its path; raises as :func:`require_new`."""
    require_new(made.name, folder, force=force)
    path = folder / f"{made.name}.yaml"
    write_whole(path, made.text)
    return path


def check_name(name: str) -> None:
    """Raise InputError unless ``name`` may be a task's name."""
    if not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} cannot be a task's name", hint=f"Use {NAME_RULE}.")


def _from_path(path: Path, folder: Path, config: str | None) -> tuple[Mapping[str, Table], list[str]]:
    files = {"data": path} if path.is_file() else {} if config else _split_files(path)
    if not files and any(path.glob("*/*.txt")) and config is None:
        files = {"data": path}
    if files:
        tables: dict[str, Table] = {split: formats.read(file) for split, file in files.items()}
        return tables, ["files:", *(f"  {split}: {quoted(_relative(file, folder))}" for split, file in files.items())]
    if config is None and not _is_repository(path):
        known = ", ".join(formats.SUFFIXES)
        raise InputError(
            "no data in this folder",
            where=str(path),
            hint=f"Expected files called train, dev, test … ({known}), folders <label>/*.txt, or a hub repository.",
        )
    place = _relative(path, folder)
    identity = place if place.startswith((".", "/")) else f"./{place}"
    read = hub.read(hub.HubSettings(id=identity, config=config, revision=None), folder)
    return read, ["hub:", f"  id: {quoted(identity)}", *([f"  config: {quoted(config)}"] if config else [])]


def _is_repository(path: Path) -> bool:
    """Return whether a folder is laid out as data sets are on the hub: files of splits below it."""
    return any(file.suffix.lower() in formats.SUFFIXES for file in path.glob("*/*") if file.is_file())


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _split_files(path: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        words = re.split(r"[^a-z]+", file.stem.lower())
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
        if split and file.is_file() and file.suffix.lower() in formats.SUFFIXES:
            if split in files:
                raise InputError(f"two files for {split}: {files[split].name}, {file.name}", where=str(path))
            files[split] = file
    return {split: file for split, file in files.items() if split != "data" or "train" not in files}


def _from_hub(origin: str) -> tuple[Mapping[str, Table], list[str]]:
    identity, _, config = origin.partition(":")
    if not HUB_ID.match(identity) or Path(identity).suffix.lower() in formats.SUFFIXES:
        raise InputError("no such file or folder, and not a hub id (owner/name)", where=origin)
    read = hub.read(hub.HubSettings(id=identity, config=config or None, revision=None), Path())
    lines = ["hub:", f"  id: {identity}", *([f"  config: {quoted(config)}"] if config else [])]
    return read, [*lines, "  # revision: pin a commit here to keep results comparable"]
