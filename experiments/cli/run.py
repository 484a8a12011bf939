"""Run an experiment: a stream of tasks, learned in several ways, compared."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.terminal.options import Assignments, Folders, Workspace
from experiments.terminal.output import Json, emit, stdout, table

if TYPE_CHECKING:
    from experiments.api import Workbench
    from experiments.plan import Plan

app = typer.Typer()


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a path to a YAML file.")],
    assignments: Assignments = None,
    workspace: Workspace = None,
    tasks: Folders = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is trained.")] = False,
    as_json: Json = False,
) -> None:
    """Run RECIPE, or go on with it where it was stopped.

    Shipped: quickstart. What is finished, in this run or another, is not done again.
    """
    from experiments.api import Workbench
    from experiments.terminal.progress import progress

    bench = Workbench(workspace, tasks)
    plan = bench.plan(recipe, assignments or [])
    if dry_run:
        _print_plan(plan, bench, as_json)
        return
    updates = sum(plan.updates(step) for step in bench.pending(plan))
    with progress(plan.recipe.name, updates) as listener:
        bench.listener = listener
        report = bench.run(plan, shlex.join(["workbench", *sys.argv[1:]]))
    if as_json:
        emit(report.as_json())
        return
    from experiments.report.text import show

    show(report)
    name = report.record.experiment
    where = f" --workspace {shlex.quote(str(workspace))}" if workspace else ""
    page = bench.workspace.experiment(name) / "report.html"
    stdout.print(f"\nReport: {_relative(page)}")
    stdout.print(f"MLflow: workbench ui{where}   then open experiment {name!r}")
    stdout.print(f"Again:  workbench report {name}{where}")


def _print_plan(plan: Plan, bench: Workbench, as_json: bool) -> None:
    waiting = {step.key for step in bench.pending(plan)}
    steps = [
        {
            "strategy": step.contender.label,
            "seed": step.seed,
            "stage": step.stage,
            "task": step.task.name,
            "optimiser_steps": plan.updates(step),
            "done": step.key not in waiting,
        }
        for step in plan.steps
    ]
    if as_json:
        emit({"recipe": plan.recipe.name, "backbone": plan.backbone.name, "steps": steps})
        return
    table([*steps[0]], [["yes" if v is True else "no" if v is False else v for v in step.values()] for step in steps])
    updates = sum(plan.updates(step) for step in plan.steps if step.key in waiting)
    stdout.print(f"\n{len(waiting)} of {len(steps)} steps to train, {updates:,} optimiser steps. Nothing was trained.")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
