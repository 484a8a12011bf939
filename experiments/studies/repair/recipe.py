"""Repairs as a file: of which finished stream, of which of its entries, by which repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import NamedRecipe
from adapter_workbench.experiments.repairs import CONTROL, REPAIRS
from adapter_workbench.workbench.errors import UnknownNameError
from adapter_workbench.workbench.settings.base import Document, unique
from adapter_workbench.workbench.settings.bounds import LONGEST_NAME, Label, Name

if TYPE_CHECKING:
    from adapter_workbench.experiments.requests.repair import RepairRequest

OWN_KEYS = ("control",)  # that a command can set, besides the settings of repairs
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
    control: bool = Field(
        True, description="whether each repair is compared with heads on the frozen backbone, fitted on the same rows"
    )

    _unique = field_validator("entries")(unique)


def plain_repair(request: RepairRequest) -> Document:
    """Return the recipe that ``workbench repair`` runs.

    Raises:
        UnknownNameError: no such repair, or settings of one that is not asked for.
    """
    for name in request.repairs:
        REPAIRS.require(name, "--method")
    names = [*dict.fromkeys(request.repairs)] or all_repairs()
    given = Document({}, "command line").set(request.assignments)
    own = {name: given.data[name] for name in OWN_KEYS if name in given.data}
    for name in given.data:
        if name not in (*names, *own):
            raise UnknownNameError("repair", name, names, given.where(name))
    recipe = {
        "name": f"{request.experiment[: LONGEST_NAME - len(SUFFIX)]}{SUFFIX}",
        "repair": request.experiment,
        "entries": list(dict.fromkeys(request.strategies)),
        "repairs": {name: given.data.get(name, {}) for name in names},
        **own,
    }
    overrides = {key if key[0] in own else ("repairs", *key): text for key, text in given.overrides.items()}
    return Document(recipe, given.origin, overrides=overrides)


def all_repairs() -> list[str]:
    """Return what is tried where a recipe names no repair; controls are added to whatever is tried."""
    return [name for name in REPAIRS.names() if name != CONTROL]
