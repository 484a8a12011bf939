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
    from experiments.composing.plan import FusionPlan
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

    Shipped: quickstart, 20news-10, reasoning-3 (streams of tasks), fuse-new-task (a comparison of compositions).
    What is finished, in this run or another, is not done again.
    """
    from experiments.api import Workbench
    from experiments.terminal.progress import progress

    bench = Workbench(workspace, tasks)
    command = shlex.join(["workbench", *sys.argv[1:]])
    where = f" --workspace {shlex.quote(str(workspace))}" if workspace else ""
    if bench.is_comparison(recipe):
        _compare(bench, recipe, assignments or [], command, where, dry_run, as_json)
        return
    plan = bench.plan(recipe, assignments or [])
    if dry_run:
        _print_plan(plan, bench, as_json)
        return
    updates = sum(plan.updates(step) for step in bench.pending(plan))
    with progress(plan.recipe.name, updates) as listener:
        bench.listener = listener
        report = bench.run(plan, command)
    if as_json:
        emit(report.as_json())
        return
    from experiments.report.text import show

    show(report)
    _farewell(bench, report.record.experiment, where)


def _compare(
    bench: Workbench, recipe: str, assignments: list[str], command: str, where: str, dry_run: bool, as_json: bool
) -> None:
    from experiments.terminal.progress import progress

    plan = bench.comparison_plan(recipe, assignments)
    if dry_run:
        _print_comparison(plan, bench, as_json)
        return
    with progress(plan.name, None) as listener:
        bench.listener = listener
        report = bench.compare(plan, command)
    if as_json:
        emit(report.as_json())
        return
    from experiments.composing.text import show

    show(report)
    _farewell(bench, plan.name, where)


def _print_comparison(plan: FusionPlan, bench: Workbench, as_json: bool) -> None:
    there = set(bench.workspace.adapters.ids())
    sources = [
        {
            "task": lesson.task.name,
            "method": lesson.adaptation.method,
            "seed": lesson.seed,
            "adapter": lesson.adapter_id,
            "done": lesson.adapter_id in there,
        }
        for lessons in plan.lessons.values()
        for lesson in lessons
    ]
    targets, labels = [target.name for target in plan.targets], [entry.label for entry in plan.entries]
    places = len(targets) * len(plan.budgets) * len(plan.seeds)
    if as_json:
        grid = {"targets": targets, "shots": list(plan.budgets), "seeds": list(plan.seeds), "compositions": labels}
        emit({"recipe": plan.name, "backbone": plan.backbone.name, "sources": sources, **grid})
        return
    table([*sources[0]], [["yes" if v is True else "no" if v is False else v for v in one.values()] for one in sources])
    stdout.print(f"\nThen {', '.join(labels)} and the plain alternatives, each for {places} problems:")
    stdout.print(f"targets {', '.join(targets)}; K = {', '.join(map(str, plan.budgets))}. Nothing was trained.")


def _farewell(bench: Workbench, name: str, where: str) -> None:
    page = bench.workspace.experiment(name) / "report.html"
    stdout.print(f"\nReport: {_relative(page)}")
    stdout.print(f"MLflow: workbench ui{where}   then open experiment {name!r}")
    stdout.print(f"Again:  workbench report {name}{where}")


def _print_plan(plan: Plan, bench: Workbench, as_json: bool) -> None:
    from experiments.planning import predicted_memory

    memory = predicted_memory(plan)
    waiting = {step.key for step in bench.pending(plan)}
    steps = [
        {
            "strategy": step.contender.label,
            "seed": step.seed,
            "stage": step.stage,
            "task": step.task.name,
            "optimiser_steps": plan.updates(step),
            "predicted_memory_mb": memory(step),
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
    stdout.print("Memory: of a plain training step at full length, model included; see docs/cost.md.")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
