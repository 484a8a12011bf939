"""Add a task: check its data, train, test, compare the scores with bounds, and register the adapter if all hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.reporting.wording import baseline
from experiments.terminal import completion, next_steps
from experiments.terminal.bounds import MinMacroF1, MinScore, MinWorstLabel, print_gate
from experiments.terminal.options import Assignments, Backbone, Folders, TaskName, WorkspaceOption
from experiments.terminal.output import Json, emit, stderr, stdout
from workbench.settings.bounds import LARGEST_SEED

if TYPE_CHECKING:
    from experiments.answers.made_adapters import Trained
    from experiments.gating.adding import AddedTask
    from experiments.gating.registry import Registration

app = typer.Typer(add_completion=False)


@app.command()
def add(
    task: TaskName,
    method: Annotated[
        str, typer.Option(help="Name of a method; see `workbench methods list`.", autocompletion=completion.method)
    ] = "lora",
    backbone: Backbone = "minilm",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of every random choice.")] = 0,
    min_score: MinScore = None,
    min_macro_f1: MinMacroF1 = None,
    min_worst_label: MinWorstLabel = None,
    margin: Annotated[
        float,
        typer.Option(min=0, metavar="X", help="Points by which its validation score may be below the champion's."),
    ] = 0.0,
    max_leakage: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="X", help="Percent of a split's rows whose text may be in an earlier split too."
        ),
    ] = 1.0,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Train an adapter for TASK, check it, and let it answer under the task's name if all checks pass.

    First the data are checked: texts of validation and test must not be in an earlier split. Then the adapter is
    trained and tested, and its validation scores are compared with the bounds and with the champion's. Every other
    adapter is verified to be unchanged, and the new one is registered. If the champion is better or cannot be compared,
    the new version does not answer, and the command says which adapter does. If a bound is broken, the exit code is 3
    and nothing is registered. The same command again repeats nothing that is done. To undo it: `workbench adapters
    rollback`.
    """
    from experiments.api import Workbench
    from experiments.engine.work import Work
    from experiments.gating.adapter_bounds import AdapterBounds
    from experiments.terminal.progress import progress

    bounds = AdapterBounds(min_score, margin, min_macro_f1=min_macro_f1, min_worst_label=min_worst_label)
    workbench = Workbench(workspace, tasks)
    lesson = workbench.lesson_from(task, method, backbone, seed, assignments or [])
    with progress(task, Work(updates=workbench.updates(lesson))) as listener:
        workbench.listener = listener
        added = workbench.release.add(lesson, bounds, max_leakage)
    if as_json:
        emit(added.as_json())
    else:
        print_gate(added.gate)
    if added.trained is not None and not added.gate.passed:
        kept = added.trained.adapter.id
        stderr.print(
            f"{kept} is kept, so that you can look at it. To delete it: `workbench adapters remove {kept}`",
            markup=False,
        )
        if Workbench(workspace, tasks).chosen(task) == kept:
            stderr.print(f"Until then {task!r} means this adapter: the task has no other.", markup=False)
    added.gate.require()
    if as_json or added.registered is None or added.trained is None:
        return
    measured = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in added.trained.test.scores.items())
    constant = baseline(added.trained.adapter.manifest.task.kind)
    stdout.print(f"\nOn test: {measured}; {constant} {added.trained.majority:.4f}.")
    registered = added.registered
    stdout.print(f"Registered as {registered.name} version {registered.version}; {registered.decision}.")
    if not added.answers:
        stdout.print(f"This version does not answer: {task!r} means {added.answering}.")
    next_steps.print_next(_next(added, added.trained, registered, task, next_steps.options(workspace)))


def _next(added: AddedTask, trained: Trained, registered: Registration, task: str, where: str) -> list[str]:
    """Return the commands that come next, only those that would succeed."""
    pair, own = trained.adapter.manifest.task.pair, trained.adapter.id
    if not added.answers:
        promotion = (
            []
            if registered.champion
            else [f"workbench adapters promote {registered.name} --to {registered.version}{where}"]
        )
        return [next_steps.predicting(own, pair, where), *promotion]
    back = [f"workbench adapters rollback {registered.name}{where}"] if registered.has_before else []
    return [next_steps.predicting(task, pair, where), f"workbench serve {task}{where}", *back]
