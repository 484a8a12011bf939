"""A comparison of ways of updating, resolved: names looked up, settings typed, data read; nothing is trained yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.arrivals import ARRIVALS
from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.studies.core.against import ComparedWith, uncompared
from adapter_workbench.experiments.studies.core.record import shared_facts
from adapter_workbench.experiments.studies.core.shared_texts import shared_texts
from adapter_workbench.experiments.studies.updates.recipe import Recipe
from adapter_workbench.experiments.studies.updates.record import Entry
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.experiments.workspace.evaluating import majority_score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import Problem, SettingsError, collect_problems
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import METHODS, trained_method

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.arrivals import Arrival, Version
    from adapter_workbench.experiments.engine.entries import ParsedEntry
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document, Settings

ENTRIES = ("updates",)
FORM = EntryForm(ENTRIES, {"way": WAYS.get, "method": trained_method}, ComparedWith, {"method": METHODS.get})
KIND = "classification"


@dataclass(frozen=True)
class PlannedEntry:
    """An entry: a way of updating with its settings, and the method that is trained."""

    way: str
    settings: Settings
    adaptation: Adaptation


@dataclass(frozen=True)
class UpdatesPlan:
    """What will be compared: each of ``entries`` over the versions of each of ``streams`` with each seed.

    Attributes:
        recipe: as it was read.
        streams: name of a task → itself, or its periods; whole: a budget draws from them.
        entries: by label.
        against: label → the entry that it is compared with; the reference where it is empty, or has no entry.
    """

    study: ClassVar[str] = "updates"
    recipe: Recipe
    streams: Mapping[str, tuple[Task, ...]]
    entries: Mapping[str, PlannedEntry]
    against: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    @property
    def backbone(self) -> Backbone:
        """The backbone that all entries adapt."""
        return next(iter(self.entries.values())).adaptation.backbone

    @property
    def reference(self) -> str:
        """The label that differences are taken from."""
        return self.recipe.reference or next(iter(self.entries))

    @cached_property
    def versions(self) -> dict[tuple[str, int], list[Version]]:
        """(task, seed) → its versions; they are the same for all entries.

        They have a name of their own: under that of the task, an adapter for some of its labels could be taken for one.
        """
        arrival, recipe = ARRIVALS.get(self.recipe.scenario), self.recipe
        return {
            (name, seed): arrival.versions(f"{name}-{recipe.scenario}", tasks, recipe.versions, recipe.budget, seed)
            for name, tasks in self.streams.items()
            for seed in recipe.seeds
        }

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        recipe = self.recipe
        last = {name: self.versions[name, recipe.seeds[0]][-1].task for name in self.streams}
        return shared_facts(
            [task for tasks in self.streams.values() for task in tasks],
            resolve_precision(recipe.budget.precision),
            **recipe.facts,
            tasks=[*self.streams],
            scenario=recipe.scenario,
            versions=recipe.versions,
            periods={name: [task.name for task in tasks] for name, tasks in self.streams.items()},
            reference=self.reference,
            majority={name: majority_score(task, recipe.budget) for name, task in last.items()},
            updates=[_entry(label, entry, self.against.get(label, "")) for label, entry in self.entries.items()],
            **({"shared_texts": texts} if (texts := shared_texts([*last.values()], recipe.budget)) else {}),
        )


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> UpdatesPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: a method that cannot work on the backbone.
        DataError: a task's data do not fit its file.
    """
    draft = drafted(document, Recipe, [FORM], task_folders, "entry in this recipe")
    entries = draft.entries[ENTRIES]
    reference = document.text("reference") or next(iter(document.labels(*ENTRIES)), None)
    draft.problems.extend(uncompared(draft, reference))
    arrival = None
    with collect_problems(draft.problems):
        arrival = ARRIVALS.get(document.text("scenario") or "growing", document.where("scenario"))
    specs = draft.tasks["tasks",]
    if arrival:
        draft.problems.extend(_wrong_tasks(document, arrival, task_folders))
    recipe = draft.require()
    assert arrival is not None
    require_affordable(len(recipe.tasks) * len(recipe.seeds) * recipe.versions * len(entries), document.origin)
    uses = [(entry.names["method"], entry.settings["method"], (*ENTRIES, label)) for label, entry in entries.items()]
    backbone = open_feasible(document.where, recipe.backbone, uses, [KIND], [(recipe.budget, ("budget",), [KIND])])
    streams = _streams(recipe, specs, task_folders)
    _require_possible(document, recipe, arrival, streams)
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # imports torch, so that mistakes are reported before
    )
    from adapter_workbench.workbench.training.default_rates import at_default_rate

    precision = resolve_precision(recipe.budget.precision)

    def planned(entry: ParsedEntry) -> PlannedEntry:
        method = entry.names["method"]
        settings = at_default_rate(method, entry.settings["method"], backbone.config)
        return PlannedEntry(
            entry.names["way"], entry.settings["way"], Adaptation(backbone, method, settings, precision)
        )

    against = {label: entry.about.against for label, entry in entries.items()}
    plan = UpdatesPlan(recipe, streams, {label: planned(entry) for label, entry in entries.items()}, against)
    if problems := [*_unfit(document, plan)]:
        raise SettingsError(problems)
    return plan


def _unfit(document: Document, plan: UpdatesPlan) -> Iterator[Problem]:
    """Yield a problem for each entry that cannot make one of the updates."""
    for label, entry in plan.entries.items():
        where, updates = document.where(*ENTRIES, label), (of for many in plan.versions.values() for of in many[1:])
        asked = (_Asked(entry.settings, version.labels, entry.adaptation) for version in updates)
        objections = (WAYS.get(entry.way).objection(update) for update in asked)
        if objection := next(filter(None, objections), None):
            yield Problem(f"{entry.way} {objection}", where)


@dataclass(frozen=True)
class _Asked:
    """An update, before the version that it begins at is learned."""

    settings: Settings
    labels: LabelMap
    adaptation: Adaptation


def _wrong_tasks(document: Document, arrival: Arrival, folders: Sequence[Path]) -> Iterator[Problem]:
    """Yield a problem for each name that is a family and has to be a task, or the other way round."""
    families: Mapping[str, Sequence[str]] = {}
    with collect_problems([]):  # what is wrong with the files was told already
        families = registry.families(folders)
    scenario = document.text("scenario") or "growing"
    for index, name in document.names("tasks"):
        if arrival.of_families and name not in families:
            message, hint = f"{name!r} is one task", "Name a family whose members are its periods."
        elif not arrival.of_families and name in families:
            message, hint = f"{name!r} is a family of tasks", f"Name one of them: {', '.join(families[name])}."
        else:
            continue
        yield Problem(f"scenario {scenario}: {message}", document.where("tasks", index), hint)


def _streams(recipe: Recipe, specs: Sequence[TaskSpec], folders: Sequence[Path]) -> dict[str, tuple[Task, ...]]:
    """Return the tasks of each name in the recipe, loaded; ``specs`` are those of all names in turn."""
    families, loaded = registry.families(folders), iter(specs)
    return {name: tuple(registry.load(next(loaded)) for _ in families.get(name, (name,))) for name in recipe.tasks}


def _require_possible(
    document: Document, recipe: Recipe, arrival: Arrival, streams: Mapping[str, Sequence[Task]]
) -> None:
    """Raise SettingsError where the rows of some tasks cannot arrive in this way."""
    known = [arrival.objection(tasks, recipe.versions) for tasks in streams.values()]
    if problems := [
        Problem(f"scenario {recipe.scenario}: {objection}", document.where("tasks", index))
        for index, objection in enumerate(known)
        if objection
    ]:
        raise SettingsError(problems)


def _entry(label: str, entry: PlannedEntry, against: str) -> Entry:
    from adapter_workbench.workbench.training.default_rates import default_rate

    adaptation = entry.adaptation
    settings = {**entry.settings.model_dump(mode="json"), **adaptation.settings.model_dump(mode="json")}
    default = default_rate(adaptation.method, adaptation.backbone.config)
    return Entry(label, entry.way, adaptation.method, settings, default, against)
