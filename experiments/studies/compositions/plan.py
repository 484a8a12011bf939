"""A comparison, resolved: names looked up, settings typed, data read; sources may still have to be trained."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, get_args

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.entries import EntryForm, collisions
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.studies.compositions.controls import (
    WITHOUT_SKILL,
    control_label,
    controlled,
    shuffled_lessons,
    wrong_controls,
)
from adapter_workbench.experiments.studies.compositions.entry import (
    Entry,
    Role,
    fresh_label,
    reserved,
    with_head,
)
from adapter_workbench.experiments.studies.compositions.few_shot import few_shot_budget, undrawable
from adapter_workbench.experiments.studies.compositions.mixed_data import (
    begun_label,
    mixed_label,
    mixed_lessons,
    mixed_methods,
    wrong_mixed,
)
from adapter_workbench.experiments.studies.compositions.picks import never_picked
from adapter_workbench.experiments.studies.compositions.rates import like_fresh, without_control
from adapter_workbench.experiments.studies.compositions.recipe import Recipe
from adapter_workbench.experiments.studies.compositions.record import PICKS
from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
from adapter_workbench.experiments.studies.compositions.subsets import (
    Composing,
    positions,
    unsuited,
    wrong_numbers,
    wrong_subsets,
)
from adapter_workbench.experiments.studies.core.against import uncompared
from adapter_workbench.fusion.composing.compatibility import why_unfit
from adapter_workbench.fusion.composing.fuse import require_target_kind
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import HeadStart
from adapter_workbench.fusion.target.source_tasks import by_data
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.methods import METHODS, trained_method
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson
from adapter_workbench.workbench.training.default_rates import at_default_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.draft import Draft
    from adapter_workbench.experiments.engine.feasibility import MethodUse
    from adapter_workbench.tasks.task_file.spec import TaskSpec
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
    if not draft.problems:  # else sources or targets may be missing, and numbers of them mean nothing
        draft.problems.extend(wrong_numbers(entries, document, *names))
    if not draft.problems:
        draft.problems.extend(without_control(entries, document))
        draft.problems.extend(unsuited(entries, document, kinds, {spec.name: spec.file.kind for spec in targets}))
    recipe = draft.require()
    wrong = [*wrong_controls(recipe.controls, entries, document), *wrong_mixed(recipe, kinds, entries, document)]
    if wrong:
        raise SettingsError(wrong)
    controls, mixed = controlled(recipe.controls, entries), mixed_methods(recipe, kinds)
    made_twice = sum(map(len, controls.values())) + 2 * len(mixed)
    fits = _fits(recipe, len(methods), len(entries) + made_twice, len(sources), len(targets))
    require_affordable(fits, document.origin)
    wanted = [(*entry, (*SOURCES, name)) for name, entry in methods.items()]
    of_targets = [spec.file.kind for spec in targets]
    budgets = [(recipe.sources.budget, ("sources", "budget"), kinds), (recipe.budget, ("budget",), of_targets)]
    backbone = open_feasible(document.where, recipe.backbone, wanted, [*kinds, *of_targets], budgets)
    _require_fit(document, backbone, wanted)
    if "full" in fresh and backbone.quantization:
        message = f"full fine-tuning takes no part on a backbone that {backbone.quantization} keeps packed"
        hint = "Leave these settings out, or the quantisation."
        raise InputError(message, where=document.where("fresh", "full"), hint=hint)
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # imports torch, so that mistakes are reported before
    )

    precision = resolve_precision(recipe.sources.budget.precision)
    adaptations = {
        name: Adaptation(backbone, method, at_default_rate(method, settings, backbone.config), precision)
        for name, (method, settings) in methods.items()
    }
    entries = tuple(like_fresh(entry, adaptations[entry.family].settings, fresh.get(entry.family)) for entry in entries)
    tasks, loaded = [registry.load(spec) for spec in sources], tuple(registry.load(spec) for spec in targets)
    where = document.where("shots")
    if wrong := [problem for target in loaded for problem in undrawable(target, recipe.shots, where)]:
        raise SettingsError(wrong)
    lessons = {
        (seed, name): tuple(Lesson(task, adaptation, recipe.sources.budget, seed) for task in tasks)
        for seed in recipe.seeds
        for name, adaptation in adaptations.items()
    }
    shuffled_families = {entry.family for entry in entries if "shuffled" in controls.get(entry.label, ())}
    plan = FusionPlan(
        name=recipe.name,
        description=recipe.description,
        backbone=backbone,
        entries=entries,
        targets=loaded,
        budgets=few_shot_budgets(recipe.budget, recipe.shots),
        seeds=recipe.seeds,
        reference=fresh_label(next(iter(methods))),
        lessons=lessons,
        fresh=fresh,
        heads=recipe.heads,
        source_tasks=by_data(tasks),
        controls=controls,
        shuffled={
            (seed, name): shuffled_lessons(own) for (seed, name), own in lessons.items() if name in shuffled_families
        },
        mixed=mixed_lessons(lessons, mixed, tasks, recipe.sources.budget),
        test=recipe.test,
        margin=recipe.margin,
    )
    if wrong := [*never_picked(plan, document)]:
        raise SettingsError(wrong)
    return plan


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
