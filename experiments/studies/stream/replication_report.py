"""What is reported of one strategy with one seed in one order of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.stream.matrix import Grid, Statuses
    from experiments.studies.stream.stage_outcome import StageOutcome


@dataclass(frozen=True)
class ReplicationReport:
    """One strategy with one seed in one order of the stream.

    Attributes:
        seed: the seed.
        order: which of the record's orders; 0 is the recipe's own.
        tasks: the stream as it was learned here, which is the order of the columns of R.
        finished: how many stages.
        matrix: R (T + 1, T).
        statuses: how each cell came about.
        metrics: by name; None where not defined.
        course: the same after each stage, had the stream ended there; entry i is of stage i + 1.
        outcomes: what was recorded, in the order of the stages.
    """

    seed: int
    order: int
    tasks: tuple[str, ...]
    finished: int
    matrix: Grid
    statuses: Statuses
    metrics: Mapping[str, float | None]
    course: tuple[Mapping[str, float | None], ...]
    outcomes: tuple[StageOutcome, ...]

    @property
    def complete(self) -> bool:
        """Whether the last stage has finished; a strategy that learns all tasks at once has no other."""
        return any(outcome.stage == len(self.tasks) for outcome in self.outcomes)

    @property
    def planned(self) -> int:
        """How many stages there will be, as far as can be told before the last."""
        return self.finished if self.complete else len(self.tasks)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``seeds`` in ``report --json --full``."""
        return {
            "seed": self.seed,
            "order": self.order,
            "tasks": list(self.tasks),
            "matrix": self.matrix,
            "statuses": self.statuses,
            "metrics": dict(self.metrics),
            "finished": self.finished,
            "chosen": [dict(outcome.chosen) for outcome in self.outcomes],
        }
