"""Print, write or log the report on an experiment; this needs no model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, listing, stderr, stdout
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from experiments.workspace import Workspace as Place

app = typer.Typer(add_completion=False)


@app.command()
def report(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Name of an experiment; all are listed if left out.",
            autocompletion=completion.experiment,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="With --json: also the values of every seed.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one self-contained page.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Write to MLflow whatever it does not hold yet.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Report on EXPERIMENT, finished or not, from what the workspace holds."""
    from experiments.views import view_of
    from experiments.workspace import find_workspace

    place = find_workspace(workspace)
    if experiment is None:
        listing([{"name": name, "description": _description(place, name)} for name in place.experiments()], as_json)
        return
    if html:
        from workbench.atomic import require_folder_of, write_whole

        require_folder_of(html)
    view = view_of(place, experiment)
    if html:
        write_whole(html, view.page())
    if log:
        from experiments.engine.publish import tracked, writing_tracker

        tracker = writing_tracker(place, partial(stderr.print, markup=False))
        tracker.sync(view.tracked, tracked(view, place), view.about)
    if as_json:
        emit(view.document(full))
        return
    view.show()
    if html:
        stdout.print(f"\nWritten: {html}", markup=False)
    if log:
        from workbench.mlflow.address import shown

        stdout.print(f"\nLogged to {shown(tracker.uri)}", markup=False)


def _description(place: Place, name: str) -> str:
    """Return one line about an experiment; where something of it is damaged, that."""
    from experiments.views import view_of

    try:
        return view_of(place, name).description
    except IntegrityError as error:
        return f"{error.where}: {error.what}"
