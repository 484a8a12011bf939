"""Which training rows of a version are new since an earlier one: what a model of that version has not learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.tasks.updating.state import has_rows, stored_rows
from adapter_workbench.workbench.methods.task import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.tasks.updating.rows import Row


def new_train_rows(older: TaskSpec, newer: TaskSpec, labels: LabelMap, *, without_old: bool = False) -> frozenset[str]:
    """Return the ids of the training rows that are new, have another text, or a label that the old one does not tell.

    A label that was renamed or merged tells the new one. Of a split label the rows count: which part a row has is new.

    Args:
        older: a stored version.
        newer: a later one of the same task.
        labels: of both.
        without_old: whether the file with the older version's training rows may be missing: no row of it is known then,
            and none counts as old.

    Raises:
        IntegrityError: a file is missing or damaged.
    """
    splits = [split for split in SPLITS if split != "train" or not without_old or has_rows(older, split)]
    old = (row for split in splits for row in stored_rows(older, split))
    return ids_of_new(old, stored_rows(newer, "train"), labels)


def ids_of_new(old: Iterable[Row], rows: Iterable[Row], labels: LabelMap) -> frozenset[str]:
    """Return the ids of those of ``rows`` that ``old`` does not have, with this text and a label that tells theirs."""
    by_id = {row.id: row for row in old}
    return frozenset(row.id for row in rows if _is_new(row, by_id.get(row.id), labels))


def _is_new(row: Row, old: Row | None, labels: LabelMap) -> bool:
    return old is None or row.text != old.text or labels.later(old.label) != (row.label,)
