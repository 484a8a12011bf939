"""Print, write or log the report on an experiment; no model is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, listing, stdout

if TYPE_CHECKING:
    from experiments.record import Record

app = typer.Typer()


@app.command()
def report(
    experiment: Annotated[str | None, typer.Argument(metavar="[EXPERIMENT]", help="Left out: list them.")] = None,
    full: Annotated[bool, typer.Option("--full", help="With --json: each seed's own matrix and metrics.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one self-contained page.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Write to MLflow whatever it does not hold yet.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Report on EXPERIMENT from what the workspace holds, as far as it has come."""
    from experiments.workspace import find_workspace

    place = find_workspace(workspace)
    if experiment is None:
        records = [place.record(name) for name in place.experiments()]
        entries = [
            {"name": one.experiment, "description": f"{len(one.tasks)} tasks on {one.backbone}"} for one in records
        ]
        listing(entries, as_json)
        return
    from experiments.report.summary import summarise

    found = summarise(place.record(experiment))
    if html:
        from experiments.report.html import page
        from workbench.assets import write_whole

        write_whole(html, page(found))
    if log:
        from experiments.report.mlflow_view import run_record
        from workbench.tracking import Tracker, tracking_uri

        uri = tracking_uri(place.root)
        Tracker(uri).sync(experiment, run_record(found))
    if as_json:
        emit(found.as_json(full))
        return
    from experiments.report.text import show

    show(found)
    if html:
        stdout.print(f"\nWritten: {html}")
    if log:
        stdout.print(f"\nLogged to {uri}")


def _describe(record: Record) -> str:
    contenders = ", ".join(one.label for one in record.contenders)
    return f"{len(record.tasks)} tasks on {record.backbone}, {len(record.seeds)} seeds: {contenders}"
