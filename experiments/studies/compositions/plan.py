"""A comparison, resolved: names looked up, settings typed, data read; sources may still have to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm, collisions
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.studies.compositions.entry import (
    Entry,
    Role,
    fresh_label,
    like_fresh,
    reserved,
    unlike_fresh,
    with_head,
)
from adapter_workbench.experiments.studies.compositions.recipe import Composing, Recipe, few_shot_budget
from adapter_workbench.experiments.studies.compositions.record import PICKS
from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
from adapter_workbench.experiments.studies.compositions.rivals import (
    WITHOUT_SKILL,
    begun_label,
    control_label,
    controlled,
    mixed_label,
    mixed_lessons,
    mixed_methods,
    shuffled_lessons,
    wrong_controls,
    wrong_mixed,
)
from adapter_workbench.experiments.studies.compositions.trial import undrawable
from adapter_workbench.experiments.studies.core.against import uncompared
from adapter_workbench.fusion.composing.compatibility import why_unfit
from adapter_workbench.fusion.composing.fuse import require_target_kind
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import HeadStart, Purpose
from adapter_workbench.fusion.target.source_tasks import by_data
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import (
    InputError,
    Problem,
    SettingsError,
    UnknownNameError,
    collect_problems,
    suggest,
)
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.methods import METHODS, trained_method
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson
from adapter_workbench.workbench.training.default_rates import at_default_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.draft import Draft
    from adapter_workbench.experiments.engine.entries import ParsedEntry
    from adapter_workbench.experiments.engine.feasibility import MethodUse
    from adapter_workbench.experiments.studies.compositions.entry import WithoutSkill
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document, MethodSettings

SOURCES = ("sources", "methods")
COMPOSED = EntryForm(("compositions",), {"method": COMPOSITIONS.get}, Composing)
FORMS = (
    EntryForm(SOURCES, {"": trained_method}, known={"": METHODS.get}),
    COMPOSED,
)


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> FusionPlan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        InputError: settings of full fine-tuning, which cannot take part on the backbone.
        DataError: a task's data do not fit its file.
    """
    named = _named(document, task_folders)
    beside = _beside(named)
    adaptations = _adaptations(named, _opened(named, beside))
    plan = _plan(named, beside, adaptations, _loaded(named))
    if wrong := [*never_picked(plan, document)]:
        raise SettingsError(wrong)
    return plan


@dataclass(frozen=True)
class _Named:
    """A recipe whose names and numbers are right: nothing was opened, fetched or loaded for it."""

    document: Document
    recipe: Recipe
    methods: Mapping[str, tuple[str, MethodSettings]]  # label → fine-tuning method of the sources, its settings
    fresh: Mapping[str, MethodSettings]
    entries: tuple[Entry, ...]
    sources: Sequence[TaskSpec]
    targets: Sequence[TaskSpec]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the sources' tasks."""
        return [spec.file.kind for spec in self.sources]


def _named(document: Document, task_folders: Sequence[Path]) -> _Named:
    """Return what the names of a recipe mean; what reads numbers of tasks is asked once the names are right."""
    draft = drafted(document, Recipe, FORMS, task_folders)
    methods = {label: entry.only for label, entry in draft.entries[SOURCES].items()}
    fresh = dict(_fresh(document, draft.problems))
    entries = tuple(_entries(document, draft))
    sources, targets = draft.tasks["sources", "tasks"], draft.tasks["targets",]
    names = [[spec.name for spec in specs] for specs in (sources, targets)]
    draft.problems.extend(_wrong_labels(document, draft, names[0]))
    draft.problems.extend(_wrong_targets(document, targets, sources))
    draft.problems.extend(_never_without_examples(document, targets))
    draft.problems.extend(wrong_subsets(draft.entries[COMPOSED.key], document, *names))
    if not draft.problems:  # else sources or targets may be missing, and numbers of them mean nothing
        draft.problems.extend(wrong_numbers(entries, document, *names))
    named = _Named(document, draft.require(), methods, fresh, entries, sources, targets)
    wrong = [*without_control(entries, document)]
    wrong += unsuited(entries, document, named.kinds, {spec.name: spec.file.kind for spec in targets})
    if wrong:
        raise SettingsError(wrong)
    return named


def _wrong_labels(document: Document, draft: Draft[Recipe], sources: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each label that another row has, and for each ``against`` that names no row."""
    labels, families = document.labels("compositions"), document.labels("sources", "methods")
    rows = [*reserved(families, sources), *map(mixed_label, families)]
    own = [*PICKS, *rows, *map(begun_label, labels)]
    own += [control_label(label, kind) for label in labels for kind in WITHOUT_SKILL]
    own += [with_head(label, head) for label in [*own, *labels] for head in get_args(HeadStart)]
    yield from collisions(((label, document.where("compositions", label)) for label in labels), own)
    noun = "composition, and nothing beside them"
    yield from uncompared(draft, None, [COMPOSED.key], noun, [*rows, *PICKS])


@dataclass(frozen=True)
class _Beside:
    """What takes part beside the compositions and is made of other sources."""

    controls: Mapping[str, tuple[WithoutSkill, ...]]  # label of a composition → of which sources without skill
    mixed: tuple[str, ...]  # fine-tuning methods of which an adapter is trained on mixed data

    @property
    def rows(self) -> int:
        """How many rows there are of it."""
        return sum(map(len, self.controls.values())) + 2 * len(self.mixed)


def _beside(named: _Named) -> _Beside:
    recipe, entries, document = named.recipe, named.entries, named.document
    wrong = [*wrong_controls(recipe.controls, entries, document), *wrong_mixed(recipe, named.kinds, entries, document)]
    if wrong:
        raise SettingsError(wrong)
    return _Beside(controlled(recipe.controls, entries), mixed_methods(recipe, named.kinds))


def _opened(named: _Named, beside: _Beside) -> Backbone:
    """Return the backbone, on which all of it can be done; it is not fetched for more fits than are affordable."""
    document, recipe = named.document, named.recipe
    require_affordable(_fits(named, beside), document.origin)
    wanted = [(*entry, (*SOURCES, name)) for name, entry in named.methods.items()]
    of_targets = [spec.file.kind for spec in named.targets]
    budgets = [(recipe.sources.budget, ("sources", "budget"), named.kinds), (recipe.budget, ("budget",), of_targets)]
    backbone = open_feasible(document.where, recipe.backbone, wanted, [*named.kinds, *of_targets], budgets)
    _require_fit(document, backbone, wanted)
    if "full" in named.fresh and backbone.quantization:
        message = f"full fine-tuning takes no part on a backbone that {backbone.quantization} keeps packed"
        hint = "Leave these settings out, or the quantisation."
        raise InputError(message, where=document.where("fresh", "full"), hint=hint)
    return backbone


def _adaptations(named: _Named, backbone: Backbone) -> dict[str, Adaptation]:
    """Return label → how the sources of this fine-tuning method learn."""
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # imports torch, so that mistakes are reported before
    )

    precision = resolve_precision(named.recipe.sources.budget.precision)
    return {
        name: Adaptation(backbone, method, at_default_rate(method, settings, backbone.config), precision)
        for name, (method, settings) in named.methods.items()
    }


def _loaded(named: _Named) -> tuple[list[Task], tuple[Task, ...]]:
    """Return the tasks of the sources and the targets, of which every K can be drawn."""
    sources, targets = (tuple(map(registry.load, specs)) for specs in (named.sources, named.targets))
    where = named.document.where("shots")
    if wrong := [problem for target in targets for problem in undrawable(target, named.recipe.shots, where)]:
        raise SettingsError(wrong)
    return [*sources], targets


def _plan(
    named: _Named,
    beside: _Beside,
    adaptations: Mapping[str, Adaptation],
    loaded: tuple[Sequence[Task], tuple[Task, ...]],
) -> FusionPlan:
    recipe, fresh, (tasks, targets) = named.recipe, named.fresh, loaded
    lessons = {
        (seed, name): tuple(Lesson(task, adaptation, recipe.sources.budget, seed) for task in tasks)
        for seed in recipe.seeds
        for name, adaptation in adaptations.items()
    }
    shuffled = {entry.family for entry in named.entries if "shuffled" in beside.controls.get(entry.label, ())}
    return FusionPlan(
        name=recipe.name,
        description=recipe.description,
        backbone=next(iter(adaptations.values())).backbone,
        entries=tuple(
            like_fresh(entry, adaptations[entry.family].settings, fresh.get(entry.family)) for entry in named.entries
        ),
        targets=targets,
        budgets=few_shot_budgets(recipe.budget, recipe.shots),
        seeds=recipe.seeds,
        reference=fresh_label(next(iter(adaptations))),
        lessons=lessons,
        fresh=fresh,
        heads=recipe.heads,
        source_tasks=by_data(tasks),
        controls=beside.controls,
        shuffled={(seed, name): shuffled_lessons(own) for (seed, name), own in lessons.items() if name in shuffled},
        mixed=mixed_lessons(lessons, beside.mixed, tasks, recipe.sources.budget),
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


def _fits(named: _Named, beside: _Beside) -> int:
    """Return how many fits a recipe takes at most: not every composition trains."""
    recipe, methods, sources = named.recipe, len(named.methods), len(named.sources)
    entries = len(named.entries) + beside.rows
    compared = 2 + methods * (2 + sources) + entries
    compared += (len(recipe.heads) - 1) * (1 + methods + entries)
    return len(recipe.seeds) * (methods * sources + compared * len(named.targets) * len(recipe.shots))


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


def never_picked(plan: FusionPlan, document: Document) -> Iterator[Problem]:
    """Yield a problem for each ``against`` that names a pick which cannot be: its row would not be in the report."""
    for entry in plan.entries:
        if entry.against not in PICKS:
            continue
        where = document.where("compositions", entry.label, "against")
        message = f"'against' names what validation never picks here: {entry.against!r}"
        if not any(plan.budgets):
            hint = "Add a K above 0 to 'shots', or name a row."
            yield Problem(f"{message}, since without examples (K = 0) nothing validates", where, hint)
            continue
        roles, all_entries = PICKS[entry.against], plan.all_entries(plan.seeds[0])
        rows = [other.label for other in all_entries if other.role in roles]
        if len(rows) < 2:
            only = f"only {rows[0]!r}" if rows else "nothing"
            hint = f"Name that row: against: {rows[0]}" if rows else "Name a row of the report."
            yield Problem(f"{message}, since there is {only} to choose among", where, hint)


def positions(about: Composing, sources: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return target → positions in ``sources``, the recipe's tasks, of what an entry is made of; in the entry's order.

    The adapters of one method, with random weights or shuffled answers too, are in the order of the recipe's tasks. A
    task that is not among them is left out; :func:`wrong_subsets` reports it.
    """
    return {
        target: tuple(sources.index(task) for task in tasks if task in sources)
        for target, tasks in about.sources.items()
    }


def wrong_subsets(
    entries: Mapping[str, ParsedEntry], document: Document, sources: Sequence[str], targets: Sequence[str]
) -> Iterator[Problem]:
    """Yield a problem for each target and each source that an entry names and the recipe does not have."""
    for label, entry in entries.items():
        for target, tasks in entry.about.sources.items():
            where = document.where("compositions", label, "sources", target)
            if target not in targets:
                yield Problem(f"{label!r} names no target of the recipe: {target!r}", where, suggest(target, targets))
            for task in tasks:
                if task not in sources:
                    yield Problem(f"{label!r} names no source of the recipe: {task!r}", where, suggest(task, sources))


def wrong_numbers(
    entries: Iterable[Entry], document: Document, sources: Sequence[str], targets: Sequence[str]
) -> Iterator[Problem]:
    """Yield a problem where an entry has more or fewer sources for a target than its method takes, or than weights."""
    for entry in entries:
        numbers = {len(entry.made_of.get(target, sources)): target for target in reversed(targets)}
        for number, target in sorted(numbers.items()):
            try:
                COMPOSITIONS.get(entry.method).require_sources(number, entry.settings)
            except InputError as wrong:
                where = document.where("compositions", entry.label, wrong.where or "method")
                hint = "An entry may name its sources for each target: sources: {TARGET: [TASK, …]}."
                yield Problem(
                    f"{entry.label!r} for {target!r}: {wrong.what}", where, f"{wrong.hint or ''}\n{hint}".strip()
                )


def unsuited(
    entries: Iterable[Entry], document: Document, sources: Sequence[str], targets: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield a problem where a method cannot make of its sources what its entry asks for, by the first such target.

    ``sources`` are the kinds of the recipe's sources, ``targets`` those of the targets, by name.
    """
    for entry in entries:
        for target, kind in targets.items():
            made_of = entry.made_of.get(target, range(len(sources)))
            purpose = Purpose(METHODS.get(entry.family).library, tuple(sources[index] for index in made_of), kind)
            try:
                COMPOSITIONS.get(entry.method).require_suited(purpose, entry.settings)
            except InputError as wrong:
                where = document.where("compositions", entry.label, wrong.where or "method")
                yield Problem(f"{entry.label!r} for {target!r}: {wrong.what}", where, wrong.hint)
                break


def without_control(entries: Sequence[Entry], document: Document) -> Iterator[Problem]:
    """Yield a problem for each entry that a fresh adapter is no control of, and that names no other."""
    controls = {entry.label for entry in entries if entry.role == "control"}
    for entry in entries:
        if unlike_fresh(entry) and entry.against not in controls:
            message = f"{entry.label!r} trains a plain LoRA, and a fresh {entry.family} begins or trains in another way"
            hint = f"Add a row that begins fresh (method: {entry.method}, start: fresh), and name it: against: LABEL."
            yield Problem(message, document.where("compositions", entry.label), hint)
