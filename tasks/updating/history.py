"""The versions of a task in order: when each was made, from what, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import split_name
from adapter_workbench.tasks.updating.state import require_updatable
from adapter_workbench.tasks.updating.version import facts_of
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.tasks.updating.version import Version


def history(name: str, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the versions of a task, the oldest first, as `workbench tasks history --json` prints them.

    Of a task that never was updated it is the rows that its own file gives today; only this case loads them.

    Raises:
        InputError: no such task, one of another kind than classification, or a name with a version in it.
        IntegrityError: what is stored of a version is damaged.
    """
    task, number = split_name(name)
    if number is not None:
        raise InputError(f"{name!r} names a version", hint=f"A history is of all: workbench tasks history {task}")
    spec = registry.find(task, folders)
    versions = registry.versions(task, folders)
    if versions:
        return [_entry(facts_of(version.folder), version.folder) for version in versions.values()]
    require_updatable(spec)
    loaded = registry.load(spec)
    return [
        {
            "version": 1,
            "made": None,
            "how": "not kept yet",
            "from": loaded.origin,
            "note": "",
            "examples": {split: len(rows) for split, rows in loaded.splits.items()},
            "changes": {},
            "labels": list(loaded.labels),
            "sources": [[position] for position in range(len(loaded.labels))],
            "fingerprint": loaded.fingerprint,
            "path": spec.document.origin,
        }
    ]


def _entry(version: Version, folder: Path) -> dict[str, Any]:
    return {
        "version": version.number,
        "made": version.made,
        "how": version.how,
        "from": version.made_from,
        "note": version.note,
        "examples": version.examples,
        "changes": version.changes,
        "labels": list(version.labels),
        "sources": [list(positions) for positions in version.sources],
        "fingerprint": version.fingerprint,
        "path": str(folder),
    }
