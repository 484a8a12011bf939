"""A comparison of methods, resolved: names looked up, settings typed, data read; nothing is trained yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from experiments.comparing.recipe import ComparisonRecipe
from experiments.feasible import require_feasible
from tasks import registry
from tasks.stream import expand
from workbench.adaptation import Adaptation
from workbench.backbone import open_backbone
from workbench.errors import Problem, SettingsError, UnknownNameError, collected
from workbench.learning import Lesson
from workbench.methods import trained_method
from workbench.model import resolve_precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from workbench.contracts import Task
    from workbench.settings import Document, MethodSettings

FIRST_TUNING_SEED = 100


@dataclass(frozen=True)
class ComparisonPlan:
    """What will be compared: each of ``adaptations`` (label → method on the backbone) on each task with each seed."""

    recipe: ComparisonRecipe
    tasks: tuple[Task, ...]
    adaptations: Mapping[str, Adaptation]

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    @property
    def reference(self) -> str:
        """The label that differences are taken from."""
        return self.recipe.reference or next(iter(self.adaptations))

    @property
    def tuning_seed(self) -> int:
        """The seed of all that is tried to choose a learning rate: the first from 100 that is not compared."""
        return next(seed for seed in count(FIRST_TUNING_SEED) if seed not in self.recipe.seeds)

    def lesson(self, label: str, task: Task, seed: int, learning_rate: float | None = None) -> Lesson:
        """Return what one method learns on one task; at its own learning rate where none is given."""
        adaptation = self.adaptations[label]
        if learning_rate is not None:
            settings = adaptation.settings.model_copy(update={"learning_rate": learning_rate})
            adaptation = replace(adaptation, settings=settings)
        return Lesson(task, adaptation, self.recipe.budget, seed)


def plan_comparison(document: Document, task_folders: Sequence[Path] = ()) -> ComparisonPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: a method that cannot work on the backbone, or for the kind of a task.
        DataError: a task's data do not fit its file.
    """
    recipe = document.parse(ComparisonRecipe)
    problems: list[Problem] = []
    methods = {label: (method, settings) for label, method, settings in _methods(document, recipe, problems)}
    with collected(problems):
        if recipe.reference not in (None, *recipe.methods):
            where = document.where("reference")
            raise UnknownNameError("method in this recipe", str(recipe.reference), recipe.methods, where)
    specs = list(_specs(document, recipe, task_folders, problems))
    names = [spec.name for spec in specs]
    problems += [
        Problem(f"task {name!r} comes more than once, by its family", document.where("tasks"))
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise SettingsError(problems)
    wanted = [(method, settings, ("methods", label)) for label, (method, settings) in methods.items()]
    bits = recipe.budget.quantization
    require_feasible(document, recipe.backbone, bits, wanted, [spec.file.kind for spec in specs])
    backbone = open_backbone(recipe.backbone, document.where("backbone"))
    backbone = backbone.quantized(bits, document.where("budget", "quantization"))
    virtual = max(settings.virtual_tokens for _, settings, _ in wanted)
    backbone.require_length(recipe.budget.max_length, document.where("budget", "max_length"), virtual)
    precision = resolve_precision(recipe.budget.precision)
    adaptations = {
        label: Adaptation(backbone, method, settings, precision) for label, (method, settings) in methods.items()
    }
    return ComparisonPlan(recipe, tuple(registry.load(spec) for spec in specs), adaptations)


def _methods(
    document: Document, recipe: ComparisonRecipe, problems: list[Problem]
) -> Iterator[tuple[str, str, MethodSettings]]:
    for label, entry in recipe.methods.items():
        place = ("methods", label)
        settings = {name: value for name, value in entry.items() if name != "method"}
        with collected(problems):
            method = str(entry.get("method", label))
            card = trained_method(method, document.where(*place, *(["method"] if "method" in entry else [])))
            yield label, method, document.parse_part(place, settings, card.settings)


def _specs(
    document: Document, recipe: ComparisonRecipe, folders: Sequence[Path], problems: list[Problem]
) -> Iterator[Any]:
    for index, name in enumerate(recipe.tasks):
        with collected(problems, document.where("tasks", index)):
            yield from [registry.find(member, folders) for member in expand([name], folders)]
