"""Compare methods on one task: score, parameters, time, memory and size of each, with one budget for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from adapter_workbench.experiments.requests.lesson import BACKBONE
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    Backbone,
    Cluster,
    DryRun,
    Folders,
    Jobs,
    Measure,
    TaskName,
    WorkspaceOption,
    listed,
    require_dry_run,
)
from adapter_workbench.experiments.terminal.output import Json, emit, stdout

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.methods.report import ComparisonReport

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    task: TaskName,
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            help="Methods; the first is the reference of all differences. See `methods list`.",
            autocompletion=completion.methods,
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of seeds with which each method is trained.")] = 3,
    backbone: Backbone = BACKBONE,
    tune: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Learning rates that each method tries; validation with another seed picks one."
        ),
    ] = 0,
    recommend: Annotated[bool, typer.Option("--recommend", help="Print only which method to take, and why.")] = False,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    dry_run: DryRun = False,
    measure: Measure = False,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Train each of several methods for TASK with the same budget, and compare score and cost.

    Settings are given by their path in the recipe: --set budget.epochs=5, --set methods.lora.rank=16. Work that is
    finished, in this run or another, is not done again.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal import experiment
    from adapter_workbench.workbench.errors import InputError

    require_dry_run(measure, dry_run)
    if dry_run and recommend:
        hint = "A dry run has no scores to recommend from. Leave one of them out."
        raise InputError("--recommend cannot be combined with --dry-run", hint=hint)
    workbench = Workbench(workspace, tasks)
    settings = {"backbone": backbone, "seeds": list(range(seeds)), "tune": tune}
    plan = workbench.comparison_plan(task, listed(methods), assignments or [], **settings)
    if dry_run:
        experiment.dry_run(workbench, plan, as_json, jobs, cluster, measure)
        return
    report = cast("ComparisonReport", experiment.carry_out(workbench, plan, jobs, cluster))
    if as_json:
        document = report.as_json()
        emit(document["recommendation"] if recommend else document)
        return
    if recommend:
        stdout.print(report.verdict)
        return
    experiment.print_report(report, workbench, plan, workspace)
    given = next_steps.named([("--methods", methods), ("--backbone", None if backbone == BACKBONE else backbone)])
    given += next_steps.named([("--tune", str(tune) if tune else None)])
    again = f"workbench compare {task}{given}{next_steps.options(workspace, tasks, assignments)} --seeds"
    where, pair = next_steps.options(workspace), plan.tasks[0].pair
    uses = {cell.label: next_steps.predicting(cell.adapter, pair, where) for cell in report.advised}
    if following := next_steps.after_report(report, lambda many: f"{again} {many}", uses):
        next_steps.print_next(following)
