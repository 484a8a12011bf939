"""The pieces of a comparison of compositions: sources are trained and described, then each entry is tried once."""

from __future__ import annotations

import gc
import shutil
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.forecast import lesson_effort
from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.timed_steps import step_shape
from adapter_workbench.experiments.studies.compositions.record import (
    SOURCES,
    TRIALS,
    Result,
    Retained,
    SourcesResult,
    TrialResult,
    results_in,
)
from adapter_workbench.experiments.studies.compositions.trial import FewShotTrial
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, evaluate_stored
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.fusion.composing.compatibility import require_compatible
from adapter_workbench.fusion.composing.fuse import composition_code, raised_revisions
from adapter_workbench.fusion.diagnosis.diagnostics import diagnose
from adapter_workbench.fusion.target.composition import HEAD_REVISION
from adapter_workbench.fusion.target.source_tasks import by_data, task_of
from adapter_workbench.fusion.updates.lora import read
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import under_head_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.compositions.entry import Entry, Role, Source
    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.experiments.studies.compositions.trial import FewShot
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.composing.fuse import ComposedModel
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.training import Lesson


@dataclass(frozen=True)
class SourcePiece:
    """One source: a method on a task with a seed."""

    lesson: Lesson
    needs = ()
    alone = False

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["source", self.lesson.key])

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """Which source it is."""
        lesson = self.lesson
        return {"part": "source", "task": lesson.task.name, "method": lesson.adaptation.method, "seed": lesson.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.lesson.task.name} · {self.lesson.adaptation.method} · seed {self.lesson.seed}"

    @property
    def effort(self) -> Effort:
        """That of the lesson."""
        return lesson_effort(self.lesson)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the adapter is there."""
        return workspace.has_adapter(self.lesson.adapter_id)

    def work(self, site: Site) -> None:
        """Train it."""
        site.workspace.trained_adapter(self.lesson, site.listener, self.label)


def pieces(plan: FusionPlan) -> Iterator[Piece]:
    """Yield seed by seed: sources, what is known of them, then the trials.

    The problems of one entry follow each other, since they share a body.
    """
    for seed in plan.seeds:
        lessons = [SourcePiece(lesson) for (own, _), many in plan.lessons.items() if own == seed for lesson in many]
        yield from lessons
        entries = [*plan.all_entries(seed)]
        others = _other_sources(plan, seed, entries)
        yield from chain.from_iterable(others.values())
        described = {}
        for family, sources in plan.families(seed).items():
            needs = tuple(piece.key for piece in lessons if piece.lesson.adaptation.method == family)
            described[family] = _sources(plan, seed, sources, needs)
        yield from described.values()
        for entry in entries:
            needs = (described[entry.family].key,) if entry.sources else ()
            needs += tuple(piece.key for piece in others.get((entry.role, entry.family), ()))
            for problem in plan.problems(seed):
                if not (problem.without and entry.needs_examples):
                    yield trial_piece(plan, entry.on(problem.target.name), problem, needs)


def _other_sources(
    plan: FusionPlan, seed: int, entries: Sequence[Entry]
) -> dict[tuple[Role, str], tuple[SourcePiece, ...]]:
    """Return (role, fine-tuning method) → the pieces of what entries of this role have in place of the sources."""
    lessons: dict[tuple[Role, str], tuple[Lesson, ...]] = {}
    for role, family in dict.fromkeys((entry.role, entry.family) for entry in entries):
        if role == "shuffled":
            lessons[role, family] = plan.shuffled[seed, family]
        elif role == "mixed":
            lessons[role, family] = (plan.mixed[seed, family],)
    return {which: tuple(map(SourcePiece, own)) for which, own in lessons.items()}


def _sources(plan: FusionPlan, seed: int, sources: tuple[Source, ...], trained: tuple[str, ...]) -> DocumentPiece:
    """Return the piece that describes the sources of one seed and family; ``trained`` are the keys of their pieces."""
    family = sources[0].method
    return DocumentPiece(
        key=key(["sources", [source.identity for source in sources], seed]),
        coordinates={"part": "sources", "seed": seed, "family": family},
        label=f"sources by {family} · seed {seed}",
        effort=Effort(f"sources {plan.backbone.name} {family} {len(sources)}"),
        leaves=SOURCES,
        result=partial(_described_sources, plan.backbone, seed, sources),
        needs=trained,
    )


def _described_sources(backbone: Backbone, seed: int, sources: tuple[Source, ...], site: Site) -> SourcesResult:
    """Describe the sources; LoRAs are diagnosed too.

    Raises:
        InputError: they do not go together.
    """
    adapters = [source.stored_in(site.workspace) for source in sources]
    require_compatible(adapters, backbone)
    described = tuple(
        {
            "adapter": adapter.manifest.id,
            "task": adapter.manifest.task.name,
            "method": adapter.manifest.method,
            "seed": adapter.manifest.seed,
            "validation": counted and counted.validation,
            **({"elsewhere": adapter.manifest.elsewhere.program} if adapter.manifest.elsewhere else {}),
        }
        for adapter, counted in ((source, site.workspace.score(source.manifest)) for source in adapters)
    )
    diagnostics = None
    if adapters[0].manifest.library == "peft" and len(adapters) > 1:
        updates = [read(adapter.folder) for adapter in adapters]
        diagnostics = diagnose([source.task for source in sources], updates, seed=seed).as_json()
    return SourcesResult(described, diagnostics)


def trial_piece(plan: FusionPlan, entry: Entry, problem: FewShot, needs: tuple[str, ...]) -> DocumentPiece:
    """Return the piece that tries one entry on one problem."""
    role, method, retains = entry.work, entry.method, plan.retains(entry, problem)
    read = plan.source_tasks if entry.reads_sources else {}
    coordinates = {"part": "trial", "label": entry.label, "target": problem.target.name}
    shape = f"{len(entry.sources)} K={problem.shots} {step_shape(problem.budget)}"
    return DocumentPiece(
        key=_trial_key(entry, problem, plan.source_tasks.values() if retains else None),
        coordinates={**coordinates, "shots": problem.shots, "seed": problem.seed},
        label=FewShotTrial(entry, problem).label,
        effort=Effort(f"trial {problem.backbone.name} {role} {method} {shape}", None),
        leaves=TRIALS,
        result=partial(_trial_result, entry, problem, read, plan.source_tasks if retains else {}),
        needs=needs,
    )


def _trial_key(entry: Entry, problem: FewShot, retained: Iterable[Task] | None) -> str:
    """Return the key of a trial; ``retained``: the tasks on which to test what the model retains, None for no test.

    Before there are sources nobody knows whether a revision changed this trial: the piece is done again, and finds the
    result under the trial's own key where it did not.
    """
    role, settings = entry.work, entry.settings.model_dump(mode="json")
    was_so_before = entry.head == "fitted" and role not in ("fresh", "full")  # earlier keys name no head
    trained = role in ("fresh", "full", "frozen")
    code = METHODS.code(entry.method) if trained else composition_code(entry.method, entry.settings)
    revisions = _raised(entry) if trained else raised_revisions(entry.method, entry.settings)
    return key(
        {
            "contestant": [role, entry.method, settings, *([] if was_so_before else [entry.head])],
            "sources": [source.identity for source in entry.sources],
            "target": problem.target.fingerprint,
            "backbone": [problem.backbone.identity, problem.backbone.pooling, problem.precision],
            "budget": problem.budget.model_dump(mode="json"),
            "seed": problem.seed,
            "head fitting": HEAD_REVISION,
            "retains": False if retained is None else [task.fingerprint for task in retained],
            "processes": processes.sharing(),
            "versions": versions(),
            **({"code": code} if code else {}),
            **({"revisions": revisions} if revisions else {}),
            **({"examples": 0} if problem.without else {}),
        }
    )


def _raised(entry: Entry) -> dict[str, int]:
    """Return by name the revision of the method by which an entry is trained from nothing, where that is above 1."""
    revision = 1 if entry.work == "frozen" else METHODS.get(entry.method).revision_of(entry.settings)
    return {entry.method: revision} if revision > 1 else {}


def _trial_result(
    entry: Entry, problem: FewShot, read: Mapping[str, Task], retained: Mapping[str, Task], site: Site
) -> TrialResult:
    """Make the model, which may need rows of the tasks to ``read``; test it, and return where the result is."""
    with entry.sources_in(site.workspace) as sources:
        trial = FewShotTrial(entry, problem, sources, read)
        tried(trial, site, retained)
        return TrialResult(trial.key)


BODY = "composed body"  # which the next trial may reuse


def tried(trial: FewShotTrial, site: Site, source_tasks: Mapping[str, Task]) -> Result:
    """Return the result of a trial; it is run only if the workspace does not hold it yet.

    ``source_tasks`` are those on which to test what the model retains; where fewer of them were at hand
    before, the model is made again for the others alone, and all else of its result stays.
    """
    results = results_in(site.workspace)
    result = results.get(trial.key)
    if result is None:
        return _measured(trial, model_of(trial, site), site, source_tasks)
    known = {kept.source for kept in result.retained}
    missing = by_data(task for source, task in _testable(trial, source_tasks) if source.id not in known)
    if not missing:
        return result
    retained = _retained(model_of(trial, site), trial, missing, site.workspace)
    added = (kept for kept in retained if kept.source not in known)
    outcomes = read_outcomes(results.require_outcomes(trial.key))
    with_added = replace(result, retained=(*result.retained, *added))
    results.remove(trial.key)
    return results.write(trial.key, with_added, outcomes)


def model_of(trial: FewShotTrial, site: Site) -> ComposedModel:
    """Return a trial's model; a body that the trial before had too is not composed again."""
    shared = trial.body_key
    before = site.in_memory.get(BODY)
    same = before[1] if before and shared and before[0] == shared else None
    site.in_memory.clear()
    before = None
    gc.collect()  # a body is in a reference cycle; without this, Python keeps dozens of backbones
    scratch = site.workspace.scratch(trial.key)
    site.listener.say(trial.label)
    fused = trial.fused(site.listener, scratch, same)
    shutil.rmtree(scratch, ignore_errors=True)
    if shared:
        site.in_memory[BODY] = shared, fused
    return fused


def _measured(trial: FewShotTrial, fused: ComposedModel, site: Site, source_tasks: Mapping[str, Task]) -> Result:
    """Test a trial's model, and write the result into the workspace."""
    problem = trial.problem
    evaluation = evaluate_model(fused.model, problem.target, problem.backbone, problem.budget)
    result = Result(
        score=evaluation.scores[fused.model.kind.metric],
        scores=evaluation.scores,
        examples=len(evaluation.outcomes),
        fit=fused.record,
        head=fused.head,
        weights=fused.composed.weights,
        facts=fused.composed.facts,
        details=fused.composed.details,
        retained=tuple(_retained(fused, trial, source_tasks, site.workspace)),
        sources=tuple(source.task for source in trial.entry.sources),
    )
    results_in(site.workspace).write(trial.key, result, evaluation.outcomes)
    return result


def _retained(
    fused: ComposedModel, trial: FewShotTrial, tasks: Mapping[str, Task], workspace: Workspace
) -> Iterator[Retained]:
    """Yield one entry for each source whose task is among ``tasks`` with the data that the source was trained on."""
    few_shot = trial.problem
    for source, task in _testable(trial, tasks):
        alone = evaluate_stored(workspace, source, task, few_shot.backbone, few_shot.budget)
        under = under_head_of(source, fused.model, few_shot.backbone, task)
        metric = under.kind.metric
        score = evaluate_model(under, task, few_shot.backbone, few_shot.budget).scores[metric]
        yield Retained(source.id, task.name, alone.scores[metric], score, alone.examples)


def _testable(trial: FewShotTrial, tasks: Mapping[str, Task]) -> Iterator[tuple[StoredAdapter, Task]]:
    """Yield each source whose task is among ``tasks`` with the data that it was trained on, and that task."""
    for source in trial.sources:
        if task := task_of(source, tasks):
            yield source, task
