"""Recipes: experiments as files, found by path or by the name of a shipped one, and what all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from adapter_workbench.workbench.errors import InputError, UnknownNameError
from adapter_workbench.workbench.settings.base import Budget, Document, Key, Settings, read, unique
from adapter_workbench.workbench.settings.bounds import Label, Name, Seed
from adapter_workbench.workbench.settings.registry import Documents

RECIPES = Documents("recipe", [Path(__file__).parents[1] / "recipes"], command="workbench recipes list")
MOST_FITS = 100_000
MARGIN = 2.0  # points: a difference that somebody would act on

Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
Labelled = Annotated[dict[Label, dict[str, Any]], Field(min_length=1, max_length=200)]


class NamedRecipe(Settings):
    """The keys that the recipes of all studies have; a recipe about a finished experiment needs no more."""

    task_keys: ClassVar[tuple[Key, ...]] = ()  # keys under which its recipes list tasks
    fits_tasks_apart: ClassVar[bool] = False  # whether the study compares fits of single tasks

    name: Name
    description: str = ""
    test: Literal["paired", "pooled", "stratified"] = Field(
        "paired",
        description="what the spread of a difference from the reference is taken from: the row's own differences over "
        "seeds; one variance for all rows; or each task's own, where tasks are fitted apart",
    )
    margin: float = Field(
        MARGIN,
        gt=0,
        le=100,
        description="points: a smaller difference from the reference does not matter, and can be called equal",
    )

    @field_validator("test")
    @classmethod
    def _has_fits_of_single_tasks(cls, test: str) -> str:
        if test == "stratified" and not cls.fits_tasks_apart:
            raise ValueError("a recipe of this study has no tasks that are fitted apart: use paired or pooled")
        return test


class ExperimentRecipe(NamedRecipe):
    """What the recipes of studies that train have."""

    task_keys: ClassVar[tuple[Key, ...]] = (("tasks",),)

    backbone: str
    seeds: Seeds = (0,)
    budget: Budget = Budget()

    _each_once = field_validator("seeds")(unique)

    @property
    def facts(self) -> dict[str, Any]:
        """What the recipes of all studies that train say alike, by its keys in record.json."""
        names = ("description", "backbone", "seeds", "test", "margin", "budget")
        return {name: getattr(self, name) for name in names}


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
    """Make sure that an experiment is not too large, before anything is planned for each of its fits.

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
