"""An experiment as a file: which stream, learned in which ways, with which budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from workbench.bounds import Count, Label, LearningRate, Name, Seed
from workbench.errors import InputError, UnknownNameError
from workbench.registry import Documents
from workbench.settings import Budget, Document, Settings, read, unique

RECIPES = Documents("recipe", [Path(__file__).parent / "recipes"])
MOST_FITS = 100_000

Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
Labelled = Annotated[dict[Label, dict[str, Any]], Field(min_length=1, max_length=200)]


class Recipe(Settings):
    """One file in ``experiments/recipes``, or anywhere."""

    name: Name
    description: str = ""
    backbone: str
    tasks: Names
    seeds: Seeds = (0,)
    orders: int = Field(
        1, ge=1, le=1000, description="orders of the stream: the one above, and seeded permutations of it"
    )
    scenario: str = Field("task-incremental", description="what is known when a task is answered")
    budget: Budget = Budget()
    strategies: Labelled
    frontier: dict[str, Annotated[tuple[LearningRate, ...], Field(max_length=100)]] = Field(
        default_factory=dict, description="entry of 'strategies' → further learning rates that it is run with"
    )
    reference: str
    probes: tuple[str, ...] = Field((), max_length=100)
    probe_examples: int = Field(
        128, ge=8, le=1_000_000, description="of each task's training and validation split, for probes"
    )
    probe_text: str | None = Field(None, description="a task that is not in the stream; its texts are general text")
    evaluate_every: Count = Field(1, description="earlier tasks are tested after each so many stages, and the last")
    keep_states: Literal["all", "last"] = "all"

    _unique = field_validator("tasks", "seeds", "probes")(unique)


def find_recipe(name: str) -> Document:
    """Return the document of a recipe, given by path or by the name of a shipped one.

    Raises:
        InputError: neither.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or _is_file(path):
        return read(path)
    try:
        return read(RECIPES.path(name))
    except UnknownNameError as error:
        hint = f"{error.hint} A path to a YAML file works too."
        raise InputError(error.what, where=error.where, hint=hint) from None


def require_affordable(fits: int, where: str) -> None:
    """Make sure that an experiment is one that can end, before anything is made for each of its fits.

    Raises:
        InputError: there are more than a hundred thousand fits.
    """
    if fits > MOST_FITS:
        hint = "Leave out seeds, orders, tasks, or entries."
        raise InputError(f"this would take {fits:,} fits; at most {MOST_FITS:,} are planned", where=where, hint=hint)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file system takes
        return False
