"""Make one adapter from several, and say whether it beats the plain alternatives."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.asked import argument, option, options_of
from adapter_workbench.experiments.terminal.bounds import AcceptLoss
from adapter_workbench.experiments.terminal.options import Assignments, Folders, WorkspaceOption, listed
from adapter_workbench.experiments.terminal.output import Json, emit, stdout
from adapter_workbench.workbench.errors import InputError

app = typer.Typer(add_completion=False)


def _kinds(controls: str | None) -> list[str] | None:
    """Return the sources without skill that are asked for; None leaves it to the method."""
    return None if controls is None else [kind for kind in listed(controls) if kind != "none"]


@app.command()
@options_of(
    FuseRequest,
    before={"backbone": "workspace", "assignments": "workspace"},
    target=argument("TARGET", autocompletion=completion.task),
    sources=option("--from", metavar="ID,ID,…", autocompletion=completion.adapters),
    method=option(autocompletion=completion.composition),
    controls=option(metavar="KIND,…", read=_kinds),
    assignments=Assignments,
)
def fuse(
    request: FuseRequest,
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
    plan = workbench.fusion_plan(**request.given)
    with progress(request.target) as workbench.listener:
        fused = workbench.fuse(plan, command_given(), keep)
    if as_json:
        adapter, document = fused.adapter, fused.report.as_json()
        chosen = {"ranking": plan.ranking.as_json()} if plan.ranking else {}
        kept = {"adapter": adapter.id, "path": str(adapter.folder), "metrics": fused.metrics}
        registered = workbench.release.enthrone(adapter.id, accept_loss).as_json() if register else None
        emit({**kept, "kept": fused.kept.as_json(), **chosen, "registered": registered, "evidence": document})
        return
    given: list[tuple[str, str | None]] = [("--from", request.sources), ("--method", request.method)]
    given += [("--shots", None if request.shots is None else str(request.shots))]
    given += [("--ranking", None if request.ranking == FuseRequest.ranking else request.ranking)]
    given += [("--controls", None if request.controls is None else ",".join(request.controls) or "none")]
    given += [("--backbone", request.backbone)]
    command = f"workbench fuse {request.target}{next_steps.named(given)}{'' if request.full else ' --no-full'}"
    further = next_steps.options(workspace, tasks, request.assignments)
    print_fused(fused, plan, workbench, lambda own: f"{command}{own}{further}", workspace, tasks)
    if register:
        change = workbench.release.enthrone(fused.adapter.id, accept_loss)
        stdout.print(f"\nRegistered as {change.name} version {change.now.number}, the champion: {change.compared}.")
