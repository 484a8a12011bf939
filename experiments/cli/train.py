"""Train one adapter for one task, and keep it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from adapter_workbench.experiments.reporting.label_table import in_words
from adapter_workbench.experiments.reporting.wording import baseline, megabytes, score, seconds
from adapter_workbench.experiments.requests.fields import Method
from adapter_workbench.experiments.requests.lesson import LessonRequest
from adapter_workbench.experiments.requests.request import meaning
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.asked import options_of
from adapter_workbench.experiments.terminal.options import Assignments, Backbone, Folders, TaskName, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit, from_here, stdout, table
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.processes import is_first

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    LessonRequest,
    before={"backbone": "register", "seed": "register", "assignments": "workspace"},
    only=["task", "backbone", "seed", "assignments"],
    task=TaskName,
    backbone=Backbone,
    assignments=Assignments,
)
def train(
    request: LessonRequest,
    method: Annotated[
        str | None,
        typer.Option(help=f"{meaning(Method)} Required.", autocompletion=completion.method),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Enter the adapter into MLflow's model registry, as TASK.METHOD.")
    ] = False,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Train an adapter for TASK on a backbone, and test it.

    Settings of the method are given by name (--set rank=16), settings of the budget with a prefix
    (--set budget.epochs=5). The same command again finds the adapter and trains nothing. The adapter is logged to
    MLflow, experiment `adapters`. --register makes it a version of TASK.METHOD, and the champion if it beats the
    present champion on validation.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.experiments.terminal.progress import progress
    from adapter_workbench.tasks.loading import registry

    workbench = Workbench(workspace, tasks)
    if method is None:
        registry.find(request.task, workbench.task_folders)  # a mistyped task is reported first
        hint = "`workbench methods list` names them all; to begin with: --method lora"
        raise InputError("workbench train needs --method NAME", hint=hint)
    lesson = workbench.lesson_from(**{**request.given, "method": method})
    with progress(request.task, Work(updates=workbench.updates(lesson))) as listener:
        workbench.listener = listener
        trained = workbench.train(lesson)
    registered = workbench.release.register(trained.adapter.id) if register and is_first() else None
    manifest, fit = trained.adapter.manifest, trained.adapter.manifest.own_fit
    if as_json:
        document: dict[str, object] = {"adapter": manifest.id, "path": str(trained.adapter.folder)}
        document["metrics"] = trained.metrics
        document["learned_nothing"] = trained.learned_nothing
        document["worst_label"] = trained.worst_label and trained.worst_label.as_json()
        emit(document | ({"registered": asdict(registered)} if registered else {}))
        return
    rows: list[tuple[str, object]] = [
        ("adapter", manifest.id),
        *((name.replace("_", " "), score(name, value)) for name, value in trained.scores.items()),
        *((("worst label", in_words(trained.worst_label)),) if trained.worst_label else ()),
        (baseline(manifest.task.kind), score(next(iter(manifest.metrics)), trained.majority)),
        ("best epoch", f"{fit.best_epoch} of {len(fit.epochs)}"),
        *((("learning rate", f"{manifest.settings['learning_rate']:g}"),) if fit.steps else ()),
        ("trained parameters", f"{fit.trainable_parameters:,}"),
        ("time", seconds(fit.seconds)),
        ("size", megabytes(trained.adapter.bytes / 1e6)),
        ("folder", from_here(trained.adapter.folder)),
    ]
    if registered:
        rows += [("registered", f"{registered.name} version {registered.version}"), ("", registered.decision)]
    table(["", ""], rows)
    if trained.learned_nothing:
        from adapter_workbench.experiments.reporting.learned_nothing import advice

        stdout.print(f"\n{advice(manifest, trained.learned_nothing)}")
    here, given = next_steps.options(workspace), next_steps.options(workspace, tasks, request.assignments)
    steps = [next_steps.predicting(manifest.id, manifest.task.pair, here)]
    if not trained.learned_nothing:
        steps += [next_steps.evaluating(manifest.id, Path("FILE"), next_steps.options(workspace, tasks))]
        steps += [] if register else [next_steps.adding(request.task, method, request.backbone, request.seed, given)]
        steps += [f"workbench serve {request.task}{here}"]
    next_steps.print_next(steps)
