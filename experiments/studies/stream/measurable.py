"""What the probes of a recipe need: a stream on which they can be measured, and general text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import InputError, Problem, SettingsError, collected
from workbench.probes import PROBES
from workbench.sampling import stratified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.studies.stream.recipe import Recipe
    from workbench.backbone import Backbone
    from workbench.settings import Document
    from workbench.task import Task

DRAW = 0  # the examples of probes are the same for every seed


def require_measurable(document: Document, recipe: Recipe, backbone: Backbone, kinds: Sequence[str]) -> None:
    """Raise SettingsError where a probe of the recipe is unknown, or cannot be measured on this stream."""
    problems: list[Problem] = []
    for index, name in enumerate(recipe.probes):
        where = document.where("probes", index)
        with collected(problems, where):
            for kind in kinds:
                if objection := PROBES.get(name, where).objection(backbone, kind):
                    raise InputError(f"probe {name} cannot be measured here: {objection}", where=where)
            if name == "general-loss" and recipe.probe_text is None:
                raise InputError("probe general-loss needs text: name a task under 'probe_text'", where=where)
    if problems:
        raise SettingsError(problems)


def general_text(task: Task, size: int) -> tuple[str, ...]:
    """Return texts of a task's test split, ``size`` of them."""
    return tuple(stratified(task.splits["test"], size, DRAW)["text"][:])
