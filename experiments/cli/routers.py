"""List the routers: ways to choose the adapter that answers a text whose task is not known."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing
from fusion.routing import ROUTERS

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def routers() -> None:
    """List the routers: ways to choose the adapter that answers a text whose task is not known."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the routers, one line each; `workbench predict router:NAME` uses one."""
    listing([{"name": name, "description": ROUTERS.describe(name)} for name in ROUTERS.names()], as_json)
