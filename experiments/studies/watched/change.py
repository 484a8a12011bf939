"""What a task lost between two stages of one training, over the same test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.measures.paired_scores import Reading, chance_of_none, drop, reading
from adapter_workbench.workbench.measures.statistics import Interval, holm

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True)
class ScoreChange:
    """What became of the score of one task between two stages of one training."""

    task: str  # its name
    before: float  # score at the first of two stages
    after: float  # score at the second
    lost: Interval  # before − after, with its interval over examples; without bounds where those are not known
    p: float | None  # two-sided, of no change, adjusted by Holm over the tasks; None where it could not be tested

    @property
    def reading(self) -> Reading:
        """What is said of it at the level of 5 % for all tasks together."""
        return reading(self.lost.mean, self.p)

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares of 1."""
        return {
            "before": self.before,
            "after": self.after,
            "lost": self.lost.as_json(),
            "p": self.p,
            "reading": self.reading,
        }


def changes(scored: Mapping[str, tuple[float, float, pd.Series | None, pd.Series | None]]) -> list[ScoreChange]:
    """Return the change of each task.

    Args:
        scored: task → scores before and after, and those of its examples by their ids; None where they are not known,
            or where the score is not their mean.
    """
    single = [
        (None, None) if ours is None or theirs is None else (ours.to_numpy(), theirs.loc[ours.index].to_numpy())
        for _, _, ours, theirs in scored.values()
    ]
    chances = [None if ours is None or theirs is None else chance_of_none(ours, theirs) for ours, theirs in single]
    rows = zip(scored.items(), single, holm(chances), strict=True)
    return [
        ScoreChange(
            task,
            before,
            after,
            Interval(before - after, None, None) if ours is None or theirs is None else drop(ours, theirs),
            p,
        )
        for (task, (before, after, _, _)), (ours, theirs), p in rows
    ]
