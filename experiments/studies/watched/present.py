"""What people see of a training elsewhere: the verdict, stages × tasks, what each task lost, and the time it took."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import UNKNOWN, quantity, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Paragraph, Tracking
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import bounds, number, probability, seconds, share, tasks_named
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.track import in_short, parent
from adapter_workbench.experiments.studies.watched.record import START
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.measures.verdicts import LEVEL
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation, Table
    from adapter_workbench.experiments.studies.watched.change import ScoreChange
    from adapter_workbench.experiments.studies.watched.record import WatchedStage
    from adapter_workbench.experiments.studies.watched.report import WatchedReport


def present(report: WatchedReport) -> Presentation:
    """Return what people see of a report on a training that was watched."""
    record, title = report.record, "a training, watched"
    note = f"A training by {escape(record.trainer)} of {escape(record.backbone)}, measured as it went on."
    return report.presented(title, (title, tasks_named(record.tasks), *report.facts), _blocks, _tracking, note)


def _blocks(report: WatchedReport) -> Iterator[Block]:
    yield _stages(report)
    if report.changes:
        yield _losses(report)
    yield Paragraph(_time(report), "quiet")
    record = report.record
    circumstances = [(task, f"{record.kinds[task]}, {record.answered[task]}") for task in record.tasks]
    bound = "none" if record.max_forgetting is None else f"{record.max_forgetting:g} points"
    circumstances += [("measured every", record.every), ("bound", bound)]
    circumstances += [("heads", f"fitted anew on up to {record.head_rows:,} training examples at each stage")]
    yield from closing(report, circumstances, compared=0)


def _stages(report: WatchedReport) -> Table:
    """Return the matrix: rows are stages, columns are tasks."""
    record = report.record

    def named(row: tuple[int, WatchedStage]) -> Cell:
        stage = row[1]
        when = "best checkpoint, put back" if stage.put_back else f"step {stage.step}" if stage.step else START
        return words(f"{row[0]}: {when}")

    def score(task: str, row: tuple[int, WatchedStage]) -> Cell:
        value = row[1].scores.get(task)
        return UNKNOWN if value is None else quantity(value)

    heard = any(stage.text_loss is not None for stage in record.stages)
    text = [Shown(Column("text loss", note="nats a token"), _text_loss)] if heard else []
    columns = [
        Shown(Column("stage", left=True), named),
        *(Shown(Column(task, note=record.answered[task]), partial(score, task)) for task in record.tasks),
        *text,
        Shown(Column("took", unit="s"), lambda row: quantity(row[1].seconds, seconds)),
    ]
    note = "Scores in percent, on the same test examples at every stage. A dash: not measured."
    return table("stages", "Stages × tasks", [*enumerate(record.stages)], columns, note)


def _text_loss(row: tuple[int, WatchedStage]) -> Cell:
    loss = row[1].text_loss
    return UNKNOWN if loss is None else Cell(f"{loss:.3f}", loss)


def _losses(report: WatchedReport) -> Table:
    columns: list[Shown[ScoreChange]] = [
        Shown(Column("task", left=True), lambda change: words(change.task)),
        Shown(Column("before"), lambda change: quantity(change.before)),
        Shown(Column("after"), lambda change: quantity(change.after)),
        Shown(Column("lost", note="points"), _lost),
        Shown(Column("reading", left=True), lambda change: words(change.reading)),
    ]
    note = (
        f"Points that were lost from {report.record.reference} to the last stage, with a 95 % interval over test "
        "examples. lost, gained: p < 0.05, adjusted for the number of tasks (Holm)."
    )
    return table("changes", "What was lost", report.changes, columns, note)


def _lost(change: ScoreChange) -> Cell:
    limits, chance = bounds(change.lost), "" if change.p is None else probability(change.p, LEVEL)
    notes = tuple(line for line in (limits, chance) if line)
    return Cell(number(change.lost.mean), change.lost.mean, change.lost, limits, notes)


def _time(report: WatchedReport) -> str:
    spent = f"Measuring took {seconds(report.seconds)}"
    return f"{spent}, {share(report.time_share)} of all the time." if report.time_share is not None else f"{spent}."


def _tracking(report: WatchedReport) -> Tracking:
    """Return what MLflow holds of it: one run, in which a step is a stage."""
    record = report.record
    params = {"tasks": ", ".join(record.tasks), "every": record.every, "max_forgetting": record.max_forgetting}
    view = View(("recipe",), tuple(metric_name("accuracy", task) for task in record.tasks))
    lost = in_short(((change.task, change.lost.mean) for change in report.changes), value_first=True)
    title = lost and f"lost {lost}"
    run = parent(report, {"trainer": record.trainer}, params, _points(report), (), view, title=title)
    return Tracking(run, _losses(report) if report.changes else _stages(report), (_time(report),))


def _points(report: WatchedReport) -> Iterator[Point]:
    for index, stage in enumerate(report.record.stages):
        for task in report.record.tasks:
            yield metric_name("accuracy", task), stage.scores.get(task), index
        if stage.text_loss is not None:
            yield "text_loss", stage.text_loss, index
    last = len(report.record.stages) - 1
    for change in report.changes:
        yield metric_name("lost", change.task), change.lost.mean, last
    yield "measuring_share", report.time_share, last
