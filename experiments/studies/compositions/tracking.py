"""A comparison of compositions as MLflow runs: one parent, and one child for each contestant; K is the step.

Numbers are means over targets and seeds: they are logged when all of those are there, and never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.adapter_run import tracked_data
from experiments.reporting.circumstances import circumstances
from experiments.reporting.presentation import Tracking
from experiments.studies.compositions.tables import summary
from workbench.markdown import escape
from workbench.mlflow.names import metric_name
from workbench.mlflow.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.studies.compositions.record import FusionRecord
    from experiments.studies.compositions.report import FusionReport, Row, Standing

Point = tuple[str, float | None, int]
SINGLE = "fuse"  # the experiment that holds every single fuse, a run each


def experiment_of(record: FusionRecord) -> str:
    """Return the MLflow experiment that a comparison belongs to."""
    return SINGLE if record.single else record.experiment


def tracking(report: FusionReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record = report.record
    key = record.identity
    sources = sorted({str(source["adapter"]) for source in record.sources})
    tags = {"recipe": record.experiment, "backbone": record.backbone, "reference": record.reference}
    tags |= circumstances(record.provenance)
    own, whole = report.row(record.reference), report.complete
    metrics = _points(own) if record.single and own else _summary(report)
    run = RunRecord(
        key=key,
        name=record.experiment,
        tags={"sources": ", ".join(sources), **tags},
        params={"targets": ", ".join(record.targets), "shots": ", ".join(map(str, record.shots))},
        metrics=tuple(metrics) if whole else (),
        children=tuple(_child(row, f"{key}/{row.label}", tags, whole, record) for row in report.rows),
        finished=whole,
    )
    below = (
        "Test score in percent, differences in points with the 95 % interval of a paired bootstrap over test examples.",
    )
    return Tracking(run, summary(report), below)


def about(record: FusionRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    if record.single:
        return "Adapters made of others by `workbench fuse`: a run each, its contestants below it."
    return (
        f"Compositions for {escape(', '.join(record.targets))} on {escape(record.backbone)}. Each run is one"
        " comparison: its description holds the verdict, its artifacts the report. Below it is a run for each"
        " contestant, whose metrics have K, the number of labelled examples, as their step."
    )


def _child(row: Row, key: str, tags: dict[str, str], whole: bool, record: FusionRecord) -> RunRecord:
    own = {"label": row.label, "role": row.role, "method": row.method}
    return RunRecord(
        key=key,
        name=row.label,
        tags={**tags, **own},
        params=own,
        metrics=tuple(_points(row)) if whole else (),
        data=tracked_data(record.data, record.targets),
        finished=whole,
    )


def _points(row: Row) -> Iterator[Point]:
    """Yield a contestant's numbers; the step is K."""
    for shots, standing in row.standings.items():
        if shots.isdigit():
            for name, value in _numbers(standing):
                yield name, value, int(shots)


def _numbers(standing: Standing) -> Iterator[tuple[str, float | None]]:
    yield "score", standing.score
    yield "validation", standing.validation
    for target, score in standing.targets.items():
        yield metric_name("score", target), score
    gain = standing.gain
    if gain:
        shown = gain.preferred
        yield from (("gain", shown.mean), ("gain_low", shown.low), ("gain_high", shown.high))
    yield metric_name("cost", "seconds"), standing.seconds
    yield metric_name("cost", "trainable_parameters"), standing.trainable_parameters


def _summary(report: FusionReport) -> Iterator[Point]:
    """Yield each contestant's score and gain under its own name; the step is K."""
    for row in report.rows:
        for shots, standing in row.standings.items():
            gain = standing.gain
            if shots.isdigit():
                yield metric_name("score", row.label), standing.score, int(shots)
                yield metric_name("gain", row.label), gain.seeds.mean if gain else None, int(shots)
