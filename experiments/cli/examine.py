"""Examine checkpoints that were trained anywhere: what they lost and gained against the model that they began as."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    DryRun,
    Folders,
    Overwrite,
    WorkspaceOption,
    listed,
    out_option,
)
from adapter_workbench.experiments.terminal.output import REPORTS, Json, emit, report_content, require_out, stdout
from adapter_workbench.workbench.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def examine(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="The model before training: registered name, hub id or folder.",
            autocompletion=completion.backbone,
        ),
    ],
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            metavar="CHECKPOINT",
            help="In the order of training: folders of models, of a Trainer's checkpoints, of peft adapters; stored "
            "adapters; hub ids.",
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Tasks; if left out, five that need no hub, others for language models than for encoders.",
            autocompletion=completion.tasks_listed,
        ),
    ] = None,
    probes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Probes, see `workbench probes list`; `none` for no probe.",
            autocompletion=completion.probes,
        ),
    ] = None,
    rows: Annotated[
        int,
        typer.Option(
            min=16,
            max=100_000,
            help="Test rows of each task; as many train a head where one is fitted. 800 find a loss of 5 points in "
            "four of five cases.",
        ),
    ] = 800,
    labels: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="How a language model answers a classification: `head`, `likelihood` of the labels as continuations, "
            "or `likelihood-per-character`.",
            show_default="head",
        ),
    ] = "",
    shots: Annotated[
        int, typer.Option(min=0, max=1000, help="Solved training examples before every question to a language model.")
    ] = 0,
    lm_eval: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…", help="Tasks of EleutherAI's harness, by name or as paths of task files (….yaml)."
        ),
    ] = None,
    head_labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=NAME,…",
            help="The labels of a task in the order of the outputs of the checkpoints' heads, where those do not name "
            "them; may be given several times.",
        ),
    ] = None,
    max_forgetting: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="The most that may be lost, in points, mean over tasks; beyond it the exit code is 3."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment.", show_default="that of the last checkpoint")
    ] = None,
    out: Annotated[Path | None, out_option("Write the report", *REPORTS)] = None,
    overwrite: Overwrite = False,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure what each CHECKPOINT lost and gained against BASE, on test rows of several tasks; nothing is trained.

    Answers are generated where a task asks for them. Labels are given by the heads that came with the checkpoints, if
    all of them have one for the task; else by linear heads that are fitted on the features of each checkpoint. Of
    language models, the likelihood of labels can be asked for, and tasks of EleutherAI's harness. The
    change of each task has a 95 % interval over the same test rows, and its p is adjusted for the number of tasks. It
    is an experiment like any other: `workbench report`, `workbench gate` and the page know it, and the same command
    continues it where it was stopped.
    """
    from adapter_workbench.experiments.answers.import_options import labels_by_task
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.gating.stream_bounds import StreamBounds
    from adapter_workbench.experiments.studies import present
    from adapter_workbench.experiments.terminal import experiment
    from adapter_workbench.experiments.terminal.bounds import print_gate
    from adapter_workbench.workbench.files.atomic import write_whole

    if overwrite and out is None:
        raise InputError("--overwrite needs --out", hint="Add --out report.html.")
    ending = None if out is None else require_out(out, REPORTS, overwrite)
    workbench = Workbench(workspace, tasks)
    wanted = None if probes is None else [probe for probe in listed(probes) if probe != "none"]
    plan = workbench.examination_plan(
        base,
        checkpoints,
        listed(task),
        wanted,
        rows,
        name,
        assignments or [],
        labels=labels,
        shots=shots,
        harness=listed(lm_eval),
        head_labels=labels_by_task(head_labels or []),
    )
    bounds = StreamBounds(max_forgetting=max_forgetting)
    if dry_run:
        experiment.dry_run(workbench, plan, as_json, jobs=1, cluster=None, measure=False)
        return
    report = experiment.carry_out(workbench, plan, jobs=1, cluster=None)
    if out is not None and ending:
        write_whole(out, report_content(present(report), ending))
    gate = workbench.release.gate_experiment(plan.name, bounds) if max_forgetting is not None else None
    if as_json:
        emit({**report.as_json(), **({"gate": gate.as_json()} if gate else {})})
    else:
        experiment.print_report(report, workbench, plan, workspace)
        if gate:
            print_gate(gate)
    if out is not None and not as_json:
        stdout.print(f"\nWritten: {out}")
    if gate:
        gate.require()
