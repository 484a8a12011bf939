"""A candidate beside the champion as one run of MLflow: its numbers, and the page among its artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.tables import groups
from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.gating.candidate.report import CandidateReport

EXPERIMENT = "candidates"  # in MLflow
ABOUT = "Candidates beside the champions that they might replace, a run each, on the same test rows."
VIEW = View(
    ("task", "candidate", "champion"),
    ("old_rows/difference", "new_rows/difference", "negative_flip_rate", "ece/candidate"),
)
SIDES = ("champion", "candidate")


def tracking(report: CandidateReport) -> Tracking:
    """Return what MLflow holds of a report: one run."""
    names = {"task": report.task, "champion": report.champion, "candidate": report.candidate}
    versions = dict(zip((f"{side}_version" for side in SIDES), report.versions, strict=True))
    bounds = {} if report.gate is None else {"passed": str(report.gate.passed).lower()}
    run = RunRecord(
        key=key(["candidate", *report.identities]),
        name=f"{report.candidate} beside {report.champion}",
        tags={**names, **versions, **bounds},
        params={**names, **versions},
        metrics=tuple((name, value, 0) for name, value in _metrics(report)),
        view=VIEW,
    )
    return Tracking(run, groups(report), ())


def _metrics(report: CandidateReport) -> Iterator[tuple[str, float | None]]:
    for group in report.groups:
        name = group.name.split(":", 1)  # label:NAME is the metric label/NAME/…
        for side, of in zip(SIDES, (group.champion, group.candidate or group.candidate_on_all), strict=True):
            yield metric_name(*name, side), of.mean if of else None
        if group.difference:
            yield metric_name(*name, "difference"), group.difference.mean
            yield metric_name(*name, "difference_low"), group.difference.low
            yield metric_name(*name, "difference_high"), group.difference.high
    yield "negative_flip_rate", report.flips.negative_rate
    yield "lost", float(len(report.flips.lost))
    yield "won", float(len(report.flips.won))
    for side, calibration, cost in zip(SIDES, report.calibration, report.costs, strict=True):
        yield metric_name("ece", side), calibration.ece
        yield metric_name("confidence", side), calibration.confidence
        yield metric_name("cost/train_seconds", side), cost.seconds
        yield metric_name("cost/stored_bytes", side), float(cost.bytes)
    for check in report.gate.checks if report.gate else ():
        yield metric_name("bound", check.what), check.value
