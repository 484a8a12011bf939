"""Print, write or log the report on an experiment; no model is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, listing, stdout

app = typer.Typer(add_completion=False)


@app.command()
def report(
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", help="Left out: list them.", autocompletion=completion.experiment),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="With --json: what each seed gave.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one self-contained page.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Write to MLflow whatever it does not hold yet.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Report on EXPERIMENT from what the workspace holds, as far as it has come."""
    from experiments.views import view_of
    from experiments.workspace import find_workspace

    place = find_workspace(workspace)
    if experiment is None:
        listing(
            [{"name": name, "description": view_of(place, name).description} for name in place.experiments()], as_json
        )
        return
    view = view_of(place, experiment)
    if html:
        from workbench.assets import write_whole

        write_whole(html, view.page())
    if log:
        from experiments.publish import tracked
        from workbench.tracking import Tracker, tracking_uri

        uri = tracking_uri(place.root)
        Tracker(uri).sync(view.tracked, tracked(view, place), view.about)
    if as_json:
        emit(view.document(full))
        return
    view.show()
    if html:
        stdout.print(f"\nWritten: {html}")
    if log:
        stdout.print(f"\nLogged to {uri}")
