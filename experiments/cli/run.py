"""Run an experiment: a stream of tasks, repairs of one, or a comparison of methods, compositions or routers."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    Cluster,
    DryRun,
    Folders,
    Jobs,
    Measure,
    WorkspaceOption,
    require_dry_run,
)
from adapter_workbench.experiments.terminal.output import Json, emit, stderr
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.study import Plan, Report

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
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    seeds_for: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            min=0.1,
            max=100,
            help="Run with enough seeds to show a difference of so many points, as estimated from the results so far. "
            "If these results are tested too, the type I error is larger than 0.05; --until-decided holds it.",
        ),
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Read verdicts after 3, 5 and 8 seeds at stricter levels, and add seeds to what is undecided.",
        ),
    ] = False,
    most_seeds: Annotated[
        int | None, typer.Option(metavar="N", help="With --until-decided: add seeds up to so many. By default 8.")
    ] = None,
    dry_run: DryRun = False,
    measure: Measure = False,
    as_json: Json = False,
) -> None:
    """Run RECIPE, or continue it where it was stopped.

    `workbench recipes list` names the shipped recipes: streams of tasks, repairs of a finished one, and comparisons of
    methods, of compositions and of routers. Work that is finished, in this run or another, is not done again.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.until_decided import MOST_SEEDS
    from adapter_workbench.experiments.reporting.power import CONTINUED, enough_seeds
    from adapter_workbench.experiments.studies import STUDIES
    from adapter_workbench.experiments.terminal import experiment, looks_ahead

    require_dry_run(measure, dry_run)
    if recipe is None:
        hint = "`workbench recipes list` names the shipped ones; a path to your own YAML file works too."
        raise InputError("workbench run needs a RECIPE", hint=hint)
    _require_one_way(until_decided, most_seeds, seeds_for)
    again = f"workbench run {shlex.quote(recipe)}{next_steps.options(workspace, tasks, assignments)}"
    workbench = Workbench(workspace, tasks)
    if until_decided:
        most = MOST_SEEDS if most_seeds is None else most_seeds
        whole = workbench.until_decided(recipe, assignments or [], most)
        if dry_run:
            looks_ahead.dry_run(workbench, whole, as_json, jobs, cluster, measure)
            return
        report, plan = looks_ahead.carry_out(workbench, whole, jobs, cluster)
        _show(report, workbench, plan, as_json, workspace, again)
        return
    plan = workbench.plan(recipe, assignments or [])
    if seeds_for is not None:
        if "seeds" not in STUDIES.get(plan.study).recipe.model_fields:
            hint = "Run the experiment that it goes on from with more seeds, then this recipe again."
            raise InputError(f"--seeds-for: {plan.name!r} has no seeds of its own", hint=hint)
        if plan.name not in workbench.workspace.records.names():
            hint = "Run the recipe with two or three seeds first: without --seeds-for."
            raise InputError(f"--seeds-for needs results of {plan.name!r} to estimate from", hint=hint)
        so_far = workbench.report(plan.name)
        seeds = enough_seeds(so_far.seeds, so_far.declared, seeds_for / 100)
        stderr.print(f"{len(seeds)} seeds: {', '.join(map(str, seeds))}. {CONTINUED}", markup=False)
        plan = workbench.plan(recipe, [*(assignments or []), f"seeds={[*seeds]}"])
    if dry_run:
        experiment.dry_run(workbench, plan, as_json, jobs, cluster, measure)
        return
    report = experiment.carry_out(workbench, plan, jobs, cluster)
    _show(report, workbench, plan, as_json, workspace, again)


def _show(report: Report, workbench: Workbench, plan: Plan, as_json: bool, workspace: Path | None, again: str) -> None:
    """Print a report, and what follows from it; ``again`` is the command that made it, without seeds."""
    from adapter_workbench.experiments.studies.core.report import StudyReport
    from adapter_workbench.experiments.terminal import experiment

    if as_json:
        emit(report.as_json())
        return
    experiment.print_report(report, workbench, plan, workspace)
    if isinstance(report, StudyReport) and report.complete:
        can_have_more = workbench.can_have_more_seeds(plan, report)
        following = next_steps.after_report(report, partial(_until_decided, again) if can_have_more else None)
        if following:
            next_steps.print_next(following)


def _until_decided(again: str, seeds: int) -> str:
    """Return the command that adds seeds until it is decided, up to so many."""
    from adapter_workbench.experiments.engine.until_decided import MOST_SEEDS

    return f"{again} --until-decided{f' --most-seeds {seeds}' if seeds > MOST_SEEDS else ''}"


def _require_one_way(until_decided: bool, most_seeds: int | None, seeds_for: float | None) -> None:
    """Make sure that seeds are added in one way.

    Raises:
        InputError: they are not.
    """
    if most_seeds is not None and not until_decided:
        raise InputError("--most-seeds needs --until-decided", hint="Add --until-decided.")
    if until_decided and seeds_for is not None:
        hint = "Leave one of them out."
        raise InputError("--until-decided and --seeds-for add seeds in different ways", hint=hint)
