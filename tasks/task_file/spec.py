"""A task that is read but not loaded: what its file says, and where that file is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.known_dialect import KnownDialect
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.tasks.task_file.task_file import LONGEST_NAME, TaskFile
from adapter_workbench.workbench.adapters.ids import ID
from adapter_workbench.workbench.errors import Problem, SettingsError
from adapter_workbench.workbench.settings.base import Document, Settings


@dataclass(frozen=True)
class TaskSpec:
    """A task, read but not loaded."""

    name: str  # the registered name
    file: TaskFile  # what its file says
    source: str  # name of its source
    source_settings: Settings  # what stands under the source's key
    document: Document  # the parsed file, to tell lines
    folder: Path  # where the file lies; relative paths start here

    @property
    def description(self) -> str:
        """One line for people."""
        return self.file.description

    @property
    def origin(self) -> str:
        """Where the rows come from, for people."""
        return f"{self.source} {SOURCES.get(self.source).origin(self.source_settings)}"

    @property
    def known_dialect(self) -> KnownDialect | None:
        """How the files of a person are written that the rows come from; None where they come from none."""
        return SOURCES.get(self.source).known_dialect(self.source_settings, self.folder)

    @property
    def has_comma(self) -> bool:
        """Whether numbers are written with a decimal comma."""
        return isinstance(self.source_settings, DialectSettings) and self.source_settings.decimal == ","


def parse(document: Document, name: str, folder: Path) -> TaskSpec:
    """Return the task that ``document`` describes.

    Raises:
        SettingsError: everything that is wrong with the file, each with its line.
    """
    sources = [key for key in document.data if key in SOURCES.names()]
    rest = {key: value for key, value in document.data.items() if key not in sources}
    problems: list[Problem] = []
    file = _part(document, (), rest, TaskFile, problems)
    settings = None
    if len(sources) == 1:
        model = SOURCES.get(sources[0]).settings
        settings = _part(document, (sources[0],), document.data[sources[0]], model, problems)
    else:
        message = f"{len(sources)} sources ({', '.join(sources)})" if sources else "no source"
        where = document.where(sources[1]) if sources else document.origin
        problems.append(Problem(message, where, f"Give exactly one of the keys {', '.join(SOURCES.names())}."))
    if not ID.fullmatch(name) or "@" in name or len(name.encode(errors="replace")) > LONGEST_NAME:
        hint = f"Rename the file, as adapters are: letters, digits and . _ + - =, at most {LONGEST_NAME} bytes."
        problems.append(Problem(f"{name!r} cannot be a task's name", document.origin, hint))
    if file and file.name not in {None, name}:
        message = f"'name' is {file.name!r}, but this is the file of {name!r}"
        problems.append(Problem(message, document.where("name"), "Rename one of them, or leave `name` out."))
    if problems or file is None or settings is None:
        raise SettingsError(problems)
    return TaskSpec(name, file, sources[0], settings, document, folder)


def _part(
    document: Document, key: tuple[str, ...], data: object, model: type[Any], problems: list[Problem]
) -> Any | None:
    try:
        return document.parse_part(key, data, model)
    except SettingsError as error:
        problems.extend(error.problems)
        return None
