"""A record into a report: what is answered before and after each repair, and what that gains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.reporting.families import in_family
from experiments.reporting.replications import over_replications, paired
from experiments.studies.core.report import reported
from experiments.studies.repair.quantities import METRICS
from experiments.studies.repair.record import NOTHING, RepairRecord
from experiments.studies.repair.report import EntryReport, RepairReport
from experiments.studies.repair.row import Row
from workbench.measures.granularity import score_step
from workbench.measures.statistics import mean_of_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.differences import Difference
    from experiments.studies.repair.record import Repaired
    from experiments.studies.repair.streams import LearnedStream


def summarise(record: RepairRecord, brief: bool = False) -> RepairReport:
    """Return the report on repairs as far as they have come; ``brief``: without what compares them with nothing."""
    labels = dict.fromkeys(stream.entry for stream in record.streams)
    entries = tuple(_entry(record, label, brief) for label in labels)
    return RepairReport(record, entries, record.judged(" ".join(entry.verdict for entry in entries), "repairs"))


def _entry(record: RepairRecord, label: str, brief: bool) -> EntryReport:
    streams = tuple(stream for stream in record.streams if stream.entry == label)
    own = [entry for entry in record.entries if entry.of == label]
    nothing = _row(record, label, NOTHING, streams, [stream.kept for stream in streams])
    rows = []
    for entry in own:
        cells = [record.cells.get((entry.label, stream.seed, stream.order)) for stream in streams]
        if not entry.refused:
            scores = [cell.scores if cell else None for cell in cells]
            rows.append(_row(record, entry.label, entry.name, streams, scores, cells))
    step = score_step([*record.test_sizes.values()])
    differences = {} if brief else {row.name: _gain(row, nothing, streams, step) for row in rows}
    gains = in_family(differences, record.declared_test)
    compared = tuple(replace(row, gain=gains.get(row.name)) for row in rows)
    return EntryReport(streams, (nothing, *compared), {entry.name: entry.refused for entry in own if entry.refused})


def _row(
    record: RepairRecord,
    label: str,
    name: str,
    streams: Sequence[LearnedStream],
    scores: Sequence[Mapping[str, float] | None],
    cells: Sequence[Repaired | None] = (),
) -> Row:
    seeds = [stream.seed for stream in streams]
    values = tuple(
        after and metrics_of(stream, after, record.majority) for stream, after in zip(streams, scores, strict=True)
    )
    metrics = {
        metric.name: over_replications([known[metric.name] if known else None for known in values], seeds)
        for metric in METRICS
    }
    return Row(label, name, metrics, values, tuple(scores), tuple(cells))


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


def _gain(row: Row, nothing: Row, streams: Sequence[LearnedStream], step: float | None) -> Difference:
    """Return how much higher the average accuracy is than with nothing done; an example moves it by ``step``."""
    seeds = [stream.seed for stream in streams]
    pairs = zip(*(of.metrics["average_accuracy"].values for of in (row, nothing)), strict=True)
    gaps = tuple(None if None in pair else pair[0] - pair[1] for pair in pairs)
    return paired(gaps, seeds, step)


report = reported(RepairRecord, lambda record, workspace, brief: summarise(record, brief))
