"""What the checklist asks of a report on ways of updating, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, compared_rows, unlike
from adapter_workbench.experiments.studies.updates.measures import SCORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.core.facts import Document

NAMES = ("way", "method")  # what an entry is


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("updates")
    if rows is None:
        return None
    compared = compared_rows(rows, document["reference"], NAMES, SCORE)
    return Facts(tuple(rows), (*compared, *_further(document)))


def _further(document: Document) -> Iterator[PlannedComparison]:
    """Yield the comparisons in the other metrics, each metric a family."""
    rows = document["updates"]
    for label, row in rows.items():
        against = row["against"] or document["reference"]
        for metric, difference in row["differences"].items():
            yield PlannedComparison(label, against, metric, difference, unlike(NAMES, row, rows[against]), main=False)
