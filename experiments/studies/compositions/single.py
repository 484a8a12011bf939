"""One fuse as a comparison of one target, one K and one seed, in which the fusion is the reference; and what it keeps.

Kept is what validation puts first among all that it tried, or what a person names. Nothing is chosen on test rows. What
the report says of them is said beside what was kept, and a person may choose.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.made_adapters import Kept
from adapter_workbench.experiments.answers.naming import source_ids
from adapter_workbench.experiments.engine.entries import collisions
from adapter_workbench.experiments.requests.lesson import BACKBONE
from adapter_workbench.experiments.studies.compositions.entry import (
    Entry,
    begun_fresh,
    like_fresh,
    stored,
    unlike_fresh,
)
from adapter_workbench.experiments.studies.compositions.recipe import GIVEN_BY_SHOTS, Controls, few_shot_budget
from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
from adapter_workbench.experiments.studies.compositions.rivals import (
    WITHOUT_SKILL,
    controlled,
    lesson_of,
    require_without_skill,
    shuffled_lessons,
    why_skilled,
)
from adapter_workbench.experiments.studies.compositions.sources import (
    AUTO,
    candidates,
    common_backbone,
    named,
    own_tasks,
    ranked,
)
from adapter_workbench.experiments.studies.compositions.trial import FewShot, FewShotTrial, undrawable
from adapter_workbench.experiments.studies.compositions.verdict import SIMPLEST, by_validation
from adapter_workbench.experiments.workspace.damage import set_unusable_aside
from adapter_workbench.fusion.composing.fuse import (
    composition_id,
    keep_composition,
    keep_uncomposed,
    require_composable,
    require_no_examples_needed,
    require_target_kind,
)
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.ranking import RANKINGS
from adapter_workbench.fusion.target.source_tasks import by_data, tasks_of
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.manifest import ChoiceReference
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems, suggest
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.stored_model import backbone_of
from adapter_workbench.workbench.settings.base import Budget, Document, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.experiments.requests.fuse import FuseRequest
    from adapter_workbench.experiments.studies.compositions.entry import WithoutSkill
    from adapter_workbench.experiments.studies.compositions.report import FusionReport
    from adapter_workbench.experiments.studies.compositions.sources import RankedSources
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task


def plan_fuse(wanted: FuseRequest, workspace: Workspace, folders: Sequence[Path], listener: Listener) -> FusionPlan:
    """Return the plan of one fuse; nothing is trained for it, but ``auto:K`` looks at the candidates' features.

    ``listener`` hears which adapter the name of a task means, and which data cannot be fetched.

    Raises:
        InputError: an unknown name or setting, or sources that do not go together, or that the method does not compose.
    """
    document = Document({}, "command line").set(wanted.assignments)
    problems: list[Problem] = []
    with collect_problems(problems):
        COMPOSITIONS.require(wanted.method, "--method")
        if document.data:  # imports torch; without settings, a misspelt name is reported before that
            _parsed(document, wanted)
    with collect_problems(problems):
        RANKINGS.require(wanted.ranking, "--ranking")
    with collect_problems(problems):
        require_without_skill(wanted.controls or ())
    with collect_problems(problems):
        spec = registry.find(wanted.target, folders)
        require_target_kind(spec.name, spec.file.kind)
        if wanted.shots == 0:
            _require_no_examples_needed(wanted, spec.name, spec.file.kind)
    if problems:
        raise SettingsError(problems)
    automatic = wanted.sources.startswith(AUTO)
    sources = () if automatic else _named(wanted, workspace, folders, listener)
    settings, budget = _parsed(document, wanted)
    target = registry.load(spec)
    if problems := [*undrawable(target, [wanted.shots or 0], "--shots")]:
        raise SettingsError(problems)
    backbone = _backbone(wanted, workspace, target, sources)
    backbone.require_length(budget.max_length, document.where("budget", "max_length"))
    few_shot = FewShot(target, backbone, resolve_precision(budget.precision), budget, wanted.seed, wanted.shots == 0)
    at_hand: Mapping[str, Task] | None = None
    best: RankedSources | None = None
    if automatic:
        adapters = candidates(workspace, wanted.method, few_shot)
        at_hand = own_tasks(adapters, folders, listener)
        best = ranked(adapters, wanted.sources, wanted.method, wanted.ranking, few_shot, at_hand)
        sources = tuple(map(workspace.adapters.verify, best.chosen))
    require_composable(wanted.method, sources, backbone, settings, target.kind)
    own = own_tasks(sources, folders, listener) if at_hand is None else at_hand
    if COMPOSITIONS.get(wanted.method).reads_sources:
        tasks_of(sources, own)
    return replace(_plan(wanted, few_shot, sources, settings, own), ranking=best)


def _require_no_examples_needed(wanted: FuseRequest, target: str, kind: str) -> None:
    """Raise InputError where something reads examples of the target, and none are asked for."""
    if wanted.method in COMPOSITIONS.names():  # else it is reported already
        require_no_examples_needed(wanted.method, target, kind, "--shots")
    if wanted.sources.startswith(AUTO):
        message = f"{wanted.sources} ranks adapters by examples of {target!r}, and there are none"
        raise InputError(message, where="--shots", hint="Name the sources: --from ID,ID,…")


def _backbone(wanted: FuseRequest, workspace: Workspace, target: Task, sources: Sequence[StoredAdapter]) -> Backbone:
    """Return the backbone that is named, else the sources'; for ``auto:K`` the one that all candidates have."""
    if sources:
        return backbone_of(sources[0], wanted.backbone)
    common = None if wanted.backbone else common_backbone(workspace, wanted.method, target)
    return common or open_backbone(wanted.backbone or BACKBONE)


def _named(
    wanted: FuseRequest, workspace: Workspace, folders: Sequence[Path], listener: Listener
) -> tuple[StoredAdapter, ...]:
    names = [name.strip() for name in wanted.sources.split(",") if name.strip()]

    def takes(library: str) -> bool:
        return library in COMPOSITIONS.get(wanted.method).libraries

    ids = source_ids(workspace, names, listener, folders, takes) if names else []
    return named(workspace.adapters, ids, wanted.sources)


def _parsed(document: Document, wanted: FuseRequest) -> tuple[Settings, Budget]:
    """Return the method's settings, and the budget for K examples.

    Raises:
        SettingsError: a setting is wrong, or says otherwise how many examples there are.
    """
    own = {name: value for name, value in document.data.items() if name != "budget"}
    budget = document.data.get("budget", {})
    if wanted.shots is not None and isinstance(budget, dict):
        if twice := [name for name in GIVEN_BY_SHOTS if name in budget]:
            message = f"{' and '.join(twice)} are given by --shots"
            hint = "Leave one of the two out: without --shots, the budget says how many examples there are."
            raise SettingsError([Problem(message, document.where("budget", twice[0]), hint)])
        budget = few_shot_budget(budget, wanted.shots)
    parts = ((), own, COMPOSITIONS.get(wanted.method, "--method").settings), (("budget",), budget, Budget)
    settings, parsed = document.parse_parts(*parts)
    return settings, parsed


def _plan(
    wanted: FuseRequest,
    few_shot: FewShot,
    sources: tuple[StoredAdapter, ...],
    settings: Settings,
    of_source: Mapping[str, Task],
) -> FusionPlan:
    method = wanted.method
    composed_of = tuple(stored(source, few_shot.backbone) for source in sources)
    own = like_fresh(
        Entry(method, "composition", composed_of[0].method, method, settings), composed_of[0].settings, None
    )
    entries = (own, begun_fresh(own)) if unlike_fresh(own) else (own,)
    controls = _controls(own, wanted)
    shuffled = "shuffled" in controls.get(method, ()) and shuffled_lessons(
        [lesson_of(source, of_source.get(source.id), few_shot.backbone) for source in sources]
    )
    source_tasks = by_data(task for source in sources if (task := of_source.get(source.id)))
    trial = FewShotTrial(replace(own, sources=composed_of), few_shot, sources, source_tasks)
    adapter = composition_id(method, trial.request(Silent()), trial.entry.settings)
    plan = FusionPlan(
        name=f"fuse-{adapter}",
        description=f"{few_shot.target.name} from {', '.join(source.id for source in sources)}, by {method}",
        backbone=few_shot.backbone,
        entries=entries,
        targets=(few_shot.target,),
        budgets={few_shot.shots: few_shot.budget},
        seeds=(few_shot.seed,),
        reference=method,
        lessons={},
        stored=sources,
        full=wanted.full,
        source_tasks=source_tasks,
        controls=controls,
        shuffled={(few_shot.seed, own.family): shuffled} if shuffled else {},
    )
    _require_labels(plan)
    return plan


def _controls(own: Entry, wanted: FuseRequest) -> dict[str, tuple[WithoutSkill, ...]]:
    """Return of which sources without skill the fusion is made too: what was asked for, or random ones if it trains.

    Raises:
        InputError: they were asked for, and the method is made of none.
    """
    if wanted.controls is None:
        return controlled(Controls(shuffled=()), [own])
    if wanted.controls and (why := why_skilled(own)):
        raise InputError(f"{own.method} cannot be made of sources without skill: {why}", where="--controls")
    return {own.label: tuple(kind for kind in WITHOUT_SKILL if kind in wanted.controls)} if wanted.controls else {}


def _require_labels(plan: FusionPlan) -> None:
    """Raise SettingsError where two entries would be the same row of the tables."""
    labels = [(entry.label, "--from") for entry in plan.all_entries(plan.seeds[0])]
    if problems := [replace(problem, hint="Leave one of the two out.") for problem in collisions(labels)]:
        raise SettingsError(problems)


VALIDATION, FUSION = "validation", "fusion"  # what --keep takes besides the names of the table
UNCOMPOSED = ("frozen", "fresh", "full")


def keepable(plan: FusionPlan) -> list[str]:
    """Return the labels of what a fuse can keep: what was made of the sources, and the plain alternatives.

    Not what is made of sources without skill. Nor, where answers are generated, a head on frozen features, which is the
    bare backbone; without examples a fresh adapter is that too.
    """
    problem = next(plan.problems(plan.seeds[0]))
    bare = {*(["frozen"] if problem.target.kind in GENERATED else []), *(["fresh", "full"] if problem.without else [])}
    return [entry.label for entry in plan.all_entries(plan.seeds[0]) if entry.role in {*SIMPLEST} - bare]


def require_keepable(plan: FusionPlan, keep: str) -> None:
    """Make sure that ``keep`` is a choice of this fuse, before anything is trained.

    Raises:
        InputError: it is not.
    """
    choices = [VALIDATION, FUSION, *keepable(plan)]
    if keep not in choices:
        hint = suggest(keep, map(shlex.quote, choices))
        raise InputError(f"{keep!r} is not among what this fuse can keep", where="--keep", hint=hint)


def choose(report: FusionReport, labels: Sequence[str], keep: str) -> Kept:
    """Return what is kept of a finished fuse, and why.

    Args:
        report: on it.
        labels: of what can be kept, see :func:`keepable`.
        keep: ``validation``, ``fusion`` or one of these labels.
    """
    fusion = report.record.reference
    ranked = by_validation(report, labels)
    favoured = ranked[0].label if ranked else None
    asked = {VALIDATION: favoured or fusion, FUSION: fusion}.get(keep, keep)
    scores = {row.label: row.validation(report.overall) or 0.0 for row in ranked}
    choices = tuple(dict.fromkeys([*scores, *labels]))
    return Kept(asked, fusion, favoured, scores, choices, named=keep != VALIDATION)


def kept_adapter(plan: FusionPlan, chosen: Kept, site: Site) -> StoredAdapter:
    """Return the adapter that a person who fuses asks for: of what was tried, the one that is kept; stored once.

    It is made again with the same seed and the same examples, since trials leave results and no models.

    Raises:
        IntegrityError: it changed the backbone.
        TrainingError: a fit failed.
    """
    from adapter_workbench.experiments.studies.compositions.work import model_of  # torch comes with it

    trial = plan.single_trial(chosen.label)
    entry, request, store = trial.entry, trial.request(site.listener), site.workspace.adapters
    composed = entry.role not in UNCOMPOSED
    if composed:
        name = composition_id(entry.method, request, entry.settings)
    else:
        name = f"{trial.problem.target.name}-{entry.method}-{trial.key[:8]}"
    ranking = plan.ranking
    choice = ChoiceReference(
        label=chosen.label,
        by="a person" if chosen.named else "validation",
        validation=dict(chosen.validation),
        ranking=ranking and ranking.ranking,
        ranked=ranking.values if ranking else {},
    )
    with site.workspace.claim(name):
        set_unusable_aside(store, name, site.listener)
        if name in store:
            return store.verify(name)
        tried = model_of(trial, site)
        site.in_memory.clear()  # it is taken apart now
        if composed:
            return keep_composition(name, tried, entry.method, request, entry.settings, store, choice)
        return keep_uncomposed(name, tried, request, store, choice)
