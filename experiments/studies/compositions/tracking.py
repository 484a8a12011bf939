"""A comparison of compositions as MLflow runs: one parent, and one child for each entry; K is the step.

Numbers are means over targets and seeds: they are logged when all of those are there, and never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import tested_over
from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.studies.compositions.quantities import COST, SCORES, SECONDS
from adapter_workbench.experiments.studies.compositions.tables import summary
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.track import child, in_short, parent, with_bounds
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.studies.compositions.entry_scores import EntryScores
    from adapter_workbench.experiments.studies.compositions.record import FusionRecord
    from adapter_workbench.experiments.studies.compositions.report import FusionReport, Row
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

FIRST = "Score"  # the section of MLflow's charts that comes first, of which it writes the points itself
SINGLE = "fuse"  # the experiment that holds every single fuse, a run each


def experiment_of(record: FusionRecord) -> str:
    """Return the MLflow experiment that a comparison belongs to."""
    return SINGLE if record.single else record.experiment


def tracking(report: FusionReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record, own, whole = report.record, report.row(report.record.reference), report.complete
    metrics = _points(own) if record.single and own else _summary(report)
    run = parent(
        report,
        tags={"sources": ", ".join(sorted({str(source["adapter"]) for source in record.sources}))},
        params={"targets": ", ".join(record.targets), "shots": ", ".join(map(str, record.shots))},
        metrics=metrics if whole else (),
        children=(_child(row, whole, record) for row in report.rows),
        view=View(("label", "role", "method"), ("score", "gain"), ("score",)),
        title="" if record.single else _title(report),
    )
    return Tracking(run, summary(report), (_below(report),))


def _title(report: FusionReport) -> str:
    """Return the scores of the first rows, with the most labelled examples."""
    most = max((shots for row in report.rows for shots in row.scores if shots.isdigit()), key=int, default="")
    return in_short((row.label, row.scores[most].score) for row in report.rows if most in row.scores)


def _below(report: FusionReport) -> str:
    """Return what the numbers of the summary are; with one seed there is no interval over seeds."""
    over = tested_over(report.declared.values())
    return f"Test score in percent, differences in points with the paired 95 % interval over {over}."


def experiment_note(record: FusionRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    if record.single:
        return "Adapters made of others by `workbench fuse`: a run each, its entries below it."
    return (
        f"Compositions for {escape(', '.join(record.targets))} on {escape(record.backbone)}. Each run is one"
        " comparison: its description holds the verdict, its artifacts the report. Below it is a run for each"
        " entry, whose metrics have K, the number of labelled examples, as their step."
    )


def _child(row: Row, whole: bool, record: FusionRecord) -> RunRecord:
    own, points = {"role": row.role, "method": row.method}, _points(row) if whole else ()
    took = [value for scores in row.scores.values() if (value := SECONDS.number(scores)) is not None]
    params, seconds = {"label": row.label, **own}, sum(took) if whole and took else None
    return child(record, row.label, own, params, points, record.targets, finished=whole, seconds=seconds)


def _points(row: Row) -> Iterator[Point]:
    """Yield an entry's numbers; the step is K."""
    for shots, scores in row.scores.items():
        if shots.isdigit():
            yield from _numbers(scores, int(shots))


def _numbers(scores: EntryScores, step: int) -> Iterator[Point]:
    yield from points(SCORES, scores, step)
    for target, score in scores.targets.items():
        yield metric_name("score", target), score, step
    if scores.gain:
        for name, value in with_bounds("gain", scores.gain.shown).items():
            yield name, value, step
    yield from points(COST, scores, step)


def _summary(report: FusionReport) -> Iterator[Point]:
    """Yield each entry's score and gain under its own name; the step is K."""
    for row in report.rows:
        for shots, scores in row.scores.items():
            gain = scores.gain
            if shots.isdigit():
                yield metric_name("score", row.label), scores.score, int(shots)
                yield metric_name("gain", row.label), gain.seeds.mean if gain else None, int(shots)
                yield metric_name(FIRST, row.label), scores.score, int(shots)
