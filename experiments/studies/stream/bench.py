"""One step on the bench: learn, test, probe, write down; and what of it has been done before."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from experiments.scenarios import SCENARIOS
from experiments.strategies import STRATEGIES, Context, State, adapter_ids
from experiments.studies.stream.plan import strategy_settings
from experiments.studies.stream.probes import Probing, Subject
from experiments.studies.stream.stage_outcome import Cell, Cost, StageOutcome
from experiments.studies.stream.steps import Steps, save_fit
from experiments.workspace.evaluating import evaluation_key
from experiments.workspace.mending import is_sound
from workbench import atomic, sealed
from workbench.digest import key, size
from workbench.errors import IntegrityError
from workbench.kinds import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.strategies import Strategy
    from experiments.studies.stream.plan import Plan, Step
    from experiments.studies.stream.stage_outcome import CellStatus
    from experiments.workspace import Workspace
    from workbench.evaluation import Evaluation
    from workbench.listener import Listener
    from workbench.model import TaskModel
    from workbench.task import Task


def outcome_file(plan: Plan, step: Step) -> str:
    """Return the name of a step's outcome, which tells what was measured.

    At the end of a stream kept answers are verified; probes and the schedule of tests are the recipe's own.
    """
    recipe = plan.recipe
    final = "-final" if step.stage == len(plan.tasks) else ""
    probes = [recipe.probes, recipe.probe_examples, key(list(plan.text))] if recipe.probes else []
    own = key([*probes, recipe.evaluate_every])[:8] if probes or recipe.evaluate_every > 1 else ""
    return f"outcome{final}{'-' if own else ''}{own}.json"


@dataclass(frozen=True)
class Bench:
    """One step on the bench: what is to be learned, and everything that takes part."""

    plan: Plan
    step: Step
    workspace: Workspace
    listener: Listener

    @property
    def steps(self) -> Steps:
        """What steps leave."""
        return Steps(self.workspace)

    @property
    def strategy(self) -> Strategy:
        """The way the stream is learned."""
        return STRATEGIES.get(self.step.contender.strategy)

    @cached_property
    def context(self) -> Context:
        """What the strategy may use."""
        return Context(
            settings=strategy_settings(self.step.contender),
            adaptation=self.plan.adaptation(self.step.contender),
            budget=self.plan.recipe.budget,
            seed=self.step.seed,
            workspace=self.workspace,
            listener=self.listener,
            label=self.step.label,
            scenario=SCENARIOS.get(self.plan.recipe.scenario),
            tasks=self.step.tasks,
            scratch=self.workspace.scratch(self.step.key),
        )

    @property
    def before(self) -> State:
        """The state that the step starts from."""
        before = self.step.before
        return State(self.steps.folder(before) / "state" if before else None, before or "")

    @property
    def after(self) -> State:
        """The state that the step leaves."""
        return State(self.steps.folder(self.step.key) / "state", self.step.key)

    def work(self) -> None:
        """Learn the step's task, test the tasks learned so far, probe, and write the outcome down."""
        self.mend()
        self.learn()
        probing = Probing(self.plan.recipe, self.plan.backbone, self.workspace, self.plan.text)
        cells = []
        for task in self.step.tasks:  # one model at a time
            answering = Answering(self, task)
            if self._is_due(answering):
                cells.append(self.cell(answering))
                if self.plan.recipe.probes:
                    probing.look(answering.subject(cells[-1]), newest=task is self.step.task)
        fit = self.steps.fit(self.step.key)
        cost = Cost(
            train_seconds=fit.seconds,
            peak_memory_mb=fit.peak_memory_mb,
            trainable_parameters=fit.trainable_parameters,
            stored_bytes=sum(size(path) for path in self.strategy.kept(self.after, self.context)),
        )
        outcome = StageOutcome(
            strategy=self.step.contender.label,
            seed=self.step.seed,
            order=self.step.order,
            stage=self.step.stage,
            task=self.step.task.name,
            cells=tuple(cells),
            cost=cost,
            validation=fit.validation,
            probes=probing.found,
            probe_seconds=probing.clock.seconds,
            chosen=fit.chosen,
            trials=fit.trials,
        )
        self.steps.save_outcome(self.step.key, outcome_file(self.plan, self.step), outcome)
        if self.plan.recipe.keep_states == "last" and self.before.folder:
            for name in self.strategy.disposable:
                atomic.remove_whole(self.before.folder / name)

    def learn(self) -> None:
        """Learn the step's task if that has not been done, or if what was learned was dropped since."""
        with self.workspace.claimed(self.step.key):  # recipes that begin alike share it
            if not self._is_learned:
                if self.step.before:
                    replace(self, step=self.plan.previous(self.step)).learn()
                self._learn(self.steps.folder(self.step.key))
                shutil.rmtree(self.workspace.scratch(self.step.key), ignore_errors=True)

    def _learn(self, folder: Path) -> None:
        with atomic.written_whole(folder) as place:
            (place / "state").mkdir()
            fit = self.strategy.learn(self.before, self.context, place / "state")
            save_fit(fit, place)
            sealed.seal(place)
            if folder.exists():
                self._put_back(place, folder)

    @property
    def _is_learned(self) -> bool:
        """Whether the state after the step is there with all its parts."""
        folder, parts = self.steps.folder(self.step.key), self.strategy.disposable
        return all((folder / name).exists() for name in ("fit.json", "state", *(f"state/{part}" for part in parts)))

    def mend(self) -> None:
        """Learn again whatever is damaged of the states up to this one.

        Only this state and the one before have to be there with all their parts; parts that were dropped stay away.
        """
        step: Step | None = self.step
        chain: list[Bench] = []
        while step:
            chain.append(replace(self, step=step))
            step = self.plan.previous(step) if step.before else None
        for bench in reversed(chain):
            if bench.step.key not in self.workspace.sound and bench._is_damaged():
                bench.learn()

    def _is_damaged(self) -> bool:
        """Return whether something was damaged in the step's state, and was taken away."""
        folder = self.steps.folder(self.step.key)
        if not (folder / "state").exists():
            return False
        return not self.workspace.mending.known(folder / "state", self._sound)

    def _sound(self) -> bool:
        """Compare the step's state with its digests, and the adapter that was learned with its own; else raise."""
        folder = self.steps.folder(self.step.key)
        dropped = [f"state/{name}" for name in self.strategy.disposable]
        sealed.require_sound(folder, dropped, among="state/")
        self.steps.fit(self.step.key)
        own = adapter_ids(folder / "state").get(self.step.task.name)
        if own and not is_sound(self.workspace.adapters, own):
            raise IntegrityError(f"damaged: the adapter {own} is not as it was", where=str(folder / "state"))
        self.workspace.sound.add(self.step.key)
        return True

    def _put_back(self, place: Path, folder: Path) -> None:
        """Let the parts of a step that are missing join those that stayed; whatever ends it, it can be begun again."""
        whole = not (folder / "state").exists()
        again = ["fit.json", "state"] if whole else [f"state/{name}" for name in self.strategy.disposable]
        if whole:
            atomic.remove_whole(folder / sealed.DIGESTS)
        for name in again:
            atomic.remove_whole(folder / name)  # a part that came back before the process was killed
        sealed.reseal(folder, place, again)
        for name in again:
            (place / name).rename(folder / name)

    def cell(self, answering: Answering) -> Cell:
        """Return R[stage, task].

        A model that is the same as after the stage before is not run again: its score is carried over, and at the end
        of the stream all its logits are recomputed from what is stored and compared bit for bit.
        """
        began = time.perf_counter()
        task, kept = answering.task, answering.kept
        evaluation = answering.evaluation
        stored = self.workspace.evaluations.get(evaluation)
        status: CellStatus = "carried" if kept else "measured"
        if stored is None:
            stored, status = self.workspace.evaluations.save(evaluation, answering.tested()), "measured"
        elif kept and self._is_last:
            found = answering.tested()
            status = "verified"
            if found.logits_sha256 != stored.logits_sha256:
                self.listener.say(f"{self.step.label}: the kept model of {task.name!r} no longer gives the same logits")
                evaluation, status = key([evaluation, self.step.key]), "measured"
                stored = self.workspace.evaluations.save(evaluation, found)
        score = stored.scores[KINDS.get(task.kind).metric]
        seconds = time.perf_counter() - began
        return Cell(task.name, self.step.stage, score, stored.examples, status, seconds, evaluation)

    @property
    def _is_last(self) -> bool:
        return self.step.stage == len(self.plan.tasks)

    def _is_due(self, answering: Answering) -> bool:
        """Return whether a task is tested: the newest one always, and whatever costs nothing."""
        scheduled = self.step.stage % self.plan.recipe.evaluate_every == 0 or self._is_last
        return scheduled or answering.kept or answering.task is self.step.task


@dataclass(frozen=True)
class Answering:
    """One of the tasks learned so far, and the model that answers for it after a step."""

    bench: Bench
    task: Task

    @cached_property
    def asked(self) -> Task:
        """The task as the scenario poses it now."""
        return self.bench.context.asked(self.task)

    @cached_property
    def identity(self) -> str:
        """What determines the model."""
        return self.bench.strategy.identity(self.bench.after, self.task, self.bench.context)

    @cached_property
    def model(self) -> TaskModel:
        """The model, opened from what is stored."""
        return self.bench.strategy.model_for(self.bench.after, self.task, self.bench.context)

    def opened_again(self) -> TaskModel:
        """Return the model from a state whose parts may have been dropped meanwhile: they are learned again."""
        self.bench.learn()
        return self.model

    @cached_property
    def kept(self) -> bool:
        """Whether it is the model of the stage before, and the question is the same."""
        bench = self.bench
        if self.task is bench.step.task or not bench.step.before:
            return False
        before = Answering(replace(bench, step=bench.plan.previous(bench.step)), self.task)
        return (before.identity, before.asked.fingerprint) == (self.identity, self.asked.fingerprint)

    @property
    def evaluation(self) -> str:
        """Key of its test."""
        return evaluation_key(self.identity, self.asked, self.bench.plan.recipe.budget)

    def tested(self) -> Evaluation:
        """Answer the test split."""
        bench = self.bench
        return bench.strategy.tested(bench.after, self.task, bench.context, lambda: self.model)

    def subject(self, cell: Cell) -> Subject:
        """Return what probes look at; ``cell`` is the task's test after this step."""
        bench = self.bench
        learned = Answering(replace(bench, step=bench.plan.learned(bench.step, self.task)), self.task)
        return Subject(
            task=bench.strategy.taught(self.task, bench.context),
            texts=self.task.fingerprint,
            identity=self.identity,
            learned=learned.identity,
            outcomes=lambda: pd.read_parquet(bench.workspace.evaluations.outcomes(cell.evaluation)),
            outcomes_learned=lambda: pd.read_parquet(bench.workspace.evaluations.outcomes(learned.evaluation)),
            open=lambda: self.model,
            open_learned=learned.opened_again,
        )
