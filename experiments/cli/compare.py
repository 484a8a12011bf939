"""Compare methods on one task: score, parameters, time, memory and size of each, with one budget for all."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.options import Assignments, Folders, Jobs, Workspace
from experiments.terminal.output import Json, emit, farewell, stdout

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="Name of a task; see `workbench tasks list`.", autocompletion=completion.task
        ),
    ],
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            help="Methods; the first is the reference of all differences. See `methods list`.",
            autocompletion=completion.methods,
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of seeds with which each method is trained.")] = 3,
    backbone: Annotated[
        str, typer.Option(help="Registered name, hub id or folder.", autocompletion=completion.backbone)
    ] = "minilm",
    tune: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Learning rates that each method tries; validation with another seed picks one."
        ),
    ] = 0,
    recommend: Annotated[bool, typer.Option("--recommend", help="Print only which method to take, and why.")] = False,
    jobs: Jobs = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is trained.")] = False,
    assignments: Assignments = None,
    workspace: Workspace = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Train each of several methods for TASK with the same budget, and compare score and cost.

    Settings are given by their path in the recipe: --set budget.epochs=5, --set methods.lora.rank=16. Work that is
    finished, in this run or another, is not done again.
    """
    from experiments.api import Workbench
    from experiments.reporting.terminal import show
    from experiments.studies.methods.present import present
    from experiments.terminal.preview import preview
    from experiments.terminal.progress import ahead, progress
    from workbench.errors import InputError

    if dry_run and recommend:
        hint = "Leave one of them out."
        raise InputError("a dry run trains nothing to recommend from", where="--recommend", hint=hint)
    bench = Workbench(workspace, tasks)
    names = [name.strip() for name in methods.split(",") if name.strip()]
    plan = bench.comparison_plan(task, names, assignments or [], backbone=backbone, seeds=list(range(seeds)), tune=tune)
    if dry_run:
        preview(plan, bench.pieces(plan), bench.pending(plan), bench.workspace, as_json)
        return
    with progress(plan.name, *ahead(bench.pending(plan))) as listener:
        bench.listener = listener
        report = bench.run(plan, shlex.join(["workbench", *sys.argv[1:]]), jobs)
    if as_json:
        document = report.as_json()
        emit(document["recommendation"] if recommend else document)
        return
    if recommend:
        stdout.print(report.verdict)
        return
    show(present(report), stdout)
    where = f" --workspace {shlex.quote(str(workspace))}" if workspace else ""
    farewell(bench.workspace.experiment(plan.name), plan.name, where)
    stdout.print(f'Next:   workbench predict {report.advised.adapter}{where} "some text"')
