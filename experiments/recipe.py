"""An experiment as a file: which stream, learned in which ways, with which budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from workbench.errors import InputError, UnknownNameError
from workbench.registry import Documents
from workbench.settings import Budget, Document, Settings, read, unique

RECIPES = Documents("recipe", [Path(__file__).parent / "recipes"])


class Recipe(Settings):
    """One file in ``experiments/recipes``, or anywhere."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    backbone: str
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    orders: int = Field(1, ge=1, description="orders of the stream: the one above, and seeded permutations of it")
    scenario: str = Field("task-incremental", description="what is known when a task is answered")
    budget: Budget = Budget()
    strategies: dict[str, dict[str, Any]] = Field(min_length=1)
    frontier: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="entry of 'strategies' → further learning rates that it is run with"
    )
    reference: str
    probes: tuple[str, ...] = ()
    probe_examples: int = Field(128, ge=8, description="of each task's training and validation split, for probes")
    probe_text: str | None = Field(None, description="a task that is not in the stream; its texts are general text")
    evaluate_every: int = Field(1, ge=1, description="earlier tasks are tested after each so many stages, and the last")
    keep_states: Literal["all", "last"] = "all"

    _unique = field_validator("tasks", "seeds", "probes")(unique)


def find_recipe(name: str) -> Document:
    """Return the document of a recipe, given by path or by the name of a shipped one.

    Raises:
        InputError: neither.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return read(path)
    try:
        return read(RECIPES.path(name))
    except UnknownNameError as error:
        hint = f"{error.hint} A path to a YAML file works too."
        raise InputError(error.what, where=error.where, hint=hint) from None
