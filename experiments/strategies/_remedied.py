"""A remedy as a strategy of a stream: shared weights learn task after task; each fit gives the remedy its moments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.strategies._fisher import evidence
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.workbench.training.remedy import Learner, Remedy

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Correction, Penalty
    from adapter_workbench.workbench.training.remedy import RemedyState


class Remedied(SharedWeights):
    """Its state is that of sequential, and what the remedy keeps: see :meth:`state_before` and ``remember``."""

    def remedy(self, settings: Any, strength: float | None) -> Remedy:
        """Return the remedy; ``strength`` is the one of its penalty that is tried, None where it has none."""
        raise NotImplementedError

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return what the remedy kept of the tasks before."""
        return None

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return what the remedy adds to the loss."""
        remedy = self.remedy(stage.context.settings, strength)
        state = remedy.before_task(learner_of(stage), self.state_before(stage))

        def of(batch: Batch) -> Any:
            added = remedy.penalty(learner_of(stage, batch.model.body), state)
            return batch.loss.new_zeros(()) if added is None else added

        return of

    def correction(self, stage: Stage) -> Correction | None:
        """Return what the remedy does with gradients; None where it leaves them alone."""
        remedy = self.remedy(stage.context.settings, None)
        if type(remedy).on_gradients is Remedy.on_gradients:
            return None
        learner = learner_of(stage)
        return partial(remedy.on_gradients, learner, remedy.before_task(learner, self.state_before(stage)))


def learner_of(stage: Stage, body: nn.Module | None = None) -> Learner:
    """Return what a remedy sees of a stage; ``body`` is the one in training where that is not the stage's own."""
    context = stage.context
    backbone, length = context.adaptation.backbone, context.budget.max_length

    def drawn(count: int) -> Any:
        return evidence(stage.model, stage.own_head, stage.task, backbone, length, count, context.seed)

    return Learner(body or stage.model.body, drawn)
