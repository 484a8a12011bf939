"""The pieces of a stream: each learns one task, tests those learned so far, and probes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.timed_steps import TimedSteps, step_shape
from adapter_workbench.experiments.studies.stream.work.learning import Learning
from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageFolders
from adapter_workbench.experiments.studies.stream.work.stage_runner import StageRunner, outcome_file
from adapter_workbench.experiments.studies.stream.work.tuning import tuning, tuning_so_far
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.stream.plan.entry import PlannedEntry
    from adapter_workbench.experiments.studies.stream.plan.plan import Plan
    from adapter_workbench.experiments.studies.stream.plan.planned_stages import PlannedStage
    from adapter_workbench.experiments.studies.stream.work.tuning import Tuning
    from adapter_workbench.experiments.workspace import Workspace


@dataclass(frozen=True)
class StagePiece:
    """One stage of a stream."""

    plan: Plan
    entry: PlannedEntry  # whose stage it is
    # the same stage at each learning rate that the entry tries, of which `work` takes one; one stage where
    # it tries none
    variants: tuple[PlannedStage, ...]
    needs: tuple[str, ...]  # the piece of the stage before, and whatever chooses the learning rate
    alone = False

    @cached_property
    def key(self) -> str:
        """The stage's key, and what is measured after it; where learning rates are tried, the keys of all of this."""
        if not self.entry.tried:
            return key([self.planned.key, self._outcome])
        attempts = [tried.attempts for tried in self.entry.tried]
        return key([[planned.key for planned in self.variants], attempts, self._outcome])

    @property
    def planned(self) -> PlannedStage:
        """The stage at the entry's own learning rate."""
        return self.variants[0]

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """Which stage of which entry and replication it is, and where its outcome stands."""
        planned = self.planned
        tried = {"steps": [variant.key for variant in self.variants]} if self.entry.tried else {"step": planned.key}
        return {
            "label": planned.entry.label,
            "seed": planned.seed,
            "order": planned.order,
            "stage": planned.stage,
            "task": planned.name,
            **tried,
            "outcome": self._outcome,
        }

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return self.planned.label

    @property
    def effort(self) -> Effort:
        """All fits of the stage; a training step is a plain one."""
        plan, planned, entry = self.plan, self.planned, self.planned.entry
        pace = f"stream {plan.recipe.backbone} {entry.strategy} {entry.method} {step_shape(plan.recipe.budget)}"
        timed = TimedSteps(plan.adaptation(entry), plan.recipe.budget, planned.task)
        return Effort(pace, plan.updates(planned), partial(plan.forecast, planned), timed)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the outcome is there, with the answers that it was taken from."""
        tuned = tuning_so_far(self.entry.tried, workspace)
        if self.entry.tried and tuned is None:
            return False
        return StageFolders(workspace).finished(self._taken(tuned).key, self._outcome) is not None

    def work(self, site: Site) -> None:
        """Learn, test, probe, write down, at the learning rate that was chosen."""
        tuned = tuning(self.entry.tried, site.workspace)
        StageRunner(Learning(self.plan, self._taken(tuned), site.workspace, site.listener)).work()

    def _taken(self, tuned: Tuning | None) -> PlannedStage:
        return self.variants[tuned.rung if tuned else 0]

    @cached_property
    def _outcome(self) -> str:
        return outcome_file(self.plan, self.planned)


def pieces(plan: Plan) -> Iterator[Piece]:
    """Yield a piece for each learning rate that is tried on a task, then one for each stage.

    The stages come replication by replication, so that the first complete comparison is there early. Within a
    replication one entry follows the other, each with all of its stages.
    """
    yield from _attempts(plan)
    entries = {entry.label: entry for entry in plan.entries}
    stages: dict[tuple[str, int, int, int], list[PlannedStage]] = {}
    for planned in plan.stages:
        stages.setdefault((planned.entry.label, planned.seed, planned.order, planned.stage), []).append(planned)
    before: dict[tuple[str, int, int], str] = {}
    for (label, seed, order, _), variants in stages.items():
        entry = entries[label]
        waits = (before[label, seed, order],) if variants[0].before else ()
        piece = StagePiece(plan, entry, tuple(variants), (*waits, *_choice(entries, entry)))
        before[label, seed, order] = piece.key
        yield piece


def _attempts(plan: Plan) -> Iterator[Piece]:
    """Yield each attempt once for all entries that share it; an entry names it where its method is not enough."""
    tried = {
        key: (entry, candidate, task)
        for entry in plan.entries
        for candidate in plan.attempts(entry)
        for task, key in enumerate(candidate.keys)
    }
    alike = Counter((entry.method, task, candidate.learning_rate) for entry, candidate, task in tried.values())
    for entry, candidate, task in tried.values():
        is_alone = alike[entry.method, task, candidate.learning_rate] == 1
        yield candidate.piece(entry.method if is_alone else entry.label, task)


def _choice(entries: Mapping[str, PlannedEntry], entry: PlannedEntry) -> Iterator[str]:
    """Yield the keys of what chooses a learning rate: only then it is known which points of a frontier are new."""
    for tried in entries[entry.frontier or entry.label].tried:
        yield from tried.attempts
