"""Repairs as a file: of which finished stream, of which of its entries, by which repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from experiments.engine.recipes import NamedRecipe
from experiments.repairs import REPAIRS
from workbench.errors import UnknownNameError
from workbench.settings.base import Document, unique
from workbench.settings.bounds import LONGEST_NAME, Label, Name

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = "-repaired"  # of an experiment that a command makes


class Recipe(NamedRecipe):
    """One file; it has ``repair`` where a stream's has ``strategies``. Backbone, seeds and budget are the stream's."""

    repair: Name = Field(description="name of a finished stream in the workspace")
    entries: Annotated[tuple[str, ...], Field(max_length=1000)] = Field(
        (), description="labels of the stream's entries; all whose tasks share weights if empty"
    )
    repairs: Annotated[dict[Label, dict[str, Any]], Field(max_length=200)] = Field(
        {},
        description="label → the repair's settings, and 'repair' if the label is not the repair's name; all if empty",
    )

    _unique = field_validator("entries")(unique)


def plain_repair(
    experiment: str, repairs: Sequence[str], entries: Sequence[str], assignments: Sequence[str]
) -> Document:
    """Return the recipe that ``workbench repair`` runs.

    Args:
        experiment: name of the stream.
        repairs: their names; all if empty.
        entries: labels of the stream's entries; all with shared weights if empty.
        assignments: settings, each below the name of its repair: ``refit-head.examples=64``.

    Raises:
        UnknownNameError: no such repair, or settings of one that is not asked for.
    """
    for name in repairs:
        REPAIRS.require(name, "--method")
    names = [*dict.fromkeys(repairs)] or REPAIRS.names()
    given = Document({}, "command line").set(assignments)
    for name in given.data:
        if name not in names:
            raise UnknownNameError("repair", name, names, given.where(name))
    recipe = {
        "name": f"{experiment[: LONGEST_NAME - len(SUFFIX)]}{SUFFIX}",
        "repair": experiment,
        "entries": list(dict.fromkeys(entries)),
        "repairs": {name: given.data.get(name, {}) for name in names},
    }
    return Document(recipe, given.origin, overrides={("repairs", *key): text for key, text in given.overrides.items()})
