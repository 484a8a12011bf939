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

TEXT_PROBE = "general-loss"  # the one that reads general text
DRAW = 0  # the examples of probes are the same for every seed


def require_measurable(document: Document, recipe: Recipe, backbone: Backbone, kinds: Sequence[str]) -> None:
    """Raise SettingsError where a probe cannot be measured on this stream, or no probe reads what is set for probes."""
    problems: list[Problem] = []
    for index, name in enumerate(recipe.probes):
        where = document.where("probes", index)
        with collected(problems, where):
            for kind in kinds:
                if objection := PROBES.get(name, where).objection(backbone, kind):
                    raise InputError(f"probe {name} cannot be measured here: {objection}", where=where)
            if name == TEXT_PROBE and recipe.probe_text is None:
                raise InputError(f"probe {TEXT_PROBE} needs text: name a task under 'probe_text'", where=where)
    unread = {"probe_examples": not recipe.probes, "probe_text": TEXT_PROBE not in recipe.probes}
    for name, idle in unread.items():
        if idle and name in recipe.model_fields_set:
            readers = TEXT_PROBE if name == "probe_text" else "a probe"
            hint = f"Name {readers} under 'probes', or leave {name!r} out."
            problems.append(Problem(f"no probe of this recipe reads {name!r}", document.where(name), hint))
    if problems:
        raise SettingsError(problems)


def general_text(task: Task, size: int) -> tuple[str, ...]:
    """Return texts of a task's test split, ``size`` of them."""
    return tuple(stratified(task.splits["test"], size, DRAW)["text"][:])
