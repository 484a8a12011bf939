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
    """List the methods, one line each; join names with + to use several together (lora+bitfit)."""
    listing([{"name": name, "description": METHODS.describe(name)} for name in METHODS.names()], as_json)
    if not as_json:
        stdout.print("\na+b: two methods that can be used together, for example lora+pfeiffer")
