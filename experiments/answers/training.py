"""Training an adapter that a person asked for: fitted, tested, logged, and asked whether it learned anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.answers.made_adapters import Trained
from experiments.answers.tracked import log
from experiments.engine.system_metrics import sampled
from experiments.reporting.learned_nothing import learned_nothing_in
from experiments.workspace.evaluating import fit_of, majority

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
    fit = fit_of(mended, lesson, adapter)
    log(adapter, workspace, listener)
    constant = majority(lesson.task, lesson.budget)
    failure = learned_nothing_in(mended.evaluations.outcomes(fit.evaluation), fit.score, constant)
    return Trained(adapter, mended.evaluations.require(fit.evaluation), constant, failure)
