"""Where the versions of a task lie, ``TASK.versions/N`` in a folder of tasks, and what ``TASK@N`` means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from adapter_workbench.workbench.errors import InputError, UnknownNameError

ENDING = ".versions"  # of the folder with all versions of a task
TASK_FILE = "task.yaml"  # of one version
NUMBER = re.compile(r"[1-9][0-9]{0,5}")


def split_name(name: str) -> tuple[str, str | None]:
    """Return the task of ``TASK@N``, and N as it was written; a name without ``@`` means no version of its own."""
    task, at, number = name.partition("@")
    return task, number if at else None


def folder_in(tasks: Path, name: str) -> Path:
    """Return where the versions of a task lie in a folder of tasks."""
    return tasks / f"{name}{ENDING}"


def has_versions(tasks: Path) -> bool:
    """Return whether a folder of tasks holds versions of any task."""
    return any(path.is_dir() for path in tasks.glob(f"*{ENDING}"))


def version_folders(name: str, folders: Iterable[Path]) -> dict[int, Path]:
    """Return number → folder of the stored versions of a task, the oldest first; nothing if it never was updated.

    Raises:
        InputError: two folders of tasks have versions of it.
    """
    by_folder: dict[Path, dict[int, Path]] = {}
    if Path(name).name != name:  # a path is no name, and leads to no other folder
        return {}
    for tasks in dict.fromkeys(folder.resolve() for folder in folders):
        if numbered := _numbered(folder_in(tasks, name)):
            by_folder[tasks] = numbered
    if len(by_folder) > 1:
        first, second, *_ = by_folder
        message = f"there are versions of {name!r} in {folder_in(first, name)} already"
        raise InputError(message, where=str(folder_in(second, name)), hint="Move one of the two folders away.")
    return next(iter(by_folder.values()), {})


def _numbered(folder: Path) -> dict[int, Path]:
    paths = [path for path in folder.glob("[0-9]*") if NUMBER.fullmatch(path.name) and (path / TASK_FILE).is_file()]
    return {int(path.name): path for path in sorted(paths, key=lambda path: int(path.name))}


def chosen_version(name: str, number: str | None, versions: Mapping[int, Path]) -> int | None:
    """Return the number of the version that is meant; None for the task as its own file has it.

    Args:
        name: of the task.
        number: as it was written; None for the newest.
        versions: the stored ones.

    Raises:
        UnknownNameError: there is no such version.
    """
    if number is None:
        return max(versions, default=None)
    if not versions and number == "1":
        return None
    if NUMBER.fullmatch(number) and int(number) in versions:
        return int(number)
    known = [f"{name}@{version}" for version in versions or (1,)]
    raise UnknownNameError("version", f"{name}@{number}", known, command=f"workbench tasks history {name}")
