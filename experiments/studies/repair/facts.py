"""What the checklist asks of a report on repairs, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison
from adapter_workbench.experiments.studies.repair.record import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.core.facts import Document


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study, or of an early version."""
    if "stream" not in document or "strategies" not in document:
        return None
    comparisons = tuple(_comparisons(document))
    labels = dict.fromkeys((NOTHING, *(comparison.label for comparison in comparisons)))
    return Facts(tuple(labels), comparisons, picks=("the attempt of each repair",))


def _comparisons(document: Document) -> Iterator[PlannedComparison]:
    """Yield what each repair gains over doing nothing and over its control; those of one entry are two families."""
    for label, entry in document["strategies"].items():
        for name, row in entry["repairs"].items():
            if row["gain"]:
                yield PlannedComparison(f"{name} of {label}", NOTHING, label, row["gain"])
            if row.get("minus_control"):
                family, control = f"{label}, controls", f"{row['control']} of {label}"
                yield PlannedComparison(f"{name} of {label}", control, family, row["minus_control"])
