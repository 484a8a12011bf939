"""The commands of `workbench adapters` that decide which version of a registered name is the champion."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.asked import options_of
from adapter_workbench.experiments.terminal.bounds import (
    MINIMA,
    AcceptLoss,
    Margin,
    NotBelowChampion,
    below_champion,
    print_gate,
)
from adapter_workbench.experiments.terminal.options import Adapter, Folders, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table
from adapter_workbench.experiments.terminal.progress import Messages
from adapter_workbench.workbench.mlflow.address import VARIABLE, tracking_uri

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.gating.registry import ChampionChange
    from adapter_workbench.workbench.mlflow.registration import Version


@options_of(AdapterBounds, only=[*MINIMA], **MINIMA)
def register(
    adapter: Adapter,
    bounds: AdapterBounds,
    not_below_champion: NotBelowChampion = False,
    margin: Margin = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Enter an adapter as a version of TASK.METHOD, here and in MLflow; it is logged first if it was not logged yet.

    It becomes the champion if there is none, or if it is better than the champion on validation rows, or of a later
    version of the task, and nothing of it is lower. The workspace
    keeps the champion; MLflow's alias is a copy. Here the name of a task means its best adapter on validation, not the
    champion, which is registered already. The bounds are those of `workbench gate`: if one is broken, the exit code is
    3, and nothing is logged or registered. --min-macro-f1 and --min-worst-label need the task's validation examples. To
    undo it: `workbench adapters rollback`.
    """
    from adapter_workbench.experiments.api import Workbench

    bounds = replace(bounds, below_champion=below_champion(not_below_champion, margin))
    workbench = Workbench(workspace, tasks, Messages())
    stored = workbench.chosen(adapter, champions=False)
    gate, beside = workbench.release.gated(stored, bounds) if bounds.asked else (None, None)
    if gate:
        if not as_json:
            print_gate(gate)
        elif not gate.passed:
            emit(gate.as_json())
        gate.require()
    registered = workbench.release.register(stored, beside)
    if as_json:
        emit(asdict(registered) | ({"gate": gate.as_json()} if gate else {}))
        return
    stdout.print(f"Registered as {registered.name} version {registered.version}; {registered.decision}.")
    stdout.print(f"Next: {_store(workbench.workspace.root)}mlflow models serve -m {registered.uri} --env-manager local")


NAME = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A task, or TASK.METHOD where a task has several registered models.",
        autocompletion=completion.registered,
    ),
]


def promote(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A task, or TASK.METHOD where a task has several registered models; or an adapter's id.",
            autocompletion=completion.promoted,
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The version of NAME: its number, or the id of its adapter."),
    ] = None,
    accept_loss: AcceptLoss = False,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Make a registered version, or an adapter, the champion; `predict` then uses it.

    An adapter's id in the place of NAME needs no --to: the adapter is registered if it was not. So what an experiment
    left comes into service; until then the name of its task does not mean it.

    Both adapters answer the validation and test rows whose label they know, if the task's rows are here. If the version
    loses against the champion, the exit code is 3 and nothing changes; --accept-loss accepts it. Prints what was
    compared, or why nothing can be compared. The workspace records the change; `workbench adapters rollback NAME`
    undoes it.
    """
    from adapter_workbench.experiments.api import Workbench

    change = Workbench(workspace, tasks, Messages()).release.promote(name, to, accept_loss)
    _print(change, workspace, as_json)


def rollback(
    name: NAME,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Make this version the champion: its number or adapter.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
) -> None:
    """Make the previous champion the champion again; `predict` then uses it.

    The workspace records every change of the champion. A second rollback goes one champion further back, also after
    --to. If no change is recorded, the message lists the versions for --to. Registering the adapter of a version that
    was rolled back does not make it champion again; `workbench adapters promote` does.
    """
    from adapter_workbench.experiments.api import Workbench

    _print(Workbench(workspace, listener=Messages()).release.roll_back(name, to), workspace, as_json)


def _print(change: ChampionChange, workspace: Path | None, as_json: bool) -> None:
    if as_json:
        emit(change.as_json())
        return
    roles = [("was champion", change.was), ("is champion", change.now)]
    rows = [[role, version.number, version.adapter, _score(version)] for role, version in roles if version]
    table(["", "version", "adapter", "validation"], rows, change.name)
    stdout.print(f"\n{change.compared[:1].upper()}{change.compared[1:]}.")
    next_steps.print_next([f'workbench predict {change.name}{next_steps.options(workspace)} "some text"'])


def _score(version: Version) -> str | None:
    return None if version.validation is None else f"{version.validation:.4f}"


def _store(workspace: Path) -> str:
    """Return the variable to set before a command of MLflow, so that it finds the store; nothing if it is set."""
    return "" if os.environ.get(VARIABLE) else f"{VARIABLE}={shlex.quote(tracking_uri(workspace))} "
