"""List the scenarios: what is known when a task is answered."""

from __future__ import annotations

import typer

from experiments.scenarios import SCENARIOS
from experiments.terminal.output import Json, listing

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def scenarios() -> None:
    """List the scenarios: what is known when a task is answered."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the scenarios, one line each; a recipe names one under 'scenario'."""
    listing([{"name": name, "description": SCENARIOS.describe(name)} for name in SCENARIOS.names()], as_json)
