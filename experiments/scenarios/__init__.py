"""What is known when a task is answered (van de Ven & Tolias 2019, arXiv:1904.07734), one file a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.task import Task


class Scenario(Protocol):
    """How the tasks of a stream are posed.

    Attributes:
        knows_task: whether the task of a text is known when it is answered.
        shares_head: whether one head answers for all tasks; else each has its own.
        announces_tasks: whether a strategy may use where a task begins and ends.
        overlap: share of each task's training examples that other stages bring, where the recipe does not say; None
            where each stage brings its own task alone.
    """

    knows_task: bool
    shares_head: bool
    announces_tasks: bool
    overlap: float | None

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """Return why a stream of these tasks cannot be posed like this, or None."""

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return the tasks learned so far as they are asked now; one more task may change what the others ask."""


SCENARIOS: Modules[Scenario] = Modules("scenario", __name__, "SCENARIO", Scenario, command="workbench scenarios list")
