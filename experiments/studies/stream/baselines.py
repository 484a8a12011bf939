"""Which contender of the same recipe gives S[j] (one model a task) and which gives J[j] (joint training)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.studies.stream.record import Contender, Record


def single_task_baseline(record: Record, contender: Contender) -> str | None:
    """Return the label of an isolated contender with the same method; the one whose settings differ least."""
    candidates = [
        entry for entry in _entries(record) if entry.strategy == "isolated" and entry.method == contender.method
    ]
    return min(candidates, key=lambda entry: _differences(entry, contender)).label if candidates else None


def joint_baseline(record: Record, contender: Contender) -> str | None:
    """Return the label of a joint contender: with the same method where there is one, its settings differing least."""
    candidates = [entry for entry in _entries(record) if entry.strategy == "joint"]
    if not candidates:
        return None
    return min(candidates, key=lambda entry: (entry.method != contender.method, _differences(entry, contender))).label


def _entries(record: Record) -> list[Contender]:
    """Return the recipe's own entries: another learning rate of one is a point of the frontier, no baseline."""
    return [entry for entry in record.contenders if entry.frontier is None]


def _differences(baseline: Contender, contender: Contender) -> int:
    """Return how many settings of the baseline the contender has otherwise; its own extra settings do not count."""
    mine, theirs = contender.settings, baseline.settings
    return sum(name not in mine or mine[name] != value for name, value in theirs.items())
