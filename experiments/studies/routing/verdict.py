"""The verdict on a comparison of routers, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.plain_verdicts import sentences
from adapter_workbench.experiments.reporting.wording import number
from adapter_workbench.experiments.studies.routing.record import ORACLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.routing.report import RoutingReport
    from adapter_workbench.experiments.studies.routing.row import Row


def verdict(report: RoutingReport) -> str:
    """Return how the best router does, what every comparison of the recipe came to, and how much is there."""
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
        f"{best.label} has the highest test accuracy of the routers: on average over tasks it finds the task of "
        f"{number(best.routing_accuracy.mean)} % of the texts, and {number(best.accuracy.mean)} % get the right answer."
    )
    oracle = next((row for row in scored if row.name == ORACLE and row.label != record.reference), None)
    if oracle:
        yield f"Where the task is known, it is {number(oracle.accuracy.mean)} %."
    yield from sentences(report.planned)


def _ranking(scored: list[Row]) -> str:
    return "No router here has to find the task; the highest accuracy is that of " + (
        f"{scored[0].label}: {number(scored[0].accuracy.mean)} %."
    )
