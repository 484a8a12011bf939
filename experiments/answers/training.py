"""Training an adapter that a person asked for: fitted, tested, logged, and asked whether it learned anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.answers.made_adapters import Trained
from experiments.engine.publish import log
from experiments.engine.system_metrics import sampled
from experiments.reporting.learned_nothing import learned_nothing_in
from experiments.workspace.evaluating import evaluation_key, majority, tested
from workbench.kinds import KINDS

if TYPE_CHECKING:
    from experiments.workspace import Workspace
    from workbench.listener import Listener
    from workbench.training import Lesson


def trained(workspace: Workspace, lesson: Lesson, listener: Listener) -> Trained:
    """Train the lesson's adapter, or take it from the store; see :meth:`experiments.api.Workbench.train`."""
    label = f"{lesson.task.name} · {lesson.adaptation.method}"
    mended = workspace.mended_by(listener)
    with sampled(mended.system(lesson.adapter_id)):
        adapter = mended.learned(lesson, listener, label)
    evaluation = tested(mended, adapter, lesson.task, lesson.adaptation.backbone, lesson.budget)
    log(adapter, workspace, listener)
    constant = majority(lesson.task, lesson.budget)
    outcomes = workspace.evaluations.outcomes(evaluation_key(adapter.identity, lesson.task, lesson.budget))
    score = evaluation.scores[KINDS.get(lesson.task.kind).metric]
    return Trained(adapter, evaluation, constant, learned_nothing_in(outcomes, score, constant))
