"""List the probes: measurements of a model after a stage of a stream."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing
from workbench.probes import PROBES

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def probes() -> None:
    """List the probes: measurements of a model after a stage of a stream."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the probes, one line each; a recipe names them under 'probes'."""
    listing([{"name": name, "description": PROBES.describe(name)} for name in PROBES.names()], as_json)
