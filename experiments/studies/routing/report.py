"""The report on a comparison of routers: what all of its views are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import RowsReport
from adapter_workbench.experiments.studies.routing.circumstances import circumstances
from adapter_workbench.experiments.studies.routing.facts import facts
from adapter_workbench.experiments.studies.routing.quantities import ADAPTER, ENTRY

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.routing.record import RoutingRecord
    from adapter_workbench.experiments.studies.routing.row import AdapterRow, Row


@dataclass(frozen=True)
class RoutingReport(RowsReport):
    """Everything that is said about a comparison of routers.

    Attributes:
        verdict: how the best router does, and how much of the comparison is there if it is not the whole.
    """

    study: ClassVar[str] = "routing"
    record: RoutingRecord
    rows: tuple[Row, ...]
    adapters: tuple[AdapterRow, ...]
    verdict: str = ""

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: whether the task is known, models, examples, steps."""
        return circumstances(self.record)

    @property
    def scored(self) -> list[Row]:
        """The rows that were measured, the most accurate first."""
        measured = [row for row in self.rows if row.accuracy.mean is not None]
        return sorted(measured, key=lambda row: -(row.accuracy.mean or 0))

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what every seed gave, text by text."""
        record = self.record
        document = {
            **self.head("tasks", "budget"),
            "sources": {"method": record.method, **record.settings},
            "contenders": {row.label: _entry(row, full) for row in self.rows},
            "adapters": {row.task: _adapter(row) for row in self.adapters},
        }
        return self.checked(document, facts)


def _entry(row: Row, full: bool) -> dict[str, Any]:
    """Return the entry of ``contenders`` in ``report --json``; ``full`` adds each text's outcome."""
    document: dict[str, Any] = {
        "role": row.role,
        "name": row.name,
        "settings": dict(row.settings),
        **as_json(ENTRY, row),
        "tasks": {task: accuracy.as_json() for task, accuracy in row.tasks.items()},
        "confusion": [list(shares) for shares in row.confusion],
        "against": row.against or None,
        "difference": row.difference.as_json() if row.difference else None,
    }
    if full:
        document["seeds"] = [asdict(cell) for cell in row.cells]
    return document


def _adapter(row: AdapterRow) -> dict[str, Any]:
    """Return the entry of ``adapters`` in ``report --json``."""
    return {
        **as_json(ADAPTER, row),
        "learned_nothing": [{"seed": seed, "why": why} for seed, why in row.learned_nothing],
    }
