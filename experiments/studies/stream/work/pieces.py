"""The pieces of a stream: each learns one task, tests those learned so far, and probes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from experiments.engine.piece import Effort
from experiments.engine.timed_steps import TimedSteps, step_shape
from experiments.studies.core.tune import attempt, rate
from experiments.studies.stream.work.bench import Bench, outcome_file
from experiments.studies.stream.work.learning import Learning
from experiments.studies.stream.work.steps import Steps
from experiments.studies.stream.work.tuning import tuning, tuning_so_far
from workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.engine.piece import Piece, Site
    from experiments.studies.stream.plan.entry import Entry
    from experiments.studies.stream.plan.plan import Plan
    from experiments.studies.stream.plan.planned_steps import Step
    from experiments.studies.stream.work.tuning import Tuning
    from experiments.workspace import Workspace


@dataclass(frozen=True)
class StepPiece:
    """One step of a stream.

    Attributes:
        entry: whose step it is.
        steps: the same step at each learning rate that the entry tries, of which :meth:`work` takes one;
            one step where it tries none.
        needs: the piece of the step before, and whatever chooses the learning rate.
    """

    plan: Plan
    entry: Entry
    steps: tuple[Step, ...]
    needs: tuple[str, ...]
    alone = False

    @cached_property
    def key(self) -> str:
        """The step's key, and what is measured after it; where learning rates are tried, the keys of all of this."""
        if not self.entry.tried:
            return key([self.step.key, self._outcome])
        attempts = [tried.attempts for tried in self.entry.tried]
        return key([[step.key for step in self.steps], attempts, self._outcome])

    @property
    def step(self) -> Step:
        """The step at the entry's own learning rate."""
        return self.steps[0]

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """Which step of which entry and replication it is, and where its outcome stands."""
        step = self.step
        tried = {"steps": [variant.key for variant in self.steps]} if self.entry.tried else {"step": step.key}
        return {
            "label": step.entry.label,
            "seed": step.seed,
            "order": step.order,
            "stage": step.stage,
            "task": step.task.name,
            **tried,
            "outcome": self._outcome,
        }

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return self.step.label

    @property
    def effort(self) -> Effort:
        """All fits of the step; a training step is a plain one."""
        plan, step, entry = self.plan, self.step, self.step.entry
        pace = f"stream {plan.recipe.backbone} {entry.strategy} {entry.method} {step_shape(plan.recipe.budget)}"
        steps = TimedSteps(plan.adaptation(entry), plan.recipe.budget, step.task)
        return Effort(pace, plan.updates(step), partial(plan.forecast, step), steps)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the outcome is there, with the answers that it was taken from."""
        tuned = tuning_so_far(self.entry.tried, workspace)
        if self.entry.tried and tuned is None:
            return False
        return Steps(workspace).finished(self._taken(tuned).key, self._outcome) is not None

    def work(self, site: Site) -> None:
        """Learn, test, probe, write down, at the learning rate that was chosen."""
        tuned = tuning(self.entry.tried, site.workspace)
        Bench(Learning(self.plan, self._taken(tuned), site.workspace, site.listener)).work()

    def _taken(self, tuned: Tuning | None) -> Step:
        return self.steps[tuned.rung if tuned else 0]

    @cached_property
    def _outcome(self) -> str:
        return outcome_file(self.plan, self.step)


def pieces(plan: Plan) -> Iterator[Piece]:
    """Yield a piece for each learning rate that is tried on a task, then one for each step.

    The steps come replication by replication, so that the first complete comparison is there early. Within a
    replication one entry follows the other, each with all of its stages.
    """
    yield from _attempts(plan)
    entries = {entry.label: entry for entry in plan.entries}
    stages: dict[tuple[str, int, int, int], list[Step]] = {}
    for step in plan.steps:
        stages.setdefault((step.entry.label, step.seed, step.order, step.stage), []).append(step)
    before: dict[tuple[str, int, int], str] = {}
    for (label, seed, order, _), steps in stages.items():
        entry = entries[label]
        waits = (before[label, seed, order],) if steps[0].before else ()
        piece = StepPiece(plan, entry, tuple(steps), (*waits, *_choice(entries, entry)))
        before[label, seed, order] = piece.key
        yield piece


def _attempts(plan: Plan) -> Iterator[Piece]:
    """Yield each attempt once for all entries that share it; an entry names it where its method is not enough."""
    tried = {
        lesson.key: (entry, lesson)
        for entry in plan.entries
        for _, lessons in plan.attempts(entry)
        for lesson in lessons
    }
    alike = Counter((lesson.adaptation.method, lesson.task.name, rate(lesson)) for _, lesson in tried.values())
    for entry, lesson in tried.values():
        method = lesson.adaptation.method
        yield attempt(method if alike[method, lesson.task.name, rate(lesson)] == 1 else entry.label, lesson)


def _choice(entries: Mapping[str, Entry], entry: Entry) -> Iterator[str]:
    """Yield the keys of what chooses a learning rate: only then it is known which points of a frontier are new."""
    for tried in entries[entry.frontier or entry.label].tried:
        yield from tried.attempts
