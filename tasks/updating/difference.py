"""How two versions of a task differ: rows, labels, shares of classes, lengths, texts with several labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import split_name
from adapter_workbench.tasks.updating.rows import by_split
from adapter_workbench.tasks.updating.state import State, stored_state
from adapter_workbench.tasks.updating.version import labels_between
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.tasks.updating.rows import Row

SHOWN = 5


def difference(older: str, newer: str | None, folders: Sequence[Path]) -> dict[str, Any]:
    """Return how two versions of a task differ, as `workbench tasks diff --json` prints it.

    A row is the same row under the same id. A label that was renamed, merged or split is the same label: a row counts
    as relabelled only if its new label does not come from its old one.

    Args:
        older: ``TASK@N``.
        newer: ``TASK@M`` of the same task; the newest version if None.
        folders: of a person's own tasks.

    Returns:
        ``task``, ``from``, ``to``; ``rows``: kind of change → split → number of rows; ``relabelled``: the pairs of
        labels, with rows; ``labels``: for each label of the newer version where it comes ``from``, and its ``share``
        of all rows ``before`` and ``after``; ``retired``: labels that are gone; ``characters``: mean and median of the
        texts of ``before``, ``after`` and ``new`` rows; ``conflicts``: the number of texts with several labels
        ``before`` and ``after``, and ids of some of those rows after.

    Raises:
        InputError: no such version, versions of two tasks, or not the older one first.
        IntegrityError: a stored version is damaged.
    """
    task, first, second = _numbers(older, newer, folders)
    specs = registry.versions(task, folders)
    before, after = stored_state(specs[first]), stored_state(specs[second])
    labels = labels_between(specs, first, second)
    old, new = {row.id: row for row in before.rows}, {row.id: row for row in after.rows}
    common = [row for row in after.rows if row.id in old]
    relabelled = [row for row in common if row.label not in labels.later(old[row.id].label)]
    added = [row for row in after.rows if row.id not in old]
    return {
        "task": task,
        "from": first,
        "to": second,
        "rows": {
            "new": by_split(added),
            "gone": by_split(row for row in before.rows if row.id not in new),
            "changed": by_split(row for row in common if row.text != old[row.id].text),
            "relabelled": by_split(relabelled),
        },
        "examples": {"before": by_split(before.rows), "after": by_split(after.rows)},
        "relabelled": _pairs((old[row.id].label, row.label) for row in relabelled),
        "labels": _labels(labels, before.rows, after.rows),
        "retired": [label for label in labels.before if not labels.later(label)],
        "characters": {
            "before": _characters(specs[first], before, before.rows),
            "after": _characters(specs[second], after, after.rows),
            "new": _characters(specs[second], after, added),
        },
        "conflicts": _conflicts(before.rows, after.rows),
    }


def _numbers(older: str, newer: str | None, folders: Sequence[Path]) -> tuple[str, int, int]:
    """Return the task and the numbers of the two versions."""
    task, number = split_name(older)
    other, other_number = split_name(newer or task)
    registry.find(older, folders)
    registry.find(newer or task, folders)
    if other != task:
        message = f"{older!r} and {newer!r} are versions of two tasks"
        raise InputError(message, hint=f"Name two versions of one task: {task}@1 {task}@2")
    versions = registry.versions(task, folders)
    if len(versions) < 2:
        hint = f"The second is made by: workbench tasks update {task} --from FILE"
        raise InputError(f"{task!r} has one version, so there is nothing to compare", hint=hint)
    newest = max(versions)
    first, second = int(number or newest), int(other_number or newest)
    if first >= second:
        example = f"workbench tasks diff {task}@{min(versions)} {task}@{newest}"
        raise InputError(
            f"version {first} is not older than version {second}", hint=f"Name the older one first: {example}"
        )
    if missing := [version for version in range(first, second) if version not in versions]:
        known = [f"{task}@{version}" for version in versions]
        raise UnknownNameError("version", f"{task}@{missing[0]}", known, also="It lies between the two.")
    return task, first, second


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    counted = Counter(pairs).most_common()
    return [{"from": before, "to": after, "rows": count} for (before, after), count in counted]


def _labels(labels: LabelMap, before: Sequence[Row], after: Sequence[Row]) -> list[dict[str, Any]]:
    """Return each label of the newer version; the share before is that of the labels that it comes from."""
    old, new = Counter(row.label for row in before), Counter(row.label for row in after)
    return [
        {
            "label": label,
            "from": [labels.before[position] for position in positions],
            "rows": {"before": sum(old[labels.before[position]] for position in positions), "after": new[label]},
            "share": {
                "before": sum(old[labels.before[position]] for position in positions) / len(before)
                if positions
                else None,
                "after": new[label] / len(after),
            },
        }
        for label, positions in zip(labels.labels, labels.sources, strict=True)
    ]


def _characters(spec: TaskSpec, state: State, rows: Sequence[Row]) -> dict[str, float] | None:
    columns = spec.file.columns
    read = {*columns.texts, columns.text_pair}
    positions = [position for position, name in enumerate((*state.columns, state.id_column)) if name in read]
    lengths = [sum(len((*row.values, row.id)[position]) for position in positions) for row in rows]
    return {"mean": mean(lengths), "median": float(median(lengths))} if lengths else None


def _conflicts(before: Sequence[Row], after: Sequence[Row]) -> Mapping[str, Any]:
    several = _texts_with_several(after)
    ids = [row.id for row in after if row.text in several]
    return {"before": len(_texts_with_several(before)), "after": len(several), "ids": ids[:SHOWN]}


def _texts_with_several(rows: Iterable[Row]) -> set[str]:
    by_text: dict[str, set[str]] = {}
    for row in rows:
        by_text.setdefault(row.text, set()).add(row.label)
    return {text for text, labels in by_text.items() if len(labels) > 1}
