"""The report on repairs of a stream: retention over learning, before and after, beside doing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.reporting.wording import number, share
from experiments.studies.core.quantity import as_json
from experiments.studies.core.report import StudyReport
from experiments.studies.repair.quantities import ROW
from experiments.studies.repair.record import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.reporting.differences import Difference
    from experiments.studies.repair.record import RepairRecord
    from experiments.studies.repair.row import Row
    from experiments.studies.repair.streams import LearnedStream


@dataclass(frozen=True)
class EntryReport:
    """The repairs of one of the stream's entries.

    Attributes:
        streams: the entry's replications.
        rows: doing nothing, and each repair.
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
        """The repair that validates best; None where that is doing nothing."""
        gained = [(gain, row) for row in self.rows if (gain := row.validation_gain) and gain > 0]
        return max(gained, key=lambda pair: pair[0])[1] if gained else None

    @property
    def verdict(self) -> str:
        """What came out, in a sentence."""
        if self.best is None or self.best.gain is None:
            return f"{self.label}: no repair validates better than doing nothing."
        was, now = self.nothing.metrics, self.best.metrics
        average = " → ".join(number(metrics["average_accuracy"].mean) for metrics in (was, now))
        kept = " → ".join(share(metrics["retention"].mean) for metrics in (was, now))
        return (
            f"{self.label}: validation picks {self.best.name}. Average accuracy {average} ({self.best.gain.reading}), "
            f"retention over learning {kept}."
        )

    @property
    def moved(self) -> dict[str, tuple[float, float]]:
        """Return task → its mean score before and after the best repair, of the tasks that it changes; most first."""
        if self.best is None:
            return {}
        scores = {}
        for task in self.streams[0].tasks:
            before = [stream.kept[task] for stream in self.streams]
            after = [cell.scores[task] for cell in self.best.done]
            if before != after:
                scores[task] = fmean(before), fmean(after)
        return dict(sorted(scores.items(), key=lambda item: -abs(item[1][1] - item[1][0])))

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares in [0, 1], and per replication what was chosen."""
        return {
            "strategy": self.streams[0].strategy,
            "method": self.streams[0].method,
            "replications": [{"seed": stream.seed, "order": stream.order} for stream in self.streams],
            "learned": [dict(stream.learned) for stream in self.streams],
            "best": self.best.name if self.best else None,
            NOTHING: _row(self.nothing),
            "repairs": {row.name: {**_row(row), **_outcome(row)} for row in self.rows[1:]},
            "refused": dict(self.refused),
        }


def _row(row: Row) -> dict[str, Any]:
    return {**as_json(ROW, row), "scores": [dict(scores) if scores else None for scores in row.scores]}


def _outcome(row: Row) -> dict[str, Any]:
    """Return the results of a repair, one for each replication that is done."""
    return {
        "gain": row.gain.as_json() if row.gain else None,
        "chosen": [dict(cell.chosen) for cell in row.done],
        "attempts": [cell.attempts for cell in row.done],
        "validation": [{"before": cell.unrepaired, "after": cell.validation} for cell in row.done],
        "seconds": [cell.seconds for cell in row.done],
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
        """Doing nothing and each repair, entry by entry."""
        return [row for entry in self.entries for row in entry.rows]

    @property
    def declared(self) -> dict[str, Difference]:
        """What each repair gains; those of one entry are one family."""
        return {row.label: row.gain for row in self.rows if row.gain}

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """Nothing: a repair changes the weights that doing nothing leaves, and no other setting."""
        return {}

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``, which always has the numbers of each replication."""
        return {
            **self.head("stream", "tasks", "budget", "majority"),
            "strategies": {entry.label: entry.as_json() for entry in self.entries},
        }
