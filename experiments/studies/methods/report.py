"""The report on a comparison of methods: what all of its views are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import RowsReport
from adapter_workbench.experiments.studies.methods.circumstances import circumstances
from adapter_workbench.experiments.studies.methods.facts import facts
from adapter_workbench.experiments.studies.methods.quantities import METHOD

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.methods.record import ComparisonRecord
    from adapter_workbench.experiments.studies.methods.row import Row
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter


@dataclass(frozen=True)
class Recommendation:
    """Which method to take, and why; no label where no method can be recommended, and the sentence says why not."""

    label: str | None
    sentence: str


@dataclass(frozen=True)
class ComparisonReport(RowsReport):
    """Everything that is said about a comparison of methods.

    Attributes:
        verdict: the recommendation, and how much of the comparison is there if it is not the whole.
    """

    study: ClassVar[str] = "methods"
    record: ComparisonRecord
    rows: tuple[Row, ...]
    recommendation: Recommendation | None
    verdict: str = ""

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: how learning rates were chosen, and examples."""
        return circumstances(self.record)

    @property
    def scored(self) -> list[Row]:
        """The rows that have a score, the best first."""
        return sorted((row for row in self.rows if row.score.mean is not None), key=lambda row: -(row.score.mean or 0))

    @property
    def advised(self) -> list[FittedAdapter]:
        """The adapters that may be used: of each method that no verdict puts below another, the best on validation.

        The recommended method stands first; where none is recommended, the reference, then whatever validates best.
        """
        first = (self.recommendation and self.recommendation.label) or self.record.reference
        best: dict[str, FittedAdapter] = {}
        for cell in sorted(self.record.cells, key=lambda cell: -cell.validation):
            best.setdefault(cell.label, cell)
        standing = self.standing  # made of all comparisons each time that it is asked for
        unbeaten = [cell for label, cell in best.items() if not standing.is_beaten(label)]
        return sorted(unbeaten, key=lambda cell: cell.label != first)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each adapter's own numbers."""
        advice = self.recommendation
        document = {
            **self.head("tasks", "budget", "tune", "majority"),
            "recommendation": {"method": advice.label, "why": advice.sentence} if advice else None,
            "methods": {row.label: _entry(row, full) for row in self.rows},
        }
        return self.checked(document, facts)


def _entry(row: Row, full: bool) -> dict[str, Any]:
    """Return the entry of ``methods`` in ``report --json``; ``full`` adds every adapter."""
    numbers = as_json(METHOD, row)
    measured = {**row.measured.as_json(), **numbers["measured"]} if row.measured else None
    document: dict[str, Any] = {
        "method": row.method,
        "settings": dict(row.settings),
        **numbers,
        "measured": measured,
        "tasks": {task: score.as_json() for task, score in row.tasks.items()},
        "against": row.against or None,
        "difference": row.difference.as_json() if row.difference else None,
        "learned_nothing": [{"task": task, "seed": seed, "why": why} for task, seed, why in row.learned_nothing],
        "tuning": [search.as_json() for search in row.searches],
    }
    if full:
        document["adapters"] = [asdict(cell) for cell in row.cells]
    return document
