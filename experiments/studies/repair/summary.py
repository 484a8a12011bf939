"""A record into a report: what is answered before and after each repair, and what that gains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.plain_verdicts import sentences
from adapter_workbench.experiments.reporting.replications import over_replications, paired
from adapter_workbench.experiments.studies.core.compare import in_one_family
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.repair.quantities import AVERAGE, METRICS
from adapter_workbench.experiments.studies.repair.record import NOTHING, RepairRecord
from adapter_workbench.experiments.studies.repair.report import EntryReport, RepairReport
from adapter_workbench.experiments.studies.repair.row import Cell, Row
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.measures.statistics import mean_of_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.repair.record import Repaired
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream


def summarise(record: RepairRecord, brief: bool = False) -> RepairReport:
    """Return the report on repairs as far as they have come; ``brief``: without what compares them with nothing."""
    labels = dict.fromkeys(stream.entry for stream in record.streams)
    entries = tuple(_entry(record, label, brief) for label in labels)
    report = RepairReport(record, entries, "")
    parts = [*(entry.verdict for entry in entries), *sentences(report.planned)]
    return replace(report, verdict=record.judged(" ".join(parts), "repairs"))


def _entry(record: RepairRecord, label: str, brief: bool) -> EntryReport:
    streams = tuple(stream for stream in record.streams if stream.entry == label)
    mine = [entry for entry in record.entries if entry.of == label]
    nothing = _row(label, NOTHING, streams, [_cell(record, stream, None) for stream in streams])
    rows: list[Row] = []
    for entry in mine:
        if not entry.refused:
            made = [record.cells.get((entry.label, stream.seed, stream.order)) for stream in streams]
            pairs = zip(streams, made, strict=True)
            cells = [_cell(record, stream, repaired) if repaired else None for stream, repaired in pairs]
            row = _row(entry.label, entry.name, streams, cells)
            rows.append(replace(row, control=entry.control, is_control=entry.is_control))
    if not brief:
        step = score_step([*record.test_sizes.values()])
        gains = [row if row.is_control else _compared(row, nothing, streams, step) for row in rows]
        rows = _beside_controls(in_one_family(gains, record), record, streams, step)
    return EntryReport(streams, (nothing, *rows), {entry.name: entry.refused for entry in mine if entry.refused})


def _cell(record: RepairRecord, stream: LearnedStream, repaired: Repaired | None) -> Cell:
    scores = repaired.scores if repaired else stream.kept
    return Cell(stream, scores, metrics_of(stream, scores, record.majority), repaired)


def _row(label: str, name: str, streams: Sequence[LearnedStream], cells: Sequence[Cell | None]) -> Row:
    """Return a row; ``cells`` are in the order of ``streams``, None for one that is not there yet."""
    seeds = [stream.seed for stream in streams]
    metrics = {
        metric.name: over_replications([cell.metrics[metric.name] if cell else None for cell in cells], seeds)
        for metric in METRICS
    }
    tasks = {
        task: over_replications([cell.scores[task] if cell else None for cell in cells], seeds)
        for task in streams[0].tasks
    }
    return Row(label, name, metrics, tasks, tuple(cell for cell in cells if cell))


def metrics_of(
    stream: LearnedStream, scores: Mapping[str, float], majority: Mapping[str, float]
) -> dict[str, float | None]:
    """Return the metrics of one replication, where ``scores`` are those of its tasks on their test splits.

    ``average_accuracy`` is the mean over all tasks, ``earlier_accuracy`` over all but the last, ``last_accuracy`` that
    of the last task. ``retention`` is Σ_j (R′[T, j] − M[j]) ÷ Σ_j (R[j, j] − M[j]) over j < T, R′ after the repair: 1
    where all that was learned is there, 0 where the answers are worth no more than the most frequent one; None where
    nothing was learned.
    """
    *earlier, last = stream.learned
    learned = sum(stream.learned[task] - majority[task] for task in earlier)
    remaining = sum(scores[task] - majority[task] for task in earlier)
    return {
        "average_accuracy": mean_of_known(scores.values()),
        "earlier_accuracy": mean_of_known(scores[task] for task in earlier),
        "last_accuracy": scores[last],
        "retention": remaining / learned if learned > 0 else None,
    }


def _compared(row: Row, nothing: Row, streams: Sequence[LearnedStream], step: float | None) -> Row:
    """Return a row with what it gains over doing nothing; an example moves the average by ``step``."""
    return replace(row, difference=_difference(row, nothing, streams, step))


def _beside_controls(
    rows: Sequence[Row], record: RepairRecord, streams: Sequence[LearnedStream], step: float | None
) -> list[Row]:
    """Return the rows of one entry, each repair compared with its control too: a family of its own."""
    controls = {row.name: row for row in rows if row.is_control}
    compared = {row.label: controls[row.control] for row in rows if row.control in controls}
    differences = {
        row.label: _difference(row, compared[row.label], streams, step) for row in rows if row.label in compared
    }
    against = {label: control.label for label, control in compared.items()}
    family = planned_family(differences, record.declared_test, record.settled.get("", {}), against)
    return [replace(row, minus_control=family.get(row.label)) for row in rows]


def _difference(row: Row, other: Row, streams: Sequence[LearnedStream], step: float | None) -> Difference:
    pairs = zip(*(of.metrics[AVERAGE.name].values for of in (row, other)), strict=True)
    gaps = [None if None in pair else pair[0] - pair[1] for pair in pairs]
    return paired(gaps, [stream.seed for stream in streams], step)


report = reported(RepairRecord, lambda record, workspace, brief: summarise(record, brief))
