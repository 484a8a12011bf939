"""Whether the backbone and the tasks of a recipe are on this machine.

Nothing is downloaded or read for that, and no network is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.experiments.engine.task_names import named_tasks
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import backbone_available
from adapter_workbench.workbench.errors import Problem, SettingsError, collect_problems
from adapter_workbench.workbench.machine.availability import Availability

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.recipes import NamedRecipe
    from adapter_workbench.workbench.settings.base import Document


@dataclass(frozen=True)
class Need:
    """One thing that a recipe needs."""

    what: Literal["backbone", "task"]  # what kind of thing
    name: str  # as the recipe calls it; a family by its members
    availability: Availability  # where it is

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "what": self.what,
            "name": self.name,
            "state": self.availability.state,
            "place": self.availability.location,
        }


def needs(document: Document, recipe: type[NamedRecipe], folders: Sequence[Path]) -> list[Need]:
    """Return what the recipe in ``document``, one of the model ``recipe``, needs: its backbone first, each task once.

    Raises:
        SettingsError: unknown names, all of them in one message.
    """
    problems: list[Problem] = []
    by_name: dict[tuple[str, str], Need] = {}
    backbone, probe_text = document.text("backbone"), document.text("probe_text")
    if backbone is not None:
        with collect_problems(problems, document.where("backbone")):
            availability = backbone_available(backbone, document.where("backbone"))
            by_name["backbone", backbone] = Need("backbone", backbone, availability)
    specs = [spec for key in recipe.task_keys for spec in named_tasks(document, key, folders, problems)]
    if probe_text is not None:
        with collect_problems(problems, document.where("probe_text")):
            specs.append(registry.find(probe_text, folders))
    if problems:
        raise SettingsError(problems)
    for spec in specs:
        if ("task", spec.name) not in by_name:
            by_name["task", spec.name] = Need("task", spec.name, registry.available(spec))
    return [*by_name.values()]
