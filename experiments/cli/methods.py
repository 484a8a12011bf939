"""List the fine-tuning methods."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing, stdout
from workbench.methods import METHODS

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def methods() -> None:
    """List the fine-tuning methods."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List them, with one line each; several together are called by their names, joined with ``+``."""
    listing([{"name": name, "description": METHODS.describe(name)} for name in METHODS.names()], as_json)
    if not as_json:
        stdout.print("\na+b: any two of these that can live together, for example lora+pfeiffer")
