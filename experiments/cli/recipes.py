"""List the shipped recipes, and print a recipe as a start for your own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.output import Json, emit, listing

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def recipes() -> None:
    """List the shipped recipes: experiments for `workbench run NAME`."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the recipes, one line each."""
    from experiments.engine.recipes import RECIPES
    from workbench.settings import read

    found = {name: read(RECIPES.path(name)).data for name in RECIPES.names()}
    listing([{"name": name, "description": recipe["description"]} for name, recipe in found.items()], as_json)


@app.command()
def show(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A name from `recipes list`, or a file.", autocompletion=completion.recipe
        ),
    ],
    as_json: Json = False,
) -> None:
    """Print the text of a recipe; save it in a file to change it: workbench run FILE."""
    from pathlib import Path

    from experiments.engine.recipes import find_recipe

    document = find_recipe(recipe)
    if as_json:
        emit(document.data)
    else:
        sys.stdout.write(Path(document.origin).read_text(encoding="utf-8"))
