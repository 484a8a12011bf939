"""What the checklist asks of a report on a stream, read from its JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, grid, unlike
from adapter_workbench.experiments.studies.stream.plan.entry import GIVEN
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.core.facts import Document

NAMES = ("strategy", "method")
FROZEN_HEADS = [(strategy, "head") for strategy in ("isolated", "sequential")]  # strategy and method
PICKED = ("strength",)  # settings of which a recipe may give several


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("strategies")
    if rows is None or "scenario" not in document or "stream" in document:
        return None
    tunings = ((label, row["tuning"]) for label, row in rows.items() if row.get("tuning"))
    grids = tuple(enclosure for label, tuned in tunings for enclosure in grid(label, tuned["tried"], tuned["chosen"]))
    heads = tuple(label for label, row in rows.items() if (row["strategy"], row["method"]) in FROZEN_HEADS)
    no_head = "" if heads else _no_head(document)
    return Facts(tuple(rows), tuple(_comparisons(document)), grids, tuple(_picks(rows)), heads, no_head)


def _no_head(document: Document) -> str:
    """Return why no entry could train a head on the frozen model; nothing where one could."""
    if document.get("answers") == "generated":
        return "Answers are generated: there is no head to train."
    if all(row["strategy"] == GIVEN for row in document["strategies"].values()):
        return "The entries were trained elsewhere."
    return ""


def _picks(rows: Document) -> Iterator[str]:
    """Yield what validation picks at each stage, by what the settings of a row ask for."""
    for label, row in rows.items():
        settings = row.get("settings", {})
        yield from (f"{name} of {label}" for name in PICKED if isinstance(settings.get(name), list))
        if settings.get("tries") or settings.get("pair") == "trial":
            yield f"the merges of {label}"


def _comparisons(document: Document) -> Iterator[PlannedComparison]:
    rows = document["strategies"]
    for label, row in rows.items():
        comparison = row.get("comparison") or {}
        for metric in COMPARED:
            if metric in comparison and (against := comparison["against"]) in rows:
                differs, main = unlike(NAMES, row, rows[against]), metric == COMPARED[0]
                yield PlannedComparison(label, against, metric.replace("_", " "), comparison[metric], differs, main)
