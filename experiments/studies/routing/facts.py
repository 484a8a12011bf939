"""What the checklist asks of a report on routers, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, compared_rows

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.core.facts import Document


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("contenders")
    if rows is None:
        return None
    return Facts(tuple(rows), tuple(compared_rows(rows, document["reference"], ["name"], "accuracy")))
