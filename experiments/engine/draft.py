"""What the recipes of all studies say in the same way, read in one go: keys, labelled entries, names of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from adapter_workbench.experiments.engine.entries import label_problems
from adapter_workbench.experiments.engine.task_names import named_tasks
from adapter_workbench.workbench.errors import SettingsError, collect_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.entries import EntryForm, ParsedEntry
    from adapter_workbench.experiments.engine.recipes import NamedRecipe
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.errors import Problem
    from adapter_workbench.workbench.settings.base import Document, Key
    from adapter_workbench.workbench.settings.known_keys import LocatedModel

RecipeT = TypeVar("RecipeT", bound="NamedRecipe")


@dataclass(frozen=True)
class Draft(Generic[RecipeT]):
    """A recipe as it was read, with all that is wrong with it so far; a study adds to ``problems`` what it finds."""

    document: Document  # the recipe with the place of each key
    # key of a form → label → what the entry names, with its settings typed; wrong entries are left out
    entries: Mapping[Key, Mapping[str, ParsedEntry]]
    tasks: Mapping[Key, Sequence[TaskSpec]]  # key of a list of tasks → these tasks; nothing of them is loaded
    problems: list[Problem]  # with places and hints
    _recipe: RecipeT | None

    def require(self) -> RecipeT:
        """Return the recipe; raises SettingsError with all problems, if there are any."""
        if self.problems or self._recipe is None:
            raise SettingsError(self.problems)
        return self._recipe


def drafted(
    document: Document,
    model: type[RecipeT],
    forms: Sequence[EntryForm],
    folders: Sequence[Path],
    noun: str = "",
    other_settings: Iterable[LocatedModel] = (),
) -> Draft[RecipeT]:
    """Return what a recipe says.

    Args:
        document: of the recipe.
        model: of the recipe; its ``task_keys`` say where tasks are listed.
        forms: of its labelled entries.
        folders: of task files, besides the catalog.
        noun: what messages call an entry that ``reference`` names; empty where the study checks labels itself.
        other_settings: where other settings stand.
    """
    problems: list[Problem] = []
    recipe = None
    with collect_problems(problems):
        recipe = document.parse(
            model, [*other_settings, *(located for form in forms for located in form.settings_in(document))]
        )
    entries = {form.key: dict(form.read(document, problems)) for form in forms}
    if noun:
        problems += label_problems(document, [str(form.key[-1]) for form in forms], noun)
    tasks = {key: named_tasks(document, key, folders, problems) for key in model.task_keys}
    return Draft(document, entries, tasks, problems, recipe)
