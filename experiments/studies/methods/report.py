"""The report on a comparison of methods: what all of its views are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.studies.core.report import StudyReport
from experiments.studies.methods.circumstances import circumstances

if TYPE_CHECKING:
    from experiments.reporting.differences import Difference
    from experiments.studies.methods.record import ComparisonRecord, Search
    from experiments.workspace.fitted_adapter import FittedAdapter
    from workbench.measured_cost import MeasuredCost
    from workbench.statistics import Interval


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        label: what the recipe calls it; ``method`` and ``settings`` are what it is.
        score: test score, mean over tasks; the interval over seeds.
        tasks: the same by task.
        validation: mean over all adapters.
        difference: minus the reference's score, at equal tasks and seeds; None for the reference itself.
        seconds: wall time of a fit, mean over tasks and seeds, as the numbers that follow.
        peak_memory_mb: highest memory of the whole process while it trained.
        trainable_parameters: head included.
        stored_bytes: an adapter on disk.
        measured: memory of the training step alone, and times; None where that has not been measured yet.
        cells: every adapter that is there.
        searches: the learning rates that were tried, by task.
        learned_nothing: (task, seed, why) of the adapters that seem to have learned nothing.
    """

    label: str
    method: str
    settings: Mapping[str, Any]
    score: Interval
    tasks: Mapping[str, Interval]
    validation: float | None
    difference: Difference | None
    seconds: float | None
    peak_memory_mb: float | None
    trainable_parameters: float | None
    stored_bytes: float | None
    measured: MeasuredCost | None
    cells: tuple[FittedAdapter, ...]
    searches: tuple[Search, ...]
    learned_nothing: tuple[tuple[str, int, str], ...] = ()

    @property
    def slowdown(self) -> float | None:
        """How much longer an answer takes than the bare backbone's, as a share of that; negative if it is faster."""
        cost = self.measured
        return cost.inference_ms / cost.bare_inference_ms - 1 if cost and cost.bare_inference_ms else None

    def as_json(self, full: bool) -> dict[str, Any]:
        """Return the entry of ``methods`` in ``report --json``; ``full`` adds every adapter."""
        measured = self.measured
        document: dict[str, Any] = {
            "method": self.method,
            "settings": dict(self.settings),
            "score": self.score.as_json(),
            "tasks": {task: score.as_json() for task, score in self.tasks.items()},
            "validation": self.validation,
            "difference": self.difference.as_json() if self.difference else None,
            "cost": {
                "train_seconds": self.seconds,
                "peak_memory_mb": self.peak_memory_mb,
                "trainable_parameters": self.trainable_parameters,
                "stored_bytes": self.stored_bytes,
            },
            "measured": {**asdict(measured), "step_mb": measured.step_mb} if measured else None,
            "learned_nothing": [{"task": task, "seed": seed, "why": why} for task, seed, why in self.learned_nothing],
            "tuning": [asdict(search) for search in self.searches],
        }
        if full:
            document["adapters"] = [asdict(cell) for cell in self.cells]
        return document


@dataclass(frozen=True)
class Recommendation:
    """Which method to take, and why; no label where no method can be recommended, and the sentence says why not."""

    label: str | None
    sentence: str


@dataclass(frozen=True)
class ComparisonReport(StudyReport):
    """Everything that is said about a comparison of methods."""

    study: ClassVar[str] = "methods"
    record: ComparisonRecord
    rows: tuple[Row, ...]
    recommendation: Recommendation | None

    @property
    def declared(self) -> dict[str, Difference]:
        """Each row's difference from the reference."""
        return {row.label: row.difference for row in self.rows if row.difference}

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: how learning rates were chosen, and examples."""
        return circumstances(self.record)

    @property
    def scored(self) -> list[Row]:
        """The rows that have a score, the best first."""
        return sorted((row for row in self.rows if row.score.mean is not None), key=lambda row: -(row.score.mean or 0))

    @property
    def advised(self) -> FittedAdapter:
        """The adapter of the recommended method, else of the reference, that is best on validation."""
        label = (self.recommendation and self.recommendation.label) or self.record.reference
        return max((cell for cell in self.record.cells if cell.label == label), key=lambda cell: cell.validation)

    @property
    def verdict(self) -> str:
        """The recommendation, and how much of the comparison is there if it is not the whole."""
        sentence = self.recommendation.sentence if self.recommendation else "Nothing can be recommended yet."
        if self.complete:
            return sentence
        return f"Not finished: {len(self.record.cells)} of {self.record.planned} adapters are there. {sentence}"

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each adapter's own numbers."""
        advice = self.recommendation
        return {
            **self.head("tasks", "budget", "tune", "majority"),
            "verdict": self.verdict,
            "not_equal": [inequality.as_json() for inequality in self.unequal],
            "recommendation": {"method": advice.label, "why": advice.sentence} if advice else None,
            "methods": {row.label: row.as_json(full) for row in self.rows},
        }
