"""List the backbones that work by name, and show one: where its files are, for programs that open them themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.output import Json, emit, from_here, table
from adapter_workbench.experiments.terminal.registries import list_command

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Backbone

app = list_command(
    "adapter_workbench.workbench.backbone.names",
    "BACKBONES",
    "List the backbones that work by name. A hub id or a local folder works wherever a name does.",
    "List the backbones, one line each.",
)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A name, a hub id or a folder.", autocompletion=completion.backbone, metavar="NAME")
    ],
    folder: Annotated[bool, typer.Option("--folder", help="Print the path of its files and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Show a backbone: its files on this machine, architecture, sizes and pooling. It is fetched where it is not here.

    Other programs open the folder as they open any model. `--folder` prints its path for them.
    """
    from adapter_workbench.workbench.backbone.names import open_backbone

    backbone = open_backbone(name)
    if folder:
        typer.echo(backbone.folder)
        return
    facts = _facts(backbone)
    if as_json:
        emit({**facts, "folder": str(backbone.folder)})
        return
    shown = {**facts, "folder": from_here(backbone.folder), "parameters": f"{facts['parameters']:,}"}
    table(["", ""], [[key.replace("_", " "), value] for key, value in shown.items() if value is not None])


def _facts(backbone: Backbone) -> dict[str, Any]:
    """Return what config and weights say; nothing is loaded."""
    from adapter_workbench.workbench.backbone.architecture import blocks, positions, state_width
    from adapter_workbench.workbench.backbone.model_folder import numbers_in, weight_files

    config = backbone.config
    return {
        "name": backbone.name,
        "hub_id": backbone.hub_id or None,
        "license": backbone.license,
        "architecture": config.model_type,
        "hidden_size": state_width(config),
        "layers": len(blocks(config)),
        "parameters": sum(map(numbers_in, weight_files(backbone.folder))),
        "positions": positions(config),
        "vocabulary": len(backbone.tokenizer),
        "pooling": backbone.pooling,
        "fingerprint": backbone.fingerprint,
        "folder": str(backbone.folder),
    }
