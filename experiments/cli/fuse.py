"""Make one adapter from several, and say whether it beats the plain alternatives."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.bounds import AcceptLoss
from adapter_workbench.experiments.terminal.options import Assignments, Folders, WorkspaceOption, listed
from adapter_workbench.experiments.terminal.output import Json, emit, stdout
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import LARGEST_SEED, MOST_EXAMPLES

app = typer.Typer(add_completion=False)


@app.command()
def fuse(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="The task for which the result is made.", autocompletion=completion.task),
    ],
    sources: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ID,ID,…",
            help="Ids or tasks; or auto:K, the K adapters that a ranking puts first for TARGET.",
            autocompletion=completion.adapters,
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            help="A composition method; see `workbench compositions list`.", autocompletion=completion.composition
        ),
    ] = "average",
    shots: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_EXAMPLES,
            help="Labelled examples of TARGET, and as many for validation; all if left out, and none with 0.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed that draws the examples, and seed of every fit.")
    ] = 0,
    ranking: Annotated[str, typer.Option(help="How auto:K ranks: logme, similarity or trial.")] = "logme",
    full: Annotated[bool, typer.Option(help="Also compare the result with full fine-tuning.")] = True,
    controls: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,…",
            help="Also compose sources without skill: random (weights of the same norms), shuffled (trained on "
            "shuffled answers), or none. If left out: random, where the method trains.",
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What is kept: `validation` (what validation rows put first), `fusion`, or a name in the table.",
        ),
    ] = "validation",
    register: Annotated[
        bool,
        typer.Option(
            "--register",
            help="Make what is kept the champion of TARGET.METHOD, if it holds beside the champion that answers now.",
        ),
    ] = False,
    accept_loss: AcceptLoss = False,
    backbone: Annotated[
        str | None,
        typer.Option(help="Where the sources' backbone is now, if it has moved; for auto:K also which, if several."),
    ] = None,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Compose adapters for TARGET beside the plain alternatives, and keep what validation puts first.

    These are a fresh adapter and full fine-tuning on the same examples, each source alone with a fitted head, a head on
    frozen features, the uniform average, and, where the method trains, random adapters in place of the sources. A
    second table shows how well the result still does the sources' own tasks. The fusion itself is kept with
    --keep fusion. With --register it becomes the champion, unless it loses against the one that there is: the exit code
    is 3 then (--accept-loss accepts it). Settings of the method are given by name (--set density=0.3), settings of the
    budget with a prefix (--set budget.epochs=5).
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.experiment import command_given
    from adapter_workbench.experiments.terminal.fused import print_fused
    from adapter_workbench.experiments.terminal.progress import Messages, progress

    if accept_loss and not register:
        raise InputError("--accept-loss needs --register", hint="Without it, no champion changes.")
    workbench = Workbench(workspace, tasks, Messages())
    plan = workbench.fusion_plan(
        target,
        sources,
        method,
        shots,
        backbone=backbone,
        seed=seed,
        ranking=ranking,
        full=full,
        assignments=assignments or [],
        controls=None if controls is None else [kind for kind in listed(controls) if kind != "none"],
    )
    with progress(target) as workbench.listener:
        fused = workbench.fuse(plan, command_given(), keep)
    if as_json:
        adapter, document = fused.adapter, fused.report.as_json()
        chosen = {"ranking": plan.ranking.as_json()} if plan.ranking else {}
        kept = {"adapter": adapter.id, "path": str(adapter.folder), "metrics": fused.metrics}
        registered = workbench.release.enthrone(adapter.id, accept_loss).as_json() if register else None
        emit({**kept, "kept": fused.kept.as_json(), **chosen, "registered": registered, "evidence": document})
        return
    given = [("--from", sources), ("--method", method), ("--shots", None if shots is None else str(shots))]
    given += [("--ranking", None if ranking == "logme" else ranking), ("--controls", controls)]
    given += [("--backbone", backbone)]
    command = f"workbench fuse {target}{next_steps.named(given)}{'' if full else ' --no-full'}"
    further = next_steps.options(workspace, tasks, assignments)
    print_fused(fused, plan, workbench, lambda own: f"{command}{own}{further}", workspace, tasks)
    if register:
        change = workbench.release.enthrone(fused.adapter.id, accept_loss)
        stdout.print(f"\nRegistered as {change.name} version {change.now.number}, the champion: {change.compared}.")
