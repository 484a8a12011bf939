"""The circumstances of each score: what differs between methods besides what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.core.tune import first_rate

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.methods.record import ComparisonRecord, Entry


def circumstances(record: ComparisonRecord) -> dict[str, dict[str, Any]]:
    """Return for each method how its learning rate was chosen, and how many examples it learns from."""
    return {
        entry.label: {
            "learning rates tried on a task": _rates(record, entry) if entry.trains else None,
            "learning rate, or the first that is tried": first_rate(entry.settings, entry.default_rate),
            "training examples of a task": _examples(record, entry),
        }
        for entry in record.entries
    }


def _rates(record: ComparisonRecord, entry: Entry) -> int | None:
    """Return the most that were tried on a task, 1 where none is chosen; None before the first search has ended."""
    tried = [len(search.attempts) for search in record.searches if search.label == entry.label]
    return max(tried, default=None if record.tune else 1)


def _examples(record: ComparisonRecord, entry: Entry) -> int | str:
    """Return how many the budget gives, or how many a method that trains nothing puts into its prompts."""
    given = record.budget.get("train_examples") or "all"
    return given if entry.trains else entry.settings.get("shots", given)
