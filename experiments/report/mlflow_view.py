"""The report as MLflow runs: one parent for the experiment, one child for each strategy and seed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from experiments.report.files import files
from experiments.report.wording import number, with_margin
from workbench.tracking import NOTE_TAG, RunRecord, metric_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.report.document import Report, SeedReport, StrategyReport

Point = tuple[str, float | None, int]
NOTE_COLUMNS = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")


def run_record(report: Report, key: str | None = None, artifacts: bool = True) -> RunRecord:
    """Return what MLflow should hold of ``report``; :meth:`workbench.tracking.Tracker.sync` takes it there.

    Args:
        report: of a finished or a running experiment.
        key: one parent run for each key; by default everything that determines the experiment's numbers, so that a
            run that is continued stays one run, and one with another budget is another.
        artifacts: whether to draw the page and the figures; without them a sync after each stage costs nothing.
    """
    key = key or experiment_key(report)
    record = report.record
    tags = _tags(report)
    children = tuple(_child(report, one, seed, f"{key}/{one.label}/{seed.seed}") for one, seed in _started(report))
    return RunRecord(
        key=key,
        name=record.experiment,
        tags={NOTE_TAG: note(report), "reference": record.reference, **tags},
        params={name: str(value) for name, value in record.budget.items()} | {"tasks": ", ".join(record.tasks)},
        metrics=tuple(_summary(report)),
        artifacts={f"report/{name}": content for name, content in files(report).items()} if artifacts else {},
        children=children,
        finished=report.complete,
    )


def experiment_key(report: Report) -> str:
    """Return the SHA-256 of what determines the numbers: backbone, tasks, seeds, contenders, budget."""
    record = report.record
    contenders = [(one.label, one.strategy, one.method, dict(one.settings)) for one in record.contenders]
    parts = [record.experiment, record.backbone, record.tasks, record.seeds, contenders, dict(record.budget)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def note(report: Report) -> str:
    """Return the run's description in Markdown: the verdict and a table."""
    lines = [
        escape(report.verdict),
        "",
        "| strategy | " + " | ".join(name.replace("_", " ") for name in NOTE_COLUMNS) + " |",
        "| --- |" + " ---: |" * len(NOTE_COLUMNS),
    ]
    for one in report.strategies:
        cells = " | ".join(with_margin(one.metrics[name]) for name in NOTE_COLUMNS)
        lines.append(f"| {escape(one.label)} | {cells} |")
    lines += ["", "Percent and points, ± half the 95 % interval over seeds. The page is under Artifacts, `report/`."]
    majority = ", ".join(number(score) for score in report.record.majority)
    return "\n".join([*lines, f"Majority class, in the order of the stream: {majority}."])


def _tags(report: Report) -> dict[str, str]:
    record = report.record
    told = {name: value for name, value in record.provenance.items() if name in ("git", "scenario", "command")}
    return {"recipe": record.experiment, "backbone": record.backbone, "scenario": "task-incremental", **told}


def _started(report: Report) -> list[tuple[StrategyReport, SeedReport]]:
    return [(one, seed) for one in report.strategies for seed in one.seeds if seed.outcomes]


def _child(report: Report, strategy: StrategyReport, seed: SeedReport, key: str) -> RunRecord:
    contender = strategy.contender
    stages = len(report.record.tasks)
    own = {"label": contender.label, "strategy": contender.strategy, "method": contender.method, "seed": str(seed.seed)}
    return RunRecord(
        key=key,
        name=f"{contender.label}, seed {seed.seed}",
        tags={**_tags(report), **own},
        params={
            "strategy": contender.strategy,
            "method": contender.method,
            "seed": str(seed.seed),
            **{metric_name(name): str(value) for name, value in contender.settings.items()},
        },
        metrics=(*_stages(seed, report.record.tasks), *((name, value, stages) for name, value in seed.metrics.items())),
        finished=seed.finished == stages,
    )


def _stages(seed: SeedReport, tasks: tuple[str, ...]) -> Iterator[Point]:
    """Yield what is known at each stage: scores, probes and what the training took."""
    for stage, row in enumerate(seed.matrix):
        for task, score in zip(tasks, row, strict=True):
            yield metric_name("accuracy", task), score, stage
    for outcome in seed.outcomes:
        for probe, quantities in outcome.probes.items():
            for quantity, value in quantities.items():
                yield metric_name("probe", probe, quantity), value, outcome.stage
        yield metric_name("cost", "train_seconds"), outcome.cost.train_seconds, outcome.stage
        yield metric_name("cost", "stored_bytes"), float(outcome.cost.stored_bytes), outcome.stage


def _summary(report: Report) -> Iterator[Point]:
    """Yield mean, low and high of every metric; the step is the number of seeds that they cover."""
    for one in report.strategies:
        for name, value in one.metrics.items():
            seeds = sum(each is not None for each in value.values)
            yield metric_name(one.label, name), value.mean, seeds
            yield metric_name(one.label, f"{name}_low"), value.low, seeds
            yield metric_name(one.label, f"{name}_high"), value.high, seeds


def escape(text: str) -> str:
    """Return user-given text so that Markdown shows it as it is."""
    for sign in "\\|*_`<[":
        text = text.replace(sign, f"\\{sign}")
    return text
