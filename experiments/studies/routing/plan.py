"""A comparison of routers, resolved: names looked up, settings typed, data read; nothing is trained yet."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.studies.core.against import ComparedWith, uncompared
from adapter_workbench.experiments.studies.core.joint_task import ALL_EXAMPLES, joint_task
from adapter_workbench.experiments.studies.core.record import shared_facts
from adapter_workbench.experiments.studies.routing.recipe import Recipe
from adapter_workbench.experiments.studies.routing.record import JOINT, ROUTER, Entry
from adapter_workbench.fusion.composing.compatibility import why_unfit
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.fusion.target.reader import KIND
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, trained_method
from adapter_workbench.workbench.training import Lesson
from adapter_workbench.workbench.training.default_rates import at_default_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.fusion.routing.routers import RouterSettings
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document, MethodSettings
    from adapter_workbench.workbench.settings.known_keys import LocatedModel

SOURCES = ("sources",)
FORMS = (
    EntryForm(("routers",), {"router": ROUTERS.get}, ComparedWith),
    EntryForm(("joint",), {"method": trained_method}, ComparedWith, {"method": METHODS.get}),
)
LORA_ONLY = ("peft",)  # libraries of routers that read the update of each module


@dataclass(frozen=True)
class RoutingPlan:
    """What will be compared: routers among the adapters of one seed, and models that learned all tasks together.

    Attributes:
        recipe: as it was read.
        tasks: whole; a budget draws from them.
        adaptation: of each task's own adapter.
        routers: label → router and its settings.
        joint: label → how one model learns all tasks.
        against: label → the entry that it is compared with; the reference where it is empty, or has no entry.
    """

    study: ClassVar[str] = "routing"
    recipe: Recipe
    tasks: tuple[Task, ...]
    adaptation: Adaptation
    routers: Mapping[str, tuple[str, RouterSettings]]
    joint: Mapping[str, Adaptation]
    against: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    @property
    def backbone(self) -> Backbone:
        """The backbone of all adapters, which routers read with."""
        return self.adaptation.backbone

    @property
    def reference(self) -> str:
        """The label that differences are taken from."""
        return self.recipe.reference or next(iter((*self.joint, *self.routers)))

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        recipe = self.recipe
        routers = [
            Entry(label, ROUTER, router, settings.model_dump(mode="json"), ROUTERS.get(router).reads_data)
            for label, (router, settings) in self.routers.items()
        ]
        joint = [
            Entry(label, JOINT, adaptation.method, adaptation.settings.model_dump(mode="json"))
            for label, adaptation in self.joint.items()
        ]
        return shared_facts(
            self.tasks,
            self.adaptation.precision,
            **recipe.facts,
            tasks=[task.name for task in self.tasks],
            reference=self.reference,
            method=self.adaptation.method,
            settings=self.adaptation.settings,
            contenders=[replace(entry, against=self.against.get(entry.label, "")) for entry in (*routers, *joint)],
        )

    def lesson(self, task: Task, seed: int) -> Lesson:
        """Return what a task's own adapter learns."""
        return Lesson(task, self.adaptation, self.recipe.budget, seed)

    def joint_lessons(self, seed: int) -> dict[str, Lesson]:
        """Return what each joint model learns, by its label: the same examples, under labels of all tasks."""
        if not self.joint:
            return {}
        together = joint_task(self.tasks, self.recipe.budget, seed)
        budget = self.recipe.budget.model_copy(update=ALL_EXAMPLES)
        return {label: Lesson(together, adaptation, budget, seed) for label, adaptation in self.joint.items()}


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> RoutingPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: a method that cannot work on the backbone.
        DataError: a task's data do not fit its file.
    """
    noun = "router or joint model in this recipe"
    draft = drafted(document, Recipe, FORMS, task_folders, noun, _sources_known(document))
    routers, joint = ({label: entry.only for label, entry in draft.entries[form.key].items()} for form in FORMS)
    specs, own = draft.tasks["tasks",], _sources(document, draft.problems)
    draft.problems.extend(_wrong_kinds(document, specs))
    if own:
        draft.problems.extend(_wrong_libraries(document, own[0], routers))
    reference = document.text("reference") or next(iter((*joint, *routers)), None)
    draft.problems.extend(uncompared(draft, reference))
    recipe = draft.require()
    assert own is not None
    require_affordable(len(recipe.seeds) * (len(specs) + len(joint) + len(routers)), document.origin)
    wanted = [(*own, SOURCES), *((*entry, ("joint", label)) for label, entry in joint.items())]
    backbone = open_feasible(document.where, recipe.backbone, wanted, [KIND], [(recipe.budget, ("budget",), [KIND])])
    _require_readable(document, backbone, own, routers)
    precision = resolve_precision(recipe.budget.precision)
    tasks = tuple(registry.load(spec) for spec in specs)
    _require_alike(document, tasks)

    def adapted(method: str, settings: MethodSettings) -> Adaptation:
        return Adaptation(backbone, method, at_default_rate(method, settings, backbone.config), precision)

    together = {label: adapted(*entry) for label, entry in joint.items()}
    against = {label: entry.about.against for form in FORMS for label, entry in draft.entries[form.key].items()}
    return RoutingPlan(recipe, tasks, adapted(*own), routers, together, against)


def _sources(document: Document, problems: list[Problem]) -> tuple[str, MethodSettings] | None:
    """Return method and settings of the tasks' own adapters; None where they are wrong, which ``problems`` tell."""
    given = document.data.get("sources", {"method": "lora"})
    if isinstance(given, dict):  # else the recipe's model says it
        with collect_problems(problems):
            if "method" not in given:
                raise InputError(
                    "'sources' needs method", where=document.where(*SOURCES), hint="sources: {method: lora}"
                )
            card = trained_method(given["method"], document.where(*SOURCES, "method"))
            settings = {name: value for name, value in given.items() if name != "method"}
            return given["method"], document.parse_part(SOURCES, settings, card.settings)
    return None


def _wrong_kinds(document: Document, specs: Sequence[TaskSpec]) -> Iterator[Problem]:
    for spec in specs:
        if spec.file.kind != KIND:
            message = f"routers choose among adapters for {KIND}; task {spec.name!r} is {spec.file.kind}"
            yield Problem(message, document.where("tasks"))


def _wrong_libraries(
    document: Document, method: str, routers: Mapping[str, tuple[str, RouterSettings]]
) -> Iterator[Problem]:
    library = METHODS.get(method).library
    for label, (router, _) in routers.items():
        libraries = ROUTERS.get(router).libraries
        if library not in libraries:
            named = " or ".join(libraries)
            message = f"router {router} chooses among adapters of {named}; {method} is one of {library}"
            yield Problem(message, document.where("routers", label), "Name another method under sources, such as lora.")


def _require_readable(
    document: Document,
    backbone: Backbone,
    own: tuple[str, MethodSettings],
    routers: Mapping[str, tuple[str, RouterSettings]],
) -> None:
    """Raise SettingsError where a router cannot read the adapters' updates, before any of them is trained."""
    why = why_unfit(*own, backbone.config)
    reading = [label for label, (router, _) in routers.items() if ROUTERS.get(router).libraries == LORA_ONLY]
    if why and reading:
        message = f"the adapters' updates cannot be read: each is {why}"
        raise SettingsError([Problem(f"{label}: {message}", document.where("routers", label)) for label in reading])


def _require_alike(document: Document, tasks: Sequence[Task]) -> None:
    """Raise InputError where some tasks have pairs of texts and others have not."""
    pairs = [task.name for task in tasks if task.pair]
    if pairs and len(pairs) < len(tasks):
        message = f"only {', '.join(pairs)} {'answers' if len(pairs) == 1 else 'answer'} for pairs of texts"
        hint = "A router chooses among tasks whose texts are alike: single texts, or pairs."
        raise InputError(message, where=document.where("tasks"), hint=hint)


def _sources_known(document: Document) -> Iterator[LocatedModel]:
    given = document.data.get("sources")
    with suppress(InputError):
        if isinstance(given, dict):
            yield SOURCES, METHODS.get(given.get("method", "")).settings
