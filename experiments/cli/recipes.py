"""List the shipped recipes, and print a recipe as a start for your own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from experiments.terminal import completion
from experiments.terminal.output import Json, emit
from experiments.terminal.registries import list_command

ABOUT = "List the shipped recipes: experiments for `workbench run NAME`."
app = list_command("experiments.engine.recipes", "RECIPES", ABOUT, "List the recipes, one line each.")


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
