"""List the strategies: ways to learn a stream of tasks."""

from __future__ import annotations

import typer

from experiments.strategies import STRATEGIES
from experiments.terminal.output import Json, listing

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def strategies() -> None:
    """List the strategies: ways to learn a stream of tasks."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the strategies, one line each."""
    listing([{"name": name, "description": STRATEGIES.describe(name)} for name in STRATEGIES.names()], as_json)
