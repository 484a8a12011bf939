"""The result of `workbench update`: the next version of a task's adapter, beside the champion before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.gating.adding import AddedTask
    from experiments.gating.gate import Check
    from experiments.updates.plan import UpdatePlan
    from workbench.adapters.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class UpdatedTask:
    """The result of `workbench update`.

    Attributes:
        plan: the champion, both versions of the task, their labels, and the way.
        added: the new adapter, the bounds, its registration, and which adapter answers now.
    """

    plan: UpdatePlan
    added: AddedTask

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench update --json``: that of ``add``, and what was updated how."""
        lesson, plan = self.plan.lesson, self.plan
        return {
            "task": lesson.task.name,
            "from": plan.older,
            "to": plan.newer,
            "champion": lesson.champion.id,
            "way": lesson.way,
            "settings": lesson.settings.model_dump(mode="json"),
            "new_rows": len(lesson.new_rows),
            "forget_rows": plan.forget_rows,
            **self.added.as_json(),
        }


def check_update(plan: UpdatePlan, candidate: StoredAdapter) -> Iterable[Check]:
    """Return the checks of a candidate beside the champion of ``plan.lesson``, over both versions of the task."""
    return ()
