"""A stage of a stream: learn, test, probe, write down."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.stream.work.answering import Answering
from adapter_workbench.experiments.studies.stream.work.probes import Probing
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome
from adapter_workbench.tasks.reading.mapped import release_pages
from adapter_workbench.workbench.files.digest import key, size
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes import PROBES

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.plan.plan import Plan
    from adapter_workbench.experiments.studies.stream.plan.planned_stages import PlannedStage
    from adapter_workbench.experiments.studies.stream.work.learning import Learning
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import CellStatus


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
