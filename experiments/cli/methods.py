"""List the fine-tuning methods."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing
from workbench.methods import METHODS

app = typer.Typer(no_args_is_help=True)


@app.callback()
def methods() -> None:
    """List the fine-tuning methods."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List them, with one line each."""
    listing([{"name": name, "description": METHODS.describe(name)} for name in METHODS.names()], as_json)
