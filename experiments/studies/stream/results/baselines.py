"""Which entry of the same recipe gives S[j] (one model a task) and which gives J[j] (joint training).

They give none where they answer another question than R[j, j]. If the task is not named, isolated adapters are behind a
router, whose errors are in their scores. In a class-incremental stream the joint model answers among all labels, and
after stage j an answer is one of the labels seen so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.results.record import Record


def single_task_baseline(record: Record, entry: Entry) -> str | None:
    """Return the label of an isolated entry with the same method, in whose adapters no other task has a part.

    Of several it is the one whose settings differ least; of those that differ alike, what the entry is compared with.
    None as well where the task is not named.
    """
    if record.scenario != "task-incremental":
        return None
    candidates = [
        baseline for baseline in _entries(record) if baseline.fits_tasks_apart and baseline.method == entry.method
    ]
    against = entry.against or record.reference

    def distance(baseline: Entry) -> tuple[int, bool]:
        return _differences(baseline, entry), baseline.label != against

    return min(candidates, key=distance).label if candidates else None


def joint_baseline(record: Record, entry: Entry) -> str | None:
    """Return the label of a joint entry: with the same method where there is one, its settings differing least.

    None in a class-incremental stream.
    """
    if record.scenario == "class-incremental":
        return None
    candidates = [baseline for baseline in _entries(record) if baseline.strategy == "joint"]
    if not candidates:
        return None
    return min(candidates, key=lambda baseline: (baseline.method != entry.method, _differences(baseline, entry))).label


def _entries(record: Record) -> list[Entry]:
    """Return the recipe's own entries: another learning rate of one is a point of the frontier, no baseline."""
    return [baseline for baseline in record.entries if baseline.frontier is None]


def _differences(baseline: Entry, entry: Entry) -> int:
    """Return how many settings of the baseline the entry has otherwise; its own extra settings do not count."""
    mine, theirs = entry.settings, baseline.settings
    return sum(name not in mine or mine[name] != value for name, value in theirs.items())
