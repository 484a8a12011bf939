"""Every way in which an experiment is shown, the same for a stream of tasks and for a comparison of compositions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.composing.report import FusionReport
    from experiments.report.document import Report
    from experiments.workspace import Workspace
    from workbench.tracking import RunRecord


@dataclass(frozen=True)
class View:
    """A report, ready to be shown; nothing is drawn before it is asked for.

    Attributes:
        experiment: the experiment's name in the workspace.
        tracked: its name in MLflow.
        description: one line.
        files: the content of every file by its name, page and figures included.
        page: the self-contained page.
        run: the MLflow run, with pictures or without.
        document: the JSON document, with what each seed gave or without.
        show: prints it.
    """

    experiment: str
    tracked: str
    description: str
    files: Callable[[], dict[str, bytes]]
    page: Callable[[], str]
    run: Callable[[bool], RunRecord]
    document: Callable[[bool], dict[str, Any]]
    show: Callable[[], None]


def view_of(workspace: Workspace, experiment: str) -> View:
    """Return the view of an experiment as far as it has come; no model is needed.

    Raises:
        UnknownNameError: no such experiment in this workspace.
    """
    fusion = workspace.fusion_record(experiment)
    if fusion is None:
        from experiments.report.summary import summarise

        return stream_view(summarise(workspace.record(experiment)))
    from experiments.composing.summary import summarise_fusion

    return fusion_view(summarise_fusion(fusion, workspace.trials))


def stream_view(report: Report) -> View:
    """Return the view of a report on a stream."""
    from experiments.report import files, html, mlflow_view, text

    record = report.record
    return View(
        experiment=record.experiment,
        tracked=record.experiment,
        description=f"{len(record.tasks)} tasks on {record.backbone}",
        files=lambda: files.files(report),
        page=lambda: html.page(report),
        run=lambda artifacts: mlflow_view.run_record(report, artifacts=artifacts),
        document=report.as_json,
        show=lambda: text.show(report),
    )


def fusion_view(report: FusionReport) -> View:
    """Return the view of a report on compositions."""
    from experiments.composing import mlflow_view, page, text

    record = report.record
    return View(
        experiment=record.experiment,
        tracked=mlflow_view.experiment_of(record),
        description=f"compositions for {', '.join(record.targets)} on {record.backbone}",
        files=lambda: page.files(report),
        page=lambda: page.page(report),
        run=lambda artifacts: mlflow_view.run_record(report, artifacts),
        document=lambda full: report.as_json(),
        show=lambda: text.show(report),
    )
