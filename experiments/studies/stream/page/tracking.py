"""The report as MLflow runs: one parent for the experiment, one child for each strategy and replication.

The step of a metric is the stage throughout. No point ever changes: what is logged while a run goes on is what will
stand there in the end, so that a server that missed some of it can be brought up to date at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.adapter_run import tracked_data, tracked_model
from adapter_workbench.experiments.reporting.cells import quantity as shown
from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.mlflow_run import FRACTIONS, markdown
from adapter_workbench.experiments.reporting.presentation import Column, Medium, Tracking
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import baselines, number, unit
from adapter_workbench.experiments.studies.core.quantity import means, points
from adapter_workbench.experiments.studies.core.track import began, in_short, parent, shared_tags
from adapter_workbench.experiments.studies.stream.page.tables import scores
from adapter_workbench.experiments.studies.stream.results.quantities import METRIC, STAGE
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG, RunRecord
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.mlflow.models import TrackedModel

WHOLE = "full"  # the method whose adapter is a whole model
SHOWN = ("average_accuracy", "learning_accuracy", "forgetting")
VIEW = View(("label", "strategy", "method", "seed"), SHOWN, ("forgetting", "average_accuracy"))


def tracking(report: Report) -> Tracking:
    """Return what MLflow should hold of ``report``.

    The run's key is everything that determines the experiment's numbers, so that a run that is continued stays one run,
    and one with another budget is another.
    """
    record = report.record
    children = tuple(
        _child(report, strategy, replication)
        for strategy in report.everything
        for replication in strategy.replications
        if replication.outcomes
    )
    run = parent(
        report,
        tags={"scenario": record.scenario},
        params={**record.budget, "tasks": ", ".join(record.tasks)},
        metrics=_summary(report),
        children=children,
        view=VIEW,
        first="forgetting",
        title=_title(report),
    )
    constant, scale = baselines(record.kinds.values()).capitalize(), unit(record.kinds).title
    majority = ", ".join(number(score) for score in record.majority)
    below = (
        f"{scale} and points, ± half the 95 % interval over replications.",
        f"{constant}, in the order of the stream: {majority}.",
    )
    strategies = scores(report).shown(Medium.TERMINAL)
    return Tracking(run, strategies, below, ("forgetting-curves", "accuracy-matrices"))


def _title(report: Report) -> str:
    """Return what each strategy forgot, the reference first: ``full forgot 12.9 · lora 0.0``.

    Where methods do not tell strategies apart, labels do; the UI would cut a label before its number.
    """
    strategies = sorted(report.strategies, key=lambda strategy: strategy.label != report.record.reference)
    methods = [strategy.entry.method for strategy in strategies]
    forgotten = [strategy.metrics["forgetting"].mean for strategy in strategies]
    if len({*methods}) == len(methods):
        return in_short(zip(methods, forgotten, strict=True), verb="forgot")
    values = in_short(((strategy.label, value) for strategy, value in zip(strategies, forgotten, strict=True)), True)
    return values and f"forgot {values}"


def experiment_note(record: Record) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    return (
        f"A stream of {len(record.tasks)} tasks on {escape(record.backbone)}, {escape(record.scenario)}. Each run is"
        " one recipe with its budget: its description holds the verdict, its artifacts the report. Below it is a run"
        " for each strategy and seed, whose metrics have the stage as their step."
    )


def _child(report: Report, strategy: StrategyReport, replication: ReplicationReport) -> RunRecord:
    record, entry, seed, order = report.record, strategy.entry, replication.seed, replication.order
    own = {"strategy": entry.strategy, "method": entry.method, "seed": str(seed)}
    of = {"frontier": entry.frontier} if entry.frontier else {}
    ordered = {"order": str(order), "tasks": ", ".join(replication.tasks)} if record.order_shown else {}
    crossed = record.orders_of_a_seed > 1
    return RunRecord(
        key=f"{record.identity}/{entry.label}/{seed}" + (f"/{order}" if order and crossed else ""),
        name=f"{entry.label}, seed {seed}" + (f", order {order}" if crossed else ""),
        tags={
            NOTE_TAG: _note(report, strategy, replication),
            **shared_tags(record),
            "scenario": record.scenario,
            "label": entry.label,
            **own,
            **of,
        },
        params={
            **own,
            **ordered,
            **{metric_name(name): str(value) for name, value in entry.settings.items()},
        },
        metrics=tuple(_stages(replication)),
        data=tracked_data(record.data, replication.tasks),
        models=tuple(_models(report, strategy, replication)),
        finished=replication.complete,
        began=began(record.provenance),
        seconds=sum(outcome.cost.train_seconds for outcome in replication.outcomes),
    )


def _note(report: Report, strategy: StrategyReport, replication: ReplicationReport) -> str:
    """Return the description of a child: what it is, and how each task stood when it was learned and stands now."""
    entry, tasks = strategy.entry, replication.tasks
    stage = max(outcome.stage for outcome in replication.outcomes)
    title = f"{entry.label}: {entry.strategy} with {entry.method}, seed {replication.seed}"
    matrix, since = replication.matrix, replication.learned_at
    stages = table(
        "stages",
        "",
        enumerate(tasks),
        [
            Shown(Column("task"), lambda numbered: words(numbered[1])),
            Shown(Column("when it was learned"), lambda numbered: shown(matrix[since[numbered[1]]][numbered[0]])),
            Shown(
                Column(f"after stage {stage} of {replication.last}"), lambda numbered: shown(matrix[stage][numbered[0]])
            ),
        ],
    )
    scale = f"{unit(report.record.kinds).title}. {FRACTIONS}"
    lines = (escape(title), "", *markdown(stages), "", escape(scale))
    return "\n".join(lines)


def _models(report: Report, strategy: StrategyReport, replication: ReplicationReport) -> Iterator[TrackedModel]:
    """Yield the adapters of a stream at its end, but whole models: a backbone is not copied."""
    own = report.record.adapters.get((strategy.entry.label, replication.seed, replication.order), {})
    scores = dict(zip(replication.tasks, replication.matrix[-1], strict=True))
    for task, adapter in own.items():
        if adapter.manifest.method != WHOLE:
            score, (name,) = scores[task], adapter.manifest.metrics
            measured = {} if score is None else {name.removeprefix("validation_"): score}
            yield tracked_model(adapter, measured)


def _stages(replication: ReplicationReport) -> Iterator[Point]:
    """Yield what is known at each stage: scores, the metrics had the stream ended there, probes, and the cost."""
    for stage, values in enumerate(replication.metrics_by_stage, start=1):
        yield from points(METRIC.values(), values, stage)
    for stage, row in enumerate(replication.matrix):
        for task, score in zip(replication.tasks, row, strict=True):
            yield metric_name("accuracy", task), score, stage
    for outcome in replication.outcomes:
        for probe, quantities in outcome.probes.items():
            for quantity, value in quantities.items():
                yield metric_name("probe", probe, quantity), value, outcome.stage
        yield from points(STAGE, outcome, outcome.stage)


def _summary(report: Report) -> Iterator[Point]:
    """Yield mean, low and high of every metric after each stage, once all replications are there."""
    complete = report.complete  # counts all outcomes
    for strategy in report.strategies:
        for stage in range(1, report.record.last + 1):
            values = strategy.after(stage)
            known = (METRIC[name] for name, value in values.items() if complete or None not in value.values)
            yield from means(known, values, strategy.label, stage)
