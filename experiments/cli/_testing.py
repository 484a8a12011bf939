"""The command `workbench adapters test`: what an adapter scores on this machine's data."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter_workbench.experiments.reporting.wording import may_have_seen
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import Adapter, Folders, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table
from adapter_workbench.experiments.terminal.progress import Messages


def test(
    adapter: Adapter,
    task: Annotated[
        str | None,
        typer.Option(
            help="Another task with the same labels, in any order; the adapter's own if left out.",
            autocompletion=completion.task,
        ),
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Where the backbone is now, if it was given by path.")] = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Measure an adapter here, on the validation and test examples of its task, and print its scores.

    From then on, an imported adapter counts by this validation score. It is measured on the same examples as that of
    the adapter that answers for the task now, so that the two can be compared. Scores on another --task are printed,
    but not kept.
    """
    from adapter_workbench.experiments.api import Workbench

    workbench = Workbench(workspace, tasks, Messages())
    tested = workbench.exchange.test(adapter, task, backbone)
    if as_json:
        emit(tested.as_json())
        return
    rows = [(f"validation {tested.metric}", f"{tested.validation:.4f}", tested.examples)]
    rows += [(f"test {name}", f"{value:.4f}", f"{tested.test_examples:,} test examples") for name, value in tested.test]
    if tested.senders is not None:
        rows += [("sender's validation", f"{tested.senders:.4f}", "as its sender says")]
    table(["", "score", "on"], [[name.replace("_", " "), *rest] for name, *rest in rows], tested.adapter)
    if tested.may_have_seen:
        stdout.print(f"\n{may_have_seen('these examples')}")
    if tested.may_have_seen and not tested.counts:
        stdout.print(
            f"\nNot kept: it was imported for another task. To let it count here, import it with --task {tested.task}."
        )
    if tested.counts:
        stdout.print("\nThe validation score counts from now on: it was measured here.")
