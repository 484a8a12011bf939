"""The report on a comparison of ways of updating: what all of its views are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import RowsReport
from adapter_workbench.experiments.studies.updates.circumstances import circumstances
from adapter_workbench.experiments.studies.updates.facts import facts
from adapter_workbench.experiments.studies.updates.measures import SCORE
from adapter_workbench.experiments.studies.updates.quantities import ROW

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.updates.record import UpdatesRecord
    from adapter_workbench.experiments.studies.updates.row import Row


@dataclass(frozen=True)
class UpdatesReport(RowsReport):
    """Everything that is said about a comparison of ways of updating."""

    study: ClassVar[str] = "updates"
    record: UpdatesRecord
    rows: tuple[Row, ...]
    verdict: str = ""

    @property
    def main(self) -> str:
        """The score of the last version decides."""
        return SCORE

    @property
    def families(self) -> Families:
        """Metric → label → what the recipe compares."""
        metrics = dict.fromkeys(metric for row in self.rows for metric in row.differences)
        return {
            metric: {row.label: row.differences[metric] for row in self.rows if metric in row.differences}
            for metric in metrics
        }

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: optimiser steps, rows that are read, learning rate."""
        return circumstances(self.record, self.rows)

    @property
    def scored(self) -> list[Row]:
        """The rows that have a score, the best first."""
        known = [(mean, row) for row in self.rows if (mean := row.metrics[SCORE].mean) is not None]
        return [row for _, row in sorted(known, key=lambda pair: -pair[0])]

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each adapter's own numbers."""
        document = {
            **self.head("tasks", "scenario", "versions", "periods", "budget", "majority"),
            "updates": {row.label: _entry(row, full) for row in self.rows},
        }
        return self.checked(document, facts)


def _entry(row: Row, full: bool) -> dict[str, Any]:
    """Return the entry of ``updates`` in ``report --json``; ``full`` adds every adapter."""
    others = {metric: of.as_json() for metric, of in row.differences.items() if metric != SCORE}
    document: dict[str, Any] = {
        "way": row.way,
        "method": row.method,
        "settings": dict(row.settings),
        **as_json(ROW, row),
        "tasks": {task: score.as_json() for task, score in row.tasks.items()},
        "versions": {task: [score.as_json() for score in scores] for task, scores in row.versions.items()},
        "against": row.against or None,
        "difference": row.difference.as_json() if row.difference else None,
        "differences": others,
        "learned_nothing": [{"task": task, "seed": seed, "why": why} for task, seed, why in row.learned_nothing],
    }
    if full:
        document["adapters"] = [asdict(cell) for cell in row.cells]
    return document
