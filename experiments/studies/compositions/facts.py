"""What the checklist asks of a report on compositions, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.core.facts import Document


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("contestants")
    if rows is None:
        return None
    picks = tuple(f"the {label}" for label, row in rows.items() if row["role"] == "pick")
    return Facts(tuple(rows), tuple(_comparisons(document)), picks=picks)


def _comparisons(document: Document) -> Iterator[PlannedComparison]:
    rows, reference = document["contestants"], document["reference"]
    for label, row in rows.items():
        against = row.get("against") or reference
        for shots, standing in row["standings"].items():
            if label != reference and standing["gain"]:
                main = shots == [*row["standings"]][-1]  # over all K, or with the only one
                differs = _differs(row, rows[against])
                yield PlannedComparison(label, against, f"K = {shots}", standing["gain"], differs, main)


def _differs(row: Document, control: Document) -> tuple[str, ...]:
    """Return what differs: what it is made of, and the kind of adapter where both have one."""
    if not row["family"] or not control["family"]:
        return ("role",)
    family = ("fine-tuning method",) if unlike(["family"], row, control) else ()
    own = ("sources",) if unlike(["role"], row, control) else unlike(["method"], row, control)
    fresh = row["role"] == control["role"] == "fresh"  # its method is the fine-tuning method
    return family if fresh else (*family, *own)
