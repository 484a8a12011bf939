"""The verdict on a comparison of routers, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import EQUAL, UNDECIDED, equal_in_words
from experiments.reporting.wording import bounds, number
from experiments.studies.routing.record import ORACLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.studies.routing.report import RoutingReport
    from experiments.studies.routing.row import Row


def verdict(report: RoutingReport) -> str:
    """Return how the best router does, against the reference and the known task, and how much is there."""
    return " ".join(_sentences(report))


def _sentences(report: RoutingReport) -> Iterator[str]:
    record, scored = report.record, report.scored
    if not report.complete:
        yield f"Not finished: {record.done} of {record.planned} adapters, joint models and routers are there."
    best = next((row for row in scored if row.routes), None)
    if best is None:
        yield "No router that has to find the task was measured yet." if not report.complete else _ranking(scored)
        return
    yield (
        f"{best.label} has the highest test accuracy of the routers: it finds the task of "
        f"{number(best.routing_accuracy.mean)} % of the texts, and {number(best.accuracy.mean)} % of all texts get the "
        "right answer."
    )
    if best.difference:
        yield _against(best, best.against)
    oracle = next((row for row in scored if row.name == ORACLE and row.label != record.reference), None)
    if oracle:
        yield f"Where the task is known, it is {number(oracle.accuracy.mean)} %."


def _ranking(scored: list[Row]) -> str:
    return "No router here has to find the task; the highest accuracy is that of " + (
        f"{scored[0].label}: {number(scored[0].accuracy.mean)} %."
    )


def _against(row: Row, reference: str) -> str:
    shown = row.difference.shown if row.difference else None
    if row.difference is None or shown is None or shown.mean is None:
        return f"It was not compared with {reference} yet."
    limits = f" {bounds(shown)}" if bounds(shown) else ""
    gap = f"{number(shown.mean, signed=True)} points{limits}"
    if row.difference.reading == UNDECIDED:
        return f"Whether that differs from {reference} is undecided: {gap}."
    if row.difference.reading == EQUAL:
        return f"Against {reference} that is {equal_in_words(row.difference.margin)}: {gap}."
    return f"Against {reference} that is {gap}."
