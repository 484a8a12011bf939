"""From a plan to results: sources are trained where they are missing, then every trial without a result is run."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from experiments.engine.provenance import provenance
from experiments.studies.compositions.record import Cell, FusionRecord, Party, load
from experiments.studies.compositions.result import Result
from experiments.studies.compositions.retention import retained
from experiments.workspace.evaluating import majority, test
from experiments.workspace.mending import clear_the_way, what_there_is
from fusion.compatibility import require_compatible
from fusion.diagnostics import diagnose
from fusion.fuse import fused_id, keep_fused
from fusion.lora import read
from workbench.errors import UnwritableError
from workbench.processes import is_first

if TYPE_CHECKING:
    from experiments.studies.compositions.plan import FusionPlan
    from experiments.studies.compositions.trial import Trial
    from experiments.workspace import Workspace
    from fusion.fuse import Fused
    from workbench.listener import Listener
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task
    from workbench.training import Lesson

Families = Mapping[str, Sequence["StoredAdapter"]]
COMPOSED = ("average", "composition")


@dataclass
class FusionRun:
    """One run of a plan in a workspace.

    Attributes:
        source_tasks: the sources' own tasks, by name, to measure what compositions retain of them.
        hear: is told of the record each time that a seed is complete.
    """

    plan: FusionPlan
    workspace: Workspace
    listener: Listener
    source_tasks: Mapping[str, Task] = field(default_factory=dict)
    hear: Callable[[FusionRecord], None] = lambda record: None
    _last: tuple[str, Fused] | None = None

    def __post_init__(self) -> None:
        """Make damaged things again."""
        self.workspace = self.workspace.mended_by(self.listener)

    def all(self, command: str = "") -> FusionRecord:
        """Do whatever is not done yet, and return the record of everything.

        Raises:
            TrainingError: a fit failed; what was finished before is kept.
            InputError: sources that do not go together, or the experiment is being run already.
            UnwritableError: nothing can be written, and there is something to do.
        """
        try:
            return self._all(command)
        except UnwritableError as error:
            known = load(self.workspace.experiment(self.plan.name))
            return what_there_is(known, self._is_whole, error, self.listener)

    def _is_whole(self, known: FusionRecord) -> bool:
        """Return whether a record is that of this plan, with all its results."""
        blank = begin(self.plan, "")
        same = replace(known, provenance={}, sources=(), parties=(), cells=(), diagnostics={}, data={})
        return same == replace(blank, provenance={}, data={}) and len(known.cells) == known.planned > 0

    def _all(self, command: str) -> FusionRecord:
        with self.workspace.locked(self.plan.name):
            record = begin(self.plan, command)
            for seed in self.plan.seeds:
                families = self.families(seed)
                record = with_sources(record, self.plan, seed, families)
                for trial in self.plan.trials(seed, families):
                    known = self.workspace.trials.get(trial.key) is not None
                    with self.workspace.claimed(trial.key):
                        self.result(trial)
                    record = replace(record, cells=(*record.cells, _cell(trial)))
                    if is_first() and not known:
                        record.save(self.workspace.experiment(self.plan.name))
                if is_first():
                    record.save(self.workspace.experiment(self.plan.name))
                self.hear(record)
        return record

    def help(self) -> None:
        """Do the trials that no other process is at, the last first, for a process that runs the same plan."""
        for seed in reversed(self.plan.seeds):
            for lessons in reversed([each for (own, _), each in self.plan.lessons.items() if own == seed]):
                for lesson in reversed(lessons):
                    self._source(lesson)
            for trial in reversed([*self.plan.trials(seed, self.families(seed))]):
                with self.workspace.claimed(trial.key, wait=False) as mine:
                    if mine:
                        self.result(trial)

    def families(self, seed: int) -> Families:
        """Return the sources of one seed by fine-tuning method; those that are missing are trained."""
        if self.plan.stored:
            return {self.plan.stored[0].manifest.method: self.plan.stored}
        return {
            name: [self._source(lesson) for lesson in lessons]
            for (own, name), lessons in self.plan.lessons.items()
            if own == seed
        }

    def result(self, trial: Trial) -> Result:
        """Return the result of a trial; it is run only if the workspace does not hold it yet."""
        known = self.workspace.trials.get(trial.key)
        if known:
            return known
        return self._measured(trial, self.fused(trial))

    def kept(self, trial: Trial) -> StoredAdapter:
        """Return the adapter that a composition gives, with its result in the workspace; stored once.

        Raises:
            IntegrityError: the composition changed the backbone.
        """
        method, settings, request = trial.contestant.method, trial.contestant.settings, trial.request(self.listener)
        adapter, store = fused_id(method, request, settings), self.workspace.adapters
        clear_the_way(store, adapter, self.listener)
        if adapter in store.ids():
            return store.verify(adapter)
        fused = self.fused(trial)
        self._measured(trial, fused)
        self._last = None  # it is taken apart now
        return keep_fused(adapter, fused, method, request, settings, store)

    def fused(self, trial: Trial) -> Fused:
        """Return a trial's model; a body that the trial before had too is not composed again."""
        shared = trial.body_key
        before = self._last[1] if self._last and shared and self._last[0] == shared else None
        self._last = None
        gc.collect()  # a body holds itself; left to its own pace, Python keeps dozens of backbones
        scratch = self.workspace.scratch(trial.key)
        self.listener.say(trial.label)
        fused = trial.fused(self.listener, scratch, before)
        shutil.rmtree(scratch, ignore_errors=True)
        self._last = (shared, fused) if shared else None
        return fused

    def _measured(self, trial: Trial, fused: Fused) -> Result:
        few_shot = trial.problem
        tested = test(fused.model, few_shot.target, few_shot.backbone, few_shot.budget)
        result = Result(
            score=tested.scores[fused.model.kind.metric],
            scores=tested.scores,
            examples=len(tested.outcomes),
            fit=fused.record,
            head=fused.head,
            weights=fused.composed.weights,
            facts=fused.composed.facts,
            details=fused.composed.details,
            retained=tuple(retained(fused, trial, self.source_tasks, self.workspace)) if self._retains(trial) else (),
        )
        self.workspace.trials.save(trial.key, result, tested.outcomes)
        return result

    def _source(self, lesson: Lesson) -> StoredAdapter:
        label = f"{lesson.task.name} · {lesson.adaptation.method} · seed {lesson.seed}"
        return self.workspace.learned(lesson, self.listener, label)

    def _retains(self, trial: Trial) -> bool:
        """Whether to test on the sources' tasks: compositions, once a seed, on the first target with most examples."""
        first, most = self.plan.targets[0].name, max(self.plan.budgets)
        few_shot = trial.problem
        return trial.contestant.role in COMPOSED and few_shot.target.name == first and few_shot.shots == most


def begin(plan: FusionPlan, command: str) -> FusionRecord:
    """Return the record of a plan of which nothing is done yet."""
    any_budget = next(iter(plan.budgets.values()))
    return FusionRecord(
        experiment=plan.name,
        description=plan.description,
        backbone=plan.backbone.name,
        reference=plan.reference,
        targets=tuple(target.name for target in plan.targets),
        shots=tuple(plan.budgets),
        seeds=plan.seeds,
        budgets={str(shots): budget.model_dump(mode="json") for shots, budget in plan.budgets.items()},
        majority={target.name: majority(target, any_budget) for target in plan.targets},
        provenance=provenance(command),
        data={target.name: target.fingerprint for target in plan.targets},
    )


def with_sources(record: FusionRecord, plan: FusionPlan, seed: int, families: Families) -> FusionRecord:
    """Return ``record`` with what is known of one seed's sources before they are composed.

    Raises:
        InputError: sources that do not go together.
    """
    found = []
    diagnostics = dict(record.diagnostics)
    for family, sources in families.items():
        require_compatible(sources, plan.backbone)
        found += [_described(source, seed) for source in sources]
        if sources[0].manifest.library == "peft" and len(sources) > 1:
            names = [source.manifest.task.name for source in sources]
            updates = [read(source.folder) for source in sources]
            diagnostics[f"{seed}/{family}"] = diagnose(names, updates, seed=seed).as_json()
    contestants = plan.contestants(families)
    parties = tuple(
        Party(one.label, one.role, one.family, one.method, one.settings.model_dump(mode="json")) for one in contestants
    )
    return replace(record, sources=(*record.sources, *found), parties=parties, diagnostics=diagnostics)


def _described(source: StoredAdapter, seed: int) -> dict[str, Any]:
    manifest = source.manifest
    return {
        "adapter": manifest.id,
        "task": manifest.task.name,
        "method": manifest.method,
        "seed": seed,
        "validation": manifest.fit.validation,
    }


def _cell(trial: Trial) -> Cell:
    few_shot = trial.problem
    return Cell(trial.contestant.label, few_shot.target.name, few_shot.shots, few_shot.seed, trial.key)
