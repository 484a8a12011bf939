"""The pieces of a stream: each learns one task, tests those learned so far, and probes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from experiments.engine.forecast import step_shape
from experiments.engine.study import Effort
from experiments.studies.stream.bench import Bench, outcome_file
from experiments.studies.stream.learning import Learning
from experiments.studies.stream.steps import Steps
from workbench.digest import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.engine.study import Site
    from experiments.studies.stream.plan import Plan, Step
    from experiments.workspace import Workspace


@dataclass(frozen=True)
class StepPiece:
    """One step of a stream; ``needs`` is the piece of the step that it starts from."""

    plan: Plan
    step: Step
    needs: tuple[str, ...]
    alone = False

    @cached_property
    def key(self) -> str:
        """The step's key, and what is measured after it."""
        return key([self.step.key, self._outcome])

    @property
    def place(self) -> Mapping[str, Any]:
        """Which step of which contender and replication it is, and where its outcome stands."""
        step = self.step
        return {
            "label": step.contender.label,
            "seed": step.seed,
            "order": step.order,
            "stage": step.stage,
            "task": step.task.name,
            "step": step.key,
            "outcome": self._outcome,
        }

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return self.step.label

    @property
    def effort(self) -> Effort:
        """All fits of the step; a training step is a plain one."""
        plan, step, contender = self.plan, self.step, self.step.contender
        pace = f"stream {plan.recipe.backbone} {contender.strategy} {contender.method} {step_shape(plan.recipe.budget)}"
        return Effort(pace, plan.updates(step), partial(plan.forecast, step))

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the outcome is there, with the answers that it was taken from."""
        return Steps(workspace).finished(self.step.key, self._outcome) is not None

    def work(self, site: Site) -> None:
        """Learn, test, probe, write down."""
        Bench(Learning(self.plan, self.step, site.workspace, site.listener)).work()

    @cached_property
    def _outcome(self) -> str:
        return outcome_file(self.plan, self.step)


def pieces(plan: Plan) -> Iterator[StepPiece]:
    """Yield a piece for each step: replication by replication, so that the first complete comparison is there early.

    Within a replication one contender follows the other, each with all of its stages.
    """
    keys: dict[str, str] = {}
    for step in plan.steps:
        piece = StepPiece(plan, step, (keys[step.before],) if step.before else ())
        keys[step.key] = piece.key
        yield piece
