"""What the checklist asks of a report on methods, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, compared_rows, grid

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.core.facts import Document


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("methods")
    if rows is None:
        return None
    grids = (
        enclosure
        for label, row in rows.items()
        for search in row.get("tuning", [])
        for enclosure in grid(f"{label} on {search['task']}", search["attempts"], search["chosen"], search["seed"])
    )
    compared = compared_rows(rows, document["reference"], ["method"], "score")
    return Facts(tuple(rows), tuple(compared), tuple(grids))
