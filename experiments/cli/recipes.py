"""List the shipped recipes, print a recipe as a start for your own, and say what one needs that is not here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import Assignments, Folders
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table
from adapter_workbench.experiments.terminal.registries import list_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.engine.needs import Need

ABOUT = "List the shipped recipes: experiments for `workbench run NAME`."
app = list_command("adapter_workbench.experiments.engine.recipes", "RECIPES", ABOUT, "List the recipes, one line each.")

Recipe = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A name from `recipes list`, or a file.", autocompletion=completion.recipe),
]
STATES_IN_WORDS = {"here": "here", "download": "to download", "unknown": "not known", "missing": "MISSING"}


@app.command()
def show(recipe: Recipe, as_json: Json = False) -> None:
    """Print the text of a recipe; save it in a file to change it: workbench run FILE."""
    from pathlib import Path

    from adapter_workbench.experiments.engine.recipes import find_recipe

    document = find_recipe(recipe)
    if as_json:
        emit(document.data)
    else:
        sys.stdout.write(Path(document.origin).read_text(encoding="utf-8"))


@app.command()
def check(
    recipe: Recipe,
    assignments: Assignments = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Say which data and which backbone of a recipe are on this machine, before anything is downloaded.

    No network is used. The exit code is 1 if something is neither here nor to be downloaded.
    """
    from adapter_workbench.experiments.engine.needs import needs
    from adapter_workbench.experiments.engine.recipes import find_recipe
    from adapter_workbench.experiments.studies import study_for
    from adapter_workbench.tasks.loading.registry import user_folders

    document = find_recipe(recipe).set(assignments or [])
    model = study_for(document.data).recipe
    document.parse(model)
    required = needs(document, model, user_folders(tasks))
    lost = [need for need in required if need.availability.state == "missing"]
    if as_json:
        states = {need.availability.state for need in required}
        ready = {"here": states <= {"here"}, "obtainable": not lost}
        emit({"recipe": document.data["name"], **ready, "needs": [need.as_json() for need in required]})
    else:
        table(
            ["what", "name", "", "where"],
            [
                [need.what, need.name, STATES_IN_WORDS[need.availability.state], need.availability.location]
                for need in required
            ],
        )
        stdout.print(_in_short(required))
    if lost:
        raise typer.Exit(1)


def _in_short(required: Sequence[Need]) -> str:
    """Return what has to be done before the recipe can run, in one sentence."""
    if not required:
        return "It needs no data and no backbone of its own: it goes on from an experiment in the workspace."
    counts = {state: [need.name for need in required if need.availability.state == state] for state in STATES_IN_WORDS}
    if lost := counts["missing"]:
        return f"Cannot be had: {', '.join(lost)}."
    if counts["download"]:
        return f"{len(counts['download'])} of {len(required)} would be downloaded by `workbench run`."
    return "What is not known shows only when it is read." if counts["unknown"] else "Everything is here."
