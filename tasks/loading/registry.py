"""The catalog: all tasks by name; a task is loaded only when it is needed.

A file may declare a family: many tasks, each of which overrides some of the file's keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from adapter_workbench.tasks.loading.version_folders import (
    TASK_FILE,
    chosen_version,
    has_versions,
    split_name,
    version_folders,
)
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.tasks.task_file.spec import TaskSpec, parse
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, UnknownNameError, opening
from adapter_workbench.workbench.files.ordinary import contents
from adapter_workbench.workbench.settings import base
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from adapter_workbench.workbench.machine.availability import Availability
    from adapter_workbench.workbench.methods.task import Task

FoundT = TypeVar("FoundT")


class FindTask(Protocol):
    """Gives a task by its name."""

    def __call__(self, name: str, fingerprint: str | None = None) -> TaskSpec:
        """Return the version of the task whose data have this fingerprint, else as :func:`find`, and raise as that."""
        ...


CATALOG = Path(__file__).parents[1] / "catalog"


def user_folders(option: Sequence[Path] | Path | str | None = None) -> tuple[Path, ...]:
    """Return the folders of a person's own tasks, absolute: a notebook may go to another folder later.

    Args:
        option: what ``--tasks`` gave, or one folder; else ``$WORKBENCH_TASKS`` (paths joined as in ``PATH``), else
            ``./tasks`` where that is a folder holding YAML files or versions of tasks.

    Raises:
        InputError: a folder that was named is not there.
    """
    given = (option,) if isinstance(option, str | Path) else option or ()
    named = tuple(path_of(folder).absolute() for folder in given)
    if not named and (variable := os.environ.get("WORKBENCH_TASKS")):
        named = tuple(path_of(part).absolute() for part in variable.split(os.pathsep) if part)
    for folder in named:
        if not folder.is_dir():
            raise InputError("no such folder of tasks", where=str(folder))
    if named:
        return named
    here = Path("tasks").absolute()
    return (here,) if any(here.glob("*.y*ml")) or has_versions(here) else ()


def writable_folder(option: Path | None = None) -> Path:
    """Return where a new task file goes: ``option``, else the first of ``$WORKBENCH_TASKS``, else ``./tasks``."""
    return path_of(option or (os.environ.get("WORKBENCH_TASKS") or "tasks").split(os.pathsep)[0])


def names(folders: Iterable[Path] = ()) -> list[str]:
    """Return the names of all tasks, the members of families one by one, sorted.

    Raises:
        InputError: two files declare the same task, or a family's file is not well formed.
    """
    return sorted(_index(folders))


def file_of(name: str, folders: Iterable[Path] = ()) -> Path | None:
    """Return the file that declares the task or family called ``name``; None where none does; raises as :func:`names`.

    A file that has the name itself and declares others has it too.
    """
    index = _index(folders)
    return index.get(name) or next((path for path in index.values() if path.stem == name), None)


def families(folders: Iterable[Path] = ()) -> dict[str, tuple[str, ...]]:
    """Return the families and their members in stream order; raises as :func:`names`."""
    return _families(_index(folders))


def find(name: str, folders: Iterable[Path] = ()) -> TaskSpec:
    """Return the task called ``name``, from the catalog or one of ``folders``: its newest version, or N of ``TASK@N``.

    Raises:
        UnknownNameError: no such task, or no such version; the nearest names are suggested.
        SettingsError: everything that is wrong with its file, each with its line.
        InputError: as :func:`names`; or the name is a family's.
    """
    return finder(folders)(name)


def finder(folders: Iterable[Path] = ()) -> FindTask:
    """Return :func:`find` for several names: the folders are listed once. Raises as :func:`names`."""
    task_folders = tuple(folders)
    index = _index(task_folders)

    def spec_of(name: str, fingerprint: str | None = None) -> TaskSpec:
        task, number = split_name(name)
        folder_of = version_folders(task, task_folders)
        if folder_of or task in index:
            version = chosen_version(task, number, folder_of)
            if version is None:
                return _own_spec(task, index[task])
            stored = (_version_spec(task, folder_of[number]) for number in (folder_of if fingerprint else ()))
            with_these_data = (spec for spec in stored if data_fingerprint(spec) == fingerprint)
            return next(with_these_data, None) or _version_spec(task, folder_of[version])
        by_family = _families(index)
        if family := by_family.get(name):
            hint = f"Name one of them: {', '.join(family)}."
            raise InputError(f"{name!r} is a family of {len(family)} tasks", hint=hint)
        raise UnknownNameError("task", name, [*index, *by_family], command="workbench tasks list")

    return spec_of


def versions(name: str, folders: Iterable[Path] = ()) -> dict[int, TaskSpec]:
    """Return number → version of a task, the oldest first; nothing if it never was updated. Raises as :func:`find`."""
    return {number: _version_spec(name, folder) for number, folder in version_folders(name, folders).items()}


def _own_spec(name: str, path: Path) -> TaskSpec:
    return parse(_read_once(_documents, path)[name], name, path.parent)


def data_fingerprint(spec: TaskSpec) -> str | None:
    """Return the fingerprint that the file of a version says that its data have; None of a task without versions."""
    return getattr(spec.source_settings, "fingerprint", None)


def numbers_by_data(specs: Mapping[int, TaskSpec]) -> dict[str | None, int]:
    """Return fingerprint → number of the version of :func:`versions` with these data, the newest of several."""
    return {fingerprint: number for number, spec in specs.items() if (fingerprint := data_fingerprint(spec))}


def _version_spec(name: str, folder: Path) -> TaskSpec:
    return parse(_read_once(_version_document, folder / TASK_FILE), name, folder)


@lru_cache(maxsize=1024)
def _version_document(path: Path, _changed: int, _size: int) -> Document:
    return base.read(path)


def load(spec: TaskSpec) -> Task:
    """Return the task with its data; see :func:`adapter_workbench.tasks.loading.loading.load`."""
    from adapter_workbench.tasks.loading.loading import load as load_rows

    return load_rows(spec)


def available(spec: TaskSpec) -> Availability:
    """Say whether a task's rows are on this machine; see :func:`adapter_workbench.tasks.loading.loading.available`."""
    from adapter_workbench.tasks.loading.loading import available as rows_available

    return rows_available(spec)


def members(document: Document, stem: str) -> dict[str, Document]:
    """Return the documents of a family's members in stream order; a file without a family has one member, itself.

    Raises:
        SettingsError: a member without a name, with a name that does not begin with ``stem``, or named twice.
    """
    if "family" not in document.data:
        return {stem: document}
    base = {key: value for key, value in document.data.items() if key != "family"}
    documents: dict[str, Document] = {}
    problems = []
    for index, member in enumerate(_members(document)):
        name = member.get("name")
        if not isinstance(name, str) or not name.startswith(f"{stem}-") or name in documents:
            message = f"member {index + 1} of the family is called {name!r}"
            problems.append(
                Problem(
                    message,
                    document.where("family", index),
                    f"Give every member a name of its own that begins with {stem}-.",
                )
            )
            continue
        prefix = ("family", index)
        own = {key[2:]: line for key, line in document.lines.items() if key[:2] == prefix and len(key) > 2}
        lines = {**document.lines, **own}
        documents[name] = Document(_merge(base, member), document.origin, lines, document.overrides)
    if problems:
        raise SettingsError(problems)
    return documents


def _index(folders: Iterable[Path]) -> dict[str, Path]:
    """Return name → file; a folder of one's own may add tasks but not replace one."""
    index: dict[str, Path] = {}
    for folder in dict.fromkeys(root.resolve() for root in (CATALOG, *folders)):
        for path in sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern) if path.is_file()):
            for name in _read_once(_names_in, path):
                if name in index:
                    message = f"there is a task called {name!r} already, in {index[name]}"
                    raise InputError(message, where=str(path), hint="Give yours another name.")
                index[name] = path
    return index


def _families(index: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    by_family: dict[str, tuple[str, ...]] = {}
    for name, path in index.items():
        if name != path.stem:
            by_family[path.stem] = (*by_family.get(path.stem, ()), name)
    return by_family


def _read_once(read: Callable[[Path, int, int], FoundT], path: Path) -> FoundT:
    """Return what ``read`` makes of a file; a plan asks for each of its tasks, and a file that stays is read once."""
    with opening("this task file", str(path)):
        state = path.stat()
    return read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _names_in(path: Path, _changed: int, _size: int) -> tuple[str, ...]:
    """Return the task names of one file; only a file that declares a family is parsed."""
    with opening("this task file", str(path)):
        text = contents(path).decode("utf-8-sig", errors="replace")
    if "\nfamily:" not in f"\n{text}":
        return (path.stem,)
    return tuple(_read_once(_documents, path))


@lru_cache(maxsize=1024)
def _documents(path: Path, _changed: int, _size: int) -> Mapping[str, Document]:
    """Return the documents of one file's tasks by name."""
    return members(base.read(path), path.stem)


def _members(document: Document) -> Iterable[Mapping[str, Any]]:
    family = document.data["family"]
    if not isinstance(family, list) or not family or not all(isinstance(member, dict) for member in family):
        raise InputError("'family' has to be a list of members (mappings)", where=document.where("family"))
    return family


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged
