"""A comparison, resolved: names looked up, settings typed, data read; sources may still have to be trained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from experiments.engine.draft import drafted
from experiments.engine.entries import EntryForm, collisions
from experiments.engine.feasibility import open_feasible
from experiments.engine.recipes import MARGIN, require_affordable
from experiments.studies.compositions.controls import (
    WITHOUT_SKILL,
    control_label,
    controlled,
    shuffled_lessons,
    without_skill,
    wrong_controls,
)
from experiments.studies.compositions.entry import (
    Entry,
    Role,
    Source,
    WithoutSkill,
    alternatives,
    common,
    fresh_label,
    planned,
    reserved,
    stored,
    with_head,
)
from experiments.studies.compositions.few_shot import FewShot, few_shot_budget
from experiments.studies.compositions.mixed_data import (
    begun_at_mixed,
    begun_label,
    mixed_alone,
    mixed_label,
    mixed_lessons,
    mixed_methods,
    wrong_mixed,
)
from experiments.studies.compositions.recipe import Recipe
from experiments.studies.compositions.record import PICKS, EntryRecord
from experiments.studies.compositions.subsets import Composing, positions, wrong_subsets
from experiments.studies.compositions.trial import FewShotTrial
from experiments.studies.core.against import uncompared
from experiments.studies.core.record import shared_facts
from experiments.workspace.evaluating import majority_score
from fusion.composing.compatibility import why_unfit
from fusion.composing.fuse import require_target_kind
from fusion.methods import COMPOSITIONS
from fusion.target.composition import HeadStart
from tasks.loading import registry
from workbench.backbone.pretrained import Backbone
from workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems
from workbench.machine.device import resolve_precision
from workbench.methods.kind import GENERATED
from workbench.methods.methods import METHODS, trained_method
from workbench.settings.base import Budget
from workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from experiments.engine.draft import Draft
    from experiments.engine.feasibility import MethodUse
    from tasks.task_file.spec import TaskSpec
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.measures.declared_tests import Test
    from workbench.methods.task import Task
    from workbench.settings.base import Document, MethodSettings


SOURCES = ("sources", "methods")
COMPOSED = EntryForm(("compositions",), {"method": COMPOSITIONS.get}, Composing)
FORMS = (
    EntryForm(SOURCES, {"": trained_method}, known={"": METHODS.get}),
    COMPOSED,
)
BESIDE_SOURCES = ("control", "average", "composition")  # roles of what is compared in what it retains of the sources


@dataclass(frozen=True)
class FusionPlan:
    """What will be compared.

    Attributes:
        name: of the experiment.
        entries: the compositions of the comparison, without their sources.
        lessons: (seed, fine-tuning method) → the sources' lessons; empty where the sources exist already.
        stored: sources that exist already, for every seed alike.
        targets: the tasks that are composed for, whole.
        budgets: K → the few-shot budget.
        reference: label of the entry that gains are measured against.
        full: whether full fine-tuning takes part; it does not where the backbone's weights are quantised.
        fresh: fine-tuning method → settings of its fits from nothing, where they differ from the sources'.
        heads: what heads that are trained along begin as; the first is that of the plain labels.
        source_tasks: the sources' own tasks, by name, as far as they are at hand: some compositions
            read them, and what compositions retain of them is tested.
        controls: label of a composition → of which sources without skill it is made too.
        shuffled: (seed, fine-tuning method) → the lessons of such sources, which have shuffled answers.
        mixed: (seed, fine-tuning method) → the lesson on the rows of all sources' tasks, mixed.
        test, margin: how differences from the reference are tested, as in the recipe.
    """

    study: ClassVar[str] = "compositions"
    name: str
    description: str
    backbone: Backbone
    entries: tuple[Entry, ...]
    targets: tuple[Task, ...]
    budgets: Mapping[int, Budget]
    seeds: tuple[int, ...]
    reference: str
    lessons: Mapping[tuple[int, str], tuple[Lesson, ...]]
    stored: tuple[StoredAdapter, ...] = ()
    full: bool = True
    fresh: Mapping[str, MethodSettings] = field(default_factory=dict)
    heads: tuple[HeadStart, ...] = ("fitted",)
    source_tasks: Mapping[str, Task] = field(default_factory=dict)
    controls: Mapping[str, tuple[WithoutSkill, ...]] = field(default_factory=dict)
    shuffled: Mapping[tuple[int, str], tuple[Lesson, ...]] = field(default_factory=dict)
    mixed: Mapping[tuple[int, str], Lesson] = field(default_factory=dict)
    test: Test = "paired"
    margin: float = MARGIN

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        any_budget, entries = next(iter(self.budgets.values())), [*self.all_entries(self.seeds[0])]
        labels = [entry.label for entry in entries]
        return shared_facts(
            self.targets,
            any_budget,
            description=self.description,
            backbone=self.backbone.name,
            reference=self.reference,
            test=self.test,
            margin=self.margin,
            targets=[target.name for target in self.targets],
            shots=[*self.budgets],
            seeds=self.seeds,
            budgets={str(shots): budget for shots, budget in self.budgets.items()},
            majority={target.name: majority_score(target, any_budget) for target in self.targets},
            parties=[recorded_entry(entry, labels) for entry in entries],
            needs_examples=[entry.label for entry in entries if entry.needs_examples] if 0 in self.budgets else [],
        )

    def families(self, seed: int) -> dict[str, tuple[Source, ...]]:
        """Return the sources of one seed by fine-tuning method."""
        if self.stored:
            return {self.stored[0].manifest.method: tuple(stored(adapter, self.backbone) for adapter in self.stored)}
        return {method: tuple(map(planned, lessons)) for (own, method), lessons in self.lessons.items() if own == seed}

    def all_entries(self, seed: int) -> Iterator[Entry]:
        """Yield who takes part with one seed, alternatives first; labels and roles are the same with every seed.

        An entry that is trained takes part once with each of the recipe's heads.
        """
        for entry in self._all_entries(seed):
            yield from self._with_control(entry).under(self.heads)

    def _with_control(self, entry: Entry) -> Entry:
        """Return an entry that names its control: what has another fine-tuning method than the reference, its own."""
        control = fresh_label(entry.family) if entry.family else ""
        alike = self.stored or control in ("", self.reference, entry.label)
        return entry if alike or entry.against else replace(entry, against=control)

    def _all_entries(self, seed: int) -> Iterator[Entry]:
        families = self.families(seed)
        full = self.full and self.backbone.quantization is None
        yield from common((self.fresh.get("full") or METHODS.get("full").settings.model_validate({})) if full else None)
        for family, sources in families.items():
            yield from alternatives(sources, self.fresh.get(family))
            if lesson := self.mixed.get((seed, family)):
                yield mixed_alone(lesson)
        begun = begun_at_mixed(self.entries, self.mixed, seed)
        for entry in self.entries:
            composed = replace(entry, sources=families[entry.family])
            yield composed
            lessons = self.shuffled.get((seed, entry.family), ())
            yield from without_skill(composed, self.controls.get(entry.label, ()), lessons, seed)
            if entry.label in begun:
                yield begun[entry.label]

    def problems(self, seed: int) -> Iterator[FewShot]:
        """Yield every target with every K."""
        for target in self.targets:
            for shots, budget in self.budgets.items():
                yield FewShot(target, self.backbone, resolve_precision(budget.precision), budget, seed, shots == 0)

    def own_trial(self) -> FewShotTrial:
        """Return the trial of the fusion itself, in the plan of a single one."""
        entry = next(entry for entry in self.all_entries(self.seeds[0]) if entry.label == self.reference)
        return FewShotTrial(entry, next(self.problems(self.seeds[0])), self.stored, self.source_tasks)

    def retains(self, entry: Entry, problem: FewShot) -> bool:
        """Return whether to test on the sources' tasks: compositions, on the first target with most examples."""
        hardest = problem.target.name == self.targets[0].name and problem.shots == max(self.budgets)
        return hardest and entry.role in BESIDE_SOURCES


def recorded_entry(entry: Entry, labels: Sequence[str]) -> EntryRecord:
    """Return an entry as the record has it; ``labels`` are those of all entries.

    With another head it is compared with its control under that head, or as it is where nothing of that is trained.
    """
    settings, head = entry.settings.model_dump(mode="json"), entry.head if entry.trains else None
    against = entry.against if entry.against in labels else entry.against.removesuffix(with_head("", entry.head))
    return EntryRecord(entry.label, entry.role, entry.family, entry.method, settings, head, against)


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> FusionPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: settings of full fine-tuning, which cannot take part on the backbone.
        DataError: a task's data do not fit its file.
    """
    draft = drafted(document, Recipe, FORMS, task_folders)
    methods = {label: entry.only for label, entry in draft.entries[SOURCES].items()}
    fresh = dict(_fresh(document, draft.problems))
    entries = tuple(_entries(document, draft))
    sources, targets = draft.tasks["sources", "tasks"], draft.tasks["targets",]
    labels = document.labels("compositions")
    families, kinds = document.labels("sources", "methods"), [spec.file.kind for spec in sources]
    rows = [*reserved(families, [spec.name for spec in sources]), *map(mixed_label, families)]
    own = [*PICKS, *rows, *map(begun_label, labels)]
    own += [control_label(label, kind) for label in labels for kind in WITHOUT_SKILL]
    own += [with_head(label, head) for label in [*own, *labels] for head in get_args(HeadStart)]
    draft.problems.extend(collisions(((label, document.where("compositions", label)) for label in labels), own))
    noun = "composition, and nothing beside them"
    draft.problems.extend(uncompared(draft, None, [COMPOSED.key], noun, [*rows, *PICKS]))
    draft.problems.extend(_wrong_targets(document, targets, sources))
    draft.problems.extend(_never_without_examples(document, targets))
    names = [[spec.name for spec in specs] for specs in (sources, targets)]
    draft.problems.extend(wrong_subsets(draft.entries[COMPOSED.key], document, *names))
    recipe = draft.require()
    wrong = [*wrong_controls(recipe.controls, entries, document), *wrong_mixed(recipe, kinds, entries, document)]
    if wrong:
        raise SettingsError(wrong)
    controls, mixed = controlled(recipe.controls, entries), mixed_methods(recipe, kinds)
    made_twice = sum(map(len, controls.values())) + 2 * len(mixed)
    fits = _fits(recipe, len(methods), len(entries) + made_twice, len(sources), len(targets))
    require_affordable(fits, document.origin)
    wanted = [(*entry, (*SOURCES, name)) for name, entry in methods.items()]
    kinds += [spec.file.kind for spec in targets]
    budgets = [(recipe.sources.budget, ("sources", "budget")), (recipe.budget, ("budget",))]
    backbone = open_feasible(document.where, recipe.backbone, wanted, kinds, budgets)
    _require_fit(document, backbone, wanted)
    if "full" in fresh and backbone.quantization:
        message = f"full fine-tuning takes no part on a backbone that {backbone.quantization} keeps packed"
        hint = "Leave these settings out, or the quantisation."
        raise InputError(message, where=document.where("fresh", "full"), hint=hint)
    from workbench.methods.adaptation import Adaptation  # imports torch, so that mistakes are reported before

    precision = resolve_precision(recipe.sources.budget.precision)
    adaptations = {name: Adaptation(backbone, *entry, precision) for name, entry in methods.items()}
    tasks = [registry.load(spec) for spec in sources]
    lessons = {
        (seed, name): tuple(Lesson(task, adaptation, recipe.sources.budget, seed) for task in tasks)
        for seed in recipe.seeds
        for name, adaptation in adaptations.items()
    }
    shuffled_families = {entry.family for entry in entries if "shuffled" in controls.get(entry.label, ())}
    return FusionPlan(
        name=recipe.name,
        description=recipe.description,
        backbone=backbone,
        entries=entries,
        targets=tuple(registry.load(spec) for spec in targets),
        budgets=few_shot_budgets(recipe.budget, recipe.shots),
        seeds=recipe.seeds,
        reference=fresh_label(next(iter(methods))),
        lessons=lessons,
        fresh=fresh,
        heads=recipe.heads,
        source_tasks={task.name: task for task in tasks},
        controls=controls,
        shuffled={
            (seed, name): shuffled_lessons(own) for (seed, name), own in lessons.items() if name in shuffled_families
        },
        mixed=mixed_lessons(lessons, mixed, tasks, recipe.sources.budget),
        test=recipe.test,
        margin=recipe.margin,
    )


def few_shot_budgets(budget: Budget, shots: Sequence[int]) -> dict[int, Budget]:
    """Return the budget for each K; what ``budget`` states itself stays."""
    stated = budget.model_dump(include=budget.model_fields_set)
    return {examples: Budget.model_validate(few_shot_budget(stated, examples)) for examples in shots}


def family_of(method: str, families: Mapping[str, str], where: str | None = None) -> str:
    """Return the first of ``families`` (fine-tuning method → library) whose adapters a composition takes.

    Raises:
        InputError: it takes none of them.
    """
    card = COMPOSITIONS.get(method, where)
    for family, library in families.items():
        if library in card.libraries:
            return family
    raise InputError(
        f"{method} composes adapters of {' or '.join(card.libraries)}; there are only {', '.join(families)}",
        where=where,
        hint="Name a fine-tuning method of that library under sources.methods.",
    )


def _wrong_targets(document: Document, targets: Sequence[TaskSpec], sources: Sequence[TaskSpec]) -> Iterator[Problem]:
    known = {source.name for source in sources}
    for spec in targets:
        problems: list[Problem] = []
        with collect_problems(problems):
            require_target_kind(spec.name, spec.file.kind, document.where("targets"))
        yield from problems
        if spec.name in known:
            message = f"target {spec.name!r} is a source too: nothing would be new about it"
            yield Problem(message, document.where("targets"))


def _never_without_examples(document: Document, targets: Sequence[TaskSpec]) -> Iterator[Problem]:
    """Yield a problem where a recipe asks for K = 0 and a target's head is fitted on examples."""
    shots = document.data.get("shots")
    headed = [f"{spec.name!r} ({spec.file.kind})" for spec in targets if spec.file.kind not in GENERATED]
    if headed and isinstance(shots, list) and 0 in shots:
        message = f"without examples (K = 0) nothing can answer {', '.join(headed)}: a head is fitted on examples"
        hint = f"Leave 0 out, or take {' and '.join(GENERATED)} targets alone."
        yield Problem(message, document.where("shots"), hint)


def _fits(recipe: Recipe, methods: int, entries: int, sources: int, targets: int) -> int:
    """Return how many fits a recipe takes at most: not every composition trains."""
    compared = 2 + methods * (2 + sources) + entries
    compared += (len(recipe.heads) - 1) * (1 + methods + entries)
    return len(recipe.seeds) * (methods * sources + compared * targets * len(recipe.shots))


def _require_fit(document: Document, backbone: Backbone, wanted: Sequence[MethodUse]) -> None:
    """Raise SettingsError where adapters of a method cannot be composed, before any is trained."""
    problems = [
        Problem(f"adapters of {method} cannot be composed: each is {why}", document.where(*path))
        for method, settings, path in wanted
        if (why := why_unfit(method, settings, backbone.config))
    ]
    if problems:
        raise SettingsError(problems)


def _fresh(document: Document, problems: list[Problem]) -> Iterator[tuple[str, MethodSettings]]:
    methods = [*document.labels("sources", "methods"), "full"]
    for name, settings in document.entries("fresh").items():
        path = ("fresh", name)
        with collect_problems(problems):
            if name not in methods:
                raise UnknownNameError("method in 'fresh'", name, methods, document.where(*path))
            yield name, document.parse_part(path, settings, METHODS.get(name, document.where(*path)).settings)


def _entries(document: Document, draft: Draft[Recipe]) -> Iterator[Entry]:
    libraries = {}
    for name in document.labels("sources", "methods"):
        with suppress(InputError):  # reported with the sources already
            libraries[name] = METHODS.get(name).library
    for label, entry in draft.entries["compositions",].items():
        method, settings = entry.only
        with collect_problems(draft.problems):
            where = document.where("compositions", label, "method")
            family = family_of(method, libraries, where) if libraries else ""
            role: Role = "control" if COMPOSITIONS.get(method).sourceless(settings) else "composition"
            made_of = positions(entry.about, [spec.name for spec in draft.tasks["sources", "tasks"]])
            yield Entry(label, role, family, method, settings, against=entry.about.against, made_of=made_of)
