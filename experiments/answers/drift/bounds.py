"""What a comparison of new rows with a task may find before it is an alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import TaskReference

LEVEL = 0.05
LEAST_LEVEL = 0.001  # a smaller one would take so many random deals that they fill the memory


@dataclass(frozen=True)
class DriftBounds:
    """The bounds of ``workbench drift``."""

    level: float = LEVEL  # the chance of any false alarm: adjusted p below it are alarms
    max_lost: float | None = None  # points of right answers that may be lost; None: no more than chance explains
    max_foreign: float = 0.0  # percent of rows that may be unlike the task's own before it is an alarm

    def require_possible(self, task: TaskReference, judged: bool) -> None:
        """Make sure that the bounds can be meant.

        Args:
            task: that the adapter answers for.
            judged: whether right answers are given.

        Raises:
            InputError: the level is not a chance or too small, points or percent are not in [0, 100], points have no
                right answers to be counted, or right answers are given to a task that asks for numbers.
        """
        if not 0 < self.level < 1:
            raise InputError(f"a level lies between 0 and 1, not at {self.level:g}", where="--level")
        if self.level < LEAST_LEVEL:
            message = f"{self.level:g} is too small a level: permutation tests would have to deal the rows too often"
            raise InputError(message, where="--level", hint=f"The smallest level is {LEAST_LEVEL:g}.")
        if not (math.isfinite(self.max_foreign) and 0 <= self.max_foreign <= 100):
            message = f"percent lie between 0 and 100, not at {self.max_foreign:g}"
            raise InputError(message, where="--max-foreign")
        if judged and task.kind == "regression":
            message = f"{task.name} asks for numbers, which are never quite right"
            raise InputError(
                message, where="--label-column", hint="Leave it out; `workbench evaluate` measures their errors."
            )
        if self.max_lost is None:
            return
        if not judged:
            raise InputError("--max-lost needs --label-column", hint="Name the column with the right answers.")
        if not (math.isfinite(self.max_lost) and 0 <= self.max_lost <= 100):
            raise InputError(f"points lie between 0 and 100, not at {self.max_lost:g}", where="--max-lost")
