"""What repairs came to: numbers, differences, verdict, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting import cells
from adapter_workbench.experiments.reporting.plain_verdicts import ENDED, Named, sentences
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium
from adapter_workbench.experiments.reporting.wording import number, seconds, share
from adapter_workbench.experiments.studies.core.facts import Document, Facts, PlannedComparison
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import (
    At,
    Row,
    RowsReport,
    compared,
    difference,
    of_row,
    scores_of,
)
from adapter_workbench.experiments.studies.repair.record import NOTHING, Entry, LearnedStream, Repaired, RepairRecord
from adapter_workbench.workbench.measures.statistics import mean_of_known

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

TABLE, SUMMARY, CONTROLS = "repairs", "summary", "minus_control"


# --- numbers


@dataclass(frozen=True)
class Replicated:
    """An entry of the stream in one replication, after a repair, or with nothing done.

    Attributes:
        scores: task → score on the test split.
        majority: task → the score of always giving the most frequent answer.
        repaired: the result of the repair; None where nothing was done.
    """

    stream: LearnedStream
    scores: Mapping[str, float]
    majority: Mapping[str, float]
    repaired: Repaired | None = None

    def average(self) -> float | None:
        """Return the mean over all tasks."""
        return mean_of_known(self.scores.values())

    def earlier(self) -> float | None:
        """Return the mean over all tasks but the last."""
        *earlier, _ = self.stream.learned
        return mean_of_known(self.scores[task] for task in earlier)

    def last(self) -> float | None:
        """Return the score of the last task."""
        return self.scores[[*self.stream.learned][-1]]

    def retention(self) -> float | None:
        """Return what remains of all that was learned; 0 where answers are worth no more than the most frequent one.

        That is Σ_j (R′[T, j] − M[j]) ÷ Σ_j (R[j, j] − M[j]) over j < T, R′ after the repair; None where nothing was
        learned.
        """
        *earlier, _ = self.stream.learned
        learned = sum(self.stream.learned[task] - self.majority[task] for task in earlier)
        remaining = sum(self.scores[task] - self.majority[task] for task in earlier)
        return remaining / learned if learned > 0 else None


Rows = Row[Replicated]


def _metric(
    name: str, read: Callable[[Any], float | None], cell: Callable[[Any], Cell], head: str, about: str
) -> Quantity[Any]:
    columns = {TABLE: Column(head), SUMMARY: Column(head)}
    return Quantity(name, "share", read, cell, about, columns, json="metrics", tracked="", summed=True)


def _of_repair(name: str, unit: str, worded: Any, about: str, column: Column, tracked: str = "") -> Quantity[Any]:
    about = f"{about}; in JSON of each replication"
    return Quantity(
        name, unit, lambda of: getattr(of, name), cells.written(*worded), about, {TABLE: column}, "", tracked
    )


def _mean(value: Any) -> Cell:
    return replace(cells.score(value), spread="")


AVERAGE = _metric(
    "average_accuracy", Replicated.average, cells.score, "average", "mean score on the test splits of all tasks"
)
METRICS = (
    AVERAGE,
    _metric("earlier_accuracy", Replicated.earlier, _mean, "earlier tasks", "the same of all tasks but the last"),
    _metric(
        "last_accuracy",
        Replicated.last,
        _mean,
        "last task",
        "score on the test split of the task that was learned last",
    ),
    _metric(
        "retention",
        Replicated.retention,
        lambda value: replace(_mean(value), text=share(value.mean)),
        "retention",
        "share of what was learned of the earlier tasks that is there: Σ (R′[T, j] − M[j]) ÷ Σ (R[j, j] − M[j])",
    ),
)
REPAIR = (
    _of_repair(
        "rows_a_task",
        "rows",
        (cells.decimals(0),),
        "labelled rows of a task that were read, training and validation, on average over tasks",
        Column("rows a task"),
    ),
    replace(
        _of_repair("validation", "share", (), "", Column("validation", media=Medium.PAGE)),
        about="mean score on the validation splits of what was chosen, none of a control; in JSON of each replication, "
        "before and after",
    ),
    _of_repair(
        "seconds",
        "s",
        (seconds,),
        "wall time of all attempts and of their tests",
        Column("took", unit="s", media=Medium.PAGE),
        tracked="cost",
    ),
)


def _of_repairs(quantity: Quantity[Any]) -> Quantity[Any]:
    """Return the mean over the repairs of a row; nothing is repaired in the row of doing nothing."""
    return quantity.over(lambda row: ((of.repaired,) for of in row.cells if of.repaired))


ROW = tuple(map(of_row, METRICS))
COST = tuple(map(_of_repairs, REPAIR))
DECLARED = (Declared("strategies.LABEL.repairs.REPAIR", (*ROW, *COST)),)


# --- the report


def rows_of(record: RepairRecord, brief: bool = False) -> Iterator[Rows]:
    """Yield entry by entry doing nothing, each repair and each control; the repairs of one entry are one family."""
    for label in dict.fromkeys(stream.entry for stream in record.streams):
        streams = [stream for stream in record.streams if stream.entry == label]
        mine = [entry for entry in record.entries if entry.of == label and not entry.refused]
        rows = [
            _row(Entry(label, label, NOTHING, "", {}), streams, record),
            *(_row(of, streams, record) for of in mine),
        ]
        if not brief:
            for family in ("", CONTROLS):
                rows = [*compared(rows, family, record, partial(_difference, record))]
        yield from rows


def _row(entry: Entry, streams: list[LearnedStream], record: RepairRecord) -> Rows:
    results, against = {}, {}
    for stream in streams:
        repaired = record.cells.get((entry.label, stream.seed, stream.order))
        if repaired or entry.name == NOTHING:
            scores = repaired.scores if repaired else stream.kept
            results[At(stream.seed, stream.order)] = Replicated(stream, scores, record.majority, repaired)
    if entry.name != NOTHING and not entry.is_control:
        controls = {
            of.name: of.label for of in record.entries if of.of == entry.of and of.is_control and not of.refused
        }
        against = {"": entry.of} | ({CONTROLS: controls[entry.control]} if entry.control in controls else {})
    return Row(entry.label, entry, tuple((of.seed, of.order) for of in streams), ("",), results, against)


def _difference(record: RepairRecord, ours: Rows, theirs: Rows) -> Any:
    sizes = [*record.test_sizes.values()]
    return difference(ours, theirs, Replicated.average, sizes=lambda of: sizes)


@dataclass(frozen=True)
class RepairReport(RowsReport):
    """The repairs of all entries that were asked for: doing nothing, each repair and each control, entry by entry."""

    study: ClassVar[str] = "repair"
    words: ClassVar = {"": ENDED, CONTROLS: ENDED}
    record: RepairRecord
    rows: tuple[Rows, ...]

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of its sentences
        """What came out for each entry, and how much is there if it is not the whole."""
        sentence = " ".join([*map(self._verdict_on, self.entries), *sentences(self.planned)])
        return self.record.judged(sentence, "repairs")

    @property
    def entries(self) -> dict[str, list[Rows]]:
        """Label of the stream's entry → its rows, doing nothing first."""
        entries: dict[str, list[Rows]] = {}
        for row in self.rows:
            entries.setdefault(row.entry.of, []).append(row)
        return entries

    def best(self, label: str) -> Rows | None:
        """Return the repair that validates best, of those made in every replication; None where nothing does."""
        repairs = [row for row in self.entries[label][1:] if not row.entry.is_control]
        gains = {row.label: sum(_gain(of.repaired) for of in row.cells) for row in repairs}
        whole = [row for row in repairs if len(row.cells) == len(row.replications) and gains[row.label] > 0]
        return max(whole, key=lambda row: gains[row.label], default=None)

    def moved(self, label: str) -> dict[str, tuple[float, float]]:
        """Return task → its mean score before and after the best repair, of the tasks that it changes; most first."""
        best, means = self.best(label), dict[str, tuple[float, float]]()
        if best is None:
            return means
        for task in self.record.streams[0].tasks:
            was, now = (row.over(lambda of: of.scores[task]) for row in (self.entries[label][0], best))  # noqa: B023
            if was.values != now.values and was.mean is not None and now.mean is not None:
                means[task] = was.mean, now.mean
        return dict(sorted(means.items(), key=lambda item: -abs(item[1][1] - item[1][0])))

    def _verdict_on(self, label: str) -> str:
        best, nothing = self.best(label), self.entries[label][0]
        if best is None:
            return f"{label}: no repair validates better than doing nothing."
        average = " → ".join(number(row.over(Replicated.average).mean) for row in (nothing, best))
        kept = " → ".join(share(row.over(Replicated.retention).mean) for row in (nothing, best))
        picks = f"validation picks {best.entry.name}. Average accuracy {average}"
        return f"{label}: {picks}, retention over learning {kept}."

    def named(self, label: str) -> Named:
        """Return what sentences call doing nothing, a repair or a control."""
        row = next(row for row in self.rows if row.label == label)
        if row.entry.name == NOTHING:
            return Named(NOTHING, "Doing nothing")
        if not row.entry.is_control:
            return Named(label)
        rows = mean_of_known(of.repaired.rows_a_task for of in row.cells if of.repaired)
        return Named(
            label, f"Heads on the frozen backbone{'' if rows is None else f', fitted on {rows:.0f} rows a task'}"
        )

    def score_of(self, result: Any) -> float | None:
        """Return the average over all tasks after the repair."""
        return Replicated.average(result)

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """Nothing: a repair changes the weights that doing nothing leaves, and no other setting."""
        return {}

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``, which always has the numbers of each replication."""
        head = self.head("stream", "tasks", "budget", "majority")
        return self.checked({**head, "strategies": {label: self._entry(label) for label in self.entries}}, facts)

    def _entry(self, label: str) -> dict[str, Any]:
        nothing, *others = self.entries[label]
        streams, best = [of.stream for of in nothing.cells], self.best(label)
        return {
            "strategy": streams[0].strategy,
            "method": streams[0].method,
            "replications": [{"seed": stream.seed, "order": stream.order} for stream in streams],
            "learned": [dict(stream.learned) for stream in streams],
            "best": best.entry.name if best else None,
            NOTHING: _scores(nothing),
            "repairs": {row.entry.name: _outcome(row) for row in others if not row.entry.is_control},
            "controls": {row.entry.name: _outcome(row) for row in others if row.entry.is_control},
            "refused": {of.name: of.refused for of in self.record.entries if of.of == label and of.refused},
        }


def _gain(repaired: Repaired | None) -> float:
    return 0.0 if repaired is None or repaired.validation is None else repaired.validation - repaired.unrepaired


def _scores(row: Rows) -> dict[str, Any]:
    return {**as_json(ROW, row), "scores": [dict(of.scores) for of in row.cells]}


def _outcome(row: Rows) -> dict[str, Any]:
    made = [of.repaired for of in row.cells if of.repaired]
    gain, minus_control = row.difference, row.differences.get(CONTROLS)
    return {
        **_scores(row),
        "gain": gain.as_json() if gain else None,
        "control": row.entry.control or None,
        "minus_control": minus_control.as_json() if minus_control else None,
        "rows_a_task": [of.rows_a_task for of in made],
        "chosen": [dict(of.chosen) for of in made],
        "attempts": [of.attempts for of in made],
        "validation": [{"before": of.unrepaired, "after": of.validation} for of in made],
        "seconds": [of.seconds for of in made],
    }


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells the checklist; None for another study's, or an early version's."""
    if "stream" not in document or "strategies" not in document:
        return None
    comparisons = []
    for label, entry in document["strategies"].items():
        for name, row in entry["repairs"].items():
            mine = f"{name} of {label}"
            if row["gain"]:
                comparisons.append(PlannedComparison(mine, NOTHING, label, row["gain"]))
            if row.get("minus_control"):
                control, family = f"{row['control']} of {label}", f"{label}, controls"
                comparisons.append(PlannedComparison(mine, control, family, row["minus_control"]))
    labels = dict.fromkeys((NOTHING, *(comparison.label for comparison in comparisons)))
    return Facts(tuple(labels), tuple(comparisons), picks=("the attempt of each repair",))


def summarise(record: RepairRecord, brief: bool = False) -> RepairReport:
    """Return the report on repairs as far as they have come; ``brief``: without what compares them with nothing."""
    return RepairReport(record, tuple(rows_of(record, brief)))


report = reported(RepairRecord, lambda record, workspace, brief: summarise(record, brief))


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the average accuracy of each repair, and with nothing done; it is of all tasks together."""
    record = RepairRecord.read(experiment, document, workspace)
    orders = {stream.order: stream.tasks for stream in record.streams}
    rows = rows_of(record, brief=True)
    return scores_of(
        rows, AVERAGE.name, Replicated.average, record, record.test_sizes, orders=orders, scenario=record.scenario
    )
