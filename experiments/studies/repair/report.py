"""The report on repairs of a stream: retention over learning, before and after, beside doing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.plain_verdicts import ENDED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.wording import number, share
from adapter_workbench.experiments.studies.core.compare import declared
from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.repair.facts import facts
from adapter_workbench.experiments.studies.repair.quantities import ROW
from adapter_workbench.experiments.studies.repair.record import NOTHING
from adapter_workbench.workbench.measures.statistics import mean_of_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.repair.record import Repaired, RepairRecord
    from adapter_workbench.experiments.studies.repair.row import Row
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream


@dataclass(frozen=True)
class EntryReport:
    """The repairs of one of the stream's entries.

    Attributes:
        streams: the entry's replications.
        rows: doing nothing, each repair, and each control.
        refused: repair → why it cannot be done with these weights.
    """

    streams: tuple[LearnedStream, ...]
    rows: tuple[Row, ...]
    refused: Mapping[str, str]

    @property
    def label(self) -> str:
        """The entry's own."""
        return self.streams[0].entry

    @property
    def nothing(self) -> Row:
        """What it is with nothing done."""
        return self.rows[0]

    @property
    def best(self) -> Row | None:
        """The repair that validates best, of those that were made in every replication; None where nothing does."""
        repairs = [row for row in self.rows if not row.is_control]
        gains = {row.name: sum(_gain(cell) for cell in row.repaired) for row in repairs}
        complete = [row for row in repairs if len(row.cells) == len(self.streams) and gains[row.name] > 0]
        return max(complete, key=lambda row: gains[row.name], default=None)

    @property
    def verdict(self) -> str:
        """What came out, in a sentence."""
        if self.best is None:
            return f"{self.label}: no repair validates better than doing nothing."
        was, now = self.nothing.metrics, self.best.metrics
        average = " → ".join(number(metrics["average_accuracy"].mean) for metrics in (was, now))
        kept = " → ".join(share(metrics["retention"].mean) for metrics in (was, now))
        return (
            f"{self.label}: validation picks {self.best.name}. Average accuracy {average}, "
            f"retention over learning {kept}."
        )

    @property
    def moved(self) -> dict[str, tuple[float, float]]:
        """Return task → its mean score before and after the best repair, of the tasks that it changes; most first."""
        means = {}
        for task, now in self.best.tasks.items() if self.best else ():
            was = self.nothing.tasks[task]
            if was.values != now.values and was.mean is not None and now.mean is not None:
                means[task] = was.mean, now.mean
        return dict(sorted(means.items(), key=lambda item: -abs(item[1][1] - item[1][0])))

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares in [0, 1], and per replication what was chosen."""
        return {
            "strategy": self.streams[0].strategy,
            "method": self.streams[0].method,
            "replications": [{"seed": stream.seed, "order": stream.order} for stream in self.streams],
            "learned": [dict(stream.learned) for stream in self.streams],
            "best": self.best.name if self.best else None,
            NOTHING: _row(self.nothing),
            "repairs": {row.name: _outcome(row) for row in self.rows[1:] if not row.is_control},
            "controls": {row.name: _outcome(row) for row in self.rows[1:] if row.is_control},
            "refused": dict(self.refused),
        }


def _named(control: Row) -> Named:
    """Return what a control is called in sentences."""
    rows = mean_of_known(repaired.rows_a_task for repaired in control.repaired)
    fitted = "" if rows is None else f", fitted on {rows:.0f} rows a task"
    return Named(control.label, f"Heads on the frozen backbone{fitted}")


def _gain(repaired: Repaired) -> float:
    return 0.0 if repaired.validation is None else repaired.validation - repaired.unrepaired


def _row(row: Row) -> dict[str, Any]:
    return {**as_json(ROW, row), "scores": [dict(cell.scores) for cell in row.cells]}


def _outcome(row: Row) -> dict[str, Any]:
    """Return the results of a repair or control, one for each replication that is done."""
    return {
        **_row(row),
        "gain": row.difference.as_json() if row.difference else None,
        "control": row.control or None,
        "minus_control": row.minus_control.as_json() if row.minus_control else None,
        "rows_a_task": [repaired.rows_a_task for repaired in row.repaired],
        "chosen": [dict(repaired.chosen) for repaired in row.repaired],
        "attempts": [repaired.attempts for repaired in row.repaired],
        "validation": [{"before": repaired.unrepaired, "after": repaired.validation} for repaired in row.repaired],
        "seconds": [repaired.seconds for repaired in row.repaired],
    }


@dataclass(frozen=True)
class RepairReport(StudyReport):
    """The repairs of all entries that were asked for.

    Attributes:
        verdict: what came out for each entry, and how much is there if it is not the whole.
    """

    study: ClassVar[str] = "repair"
    record: RepairRecord
    entries: tuple[EntryReport, ...]
    verdict: str

    @property
    def rows(self) -> list[Row]:
        """Doing nothing, each repair and each control, entry by entry."""
        return [row for entry in self.entries for row in entry.rows]

    @property
    def declared(self) -> dict[str, Difference]:
        """What each repair gains; those of one entry are one family."""
        return declared(self.rows)

    @property
    def minus_controls(self) -> dict[str, Difference]:
        """What each repair has more than its control; those of one entry are one family."""
        return {row.label: row.minus_control for row in self.rows if row.minus_control}

    @property
    def planned(self) -> tuple[ComparisonInWords, ...]:
        """Each repair beside doing nothing, and beside its control."""
        nothing = Named(NOTHING, "Doing nothing")
        with_nothing = [(row, nothing, row.difference) for row in self.rows]
        with_controls = [
            (row, _named(control), row.minus_control)
            for entry in self.entries
            for row in entry.rows
            for control in entry.rows
            if control.is_control and control.name == row.control
        ]
        return tuple(
            ComparisonInWords(Named(row.label), against, ENDED, difference)
            for row, against, difference in (*with_nothing, *with_controls)
            if difference
        )

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """Nothing: a repair changes the weights that doing nothing leaves, and no other setting."""
        return {}

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``, which always has the numbers of each replication."""
        document = {
            **self.head("stream", "tasks", "budget", "majority"),
            "strategies": {entry.label: entry.as_json() for entry in self.entries},
        }
        return self.checked(document, facts)
