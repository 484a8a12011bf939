"""Print, write or log the report on an experiment; no model is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.terminal.options import Workspace as WorkspaceOption
from experiments.terminal.output import Json, emit, listing, stdout

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.workspace import Workspace
    from workbench.tracking import RunRecord

app = typer.Typer()


@app.command()
def report(
    experiment: Annotated[str | None, typer.Argument(metavar="[EXPERIMENT]", help="Left out: list them.")] = None,
    full: Annotated[bool, typer.Option("--full", help="With --json: each seed's own matrix and metrics.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one self-contained page.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Write to MLflow whatever it does not hold yet.")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """Report on EXPERIMENT from what the workspace holds, as far as it has come."""
    from experiments.workspace import find_workspace

    place = find_workspace(workspace)
    if experiment is None:
        listing([{"name": name, "description": _describe(place, name)} for name in place.experiments()], as_json)
        return
    view = _fusion_view(place, experiment) or _stream_view(place, experiment, full)
    if html:
        from workbench.assets import write_whole

        write_whole(html, view.page())
    if log:
        from workbench.tracking import Tracker, tracking_uri

        uri = tracking_uri(place.root)
        Tracker(uri).sync(*view.run())
    if as_json:
        emit(view.document())
        return
    view.show()
    if html:
        stdout.print(f"\nWritten: {html}")
    if log:
        stdout.print(f"\nLogged to {uri}")


@dataclass(frozen=True)
class View:
    """What can be done with a report, whatever it is about."""

    page: Callable[[], str]
    run: Callable[[], tuple[str, RunRecord]]
    document: Callable[[], dict[str, Any]]
    show: Callable[[], None]


def _stream_view(place: Workspace, experiment: str, full: bool) -> View:
    from experiments.report import html, mlflow_view, text
    from experiments.report.summary import summarise

    found = summarise(place.record(experiment))
    return View(
        page=lambda: html.page(found),
        run=lambda: (experiment, mlflow_view.run_record(found)),
        document=lambda: found.as_json(full),
        show=lambda: text.show(found),
    )


def _fusion_view(place: Workspace, experiment: str) -> View | None:
    record = place.fusion_record(experiment)
    if record is None:
        return None
    from experiments.composing import mlflow_view, page, text
    from experiments.composing.summary import summarise_fusion

    found = summarise_fusion(record, place.trials)
    return View(
        page=lambda: page.page(found),
        run=lambda: (mlflow_view.experiment_of(record), mlflow_view.run_record(found)),
        document=found.as_json,
        show=lambda: text.show(found),
    )


def _describe(place: Workspace, name: str) -> str:
    fusion = place.fusion_record(name)
    if fusion is not None:
        return f"compositions for {', '.join(fusion.targets)} on {fusion.backbone}"
    record = place.record(name)
    return f"{len(record.tasks)} tasks on {record.backbone}"
