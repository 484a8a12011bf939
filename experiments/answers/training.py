"""Training an adapter that a person asked for: fitted, tested, logged, and asked whether it learned anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.made_adapters import Trained
from adapter_workbench.experiments.answers.tracked import log
from adapter_workbench.experiments.engine.system_metrics import record_system_metrics
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.workspace.evaluating import fitted_adapter, majority_score
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.workbench.machine.processes import is_first
from adapter_workbench.workbench.measures.label_counts import worst_label
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.libraries.peft import targets_in_words

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.measures.label_counts import LabelScore
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.training import Teachable


def trained(workspace: Workspace, lesson: Teachable, listener: Listener, command: str = "train") -> Trained:
    """Train the lesson's adapter, or take it from the store; see :meth:`Workbench.train`.

    ``command`` is what a person asks for it by: from then on it answers under its task's name, whatever made it.
    """
    label = f"{lesson.task.name} · {lesson.adaptation.method}"
    if is_first():
        workspace.sweep()  # what killed trainings left half-written
    if targets := targets_in_words(lesson.adaptation.settings, lesson.adaptation.backbone.config):
        listener.say(f"{label}: {targets}.")
    mended = workspace.mending(listener).making_for(command)
    with record_system_metrics(mended.system(lesson.adapter_id)):
        adapter = mended.trained_adapter(lesson, listener, label)
    if is_first():
        workspace.origins.ask(adapter.id, command)
    fit = fitted_adapter(mended, lesson, adapter)
    log(adapter, workspace, listener)
    constant, outcomes = majority_score(lesson.task, lesson.budget), mended.evaluations.outcomes(fit.evaluation)
    failure = learned_nothing_in(outcomes, fit.score, constant)
    test = mended.evaluations.require(fit.evaluation)
    return Trained(adapter, test, constant, failure, _worst_label(lesson.task, outcomes))


def _worst_label(task: Task, outcomes: Path) -> LabelScore | None:
    """Return the label that is answered worst by what a file says of each example; None where there are no labels."""
    if not task.labels or not outcomes.is_file():
        return None
    counts = KINDS.get(task.kind).label_counts(read_outcomes(outcomes), task.labels)
    return worst_label(counts.scores()) if counts else None
