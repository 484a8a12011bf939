"""blurry: domain-incremental tasks that overlap; a stage brings mostly one of them, and nobody says which.

Every stage has a share of the other tasks' training examples among its own (``overlap`` of the recipe), earlier and
later ones alike, after the blurred boundaries of Aljundi et al. 2019 (arXiv:1812.03596) and Bang et al. 2021
(arXiv:2103.17230, whose minor classes are such a share). Training may not use where a task begins or ends:
strategies that keep or do something for each task are refused. The budget's epochs are passes over one stage, and the
epoch that is kept is picked on the validation split of the stage's own task, so that stages are not hidden altogether.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.scenarios import domain_incremental

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.task import Task


class Blurry:
    """The question stays the same, the texts change little by little."""

    knows_task = False
    shares_head = True
    announces_tasks = False
    overlap: float | None = 0.3

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """All tasks need the same labels, in the same order, and are classifications: only such rows change tasks."""
        if objection := domain_incremental.SCENARIO.objection(tasks):
            return objection
        other = next((task for task in tasks if task.kind != "classification"), None)
        return f"{other.name!r} is a {other.kind} task, and only classification tasks overlap" if other else None

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return ``tasks``."""
        return tuple(tasks)


SCENARIO = Blurry()
