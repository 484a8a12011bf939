"""A comparison of methods, resolved: names looked up, settings typed, data read; nothing is trained yet."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.reporting.added_seeds import tuning_seed
from adapter_workbench.experiments.studies.core.against import ComparedWith, uncompared
from adapter_workbench.experiments.studies.core.record import shared_facts
from adapter_workbench.experiments.studies.core.shared_texts import shared_texts
from adapter_workbench.experiments.studies.core.widening import OUTWARD
from adapter_workbench.experiments.studies.methods.recipe import Recipe
from adapter_workbench.experiments.studies.methods.record import Entry
from adapter_workbench.experiments.workspace.evaluating import majority_score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import METHODS, trained_method
from adapter_workbench.workbench.settings.bounds import LONGEST_NAME
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document

ENTRIES = ("methods",)
FORM = EntryForm(ENTRIES, {"method": trained_method}, ComparedWith, {"method": METHODS.get})


@dataclass(frozen=True)
class ComparisonPlan:
    """What will be compared: each of ``adaptations`` (label → method on the backbone) on each task with each seed.

    ``against``: label → the method that it is compared with; the reference where it is empty, or has no entry.
    """

    study: ClassVar[str] = "methods"
    recipe: Recipe
    tasks: tuple[Task, ...]
    adaptations: Mapping[str, Adaptation]
    against: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    @property
    def backbone(self) -> Backbone:
        """The backbone that all methods adapt."""
        return next(iter(self.adaptations.values())).backbone

    @property
    def reference(self) -> str:
        """The label that differences are taken from."""
        return self.recipe.reference or next(iter(self.adaptations))

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        recipe = self.recipe
        return shared_facts(
            self.tasks,
            resolve_precision(recipe.budget.precision),
            **recipe.facts,
            tasks=[task.name for task in self.tasks],
            reference=self.reference,
            tune=recipe.tune,
            majority={task.name: majority_score(task, recipe.budget) for task in self.tasks},
            entrants=[
                _entry(label, adaptation, self.against.get(label, "")) for label, adaptation in self.adaptations.items()
            ],
            kinds={task.name: task.kind for task in self.tasks},
            **({"shared_texts": texts} if (texts := shared_texts(self.tasks, recipe.budget)) else {}),
        )

    @property
    def tuning_seed(self) -> int:
        """The seed of all that is tried to choose a learning rate."""
        return tuning_seed(self.recipe.seeds)

    def trials(self, label: str) -> int:
        """Return how many learning rates a method tries on each task: none where it trains nothing."""
        return self.recipe.tune if self.adaptations[label].card.trains else 0

    def lesson(self, label: str, task: Task, seed: int, learning_rate: float | None = None) -> Lesson:
        """Return what one method learns on one task; at its own learning rate where none is given."""
        adaptation = self.adaptations[label]
        if learning_rate is not None:
            settings = adaptation.settings.model_copy(update={"learning_rate": learning_rate})
            adaptation = replace(adaptation, settings=settings)
        return Lesson(task, adaptation, self.recipe.budget, seed)


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> ComparisonPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: a method that cannot work on the backbone, or for the kind of a task.
        DataError: a task's data do not fit its file.
    """
    draft = drafted(document, Recipe, [FORM], task_folders, "method in this recipe")
    reference = document.text("reference") or next(iter(document.labels(*ENTRIES)), None)
    draft.problems.extend(uncompared(draft, reference))
    recipe, specs = draft.require(), draft.tasks["tasks",]
    methods = {label: entry.only for label, entry in draft.entries[ENTRIES].items()}
    tuned = sum(METHODS.get(method).trains for method, _ in methods.values())
    fits = len(specs) * (len(recipe.seeds) * len(methods) + (recipe.tune + 2 * OUTWARD * (recipe.tune > 1)) * tuned)
    require_affordable(fits, document.origin)
    wanted = [(*entry, (*ENTRIES, label)) for label, entry in methods.items()]
    kinds = [spec.file.kind for spec in specs]
    backbone = open_feasible(document.where, recipe.backbone, wanted, kinds, [(recipe.budget, ("budget",), kinds)])
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # imports torch, so that mistakes are reported before
    )
    from adapter_workbench.workbench.training.default_rates import at_default_rate

    precision = resolve_precision(recipe.budget.precision)
    adaptations = {
        label: Adaptation(backbone, method, at_default_rate(method, settings, backbone.config), precision)
        for label, (method, settings) in methods.items()
    }
    against = {label: entry.about.against for label, entry in draft.entries[ENTRIES].items()}
    return ComparisonPlan(recipe, tuple(registry.load(spec) for spec in specs), adaptations, against)


def plain_comparison(task: str, methods: Sequence[str]) -> dict[str, Any]:
    """Return the beginning of a recipe that compares methods, each as it comes, on one task.

    Raises:
        InputError: no method, or one that is named twice.
    """
    if not methods:
        raise InputError("no method is named", where="--methods", hint="Name some, with commas: lora,full")
    if twice := [name for name, times in Counter(methods).items() if times > 1]:
        hint = "To compare a method with itself at other settings, write a recipe with `methods`."
        raise InputError(f"named more than once: {', '.join(twice)}", where="--methods", hint=hint)
    name = re.sub(r"[^a-z0-9._-]+", "-", f"compare-{task}".lower())[:LONGEST_NAME]
    return {"name": name, "tasks": [task], "methods": {name: {} for name in methods}}


def _entry(label: str, adaptation: Adaptation, against: str) -> Entry:
    from adapter_workbench.workbench.training.default_rates import default_rate

    settings = adaptation.settings.model_dump(mode="json")
    default = default_rate(adaptation.method, adaptation.backbone.config)
    return Entry(label, adaptation.method, settings, adaptation.card.trains, default, against)
