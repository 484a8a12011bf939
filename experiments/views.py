"""Every way in which an experiment is shown: a stream of tasks, a comparison of compositions, one of methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from experiments.studies.compositions.record import FusionRecord
from experiments.studies.compositions.report import FusionReport
from experiments.studies.methods.record import ComparisonRecord
from experiments.studies.methods.report import ComparisonReport
from experiments.studies.stream.record import Record
from experiments.studies.stream.report import Report
from experiments.workspace.mending import needed_by

if TYPE_CHECKING:
    from experiments.workspace import Workspace
    from workbench.mlflow.run_record import RunRecord

AnyRecord: TypeAlias = Record | FusionRecord | ComparisonRecord
AnyReport: TypeAlias = Report | FusionReport | ComparisonReport


@dataclass(frozen=True)
class View:
    """A report, ready to be shown; nothing is drawn before it is asked for.

    Attributes:
        experiment: the experiment's name in the workspace.
        tracked: its name in MLflow.
        description: one line.
        about: Markdown that describes the experiment in MLflow, whichever its runs.
        files: the content of every file by its name, page and figures included.
        page: the self-contained page.
        run: the MLflow run, with pictures or without.
        document: the JSON document, with what each seed gave or without.
        show: prints it.
    """

    experiment: str
    tracked: str
    description: str
    about: str
    files: Callable[[], dict[str, bytes]]
    page: Callable[[], str]
    run: Callable[[bool], RunRecord]
    document: Callable[[bool], dict[str, Any]]
    show: Callable[[], None]


def view_of(workspace: Workspace, experiment: str) -> View:
    """Return the view of an experiment as far as it has come; no model is needed.

    Raises:
        UnknownNameError: no such experiment in this workspace.
        IntegrityError: a file that the report is made of is damaged or missing.
    """
    return view(report_of(workspace, experiment))


def report_of(workspace: Workspace, experiment: str) -> AnyReport:
    """Return the report on an experiment of any kind; raises as :func:`view_of`."""
    workspace.require_experiment(experiment)
    found = workspace.comparison_record(experiment) or workspace.fusion_record(experiment)
    return report_on(found or workspace.record(experiment), workspace)


def report_on(record: AnyRecord, workspace: Workspace) -> AnyReport:
    """Return the report on what an experiment has measured so far.

    Raises:
        IntegrityError: a file that it is made of is damaged or missing.
    """
    with needed_by(record.experiment, record.provenance.get("command", "")):
        return _summarised(record, workspace)


def _summarised(record: AnyRecord, workspace: Workspace) -> AnyReport:
    if isinstance(record, ComparisonRecord):
        from experiments.studies.methods.summary import summarise_comparison

        return summarise_comparison(record, workspace.known_outcomes)
    if isinstance(record, FusionRecord):
        from experiments.studies.compositions.summary import summarise_fusion

        return summarise_fusion(record, workspace.trials)
    from experiments.studies.stream.summary import summarise

    return summarise(record)


def view(report: AnyReport) -> View:
    """Return the view of a report of any kind."""
    if isinstance(report, ComparisonReport):
        return comparison_view(report)
    return fusion_view(report) if isinstance(report, FusionReport) else stream_view(report)


def stream_view(report: Report) -> View:
    """Return the view of a report on a stream."""
    from experiments.studies.stream import mlflow_view, text
    from experiments.studies.stream import page as html

    record = report.record
    return View(
        experiment=record.experiment,
        tracked=record.experiment,
        description=f"{len(record.tasks)} tasks on {record.backbone}",
        about=mlflow_view.about(report),
        files=lambda: html.files(report),
        page=lambda: html.page(report),
        run=lambda artifacts: mlflow_view.run_record(report, artifacts=artifacts),
        document=report.as_json,
        show=lambda: text.show(report),
    )


def fusion_view(report: FusionReport) -> View:
    """Return the view of a report on compositions."""
    from experiments.studies.compositions import mlflow_view, page, text

    record = report.record
    return View(
        experiment=record.experiment,
        tracked=mlflow_view.experiment_of(record),
        description=f"compositions for {', '.join(record.targets)} on {record.backbone}",
        about=mlflow_view.about(report),
        files=lambda: page.files(report),
        page=lambda: page.page(report),
        run=lambda artifacts: mlflow_view.run_record(report, artifacts),
        document=lambda full: report.as_json(),
        show=lambda: text.show(report),
    )


def comparison_view(report: ComparisonReport) -> View:
    """Return the view of a report on methods."""
    from experiments.studies.methods import mlflow_view, page, text

    record = report.record
    return View(
        experiment=record.experiment,
        tracked=record.experiment,
        description=f"methods on {', '.join(record.tasks)}, on {record.backbone}",
        about=mlflow_view.about(report),
        files=lambda: page.files(report),
        page=lambda: page.page(report),
        run=lambda artifacts: mlflow_view.run_record(report, artifacts),
        document=report.as_json,
        show=lambda: text.show(report),
    )
