"""joint: all tasks are learned at once, at the last stage: a score that no stream is expected to beat.

It starts from the pretrained weights and makes as many passes over each task's examples as a stream does. Nothing is
tested before the last stage, so R has only its last row (multi-task learning: Caruana 1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.tasks.loading.union import MIXABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.task import Task


class Joint(SharedWeights):
    """Its one state is the shared weights and the heads of all tasks."""

    stages: Literal["each", "last"] = "last"
    mixes = MIXABLE
    rehearses = True
    task_free = True

    def rehearsals(self, settings: Any, earlier: Sequence[int]) -> int:
        """All of them, though here it is for the first time."""
        return sum(earlier)

    def lesson(self, stage: Stage) -> Task:
        """Return the examples of all tasks; the epoch is picked on all their validation splits."""
        train, validation = (
            {task.name: task.splits[name] for task in stage.context.drawn} for name in ("train", "validation")
        )
        return stage.mixed(train, validation)


STRATEGY = Joint()
