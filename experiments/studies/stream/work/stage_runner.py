"""A stage of a stream: learn, test, probe, write down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from adapter_workbench.experiments.strategies import STRATEGIES, AnswersSome
from adapter_workbench.experiments.studies.stream.plan.measurable import DRAW
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome
from adapter_workbench.experiments.workspace.evaluating import evaluation_key
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.tasks.reading.mapped import release_pages
from adapter_workbench.workbench.answering.hidden_states import HiddenStates
from adapter_workbench.workbench.errors import IntegrityError, reason
from adapter_workbench.workbench.files import atomic, checksummed
from adapter_workbench.workbench.files.digest import key, size
from adapter_workbench.workbench.machine.stopwatch import Stopwatch
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.sampling import stratified_sample
from adapter_workbench.workbench.probes import PROBES, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.studies.stream.plan.plan import Plan
    from adapter_workbench.experiments.studies.stream.plan.planned_stages import PlannedStage
    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.experiments.studies.stream.work.learning import Learning
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import CellStatus
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.probes import ProbeRequest

HIDDEN, VALUES = "hidden.safetensors", "values.json"  # in folders that are called as their keys


def outcome_file(plan: Plan, planned: PlannedStage) -> str:
    """Return the name of a stage's outcome, which says what was measured.

    At the end of a stream kept answers are verified; probes and the schedule of tests are the recipe's own.
    """
    recipe = plan.recipe
    final = "-final" if planned.stage == plan.last else ""
    named = [PROBES.identity(name) for name in recipe.probes]
    probes = [named, recipe.probe_examples, key(list(plan.text))] if recipe.probes else []
    probes += [[name, asked.identity] for name, asked in sorted(plan.asked.items())]
    own = key([*probes, recipe.evaluate_every])[:8] if probes or recipe.evaluate_every != 1 else ""
    return f"outcome{final}{'-' if own else ''}{own}.json"


@dataclass(frozen=True)
class StageRunner:
    """Works on one stage: its task is learned, and the tasks so far are tested and probed."""

    learning: Learning

    def work(self) -> None:
        """Learn the stage's task, test the tasks learned so far, probe, and write the outcome down."""
        learning = self.learning
        plan, planned, workspace = learning.plan, learning.planned, learning.workspace
        learning.mend()
        learning.learn()
        probing = Probing(plan.recipe, plan.backbone, workspace, plan.text, plan.asked)
        cells = []
        for task in planned.tasks:  # one model at a time
            answering = Answering(learning, task)
            if answering.is_possible and self._is_due(answering):
                cells.append(self._cell(answering))
                if plan.recipe.probes and answering.is_learned:
                    probing.look(answering, cells[-1].evaluation, newest=task is planned.newest)
                if plan.recipe.probes or cells[-1].status != "carried":
                    release_pages()  # of its rows: after the last stage all tasks are tested
        fit = learning.folders.fit(planned.key)
        cost = Cost(
            train_seconds=fit.seconds,
            peak_memory_mb=fit.peak_memory_mb,
            trainable_parameters=fit.trainable_parameters,
            stored_bytes=sum(map(size, learning.strategy.kept(learning.after, learning.context))),
            spent=fit.spent,
        )
        outcome = StageOutcome(
            label=planned.entry.label,
            seed=planned.seed,
            order=planned.order,
            stage=planned.stage,
            task=planned.name,
            cells=tuple(cells),
            cost=cost,
            validation=fit.validation,
            probes=probing.measured,
            probe_seconds=probing.clock.seconds,
            chosen=fit.chosen,
            trials=fit.trials,
            curve=tuple(epoch.validation for epoch in fit.epochs),
        )
        if plan.recipe.keep_states == "last" and learning.earlier:
            learning.earlier.drop()  # before the outcome is there: if it is interrupted, the stage is done again
        learning.folders.save_outcome(planned.key, outcome_file(plan, planned), outcome)

    def _cell(self, answering: Answering) -> Cell:
        """Return R[stage, task].

        A model that is the same as after the stage before is not run again: its score is carried over, and at the end
        of the stream all its logits are recomputed from what is stored and compared bit for bit.
        """
        began = time.perf_counter()
        planned, evaluations = self.learning.planned, self.learning.workspace.evaluations
        task, kept, evaluation = answering.task, answering.kept, answering.evaluation
        stored = evaluations.get(evaluation)
        status: CellStatus = "carried" if kept else "measured"
        if stored is None:
            stored, status = evaluations.save(evaluation, answering.tested()), "measured"
        elif kept and self._is_last:
            recomputed = answering.tested()
            status = "verified"
            if recomputed.logits_sha256 != stored.logits_sha256:
                message = f"{planned.label}: the kept model of {task.name!r} no longer gives the same logits"
                self.learning.listener.say(message)
                evaluation, status = key([evaluation, planned.key]), "measured"
                stored = evaluations.save(evaluation, recomputed)
        score = stored.scores[KINDS.get(task.kind).metric]
        seconds = time.perf_counter() - began
        return Cell(task.name, planned.stage, score, stored.examples, status, seconds, evaluation)

    @property
    def _is_last(self) -> bool:
        return self.learning.planned.stage == self.learning.plan.last

    @cached_property
    def _tested_before(self) -> frozenset[str]:
        """Names of the tasks that were tested after the stage before."""
        earlier = self.learning.earlier
        if earlier is None:
            return frozenset()
        outcome = earlier.folders.outcome(earlier.planned.key, outcome_file(earlier.plan, earlier.planned))
        return frozenset(cell.task for cell in outcome.cells) if outcome else frozenset()

    def _is_due(self, answering: Answering) -> bool:
        """Return whether a task is tested: the newest one always, and a model that is the same as when last tested.

        The latter costs nothing. A model that changed at a stage that is not tested waits for the next one that is.
        """
        planned, every = self.learning.planned, int(self.learning.plan.recipe.evaluate_every)
        if planned.stage % every == 0 or self._is_last or answering.task is planned.newest:
            return True
        return answering.task.name in self._tested_before and answering.kept


# Probes in a stream: what is measured after a stage, and what of it is known already.


@dataclass
class Probing:
    """The probes of a recipe after one stage."""

    recipe: Recipe
    backbone: Backbone
    workspace: Workspace
    text: tuple[str, ...]
    asked: Mapping[str, ProbeRequest]  # what the recipe asks of probes that have settings, by their names
    # probe → quantity → value, of all that was looked at; a quantity of a task is called ``TASK/quantity``
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)  # what that took

    def look(self, answering: Answering, evaluation: str, newest: bool) -> None:
        """Measure the model of one of the tasks learned so far; what was measured before is not measured again.

        Args:
            answering: the task after a stage.
            evaluation: key of its stored answers to the test split.
            newest: whether it is the task of this stage, whose model stands for what all tasks share.
        """
        with self.clock:
            for name, values in self._of(answering, evaluation, newest).items():
                whole = PROBES.get(name).scope == "model"
                task = answering.task.name
                own = values if whole else {f"{task}/{quantity}": value for quantity, value in values.items()}
                if own:
                    self.measured.setdefault(name, {}).update(own)

    @property
    def _reads_hidden(self) -> bool:
        return any(PROBES.get(name).reads_hidden for name in self.recipe.probes)

    def _of(self, answering: Answering, evaluation: str, newest: bool) -> dict[str, Mapping[str, float]]:
        names = [name for name in self.recipe.probes if newest or PROBES.get(name).scope == "task"]
        files = {name: self.workspace.probe(self._key(answering, name)) / VALUES for name in names}
        stored = {name: self._measured(path) for name, path in files.items()}
        missing = [name for name, values in stored.items() if values is None]
        context = self._context(answering, evaluation) if missing else None
        for name in missing:
            assert context is not None
            measured = dict(PROBES.get(name).measure(context.model, context))
            checksummed.write(checksummed.CONTENT, measured, files[name], files[name].parent.name)
            stored[name] = measured
        return {name: values for name, values in stored.items() if values is not None}

    def _measured(self, path: Path) -> dict[str, float] | None:
        return self.workspace.access.read(path, lambda: checksummed.read(checksummed.CONTENT, path, path.parent.name))

    def _context(self, answering: Answering, evaluation: str) -> ProbeContext:
        task, size, learned = answering.taught, self.recipe.probe_examples, answering.as_learned
        unchanged = answering.identity == learned.identity
        given = answering.learning.planned.given
        splits = {name: stratified_sample(task.splits[name], size, DRAW) for name in ("train", "validation")}
        context = ProbeContext(
            task=replace(task, splits=splits),
            backbone=self.backbone,
            max_length=self.recipe.budget.max_length,
            model=answering.model,
            learned=None if unchanged else self._learned(learned),
            outcomes=self._outcomes(evaluation),
            outcomes_learned=None if unchanged else self._outcomes(learned.evaluation),
            text=self.text,
            seed=DRAW,
            batch_size=self.recipe.budget.batch_size,
            settings={name: asked.settings for name, asked in self.asked.items()},
            own=given.checkpoint.backbone if given else None,
            reader=given.checkpoint.reader if given else None,
        )
        if unchanged and self._reads_hidden and self._kept(answering) is None:
            with atomic.written_whole(self._hidden(answering)) as folder:
                save_file({"train": context.hidden.train, "held": context.hidden.held}, folder / HIDDEN)
                checksummed.seal(folder, self._hidden(answering).name)
        return context

    def _outcomes(self, evaluation: str) -> pd.DataFrame:
        return read_outcomes(self.workspace.evaluations.outcomes(evaluation))

    def _learned(self, learned: Answering) -> HiddenStates | None:
        """Return the hidden states right after the task was learned; those that were lost are taken again."""
        if not self._reads_hidden:
            return None
        return self._kept(learned) or self._context(learned, learned.evaluation).hidden

    def _kept(self, learned: Answering) -> HiddenStates | None:
        folder = self._hidden(learned)
        return self.workspace.access.read(folder, lambda: _hidden_states(folder)) if folder.is_dir() else None

    def _hidden(self, learned: Answering) -> Path:
        """Return where the hidden states stand that a task's model had when the task was learned."""
        return self.workspace.probe(key(["hidden", learned.identity, *self._data(learned)]))

    def _key(self, answering: Answering, name: str) -> str:
        posed = [answering.taught.fingerprint, answering.identity, answering.as_learned.identity]
        asked = [self.asked[name].identity] if name in self.asked else []
        reads_answers = PROBES.get(name).scope == "task" and not PROBES.get(name).reads_hidden
        rows = [{"test rows": self.recipe.budget.eval_examples}] if reads_answers else []
        return key(["probe", PROBES.identity(name), *posed, list(self.text), *self._data(answering), *asked, *rows])

    def _data(self, answering: Answering) -> list[Any]:
        return [answering.task.fingerprint, self.recipe.probe_examples, self.recipe.budget.max_length]


def _hidden_states(folder: Path) -> HiddenStates:
    checksummed.require_sound(folder, under=folder.name)
    try:
        return HiddenStates(**load_file(folder / HIDDEN))
    except (OSError, SafetensorError, TypeError) as error:
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(folder / HIDDEN)) from None


# One of the tasks learned so far, and the model that answers for it after a stage.


@dataclass(frozen=True)
class Answering:
    """A task, and the state of a stage that answers for it."""

    learning: Learning
    task: Task

    @cached_property
    def asked(self) -> Task:
        """The task as the scenario poses it now."""
        return self.learning.context.asked(self.task)

    @cached_property
    def taught(self) -> Task:
        """The task, whole, with the labels that the head of its model has."""
        return self.learning.strategy.taught(self.task, self.learning.context)

    @cached_property
    def identity(self) -> str:
        """What determines the model, and how it answers: the code of a strategy of somebody else's, too."""
        own = self.learning.strategy.identity(self.learning.after, self.task, self.learning.context)
        return " ".join([own, *STRATEGIES.code(self.learning.planned.entry.strategy).values()])

    @cached_property
    def model(self) -> TaskModel:
        """The model, opened from what is stored; parts of the state that were dropped meanwhile are learned again."""
        self.learning.learn()
        return self.learning.strategy.model_for(self.learning.after, self.task, self.learning.context)

    @property
    def is_possible(self) -> bool:
        """Whether the state answers for the task at all."""
        strategy = self.learning.strategy
        return not isinstance(strategy, AnswersSome) or strategy.answers(self.learning.after, self.task)

    @property
    def is_learned(self) -> bool:
        """Whether the task counts at this stage: a checkpoint may be asked before that."""
        return self.learning.of(self.task).planned.stage <= self.learning.planned.stage

    @cached_property
    def as_learned(self) -> Answering:
        """The same right after the task was learned."""
        return replace(self, learning=self.learning.of(self.task))

    @cached_property
    def kept(self) -> bool:
        """Whether it is the model of the stage before, and the question is the same."""
        if self.task is self.learning.planned.task or not self.learning.earlier:
            return False
        before = replace(self, learning=self.learning.earlier)
        return before.identity == self.identity and before.asked.fingerprint == self.asked.fingerprint

    @property
    def evaluation(self) -> str:
        """Key of its test."""
        return evaluation_key(self.identity, self.asked, self.learning.plan.recipe.budget)

    def tested(self) -> Evaluation:
        """Answer the test split."""
        strategy = self.learning.strategy
        return strategy.tested(self.learning.after, self.task, self.learning.context, lambda: self.model)
