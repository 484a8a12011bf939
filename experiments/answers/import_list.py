"""A list of what to import: one folder or hub id a line, or YAML with options for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from adapter_workbench.experiments.answers.import_options import AUTO, Source
from adapter_workbench.experiments.requests.importing import ImportOptions
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import Document, Settings
from adapter_workbench.workbench.settings.bounds import Tokens
from adapter_workbench.workbench.settings.yaml_text import parse, read_text, require_characters

if TYPE_CHECKING:
    from pathlib import Path

FORM = """\
A line each, or YAML:
  - folder: runs/emotion
    task: emotion
    backbone: minilm
    name: emotion-of-ann
    labels: [joy, anger]        # or auto
Only `folder` is needed; it may be a hub id, OWNER/NAME."""


class ListedFolder(Settings):
    """One entry of a list in YAML."""

    folder: str
    task: str | None = None
    backbone: str | None = None
    name: str | None = None
    labels: tuple[str, ...] | None = None
    max_length: Tokens | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _to_be_found(cls, value: object) -> object:
        return AUTO if value == AUTO[0] else value


def listed(file: Path, defaults: ImportOptions) -> list[Source]:
    """Return what a list names, in its order; folders are those of the folder that the person is in.

    Args:
        file: the list.
        defaults: what holds for each entry that does not say it itself.

    Raises:
        InputError: it cannot be read, or names nothing.
        SettingsError: all that is wrong with its entries, each with its line.
    """
    path = path_of(file)
    text = read_text(path)
    require_characters(text, str(path))
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    names = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError("this list names no folder", where=str(path), hint=FORM)
    if path.suffix in (".yaml", ".yml") or names[0][1].startswith("- "):
        return _of_yaml(text, str(path), defaults)
    return [Source(name, defaults, f"{path}, line {number}") for number, name in names]


def _of_yaml(text: str, origin: str, defaults: ImportOptions) -> list[Source]:
    parsed = parse(text, origin)
    if not isinstance(parsed.data, list):
        raise InputError("expected a list of folders", where=origin, hint=FORM)
    data: list[Any] = [{"folder": entry} if isinstance(entry, str) else entry for entry in parsed.data]
    document = Document({}, origin, parsed.lines)
    entries: list[ListedFolder] = document.parse_parts(
        *(((index,), entry, ListedFolder) for index, entry in enumerate(data))
    )
    return [
        Source(entry.folder, _with_stated(entry, defaults), document.where(index))
        for index, entry in enumerate(entries)
    ]


def _with_stated(entry: ListedFolder, defaults: ImportOptions) -> ImportOptions:
    stated = {name: value for name, value in entry.model_dump(exclude={"folder"}).items() if value is not None}
    return ImportOptions(**{**vars(defaults), **stated})
