"""Running a plan: learn, evaluate, write down; what is written down already is not done again."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from experiments.provenance import provenance
from experiments.record import Record
from experiments.strategies import STRATEGIES, Context, State
from experiments.testing import evaluation_key, majority, test
from workbench import assets
from workbench.contracts import Cell, Cost, StageOutcome
from workbench.kinds import KINDS
from workbench.sampling import draw
from workbench.store import key, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.plan import Plan, Step
    from experiments.strategies import Strategy
    from experiments.workspace import Workspace
    from workbench.contracts import CellStatus, Listener, Task
    from workbench.evaluation import Evaluation


def run(plan: Plan, workspace: Workspace, listener: Listener, command: str, after: Callable[[Record], None]) -> Record:
    """Do every step of ``plan`` that is not done yet; ``after`` hears of each one, with the record so far.

    Whatever ends the process, everything that a step finished stays, and the next call goes on from there.
    """
    name = plan.recipe.name
    with workspace.locked(name):
        steps = [_reference(plan, step) for step in plan.steps]
        workspace.save_record(_blank_record(plan, provenance(command)), steps)
        for step in plan.steps:
            if workspace.outcome(step.key, outcome_file(plan, step)) is None:
                Bench(plan, step, workspace, listener).work()
                after(workspace.record(name))
        return workspace.record(name)


def pending(plan: Plan, workspace: Workspace) -> list[Step]:
    """Return the steps that still have to be trained, or trained again because another stream goes on from them."""
    waiting: list[Step] = []
    needed: set[str] = set()
    for step in reversed(plan.steps):
        tested = workspace.outcome(step.key, outcome_file(plan, step)) is not None
        if (not tested or step.key in needed) and not is_learned(step, workspace):
            waiting.append(step)
            needed.add(step.before)
    return waiting[::-1]


def is_learned(step: Step, workspace: Workspace) -> bool:
    """Return whether the state after ``step`` is there with all its parts."""
    folder = workspace.step(step.key) / "state"
    parts = STRATEGIES.get(step.contender.strategy).disposable
    return folder.exists() and all((folder / name).exists() for name in parts)


def outcome_file(plan: Plan, step: Step) -> str:
    """Return the name of a step's outcome; at the end of a stream, kept answers are verified, so it is another one."""
    return "outcome-final.json" if step.stage == len(plan.tasks) else "outcome.json"


@dataclass(frozen=True)
class Bench:
    """One step on the bench: what is to be learned, and everything that takes part."""

    plan: Plan
    step: Step
    workspace: Workspace
    listener: Listener

    @property
    def strategy(self) -> Strategy:
        """The way the stream is learned."""
        return STRATEGIES.get(self.step.contender.strategy)

    @property
    def context(self) -> Context:
        """What the strategy may use."""
        adaptation, budget = self.plan.adaptation(self.step.contender), self.plan.recipe.budget
        store, scratch = self.workspace.adapters, self.workspace.scratch(self.step.key)
        strategy, given = STRATEGIES.get(self.step.contender.strategy).settings, self.step.contender.settings
        own = strategy.model_validate({name: given[name] for name in strategy.model_fields})
        return Context(own, adaptation, budget, self.step.seed, store, self.listener, self.step.label, scratch)

    @property
    def before(self) -> State:
        """The state that the step starts from."""
        folder = self.workspace.step(self.step.before) / "state" if self.step.stage > 1 else None
        return State(folder, self.step.before)

    def work(self) -> None:
        """Learn the step's task, test all tasks learned so far, and write the outcome down."""
        state = self.learn()
        cells = tuple(self.cell(state, task) for task in self.plan.tasks[: self.step.stage])
        fit = self.workspace.fit(self.step.key)
        cost = Cost(
            train_seconds=fit.seconds,
            peak_memory_mb=fit.peak_memory_mb,
            trainable_parameters=fit.trainable_parameters,
            stored_bytes=sum(size(path) for path in self.strategy.kept(state, self.context)),
        )
        outcome = StageOutcome(
            strategy=self.step.contender.label,
            seed=self.step.seed,
            stage=self.step.stage,
            task=self.step.task.name,
            cells=cells,
            cost=cost,
            validation=fit.validation,
        )
        self.workspace.save_outcome(self.step.key, outcome_file(self.plan, self.step), outcome)
        if self.plan.recipe.keep_states == "last" and self.before.folder:
            for name in self.strategy.disposable:
                assets.remove_whole(self.before.folder / name)

    def learn(self) -> State:
        """Return the state after this step, learning the task if that has not been done or was dropped since."""
        folder = self.workspace.step(self.step.key)
        if not is_learned(self.step, self.workspace):
            if self.step.stage > 1:
                Bench(self.plan, self.plan.previous(self.step), self.workspace, self.listener).learn()
            with assets.written_whole(folder) as place:
                (place / "state").mkdir()
                fit = self.strategy.learn(self.before, self.step.task, self.context, place / "state")
                (place / "fit.json").write_text(json.dumps(asdict(fit), indent=2), encoding="utf-8")
                for name in self.strategy.disposable if folder.exists() else ():
                    (place / "state" / name).rename(folder / "state" / name)
            shutil.rmtree(self.workspace.scratch(self.step.key), ignore_errors=True)
        return State(folder / "state", self.step.key)

    def cell(self, state: State, task: Task) -> Cell:
        """Return R[stage, task].

        A model that is the same as after the stage before is not run again: its score is carried over, and at the end
        of the stream all its logits are recomputed from what is stored and compared bit for bit.
        """
        began = time.perf_counter()
        last = self.step.stage == len(self.plan.tasks)
        kept = task is not self.step.task and self._identity(self.before, task) == self._identity(state, task)
        evaluation = evaluation_key(self._identity(state, task), task, self.plan.recipe.budget)
        stored = self.workspace.evaluation(evaluation)
        status: CellStatus = "carried" if kept else "measured"
        if stored is None:
            stored, status = self.workspace.save_evaluation(evaluation, self.evaluate(state, task)), "measured"
        elif kept and last:
            found = self.evaluate(state, task)
            status = "verified"
            if found.logits_sha256 != stored.logits_sha256:
                self.listener.say(f"{self.step.label}: the kept model of {task.name!r} no longer gives the same logits")
                evaluation, status = key([evaluation, self.step.key]), "measured"
                stored = self.workspace.save_evaluation(evaluation, found)
        score = stored.scores[KINDS.get(task.kind).metric]
        seconds = time.perf_counter() - began
        return Cell(task.name, self.step.stage, score, stored.examples, status, seconds, evaluation)

    def evaluate(self, state: State, task: Task) -> Evaluation:
        """Open the model of ``task`` from what is stored, and test it."""
        model = self.strategy.model_for(state, task, self.context)
        return test(model, task, self.plan.backbone, self.plan.recipe.budget)

    def _identity(self, state: State, task: Task) -> str:
        return self.strategy.identity(state, task, self.context)


def _reference(plan: Plan, step: Step) -> dict[str, Any]:
    return {
        "label": step.contender.label,
        "seed": step.seed,
        "stage": step.stage,
        "key": step.key,
        "outcome": outcome_file(plan, step),
    }


def _blank_record(plan: Plan, circumstances: dict[str, str]) -> Record:
    recipe = plan.recipe
    return Record(
        experiment=recipe.name,
        backbone=recipe.backbone,
        tasks=recipe.tasks,
        test_sizes=tuple(len(draw(task, recipe.budget, seed=0).splits["test"]) for task in plan.tasks),
        majority=tuple(majority(task, recipe.budget) for task in plan.tasks),
        seeds=recipe.seeds,
        contenders=plan.contenders,
        reference=recipe.reference,
        budget=recipe.budget.model_dump(mode="json"),
        outcomes=(),
        provenance=circumstances,
        examples={},
    )
