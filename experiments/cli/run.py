"""Run an experiment: a stream of tasks, or a comparison of methods or compositions."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Assignments, Folders, Jobs, Workspace
from experiments.terminal.output import Json, emit, farewell, stdout
from workbench.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A shipped recipe's name, or a path to a YAML file.",
            autocompletion=completion.recipe,
        ),
    ] = None,
    assignments: Assignments = None,
    workspace: Workspace = None,
    tasks: Folders = None,
    jobs: Jobs = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is trained.")] = False,
    as_json: Json = False,
) -> None:
    """Run RECIPE, or continue it where it was stopped.

    `workbench recipes list` names the shipped recipes: streams of tasks, and comparisons of methods, of compositions
    and of routers. Work that is finished, in this run or another, is not done again.
    """
    from experiments.api import Workbench
    from experiments.reporting.terminal import show
    from experiments.studies import present
    from experiments.terminal.preview import preview
    from experiments.terminal.progress import ahead, progress

    if recipe is None:
        hint = "`workbench recipes list` names those that are shipped; a path to a YAML file of your own works too."
        raise InputError("which recipe?", where="workbench run", hint=hint)
    bench = Workbench(workspace, tasks)
    command = shlex.join(["workbench", *sys.argv[1:]])
    where = f" --workspace {shlex.quote(str(workspace))}" if workspace else ""
    plan = bench.plan(recipe, assignments or [])
    if dry_run:
        preview(plan, bench.pieces(plan), bench.pending(plan), bench.workspace, as_json)
        return
    with progress(plan.name, *ahead(bench.pending(plan))) as listener:
        bench.listener = listener
        presentation = present(bench.run(plan, command, jobs))
    if as_json:
        emit(presentation.document(False))
        return
    show(presentation, stdout)
    farewell(bench.workspace.experiment(plan.name), plan.name, where)
