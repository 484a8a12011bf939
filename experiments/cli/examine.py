"""Examine checkpoints that were trained anywhere: what they lost and gained against the model that they began as."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import argument, option, options_of
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


def _without_none(probes: str | None) -> list[str] | None:
    return None if probes is None else [probe for probe in listed(probes) if probe != "none"]


def _labels_by_task(texts: list[str] | None) -> dict[str, tuple[str, ...]]:
    from adapter_workbench.experiments.answers.import_options import labels_by_task

    return labels_by_task(texts or [])


@app.command()
@options_of(
    ExamineRequest,
    before={"name": "out", "assignments": "workspace"},
    base=argument("BASE", autocompletion=completion.backbone),
    checkpoints=argument("CHECKPOINT"),
    tasks=option("--task", called="task", metavar="NAME,…", read=listed, autocompletion=completion.tasks_listed),
    probes=option(metavar="NAME,…", read=_without_none, autocompletion=completion.probes),
    name=option(show_default="that of the last checkpoint"),
    assignments=Assignments,
    labels=option(metavar="WAY", show_default="head"),
    harness=option("--lm-eval", called="lm_eval", metavar="NAME,…", read=listed),
    head_labels=option(metavar="TASK=NAME,…", typed=list[str], read=_labels_by_task),
)
def examine(
    request: ExamineRequest,
    max_forgetting: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="The most that may be lost, in points, mean over tasks; beyond it the exit code is 3."
        ),
    ] = None,
    out: Annotated[Path | None, out_option("Write the report", *REPORTS)] = None,
    overwrite: Overwrite = False,
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
    plan = workbench.examination_plan(**request.given)
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
