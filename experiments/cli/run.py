"""Run an experiment: a stream of tasks, or a comparison of methods or compositions."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Assignments, DryRun, Folders, Jobs, Workspace
from experiments.terminal.output import Json, emit
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
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run RECIPE, or continue it where it was stopped.

    `workbench recipes list` names the shipped recipes: streams of tasks, and comparisons of methods, of compositions
    and of routers. Work that is finished, in this run or another, is not done again.
    """
    from experiments.api import Workbench
    from experiments.terminal import experiment

    if recipe is None:
        hint = "`workbench recipes list` names those that are shipped; a path to a YAML file of your own works too."
        raise InputError("which recipe?", where="workbench run", hint=hint)
    bench = Workbench(workspace, tasks)
    plan = bench.plan(recipe, assignments or [])
    if dry_run:
        experiment.dry_run(bench, plan, as_json)
        return
    report = experiment.carry_out(bench, plan, jobs)
    if as_json:
        emit(report.as_json())
    else:
        experiment.print_report(report, bench, plan, workspace)
