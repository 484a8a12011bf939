"""The state after a stage of a stream: how it is learned, and learned again where something of it is missing."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State, adapter_ids
from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageFolders, save_fit
from adapter_workbench.experiments.workspace.damage import is_sound
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import atomic, checksummed

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.strategies import Strategy
    from adapter_workbench.experiments.studies.stream.plan.plan import Plan
    from adapter_workbench.experiments.studies.stream.plan.planned_stages import PlannedStage
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class Learning:
    """One stage, and everything that takes part when its task is learned."""

    plan: Plan
    planned: PlannedStage
    workspace: Workspace
    listener: Listener

    @property
    def folders(self) -> StageFolders:
        """What stages leave."""
        return StageFolders(self.workspace)

    @property
    def folder(self) -> Path:
        """What this stage leaves."""
        return self.folders.folder(self.planned.key)

    @property
    def strategy(self) -> Strategy:
        """The way the stream is learned."""
        return STRATEGIES.get(self.planned.entry.strategy)

    @cached_property
    def context(self) -> Context:
        """What the strategy may use."""
        return Context(
            settings=self.planned.entry.strategy_settings,
            adaptation=self.plan.adaptation(self.planned.entry),
            budget=self.plan.recipe.budget,
            seed=self.planned.seed,
            workspace=self.workspace,
            listener=self.listener,
            label=self.planned.label,
            scenario=SCENARIOS.get(self.plan.recipe.scenario),
            tasks=self.planned.tasks,
            scratch=self.workspace.scratch(self.planned.key),
            given=self.planned.given,
        )

    @cached_property
    def earlier(self) -> Learning | None:
        """The stage that this one starts from; None where that is the pretrained weights."""
        return replace(self, planned=self.plan.previous(self.planned)) if self.planned.before else None

    def of(self, task: Task) -> Learning:
        """Return the stage of the same stream after which ``task`` could first be answered."""
        return replace(self, planned=self.plan.learned(self.planned, task))

    @property
    def before(self) -> State:
        """The state that the stage starts from."""
        return self.earlier.after if self.earlier else State(None, "")

    @cached_property
    def after(self) -> State:
        """The state that the stage leaves."""
        return State(self.folder / "state", self.planned.key)

    def learn(self) -> None:
        """Learn the stage's task if that has not been done, or if what was learned was dropped since."""
        missing: list[Learning] = []
        learning: Learning | None = self
        with ExitStack() as claims:
            while learning:
                claims.enter_context(self.workspace.claim(learning.planned.key))  # recipes that begin alike share it
                if learning._is_learned:
                    learning._delete_scratch()  # of a process that was killed right after it had learned
                    break
                missing.append(learning)
                learning = learning.earlier
            for learning in reversed(missing):
                learning._learn()
                learning._delete_scratch()

    def mend(self) -> None:
        """Learn again whatever is damaged of the states up to this one.

        Only this state and the one before have to be there with all their parts; parts that were dropped stay away.
        """
        stages = [self]
        while before := stages[-1].earlier:
            stages.append(before)
        for learning in reversed(stages):
            if learning.planned.key not in self.workspace.known.sound and learning._is_damaged():
                learning.learn()

    def drop(self) -> None:
        """Delete the parts of the state that later stages and reports can do without.

        While another process learns from them they stay; where its recipe keeps the last state alone, it deletes them.
        """
        with self.workspace.claim(self.planned.key, wait=False) as acquired:
            for name in self.strategy.disposable if acquired else ():
                atomic.remove_whole(self.folder / "state" / name)

    @property
    def _disposable(self) -> list[str]:
        return [f"state/{name}" for name in self.strategy.disposable]

    @property
    def _is_learned(self) -> bool:
        """Whether the state after the stage is there with all its parts."""
        return all((self.folder / name).exists() for name in ("fit.json", "state", *self._disposable))

    def _learn(self) -> None:
        with atomic.written_whole(self.folder) as folder:
            (folder / "state").mkdir()
            fit = self.strategy.learn(self.before, self.context, folder / "state")
            save_fit(self.planned.key, fit, folder)
            checksummed.seal(folder, self.planned.key)
            if self.folder.exists():
                self._put_back(folder)

    def _delete_scratch(self) -> None:
        shutil.rmtree(self.workspace.scratch(self.planned.key), ignore_errors=True)

    def _put_back(self, folder: Path) -> None:
        """Move the missing parts of a stage to those that stayed; if this is interrupted, it can be done again."""
        whole = not (self.folder / "state").exists()
        again = ["fit.json", "state"] if whole else self._disposable
        if whole:
            atomic.remove_whole(self.folder / checksummed.DIGESTS)
        for name in again:
            atomic.remove_whole(self.folder / name)  # a part that came back before the process was killed
        checksummed.reseal(self.folder, folder, again, self.planned.key)
        for name in again:
            (folder / name).rename(self.folder / name)

    def _is_damaged(self) -> bool:
        """Return whether something was damaged in the stage's state, and was taken away."""
        state = self.folder / "state"
        return state.exists() and not self.workspace.access.read(state, self._sound)

    def _sound(self) -> bool:
        """Compare the stage's state with its digests, and the adapter that was learned with its own; else raise."""
        checksummed.require_sound(self.folder, self._disposable, "state/", self.planned.key)
        self.folders.fit(self.planned.key)
        own = adapter_ids(self.folder / "state").get(self.planned.task.name)
        if own and not is_sound(self.workspace.adapters, own):
            where = str(self.folder / "state")
            raise IntegrityError(f"damaged: the adapter {own} is not as it was", where=where)
        self.workspace.known.sound.add(self.planned.key)
        return True
