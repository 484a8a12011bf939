"""The report on a comparison of routers: what all of its views are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.studies.core.report import StudyReport
from experiments.studies.routing.circumstances import circumstances
from experiments.studies.routing.record import ORACLE, ROUTER

if TYPE_CHECKING:
    from experiments.reporting.differences import Difference
    from experiments.studies.routing.record import ContenderLeft, RoutingRecord
    from workbench.statistics import Interval


@dataclass(frozen=True)
class Row:
    """One router, or one joint model.

    Attributes:
        label: what the recipe calls it; ``role``, ``name`` and ``settings`` are what it is.
        accuracy: share of test texts with the right task and the right label, mean over tasks; over seeds.
        tasks: the same by task.
        routing_accuracy: share of test texts with the right task, mean over tasks; over seeds.
        confusion: share of task i's texts that were taken for task j (T, T), mean over seeds; empty before any.
        difference: accuracy minus the reference's, at equal seeds; None for the reference itself.
        fit_seconds: to learn of all adapters, or to train the joint model; None where one of them was known before.
        milliseconds: to choose an adapter for a text; None for a joint model.
        cells: what every seed gave.
    """

    label: str
    role: str
    name: str
    settings: Mapping[str, Any]
    accuracy: Interval
    tasks: Mapping[str, Interval]
    routing_accuracy: Interval
    confusion: tuple[tuple[float, ...], ...]
    difference: Difference | None
    fit_seconds: float | None
    milliseconds: float | None
    cells: tuple[ContenderLeft, ...]

    @property
    def routes(self) -> bool:
        """Whether it is a router that has to find the task itself."""
        return self.role == ROUTER and self.name != ORACLE

    def as_json(self, full: bool) -> dict[str, Any]:
        """Return the entry of ``contenders`` in ``report --json``; ``full`` adds each text's outcome."""
        document: dict[str, Any] = {
            "role": self.role,
            "name": self.name,
            "settings": dict(self.settings),
            "accuracy": self.accuracy.as_json(),
            "tasks": {task: accuracy.as_json() for task, accuracy in self.tasks.items()},
            "routing_accuracy": self.routing_accuracy.as_json(),
            "confusion": [list(shares) for shares in self.confusion],
            "difference": self.difference.as_json() if self.difference else None,
            "fit_seconds": self.fit_seconds,
            "milliseconds_a_text": self.milliseconds,
        }
        if full:
            document["seeds"] = [asdict(cell) for cell in self.cells]
        return document


@dataclass(frozen=True)
class AdapterRow:
    """The adapters of one task, one for each seed, where the task is known.

    Attributes:
        score: share of right answers on the task's test split, over seeds.
        validation: the same on the validation split, mean over seeds, as the numbers that follow.
        seconds: wall time of a fit.
        trainable_parameters: head included.
        learned_nothing: (seed, why) of those that seem to have learned nothing.
    """

    task: str
    score: Interval
    validation: float | None
    seconds: float | None
    trainable_parameters: float | None
    learned_nothing: tuple[tuple[int, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``adapters`` in ``report --json``."""
        return {
            "score": self.score.as_json(),
            "validation": self.validation,
            "train_seconds": self.seconds,
            "trainable_parameters": self.trainable_parameters,
            "learned_nothing": [{"seed": seed, "why": why} for seed, why in self.learned_nothing],
        }


@dataclass(frozen=True)
class RoutingReport(StudyReport):
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
    def declared(self) -> dict[str, Difference]:
        """Each row's difference from the reference."""
        return {row.label: row.difference for row in self.rows if row.difference}

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: whether the task is told, models, examples, steps."""
        return circumstances(self.record)

    @property
    def scored(self) -> list[Row]:
        """The rows that were measured, the most accurate first."""
        measured = [row for row in self.rows if row.accuracy.mean is not None]
        return sorted(measured, key=lambda row: -(row.accuracy.mean or 0))

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what every seed gave, text by text."""
        record = self.record
        return {
            **self.head("tasks", "budget"),
            "sources": {"method": record.method, **record.settings},
            "verdict": self.verdict,
            "not_equal": [inequality.as_json() for inequality in self.unequal],
            "contenders": {row.label: row.as_json(full) for row in self.rows},
            "adapters": {row.task: row.as_json() for row in self.adapters},
        }
