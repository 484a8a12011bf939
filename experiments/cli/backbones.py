"""List the backbones that work by name."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing
from workbench.backbone_names import BACKBONES, BackboneCard
from workbench.settings import read

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def backbones() -> None:
    """List the backbones that work by name. A hub id or a local folder works wherever a name does."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the backbones, one line each."""
    cards = {name: read(BACKBONES.path(name)).parse(BackboneCard) for name in BACKBONES.names()}
    listing([{"name": name, "description": card.description} for name, card in cards.items()], as_json)
