"""List the composition methods: how `workbench fuse` can make one adapter from several."""

from __future__ import annotations

import typer

from experiments.terminal.output import Json, listing

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def compositions() -> None:
    """List the composition methods: how `workbench fuse` can make one adapter from several."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the composition methods by name."""
    from fusion.methods import COMPOSITIONS

    listing([{"name": name, "description": COMPOSITIONS.describe(name)} for name in COMPOSITIONS.names()], as_json)
