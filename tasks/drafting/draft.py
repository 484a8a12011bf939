"""A first task file for a user's data: guessed from the data, with comments on how to change it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_workbench.tasks.drafting.findings import Findings, findings
from adapter_workbench.tasks.drafting.found_data import RawData
from adapter_workbench.tasks.drafting.guess import GivenColumns, Guess, guess_columns
from adapter_workbench.tasks.drafting.template import template
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import folder_in, version_folders
from adapter_workbench.tasks.reading.shown_rows import shown_rows
from adapter_workbench.tasks.reading.text_files import exists
from adapter_workbench.tasks.task_file.task_file import LONGEST_NAME, NAME, NAME_RULE
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.atomic import write_whole
from adapter_workbench.workbench.settings.yaml_text import require_characters


@dataclass(frozen=True)
class Draft:
    """A task file that is not written yet."""

    name: str  # the task's name
    text: str  # the YAML
    columns: Guess  # what was guessed or given
    findings: Findings  # what the training data hold in these columns
    examples: tuple[Mapping[str, Any], ...]  # a few training rows, by raw column: those columns that the task reads


def draft(name: str, data: RawData, given: GivenColumns, description: str | None = None) -> Draft:
    """Return a task file for ``data``, with what is not ``given`` guessed.

    Raises:
        InputError: a name or a description that is not allowed, or columns that cannot be told
        (:func:`adapter_workbench.tasks.drafting.guess.guess_columns`).
    """
    check_name(name)
    require_characters(description or "", "--description")
    columns = guess_columns(data.sample, data.origin, given)
    data_findings = findings(columns, data.frame)
    about = " ".join((description or "").split()) or f"{name} (say in a line what it is)"
    text = template(data.origin, about, data.source, columns, list(data_findings.counts), set(data.sizes))
    return Draft(name, text, columns, data_findings, shown_rows(data.frame, columns.columns_read))


def require_new(name: str, folder: Path, *, force: bool = False) -> None:
    """Raise InputError where ``<folder>/<name>.yaml`` cannot be written.

    The name is not allowed, the catalog or another file has it, the task has versions, or the file is there and
    ``force`` is False.
    """
    check_name(name)
    if name in registry.names():
        raise InputError(f"a task of the catalog is called {name!r}", hint="Give yours another name.")
    if version_folders(name, [folder]):
        hint = f"Give it new rows with `workbench tasks update {name}`, or give yours another name."
        raise InputError(f"the task {name!r} has versions", where=str(folder_in(folder, name)), hint=hint)
    path = folder / f"{name}.yaml"
    other = registry.file_of(name, [folder])
    if other and other.parent == folder.resolve() and other != folder.resolve() / path.name:
        message = f"there is a task or a family called {name!r} already"
        raise InputError(message, where=str(folder / other.name), hint="Give yours another name, or delete that file.")
    if exists(path) and not force:
        raise InputError("this file exists already", where=str(path), hint="Overwrite it with --force.")


def write(made: Draft, folder: Path, *, force: bool = False) -> Path:
    """Write ``<folder>/<name>.yaml`` and return its path; raises as :func:`require_new`."""
    require_new(made.name, folder, force=force)
    path = folder / f"{made.name}.yaml"
    try:
        write_whole(path, made.text)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(f"cannot be written: {os.strerror(error.errno or 0)}", where=str(path)) from None
    return path


def check_name(name: str) -> None:
    """Raise InputError unless ``name`` may be a task's name."""
    if len(name) > LONGEST_NAME or not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} cannot be a task's name", hint=f"Use {NAME_RULE}.")
