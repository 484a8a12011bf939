"""`workbench tasks update`: the next version of a task, planned in memory and then written whole, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import folder_in, split_name
from adapter_workbench.tasks.rows.table_form import NamedColumns, expected_columns
from adapter_workbench.tasks.updating.given_rows import GivenRows, given_rows
from adapter_workbench.tasks.updating.label_changes import LabelChanges, label_map
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.tasks.updating.new_files import SOURCE, NewFiles, first_files, next_files
from adapter_workbench.tasks.updating.next_rows import NextRows, RowChanges, next_rows
from adapter_workbench.tasks.updating.rows import by_split
from adapter_workbench.tasks.updating.state import State, first_state, require_updatable, stored_state
from adapter_workbench.tasks.updating.version import facts_of, write_version
from adapter_workbench.workbench.errors import DataError, InputError, IntegrityError
from adapter_workbench.workbench.files.atomic import sweep
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.methods.task import SPLITS
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from adapter_workbench.tasks.sources import Table
    from adapter_workbench.tasks.task_file.spec import TaskSpec

SHOWN = 5
LOCK = ".lock"
UNWRITABLE = "Make that folder writable. For a task of the catalog, --tasks DIR names another one."


@dataclass(frozen=True)
class UpdateRequest:
    """What a person asks for."""

    origin: str | None  # file, folder or hub id with rows; None where only labels change
    replace: bool = False  # whether these rows are all that the task has; else they come to the others
    labels: Document | None = None  # document with the changes of labels; None for none
    note: str = ""  # that is kept with the version

    @property
    def how(self) -> str:
        """The word for it in the history."""
        return "labels" if self.origin is None else "replace" if self.replace else "append"


@dataclass(frozen=True)
class Update:
    task: str  # its name
    folder: Path  # where its versions lie
    before: State  # the version that it begins at
    labels: LabelMap  # of both versions
    next: NextRows  # the rows of the new version
    given: GivenRows  # the rows of the person's file
    new: tuple[NewFiles, ...]  # the versions to be written, the oldest first; none where nothing changes
    # whether the newest version has exchanged names of labels already as this very request asks
    exchanged_before: bool = False

    @property
    def number(self) -> int:
        """The newest version afterwards."""
        return self.new[-1].version.number if self.new else self.before.number


def update(
    name: str, folders: Sequence[Path], writable: Path, request: UpdateRequest, *, dry_run: bool = False
) -> Update:
    """Return the next version of a task, written unless it is a dry run or nothing changes.

    Version 1 is written beside the first update, with the rows that the task's own file gives at that moment.

    Args:
        name: of the task.
        folders: of a person's own tasks.
        writable: the folder of tasks that the first version of a task of the catalog is written to.
        request: rows and labels.
        dry_run: whether nothing is written.

    Raises:
        InputError: no such task, a task of another kind, or labels and rows that do not go together; nothing is
            written then.
        DataError: rows that cannot be read, or leave a label without a training example.
        UnwritableError: nothing can be written there.
    """
    planned = _planned(name, folders, writable, request)
    if dry_run:
        return planned
    sweep(planned.folder)  # what killed updates left half-written
    if not planned.new:
        return planned
    with hold(planned.folder / LOCK, wait=True, holds="the folder of tasks", hint=UNWRITABLE):
        if max(registry.versions(name, folders), default=0) >= planned.new[0].version.number:
            planned = _planned(name, folders, writable, request)  # another update came first
        for new in planned.new:
            folder = planned.folder / str(new.version.number)
            write_version(folder, new.version, new.document, new.splits, new.forgotten)
    return planned


def _planned(name: str, folders: Sequence[Path], writable: Path, request: UpdateRequest) -> Update:
    task, number = split_name(name)
    if number is not None:
        message = f"{name!r} names a version, and an update begins at the newest"
        raise InputError(message, hint=f"Name the task: {task}.")
    spec = registry.find(task, folders)
    require_updatable(spec)
    is_first = not registry.versions(task, folders)
    state = first_state(spec) if is_first else stored_state(spec)
    folder = _folder_of(spec, writable)
    expected, known = expected_columns(spec.file, NamedColumns()), spec.known_dialect
    tables: Mapping[str, Table] = {}
    if request.origin is not None:
        tables = data_at(request.origin, folder, None, expected, known, needs_train=False).tables
    if not is_first and _is_repeated(spec, state, tables, request, folders):
        nothing = NextRows(state.rows, state.forgotten, RowChanges())
        unchanged_labels, exchanged = unchanged(state.labels), _changes_labels_again(state, request)
        return Update(task, folder, state, unchanged_labels, nothing, GivenRows(()), (), exchanged)
    labels = _labels_after(state, request)
    given, following = _rows_after(task, state, labels, tables, request)
    _require_labels(following, labels, request)
    new: list[NewFiles] = []
    if following.rows != state.rows or not labels.is_unchanged:
        _require_examples(following, labels, request)
        if is_first:
            new.append(first_files(spec, state, folder))
        facts = {"how": request.how, "made_from": request.origin or f"version {state.number}, with other labels"}
        new.append(next_files(task, state, labels, following, folder, note=request.note, **facts))
    return Update(task, folder, state, labels, following, given, tuple(new))


def _is_repeated(
    spec: TaskSpec, state: State, tables: Mapping[str, Table], request: UpdateRequest, folders: Sequence[Path]
) -> bool:
    """Return whether the newest version is what this very request makes of the version before it.

    So a command that was killed after its last write can be given again, two labels that exchange their names do it
    once, and a row that was left out is not taken for a new one.
    """
    if state.number == 1:
        return False
    try:
        earlier = stored_state(registry.find(f"{spec.name}@{state.number - 1}", folders))
        labels = _labels_after(earlier, request)
        if labels != facts_of(spec.folder).label_map:
            return False
        following = _rows_after(spec.name, earlier, labels, tables, request)[1]
    except (InputError, IntegrityError):  # the version before was deleted or is damaged, or has other labels
        return False
    return {*following.rows} == {*state.rows}


def _changes_labels_again(state: State, request: UpdateRequest) -> bool:
    """Return whether changes of labels that were made can be made once more: of all changes only exchanged names."""
    try:
        return not _labels_after(state, request).is_unchanged
    except InputError:
        return False


def _rows_after(
    name: str, state: State, labels: LabelMap, tables: Mapping[str, Table], request: UpdateRequest
) -> tuple[GivenRows, NextRows]:
    """Return the rows of a person's tables, and those of the version after ``state``."""
    given = given_rows(name, state, tables, labels, request.origin) if request.origin is not None else GivenRows(())
    shares = state.shares
    return given, next_rows(state.rows, state.forgotten, given.rows, labels, shares, replace=request.replace)


def _folder_of(spec: TaskSpec, writable: Path) -> Path:
    """Return where the versions of a task lie: beside its file, or in a person's folder if the catalog has it."""
    if spec.source == SOURCE:
        return spec.folder.parent
    return folder_in(writable if spec.folder == registry.CATALOG.resolve() else spec.folder, spec.name)


def _labels_after(state: State, request: UpdateRequest) -> LabelMap:
    if request.labels is None:
        return unchanged(state.labels)
    return label_map(state.labels, request.labels.parse(LabelChanges), request.labels)


def _require_labels(following: NextRows, labels: LabelMap, request: UpdateRequest) -> None:
    """Raise DataError where a label was split, and some of its rows are not given with one of the parts."""
    if ids := following.changes.unlabelled:
        parts = ", ".join(name for name in labels.labels if name not in labels.before)
        shown = f"{', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''}"
        raise DataError(
            f"{len(ids)} rows of a label that is split are not given with another one (rows {shown})",
            where=request.origin or "--labels",
            hint=f"Give each of them in the file for --from, with one of the labels {parts}.",
        )


def _require_examples(following: NextRows, labels: LabelMap, request: UpdateRequest) -> None:
    """Raise DataError where a split would be empty, or a label would have no training example."""
    where = request.origin or "--labels"
    sizes = by_split(following.rows)
    if empty := [split for split in SPLITS if not sizes[split]]:
        counted = ", ".join(f"{split} {count}" for split, count in sizes.items())
        hint = "Give more rows, or a folder with files called train, validation and test."
        raise DataError(f"split {empty[0]!r} would be empty ({counted})", where=where, hint=hint)
    trained = Counter(row.label for row in following.rows if row.split == "train")
    if missing := [label for label in labels.labels if label not in trained]:
        anywhere = Counter(row.label for row in following.rows)
        counted = ", ".join(f"{label} ({anywhere[label]} rows, none of them in train)" for label in missing[:SHOWN])
        hint = "Give more rows of it, or a folder with a file called train; or retire the label."
        raise DataError(f"no training example of {counted}", where=where, hint=hint)
