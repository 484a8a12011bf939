"""`workbench adapters import`: adapters and models from other workspaces, and from other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import completion, next_steps
from experiments.terminal.options import Folders, Workspace
from experiments.terminal.output import stdout
from experiments.terminal.progress import Messages


def import_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `adapters export`, peft, adapters or transformers wrote.")
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="The task here that it answers, where the folder does not say.", autocompletion=completion.task
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Its base model: a name, hub id or folder; needed only if it is not known here.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The beginning of its id; task and method if left out.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Names of its labels in the order of its numbers, with commas between them.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=4, help="Tokens of a text, longer ones are cut; as many as it reads if left out.")
    ] = None,
    workspace: Workspace = None,
    tasks: Folders = None,
) -> None:
    """Take in an adapter or a model that was trained elsewhere; no code in it is run.

    What `adapters export` wrote is verified and copied. Folders of peft (`save_pretrained`) are taken in, and answer
    as their own program does: that is tried on texts, and what cannot be repeated is refused. Where a folder has no
    head, a linear one is fitted on the frozen features of the training examples of --task.

    What it was trained on is unknown, and its sender's scores count nowhere (for what a task's name means, for gates
    and champions, for `fuse --from auto:K`) until `workbench adapters test ID` has measured it here.

    The base model that its sender names is opened only if you have it: under a registered name, or because another
    adapter of this workspace belongs to it. Otherwise name it with --backbone.
    """
    from experiments.api import Workbench

    named = tuple(part.strip() for part in labels.split(",")) if labels else ()
    bench = Workbench(workspace, tasks, Messages())
    stored = bench.exchange.import_adapter(folder, backbone, task=task, name=name, labels=named, max_length=max_length)
    manifest = stored.manifest
    stdout.print(f"Imported {stored.id} on {manifest.backbone.name}")
    if manifest.elsewhere:
        told = f": {', '.join(manifest.task.labels)}" if manifest.task.labels else ""
        stdout.print(
            f"Trained elsewhere ({manifest.elsewhere.program}), for {manifest.task.name} ({manifest.task.kind}{told})."
        )
        if head := manifest.elsewhere.head:
            examples = f"{head.examples:,} training examples of {head.task}"
            stdout.print(f"Its head was fitted here, on the frozen features of {examples}.")
    if manifest.imported is not None:
        scores = (
            "It has no score that counts" if manifest.elsewhere else "Its scores are its sender's, and count nowhere"
        )
        stdout.print(f"{scores} until {'it is' if manifest.elsewhere else 'they are'} measured here.")
        next_steps.print_next([f"workbench adapters test {stored.id}{next_steps.options(workspace)}"])
